/// Whom a channel calls and how.
public struct ChannelConfiguration: Sendable {
    /// `https://host:port`, or `http://` for plaintext. Several hosts, `https://a:8442,b:8442`, and all addresses of
    /// each name, share the calls.
    public var target: String
    /// Certificates for `https`; the system's roots and no client certificate where nil.
    public var tls: TLSClientConfiguration?
    public var connectTimeoutSeconds: Int = 5
    /// The wait before the second attempt to connect; it grows by 1.6 each time, give or take a fifth.
    public var minBackoffMilliseconds: Int = 100
    public var maxBackoffSeconds: Int = 20
    /// A silent connection with calls in flight is asked for a sign of life after this; 0 never asks.
    public var keepAliveSeconds: Int = 60
    public var keepAliveTimeoutSeconds: Int = 20
    /// Names are resolved again after this, and whenever a connection fails.
    public var resolveSeconds: Int = 30
    /// Of one response message, after decompression.
    public var maxMessageBytes: Int = 16 << 20
    public var maxHeaderBytes: Int = 32 << 10
    /// What a call without a deadline of its own or of the call being handled gets; 0 for none. Calls whose response is
    /// a stream get none.
    public var defaultTimeoutSeconds: Int = 60
    /// Calls that wait for a connection; more fail at once.
    public var maxWaitingCalls: Int = 10_000
    public var retry = RetryPolicy()
    /// Which address a call goes to, where there are several.
    public var balancing = BalancingPolicy.roundRobin
    /// Follow the health of this service (`grpc.health.v1.Health/Watch`; "" for the server as a whole) and leave out the
    /// addresses where it does not serve; nil does not ask. A server without the health service counts as serving.
    public var healthService: String?
    /// Which addresses are left out for a while because calls to them fail.
    public var outlierEjection = OutlierEjection()
    /// Run round every call, in order.
    public var interceptors: [any ClientInterceptor] = []
    /// How long calls in flight may go on when the channel's scope ends.
    public var drainTimeoutSeconds: Int = 5

    public init(target: String, tls: TLSClientConfiguration? = nil) {
        self.target = target
        self.tls = tls
    }
}

/// Which address a call goes to.
public enum BalancingPolicy: Sendable, Hashable {
    /// Each in turn.
    case roundRobin
    /// The one with the fewest calls of this channel in flight.
    case leastRequests
    /// Calls of one ``CallOptions/hashKey`` to one address, as long as it is up; calls without one in turn.
    case ringHash
}

/// When an address is left out because calls to it fail as those to a sick server do (`unavailable`, `internal`, `unknown`,
/// `dataLoss`, `deadlineExceeded`).
public struct OutlierEjection: Sendable, Hashable {
    /// So many such calls, one after another; 0 never leaves an address out.
    public var consecutiveFailures = 5
    /// How long the first time; the second time twice as long, and so on.
    public var ejectionSeconds = 30
    public var maxEjectionSeconds = 300
    /// Never more than this share of the addresses.
    public var maxEjectedShare = 0.5

    public init() {}
}

/// When a unary call is tried again. A call that the server certainly did not begin is always tried once more; beyond
/// that only methods that declare themselves idempotent or without side effects, after `unavailable`.
public struct RetryPolicy: Sendable, Hashable {
    /// The first attempt included; 1 never tries again.
    public var maxAttempts = 3
    public var initialBackoffMilliseconds = 20
    public var maxBackoffMilliseconds = 1000
    /// Tries beyond the first, as a share of all calls, over the last few; so that a sick server is not buried.
    public var maxRetryRatio = 0.2
    /// Reads (methods without side effects) that have no answer after this are tried elsewhere at the same time, and the
    /// first answer counts; within the same number of attempts and the same budget. nil waits.
    public var hedgeAfterMilliseconds: Int?

    public init() {}
}

/// What one call asks for.
public struct CallOptions: Sendable {
    /// The call fails with `deadlineExceeded` after this; the deadline of the call being handled counts too, whichever
    /// is sooner. Where both are missing, the channel's default, except for streamed responses.
    public var timeout: Duration?
    public var metadata: Metadata
    /// Wait for a connection instead of failing with `unavailable` while the server cannot be reached.
    public var waitForReady: Bool
    /// Send messages compressed with gzip.
    public var compression: Compression
    /// What calls that belong together have in common; they go to one address where the channel's balancing is the ring hash.
    public var hashKey: String?
    /// Told once, when the call is over: the server's initial and trailing metadata.
    public var onMetadata: (@Sendable (_ initial: Metadata, _ trailing: Metadata) -> Void)?

    public enum Compression: Sendable, Hashable { case none, gzip }

    public init(
        timeout: Duration? = nil, metadata: Metadata = [:], waitForReady: Bool = false, compression: Compression = .none,
        onMetadata: (@Sendable (_ initial: Metadata, _ trailing: Metadata) -> Void)? = nil
    ) {
        self.timeout = timeout
        self.metadata = metadata
        self.waitForReady = waitForReady
        self.compression = compression
        self.onMetadata = onMetadata
    }
}
