public import Logging
internal import Synchronization

/// The key set of the auth gateway, fetched by a closure, kept, and fetched anew every few seconds, so that who loses rights loses them
/// everywhere, and when a token names an unknown key. While it cannot be fetched, what was fetched last stays in force.
///
/// Fetching happens in ``run()`` only, so that no caller's deadline or cancellation ends it. It is asked for at most once in
/// ``Limits/minimumIntervalSeconds``, however many tokens with made-up key ids arrive.
///
/// ```swift
/// let keys = RemoteKeySet(logger: logger) { try await fetchKeySet() }
/// group.addTask { try await keys.run() }
/// let verifier = TokenVerifier(keys: keys)
/// ```
public final class RemoteKeySet: TokenKeySource {
    public struct Limits: Sendable {
        /// Keys are fetched anew after this time.
        public var refreshIntervalSeconds: Int = 3
        /// No two fetches begin within this time, unless there are no keys at all.
        public var minimumIntervalSeconds: Int = 2
        /// While there are no keys at all, a failed fetch is tried again after this time.
        public var firstFetchRetryMilliseconds: Int = 250
        /// Keys fetched longer ago than this do not count any more.
        public var maxAgeSeconds: Int = 86_400
        /// A caller waits this long at most for a fetch.
        public var maxWaitMilliseconds: Int = 5_000

        public init() {}
    }

    private struct State {
        var keys: KeySet?
        var fetchedAt: ContinuousClock.Instant?
        var attemptedAt: ContinuousClock.Instant?
        var isFetching = false
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter = 0
    }

    private let limits: Limits
    private let logger: Logger
    private let fetch: @Sendable () async throws -> KeySet
    private let state = Mutex(State())
    private let requests: AsyncStream<Void>
    private let requestFetch: AsyncStream<Void>.Continuation
    private let clock = ContinuousClock()

    /// - Parameter fetch: it must bound its own time.
    public init(limits: Limits = Limits(), logger: Logger, fetch: @escaping @Sendable () async throws -> KeySet) {
        self.limits = limits
        self.logger = logger
        self.fetch = fetch
        (requests, requestFetch) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    public func knownKey(_ id: String) -> PublicTokenKey? {
        state.withLock { state in
            guard let fetchedAt = state.fetchedAt, clock.now - fetchedAt < .seconds(limits.maxAgeSeconds) else { return nil }
            return state.keys?.keys[id]
        }
    }

    public func rightsChange(of subject: String) -> Int64? {
        state.withLock { $0.keys?.rightsChanges[subject] }
    }

    public func key(_ id: String) async throws -> PublicTokenKey? {
        if let key = knownKey(id) { return key }
        // A fetch that is under way may have begun before the key was published, so the one after it counts too.
        for _ in 0..<2 where isFetching || mayFetch {
            let giveUp = clock.now + .milliseconds(limits.maxWaitMilliseconds)
            // Before the first keys a fetch may fail because the auth gateway starts at the same time: then another follows.
            repeat { await waitForFetch() } while !hasKeys && clock.now < giveUp && !Task.isCancelled
            if let key = knownKey(id) { return key }
        }
        guard hasKeys else { throw KeyError(message: "no key set has been fetched yet") }
        return nil
    }

    /// Fetches until the task is cancelled. Keep it running while tokens are verified.
    public func run() async throws {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.requestRegularly() }
            for await _ in requests {
                await refresh()
            }
            group.cancelAll()
        }
        releaseWaiters()
        try Task.checkCancellation()
    }

    /// True when a fetch begun now would keep the distance to the one before.
    private var mayFetch: Bool {
        state.withLock { state in
            guard state.keys != nil, let attemptedAt = state.attemptedAt else { return true }
            return clock.now - attemptedAt >= .seconds(limits.minimumIntervalSeconds)
        }
    }

    private var hasKeys: Bool { state.withLock { $0.keys != nil } }

    private var isFetching: Bool { state.withLock { $0.isFetching } }

    private func requestRegularly() async {
        while !Task.isCancelled {
            requestFetch.yield()
            let pause: Duration = hasKeys ? .seconds(limits.refreshIntervalSeconds) : .milliseconds(limits.firstFetchRetryMilliseconds)
            try? await Task.sleep(for: pause, clock: clock)
        }
    }

    private func refresh() async {
        defer { releaseWaiters() }
        guard mayFetch else { return }
        state.withLock { state in
            state.attemptedAt = clock.now
            state.isFetching = true
        }
        defer { state.withLock { $0.isFetching = false } }
        do {
            let fetched = try await fetch()
            let isFirst = state.withLock { state in
                defer {
                    state.keys = fetched
                    state.fetchedAt = clock.now
                }
                return state.keys == nil
            }
            if isFirst { logger.info("token keys fetched", metadata: ["keys": "\(fetched.keys.count)"]) }
        } catch {
            logger.debug("token keys could not be fetched", metadata: ["error": "\(error)"])
        }
    }

    /// Asks for a fetch and returns when one has ended, or the wait has lasted too long.
    private func waitForFetch() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.nextFetchEnd() }
            group.addTask { try? await Task.sleep(for: .milliseconds(self.limits.maxWaitMilliseconds), clock: self.clock) }
            await group.next()
            group.cancelAll()
        }
    }

    private func nextFetchEnd() async {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let resumeNow = state.withLock { state in
                    guard !Task.isCancelled else { return true }
                    state.waiters[id] = continuation
                    return false
                }
                // Asked for only now that the waiter is known: the fetch cannot end unseen.
                if resumeNow { continuation.resume() } else { requestFetch.yield() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
        }
    }

    private func releaseWaiters() {
        let waiters = state.withLock { state in
            defer { state.waiters = [:] }
            return state.waiters.values
        }
        for waiter in waiters { waiter.resume() }
    }
}
