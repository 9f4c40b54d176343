/// Where and how a server listens.
public struct ServerConfiguration: Sendable {
    public var host: String
    /// 0 takes any that is free; ``RunningServer/port`` tells which.
    public var port: Int
    /// Plaintext (HTTP/2 with prior knowledge, or HTTP/1.1) where nil.
    public var tls: TLSConfiguration?
    /// Event loops of the server's own; the process's shared ones (one a core) where nil.
    public var threads: Int?
    public var limits: ServerLimits
    /// Answers unary calls to paths that no service claims, for a gateway; nil answers `unimplemented`.
    public var rawFallback: (@Sendable (RawCall) async throws -> RawReply)?
    /// A path, such as `/debug/connections`, at which the server describes its connections in JSON; nil for none.
    public var connectionsPath: String?

    public init(
        host: String = "127.0.0.1", port: Int = 0, tls: TLSConfiguration? = nil, threads: Int? = nil,
        limits: ServerLimits = ServerLimits(), rawFallback: (@Sendable (RawCall) async throws -> RawReply)? = nil
    ) {
        self.host = host
        self.port = port
        self.tls = tls
        self.threads = threads
        self.limits = limits
        self.rawFallback = rawFallback
    }
}

/// Bounds that hold whatever peers do.
public struct ServerLimits: Sendable {
    /// Of one request message, after decompression.
    public var maxMessageBytes = 4 << 20
    /// Of one response message.
    public var maxSentMessageBytes = 64 << 20
    /// Kept of requests and messages that one connection has begun and not ended, together.
    public var maxUnfinishedBytes = 64 << 20
    /// The same of all connections. A connection with no more than ``smallShareBytes`` goes on all the same.
    public var maxServerUnfinishedBytes = 512 << 20
    /// Of responses that the peer of one connection did not take when it was last written to; further ones are given up.
    public var maxUnsentBytes = 256 << 20
    /// The same of all connections, with the same exception.
    public var maxServerUnsentBytes = 1 << 30
    /// What a connection may always make the server hold, however much others do.
    public var smallShareBytes = 16 << 10
    /// Calls in flight on one connection; more wait at the client.
    public var maxConcurrentStreams = 256
    /// Of one header block: names, values and 32 for each field.
    public var maxHeaderBytes = 32 << 10
    public var maxConnections = 20_000
    /// A connection without calls is closed after this; 0 keeps it.
    public var idleTimeoutSeconds = 600
    /// TLS and HTTP/2 must be set up within this; over HTTP/1.1, the head of each request must be whole.
    public var handshakeTimeoutSeconds = 10
    /// A connection is drained and closed after this, give or take a tenth; 0 keeps it.
    public var maxConnectionAgeSeconds = 0
    /// A silent peer is asked for a sign of life after this; 0 never asks.
    public var keepAliveSeconds = 120
    /// Without one within this, the connection is closed.
    public var keepAliveTimeoutSeconds = 20
    /// A peer that neither sends the rest of a request, by 4 KiB at least, nor takes what is sent to it loses the call after this or up
    /// to twice as long; 0 waits for ever. Streams in which nobody has anything to say are not meant.
    public var stallTimeoutSeconds = 60
    /// What a call without a deadline gets; 0 for none.
    public var defaultDeadlineSeconds = 0
    /// How long calls in flight may go on when the server's scope ends.
    public var drainTimeoutSeconds = 30
    /// How long responses that stream may go on then: many have no end of their own. Their callers get `unavailable`.
    public var streamDrainSeconds = 1

    public init() {}
}
