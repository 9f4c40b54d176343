internal import DequeModule
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// The connections of one channel: finds addresses, connects when a call wants it, picks in turn among those that are
/// up, waits between failures.
final class ChannelCore: Sendable {
    let configuration: ChannelConfiguration
    let target: Target
    private let logger: Logger
    private let loops = LoopGroup.shared

    /// One address and how it stands.
    private struct Endpoint {
        enum Status {
            case idle
            case connecting
            case ready(ClientConnection)
            case waiting
        }

        let address: SocketAddress
        let hostName: String
        var status = Status.idle
        var failures = 0
    }

    private struct Waiter {
        let id: Int
        let waitsForReady: Bool
        let continuation: CheckedContinuation<ClientConnection, any Error>
    }

    private struct State {
        var endpoints: [Endpoint] = []
        var turn = 0
        var waiters: Deque<Waiter> = []
        var nextWaiterID = 0
        var isResolving = false
        var resolvedAt: NIODeadline?
        var lastFailure = ""
        var isClosed = false
        /// Open connections, drained ones included.
        var connections: [ObjectIdentifier: ClientConnection] = [:]
        var closer: CheckedContinuation<Void, Never>?
        var retryTokens = ChannelCore.maxRetryTokens
    }

    private let state = Mutex(State())
    private static let maxRetryTokens = 10.0

    init(_ configuration: ChannelConfiguration, logger: Logger) throws {
        self.configuration = configuration
        self.target = try Target(configuration.target)
        self.logger = logger
        if target.usesTLS {
            // Bad files are told at once, not at the first call.
            _ = try TLSContext(client: configuration.tls ?? TLSClientConfiguration(), host: target.hosts[0].name)
        }
    }

    // MARK: picking

