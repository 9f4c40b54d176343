internal import Logging
internal import NIOCore
internal import Synchronization

/// What all connections of one server share.
final class ServerCore: Sendable {
    let router: Router
    /// How an interceptor that never waits begins. As a closure, because handing an existential around copies what is in it.
    struct PromptInterceptor: Sendable {
        let begin: @Sendable (inout IncomingCall) throws -> CallFinisher?
    }

    /// Those that come before the first that may wait: in nearly every service most of them.
    let promptInterceptors: [PromptInterceptor]
    /// The first of those that may wait, and what comes after it.
    let otherInterceptors: [any ServerInterceptor]
    let limits: ServerLimits
    let rawFallback: (@Sendable (RawCall) async throws -> RawReply)?
    let logger: Logger
    let held = HeldBytes()
    let loops: LoopGroup
    private let tlsFiles: TLSConfiguration?

    private struct State {
        var tls: TLSContext?
        var connections: [ObjectIdentifier: ServerConnection] = [:]
        var isDraining = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state: Mutex<State>

    init(
        router: Router, interceptors: [any ServerInterceptor], configuration: ServerConfiguration, loops: LoopGroup, logger: Logger
    ) throws {
        self.router = router
        promptInterceptors = interceptors.prefix { $0 is any PromptServerInterceptor }
            .compactMap { $0 as? any PromptServerInterceptor }
            .map { interceptor in PromptInterceptor { try interceptor.beginPromptly(&$0) } }
        otherInterceptors = Array(interceptors.dropFirst(promptInterceptors.count))
        self.limits = configuration.limits
        self.rawFallback = configuration.rawFallback
        self.logger = logger
        self.loops = loops
        self.tlsFiles = configuration.tls
        state = Mutex(State(tls: try configuration.tls.map { try TLSContext(server: $0) }))
    }

    /// Connections from now on use the files as they are now. What cannot be read leaves all as it was.
    func reloadCertificates() throws {
        guard let tlsFiles else { return }
        let context = try TLSContext(server: tlsFiles)
        withState { $0.tls = context }
    }

    var certificateEnd: Int64? { withState { $0.tls }?.certificateEnd }

    private func withState<R: Sendable>(_ body: (inout State) -> R) -> R {
        state.withLock(of: self, body)
    }

    var http2Limits: HTTP2Limits {
        var http2 = HTTP2Limits()
        http2.maxConcurrentStreams = limits.maxConcurrentStreams
        http2.maxHeaderBytes = limits.maxHeaderBytes
        return http2
    }

    /// Makes the connection for an accepted socket; nil where there are too many.
    func accept(_ channel: any Channel) -> ServerConnection? {
        let tls = withState { $0.tls }
        let connection = ServerConnection(
            core: self, loop: loops.executor(of: channel.eventLoop), address: Self.describe(channel.remoteAddress),
            tls: tls.map { TLSSession(server: $0) })
        let isAccepted = withState { state in
            guard !state.isDraining, state.connections.count < limits.maxConnections else { return false }
            state.connections[ObjectIdentifier(connection)] = connection
            return true
        }
        if !isAccepted { logger.warning("connection refused", metadata: ["peer": "\(connection.peerAddress)"]) }
        return isAccepted ? connection : nil
    }

    private static func describe(_ address: SocketAddress?) -> String {
        guard let address else { return "" }
        guard let ip = address.ipAddress, let port = address.port else { return "unix" }
        return ip.contains(":") ? "[\(ip)]:\(port)" : "\(ip):\(port)"
    }

    /// The connection is closed and its handlers have returned.
    func ended(_ connection: ServerConnection) {
        let waiter = withState { state -> CheckedContinuation<Void, Never>? in
            state.connections[ObjectIdentifier(connection)] = nil
            return state.connections.isEmpty ? state.waiter.take() : nil
        }
        waiter?.resume()
    }

    var connections: [ServerConnection] { withState { Array($0.connections.values) } }

    /// Asks every connection to finish; returns when all have, at the latest a little after `timeout`, when what is
    /// left is cut off.
    func drain(timeout: Duration) async {
        let open = withState { state in
            state.isDraining = true
            return Array(state.connections.values)
        }
        for connection in open { connection.loop.run { connection.beginDrain() } }
        let deadline = NIODeadline.now() + .nanoseconds(timeout.nanoseconds)
        let timer = loops.group.any().scheduleTask(deadline: deadline) {
            for connection in open { connection.loop.run { connection.finishClose("the server stopped") } }
        }
        let streams = loops.group.any().scheduleTask(in: .seconds(Int64(limits.streamDrainSeconds))) {
            for connection in open { connection.loop.run { connection.endStreams() } }
        }
        await withCheckedContinuation { continuation in
            let isDone = withState { state in
                if state.connections.isEmpty { return true }
                state.waiter = continuation
                return false
            }
            if isDone { continuation.resume() }
        }
        timer.cancel()
        streams.cancel()
    }
}

/// What the peers of all connections make a server hold.
final class HeldBytes: Sendable {
    /// Of requests that are not whole.
    let unfinished = Atomic<Int>(0)
    /// Of responses that are not taken.
    let unsent = Atomic<Int>(0)
}

extension Duration {
    /// Clamped to what 64 bits hold.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? (seconds < 0 ? .min : .max / 2) : product + attoseconds / 1_000_000_000
    }
}
