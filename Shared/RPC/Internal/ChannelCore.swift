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
    /// Where tasks may run that call through this channel.
    let executor: LoopExecutor

    private struct Waiter {
        let id: Int
        let wish: CallWish
        let continuation: CheckedContinuation<ClientConnection, any Error>
    }

    private struct State {
        var balancer: Balancer<ClientConnection>
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

    private let state: Mutex<State>
    /// A call that ends well changes nothing: no address counts failures, and there are all the retries that there may be.
    private let isContent = Atomic<Bool>(false)
    private static let maxRetryTokens = 10.0

    init(_ configuration: ChannelConfiguration, logger: Logger) throws {
        self.configuration = configuration
        executor = loops.preferred()
        self.target = try Target(configuration.target)
        state = Mutex(State(balancer: Balancer(policy: configuration.balancing, outliers: configuration.outlierEjection)))
        self.logger = logger
        if target.usesTLS {
            // Bad files are told at once, not at the first call.
            _ = try TLSContext(client: configuration.tls ?? TLSClientConfiguration(), host: target.hosts[0].name)
        }
    }

    private func withState<R: Sendable>(_ body: (inout State) -> R) -> R {
        state.withLock { state in
            ThreadSanitizer.acquired(self)
            defer { ThreadSanitizer.released(self) }
            defer { isContent.store(state.retryTokens == Self.maxRetryTokens && !state.balancer.countsFailures, ordering: .relaxed) }
            return body(&state)
        }
    }

    // MARK: picking

    /// A connection for a call that found none up; waits for one where there is hope.
    func pick(_ wish: CallWish, deadline: NIODeadline?) async throws -> ClientConnection {
        let id = withState { state in
            state.nextWaiterID += 1
            return state.nextWaiterID
        }
        let timer = deadline.map { deadline in
            loops.group.any().scheduleTask(deadline: deadline) { [self] in
                giveUp(id, RPCError(.deadlineExceeded, "the deadline has passed before there was a connection"))
            }
        }
        defer { timer?.cancel() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                enqueue(Waiter(id: id, wish: wish, continuation: continuation))
            }
        } onCancel: {
            giveUp(id, RPCError(.cancelled, "the calling task was cancelled"))
        }
    }

    /// A connection that is up now.
    func readyConnection(_ wish: CallWish, now: NIODeadline) -> ClientConnection? {
        let (connection, needsMore) = withState { state -> (ClientConnection?, Bool) in
            let connection = state.balancer.pick(key: wish.hashKey, now: now, other: wish.other)
            let stale = state.resolvedAt.map { now - $0 > .seconds(Int64(configuration.resolveSeconds)) } ?? true
            return (connection, stale || state.balancer.hasIdle)
        }
        if connection != nil, needsMore { connectWhatIsIdle() }
        return connection
    }

    private func enqueue(_ waiter: Waiter) {
        let result: Result<ClientConnection, any Error>? = withState { state in
            if state.isClosed { return .failure(RPCError(.unavailable, "the channel is closed")) }
            let wish = waiter.wish
            if let connection = state.balancer.pick(key: wish.hashKey, now: .now(), other: wish.other) { return .success(connection) }
            if Task.isCancelled { return .failure(RPCError(.cancelled, "the calling task was cancelled")) }
            guard state.waiters.count < configuration.maxWaitingCalls else {
                return .failure(RPCError(.resourceExhausted, "too many calls wait for a connection to \(target.authority)"))
            }
            if !wish.waitsForReady, Self.isHopeless(state) { return .failure(unreachable(state.lastFailure)) }
            state.waiters.append(waiter)
            return nil
        }
        if let result {
            waiter.continuation.resume(with: result)
        } else {
            connectWhatIsIdle()
        }
    }

    private static func isHopeless(_ state: State) -> Bool { !state.isResolving && state.balancer.isHopeless }

    private func unreachable(_ reason: String) -> RPCError {
        RPCError(.unavailable, "cannot reach \(target.authority): \(reason)")
    }

    private func giveUp(_ id: Int, _ error: RPCError) {
        let waiter = withState { state -> Waiter? in
            guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return nil }
            return state.waiters.remove(at: index)
        }
        waiter?.continuation.resume(throwing: error)
    }

    /// Whether a call may be tried once more within the budget.
    func takesRetry() -> Bool {
        withState { state in
            guard state.retryTokens >= 1 else { return false }
            state.retryTokens -= 1
            return true
        }
    }

    /// Every call tells how it ended: that fills the budget of retries, and shows who is sick.
    func callEnded(on connection: ClientConnection, _ code: StatusCode) {
        if code == .ok, isContent.load(ordering: .relaxed) { return }
        let failed = Self.isSickness(code)
        // The time matters to failures only.
        let now = failed ? NIODeadline.now() : .uptimeNanoseconds(0)
        let ejected = withState { state in
            if code == .ok { state.retryTokens = min(Self.maxRetryTokens, state.retryTokens + configuration.retry.maxRetryRatio) }
            return state.balancer.callEnded(on: connection, failed: failed, now: now)
        }
        if let ejected {
            logger.warning("an address is left out for a while", metadata: ["target": "\(target.authority)", "address": "\(ejected)"])
        }
    }

    /// What a server says that cannot do its work, other than what it says of a bad request.
    private static func isSickness(_ code: StatusCode) -> Bool {
        switch code {
        case .unavailable, .internal, .unknown, .dataLoss, .deadlineExceeded: true
        default: false
        }
    }

    // MARK: resolving

    private func connectWhatIsIdle() {
        let (mustResolve, idle) = state.withLock { state -> (Bool, [Balancer<ClientConnection>.Endpoint]) in
            ThreadSanitizer.acquired(self)
            defer { ThreadSanitizer.released(self) }
            guard !state.isClosed else { return (false, []) }
            let stale = state.resolvedAt.map { NIODeadline.now() - $0 > .seconds(Int64(configuration.resolveSeconds)) } ?? true
            let mustResolve = stale && !state.isResolving
            if mustResolve { state.isResolving = true }
            return (mustResolve, state.balancer.startConnecting())
        }
        if mustResolve { resolve() }
        for endpoint in idle { connect(endpoint.address, endpoint.hostName) }
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
        let gone = withState { state in
            state.isResolving = false
            state.resolvedAt = .now()
            return state.balancer.resolved(found)
        }
        for connection in gone { connection.loop.run { connection.beginDrain() } }
        connectWhatIsIdle()
    }

    private func resolutionFailed(_ error: any Error) {
        let reason = (error as? RPCError)?.message ?? "\(error)"
        let (waiters, waitsOn) = withState { state -> ([Waiter], Bool) in
            state.isResolving = false
            state.lastFailure = reason
            guard state.balancer.endpoints.isEmpty else { return ([], false) }
            let failed = Self.takeImpatient(&state)
            return (failed, !state.waiters.isEmpty)
        }
        for waiter in waiters { waiter.continuation.resume(throwing: unreachable(reason)) }
        guard waitsOn else { return }
        loops.group.any().scheduleTask(in: .seconds(1)) { [self] in connectWhatIsIdle() }
    }

    private static func takeImpatient(_ state: inout State) -> [Waiter] {
        let failed = state.waiters.filter { !$0.wish.waitsForReady }
        state.waiters.removeAll { !$0.wish.waitsForReady }
        return Array(failed)
    }

    // MARK: connecting

    private func connect(_ address: SocketAddress, _ hostName: String) {
        let loop = loops.preferred()
        let connection: ClientConnection
        do {
            let tls = try target.usesTLS
                ? TLSSession(client: TLSContext(client: configuration.tls ?? TLSClientConfiguration(), host: hostName)) : nil
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
        if let error = error as? IOError { return error.plainReason }
        return "\(error)"
    }

    private func opened(_ connection: ClientConnection) {
        let mustClose = withState { state in
            if !connection.isClosed { state.connections[ObjectIdentifier(connection)] = connection }
            return state.isClosed
        }
        if mustClose { connection.loop.run { connection.finishClose("the channel is closed") } }
    }

    private func ready(_ address: SocketAddress, _ connection: ClientConnection) {
        logger.debug("connected", metadata: ["target": "\(target.authority)", "address": "\(address)"])
        guard let service = configuration.healthService else { return healthChanged(address, connection, isServing: true) }
        _ = withState { state in
            state.balancer.update(address) { endpoint in
                endpoint.status = .checking(connection)
                endpoint.failures = 0
            }
        }
        HealthWatch(service: service, connection: connection) { [self] isServing in
            healthChanged(address, connection, isServing: isServing)
        }.start()
    }

    /// The server at the address can be called, or says that it cannot work.
    private func healthChanged(_ address: SocketAddress, _ connection: ClientConnection, isServing: Bool) {
        let (waiters, failed) = withState { state -> ([Waiter], [Waiter]) in
            let isOwn = state.balancer.update(address) { endpoint in
                // Told late, of a connection that is no longer the address's own.
                if let current = endpoint.connection, current !== connection { return false }
                endpoint.status = .ready(connection)
                endpoint.failures = 0
                endpoint.isServing = isServing
                return true
            }
            guard isOwn == true else { return ([], []) }
            if isServing { return (Array(exchange(&state.waiters, with: [])), []) }
            state.lastFailure = "\(address) is not serving"
            return ([], Self.isHopeless(state) ? Self.takeImpatient(&state) : [])
        }
        for waiter in waiters { waiter.continuation.resume(returning: connection) }
        for waiter in failed { waiter.continuation.resume(throwing: unreachable("no address is serving")) }
    }

    /// The server will take no new calls here; the next call connects anew.
    private func draining(_ address: SocketAddress, _ connection: ClientConnection) {
        _ = withState { $0.balancer.update(address) { if $0.connection === connection { $0.status = .idle } } }
    }

    private func ended(_ address: SocketAddress, _ connection: ClientConnection, _ reason: String) {
        enum Next { case nothing, fail, reconnect }
        let (next, closer) = withState { state -> (Next, CheckedContinuation<Void, Never>?) in
            state.connections[ObjectIdentifier(connection)] = nil
            let closer = state.isClosed && state.connections.isEmpty ? state.closer.take() : nil
            let hasWaiters = !state.waiters.isEmpty
            let next = state.balancer.update(address) { endpoint -> Next in
                if endpoint.connection === connection {
                    endpoint.status = .idle
                    endpoint.isServing = true
                    return hasWaiters ? .reconnect : .nothing
                }
                if case .connecting = endpoint.status, !connection.wasReady { return .fail }
                return .nothing
            }
            return (next ?? .nothing, closer)
        }
        closer?.resume()
        switch next {
        case .nothing: break
        case .fail: failed(address, reason)
        case .reconnect: connectWhatIsIdle()
        }
    }

    private func failed(_ address: SocketAddress, _ reason: String) {
        let (waiters, failures) = withState { state -> ([Waiter], Int?) in
            state.lastFailure = reason
            // The name may have moved.
            state.resolvedAt = nil
            guard !state.isClosed else { return ([], nil) }
            let failures = state.balancer.update(address) { endpoint in
                endpoint.status = .waiting
                endpoint.failures += 1
                return endpoint.failures
            }
            return (failures != nil && Self.isHopeless(state) ? Self.takeImpatient(&state) : [], failures)
        }
        logger.debug(
            "cannot connect",
            metadata: [
                "target": "\(target.authority)", "address": "\(address)", "reason": "\(reason)", "failures": "\(failures ?? 0)",
            ])
        for waiter in waiters { waiter.continuation.resume(throwing: unreachable(reason)) }
        guard let failures else { return }
        var generator = SystemRandomNumberGenerator()
        let backoff = ConnectionBackoff(minMilliseconds: configuration.minBackoffMilliseconds, maxSeconds: configuration.maxBackoffSeconds)
        let wait = backoff.wait(failures: failures, using: &generator)
        loops.group.any().scheduleTask(in: .nanoseconds(wait.nanoseconds)) { [self] in waited(address) }
    }

    private func waited(_ address: SocketAddress) {
        let isWanted = withState { state in
            _ = state.balancer.update(address) { if case .waiting = $0.status { $0.status = .idle } }
            return !state.waiters.isEmpty
        }
        if isWanted { connectWhatIsIdle() }
    }

    // MARK: the end

    /// Lets calls in flight finish, at most `timeout`; then closes every connection.
    func close(timeout: Duration) async {
        let (waiters, open) = withState { state in
            state.isClosed = true
            return (exchange(&state.waiters, with: []), Array(state.connections.values))
        }
        for waiter in waiters { waiter.continuation.resume(throwing: RPCError(.unavailable, "the channel is closed")) }
        for connection in open { connection.loop.run { connection.beginDrain() } }
        let timer = loops.group.any().scheduleTask(in: .nanoseconds(timeout.nanoseconds)) {
            for connection in open { connection.loop.run { connection.finishClose("the channel is closed") } }
        }
        await withCheckedContinuation { continuation in
            let isDone = withState { state in
                if state.connections.isEmpty { return true }
                state.closer = continuation
                return false
            }
            if isDone { continuation.resume() }
        }
        timer.cancel()
    }
}