    /// A connection for a call; waits for one where there is hope.
    func pick(waitForReady: Bool, deadline: ContinuousClock.Instant?) async throws -> ClientConnection {
        if let connection = readyConnection() { return connection }
        let id = state.withLock { state in
            state.nextWaiterID += 1
            return state.nextWaiterID
        }
        let timer = deadline.map { deadline in
            loops.group.any().scheduleTask(in: .nanoseconds(max((deadline - .now).nanoseconds, 0))) { [self] in
                giveUp(id, RPCError(.deadlineExceeded, "the deadline has passed before there was a connection"))
            }
        }
        defer { timer?.cancel() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                enqueue(Waiter(id: id, waitsForReady: waitForReady, continuation: continuation))
            }
        } onCancel: {
            giveUp(id, RPCError(.cancelled, "the calling task was cancelled"))
        }
    }

    private func readyConnection() -> ClientConnection? {
        let (connection, needsMore) = state.withLock { state -> (ClientConnection?, Bool) in
            let connection = Self.next(&state)
            let stale = state.resolvedAt.map { NIODeadline.now() - $0 > .seconds(Int64(configuration.resolveSeconds)) } ?? true
            let hasIdle = state.endpoints.contains { if case .idle = $0.status { true } else { false } }
            return (connection, stale || hasIdle)
        }
        if connection != nil, needsMore { connectWhatIsIdle() }
        return connection
    }

    /// The next ready one in turn.
    private static func next(_ state: inout State) -> ClientConnection? {
        let count = state.endpoints.count
        for step in 0..<count {
            let index = (state.turn + step) % count
            if case .ready(let connection) = state.endpoints[index].status {
                state.turn = (index + 1) % count
                return connection
            }
        }
        return nil
    }

    private func enqueue(_ waiter: Waiter) {
        let result: Result<ClientConnection, any Error>? = state.withLock { state in
            if state.isClosed { return .failure(RPCError(.unavailable, "the channel is closed")) }
            if let connection = Self.next(&state) { return .success(connection) }
            if Task.isCancelled { return .failure(RPCError(.cancelled, "the calling task was cancelled")) }
            guard state.waiters.count < configuration.maxWaitingCalls else {
                return .failure(RPCError(.resourceExhausted, "too many calls wait for a connection to \(target.authority)"))
            }
            if !waiter.waitsForReady, Self.isHopeless(state) { return .failure(unreachable(state.lastFailure)) }
            state.waiters.append(waiter)
            return nil
        }
        if let result {
            waiter.continuation.resume(with: result)
        } else {
            connectWhatIsIdle()
        }
    }

    /// Every address has failed and waits.
    private static func isHopeless(_ state: State) -> Bool {
        !state.isResolving && !state.endpoints.isEmpty
            && state.endpoints.allSatisfy { if case .waiting = $0.status { true } else { false } }
    }

    private func unreachable(_ reason: String) -> RPCError {
        RPCError(.unavailable, "cannot reach \(target.authority): \(reason)")
    }

    private func giveUp(_ id: Int, _ error: RPCError) {
        let waiter = state.withLock { state -> Waiter? in
            guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return nil }
            return state.waiters.remove(at: index)
        }
        waiter?.continuation.resume(throwing: error)
    }

    /// Whether a call may be tried once more within the budget.
    func takesRetry() -> Bool {
        state.withLock { state in
            guard state.retryTokens >= 1 else { return false }
            state.retryTokens -= 1
            return true
        }
    }

    func callSucceeded() {
        state.withLock { $0.retryTokens = min(Self.maxRetryTokens, $0.retryTokens + configuration.retry.maxRetryRatio) }
    }

    // MARK: resolving

    private func connectWhatIsIdle() {
        let (mustResolve, idle) = state.withLock { state -> (Bool, [Endpoint]) in
            guard !state.isClosed else { return (false, []) }
            let stale = state.resolvedAt.map { NIODeadline.now() - $0 > .seconds(Int64(configuration.resolveSeconds)) } ?? true
            let mustResolve = stale && !state.isResolving
            if mustResolve { state.isResolving = true }
            var idle: [Endpoint] = []
            for index in state.endpoints.indices {
                guard case .idle = state.endpoints[index].status else { continue }
                state.endpoints[index].status = .connecting
                idle.append(state.endpoints[index])
            }
            return (mustResolve, idle)
        }
        if mustResolve { resolve() }
        for endpoint in idle { connect(endpoint) }
    }

    private func resolve() {
        let loop = loops.preferred()
        NIOThreadPool.singleton.runIfActive(eventLoop: loop.eventLoop) { [target] in
            var found: [(SocketAddress, String)] = []
            var failure: (any Error)?
            for host in target.hosts {
                do {
                    found += try Target.resolve(host).map { ($0, host.name) }
                } catch {
                    failure = error
                }
            }
            if found.isEmpty { throw failure ?? RPCError(.unavailable, "no address was found") }
            return found
        }.whenComplete { [self] result in
            switch result {
            case .success(let found): resolved(found)
            case .failure(let error): resolutionFailed(error)
            }
        }
    }

    private func resolved(_ found: [(SocketAddress, String)]) {
        let gone = state.withLock { state -> [ClientConnection] in
            state.isResolving = false
            state.resolvedAt = .now()
            var gone: [ClientConnection] = []
            state.endpoints.removeAll { endpoint in
                guard !found.contains(where: { $0.0 == endpoint.address }) else { return false }
                if case .ready(let connection) = endpoint.status { gone.append(connection) }
                return true
            }
            for (address, name) in found where !state.endpoints.contains(where: { $0.address == address }) {
                state.endpoints.append(Endpoint(address: address, hostName: name))
            }
            return gone
        }
        for connection in gone { connection.loop.run { connection.beginDrain() } }
        connectWhatIsIdle()
    }

    private func resolutionFailed(_ error: any Error) {
        let reason = (error as? RPCError)?.message ?? "\(error)"
        let (waiters, waitsOn) = state.withLock { state -> ([Waiter], Bool) in
            state.isResolving = false
            state.lastFailure = reason
            guard state.endpoints.isEmpty else { return ([], false) }
            let failed = Self.takeImpatient(&state)
            return (failed, !state.waiters.isEmpty)
        }
        for waiter in waiters { waiter.continuation.resume(throwing: unreachable(reason)) }
        guard waitsOn else { return }
        loops.group.any().scheduleTask(in: .seconds(1)) { [self] in connectWhatIsIdle() }
    }

    private static func takeImpatient(_ state: inout State) -> [Waiter] {
        let failed = state.waiters.filter { !$0.waitsForReady }
        state.waiters.removeAll { !$0.waitsForReady }
        return Array(failed)
    }

    // MARK: connecting

    private func connect(_ endpoint: Endpoint) {
        let loop = loops.preferred()
        let address = endpoint.address
        let connection: ClientConnection
        do {
            let tls = try target.usesTLS
                ? TLSSession(client: TLSContext(client: configuration.tls ?? TLSClientConfiguration(), host: endpoint.hostName)) : nil
            connection = ClientConnection(
                loop: loop, configuration: configuration, scheme: target.usesTLS ? "https" : "http", authority: target.authority,
                tls: tls,
                observer: ClientConnection.Observer(
                    ready: { [self] in ready(address, $0) }, draining: { [self] in draining(address, $0) },
                    ended: { [self] in ended(address, $0, $1) }))
        } catch {
            return failed(address, "\(error)")
        }
        ClientBootstrap(group: loop.eventLoop)
            .connectTimeout(.seconds(Int64(configuration.connectTimeoutSeconds)))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(connection) }
            }
            .connect(to: address)
            .whenComplete { [self] result in
                switch result {
                case .success:
                    opened(connection)
                case .failure(let error):
                    // A connection that never opened tells nobody of its end.
                    failed(address, Self.describe(error))
                }
            }
    }

    private static func describe(_ error: any Error) -> String {
        if let error = error as? IOError { return error.description }
        return "\(error)"
    }

    private func opened(_ connection: ClientConnection) {
        let mustClose = state.withLock { state in
            if !connection.isClosed { state.connections[ObjectIdentifier(connection)] = connection }
            return state.isClosed
        }
        if mustClose { connection.loop.run { connection.finishClose("the channel is closed") } }
    }

    private func ready(_ address: SocketAddress, _ connection: ClientConnection) {
        let waiters = state.withLock { state -> [Waiter] in
            guard let index = state.endpoints.firstIndex(where: { $0.address == address }) else { return [] }
            state.endpoints[index].status = .ready(connection)
            state.endpoints[index].failures = 0
            return Array(exchange(&state.waiters, with: []))
        }
        logger.debug("connected", metadata: ["target": "\(target.authority)", "address": "\(address)"])
        for waiter in waiters { waiter.continuation.resume(returning: connection) }
    }

    /// The server will take no new calls here; the next call connects anew.
    private func draining(_ address: SocketAddress, _ connection: ClientConnection) {
        state.withLock { state in
            for index in state.endpoints.indices where state.endpoints[index].address == address {
                if case .ready(let current) = state.endpoints[index].status, current === connection {
                    state.endpoints[index].status = .idle
                }
            }
        }
    }

    private func ended(_ address: SocketAddress, _ connection: ClientConnection, _ reason: String) {
        enum Next { case nothing, fail, reconnect }
        let (next, closer) = state.withLock { state -> (Next, CheckedContinuation<Void, Never>?) in
            state.connections[ObjectIdentifier(connection)] = nil
            let closer = state.isClosed && state.connections.isEmpty ? state.closer.take() : nil
            guard let index = state.endpoints.firstIndex(where: { $0.address == address }) else { return (.nothing, closer) }
            switch state.endpoints[index].status {
            case .ready(let current) where current === connection:
                state.endpoints[index].status = .idle
                return (state.waiters.isEmpty ? .nothing : .reconnect, closer)
            case .connecting where !connection.wasReady:
                return (.fail, closer)
            default:
                return (.nothing, closer)
            }
        }
        closer?.resume()
        switch next {
        case .nothing: break
        case .fail: failed(address, reason)
        case .reconnect: connectWhatIsIdle()
        }
    }

    private func failed(_ address: SocketAddress, _ reason: String) {
        let (waiters, wait) = state.withLock { state -> ([Waiter], Duration?) in
            state.lastFailure = reason
            // The name may have moved.
            state.resolvedAt = nil
            guard !state.isClosed, let index = state.endpoints.firstIndex(where: { $0.address == address }) else { return ([], nil) }
            state.endpoints[index].status = .waiting
            state.endpoints[index].failures += 1
            let wait = backoff(failures: state.endpoints[index].failures)
            return (Self.isHopeless(state) ? Self.takeImpatient(&state) : [], wait)
        }
        logger.debug("cannot connect", metadata: ["target": "\(target.authority)", "address": "\(address)", "reason": "\(reason)"])
        for waiter in waiters { waiter.continuation.resume(throwing: unreachable(reason)) }
        guard let wait else { return }
        loops.group.any().scheduleTask(in: .nanoseconds(wait.nanoseconds)) { [self] in waited(address) }
    }

    private func backoff(failures: Int) -> Duration {
        var milliseconds = Double(configuration.minBackoffMilliseconds)
        for _ in 1..<max(failures, 1) where milliseconds < Double(configuration.maxBackoffSeconds) * 1000 { milliseconds *= 1.6 }
        milliseconds = min(milliseconds, Double(configuration.maxBackoffSeconds) * 1000)
        return .microseconds(Int64(milliseconds * Double.random(in: 0.8...1.2) * 1000))
    }

    private func waited(_ address: SocketAddress) {
        let isWanted = state.withLock { state in
            for index in state.endpoints.indices where state.endpoints[index].address == address {
                if case .waiting = state.endpoints[index].status { state.endpoints[index].status = .idle }
            }
            return !state.waiters.isEmpty
        }
        if isWanted { connectWhatIsIdle() }
    }

    // MARK: the end

    /// Lets calls in flight finish, at most `timeout`; then closes every connection.
    func close(timeout: Duration) async {
        let (waiters, open) = state.withLock { state in
            state.isClosed = true
            return (exchange(&state.waiters, with: []), Array(state.connections.values))
        }
        for waiter in waiters { waiter.continuation.resume(throwing: RPCError(.unavailable, "the channel is closed")) }
        for connection in open { connection.loop.run { connection.beginDrain() } }
        let timer = loops.group.any().scheduleTask(in: .nanoseconds(timeout.nanoseconds)) {
            for connection in open { connection.loop.run { connection.finishClose("the channel is closed") } }
        }
        await withCheckedContinuation { continuation in
            let isDone = state.withLock { state in
                if state.connections.isEmpty { return true }
                state.closer = continuation
                return false
            }
            if isDone { continuation.resume() }
        }
        timer.cancel()
    }
}
