import DequeModule

/// What the pool knows and decides, without doing anything: events go in with the time, actions come out.
struct PoolState {
    typealias Instant = ContinuousClock.Instant
    typealias ConnectionID = Int
    typealias WaiterID = Int

    struct Limits: Sendable {
        var maxConnections: Int
        var maxWaiting: Int
        var acquireTimeout: Duration
        var idleTimeout: Duration
        var backoff: Duration
        var maxBackoff: Duration
    }

    enum Action: Equatable, Sendable {
        /// Open a connection; then say `connected` or `connectFailed`.
        case connect(ConnectionID)
        case grant(WaiterID, ConnectionID)
        case refuse(WaiterID, PostgresError)
        case close(ConnectionID)
        /// Say `tick` at that time.
        case wake(Instant)
    }

    private enum Slot {
        case connecting, idle(since: Instant), leased
    }

    private struct Waiter {
        let id: WaiterID
        let deadline: Instant
    }

    private let limits: Limits
    private var slots: [ConnectionID: Slot] = [:]
    /// The most recently used last: it is taken first, so that those not needed grow old.
    private var idle: [ConnectionID] = []
    private var waiters: Deque<Waiter> = []
    private var lastConnectionID = 0
    private var connecting = 0
    private var failures = 0
    private var lastFailure: PostgresError?
    /// No attempt to connect before this.
    private var retryAt: Instant?
    private var wakeAt: Instant?
    private var isClosed = false

    init(limits: Limits) {
        self.limits = limits
    }

    var openConnections: Int { slots.count - connecting }
    var idleConnections: Int { idle.count }
    var waiting: Int { waiters.count }

    mutating func acquire(_ waiter: WaiterID, now: Instant) -> [Action] {
        guard !isClosed else { return [.refuse(waiter, PostgresError(.poolClosed, "the pool is closed"))] }
        if let connection = idle.popLast() {
            slots[connection] = .leased
            return [.grant(waiter, connection)]
        }
        guard waiters.count < limits.maxWaiting else {
            return [.refuse(waiter, PostgresError(.tooManyWaiting, "\(waiters.count) callers wait for a connection already"))]
        }
        waiters.append(Waiter(id: waiter, deadline: now + limits.acquireTimeout))
        return connectIfNeeded(now) + scheduleWake()
    }

    /// The waiter no longer wants a connection. Does nothing if it has one already.
    mutating func abandon(_ waiter: WaiterID) -> Bool {
        guard let index = waiters.firstIndex(where: { $0.id == waiter }) else { return false }
        waiters.remove(at: index)
        return true
    }

    mutating func release(_ connection: ConnectionID, isUsable: Bool, now: Instant) -> [Action] {
        guard slots[connection] != nil else { return [] }
        guard isUsable, !isClosed else {
            slots[connection] = nil
            return [.close(connection)] + connectIfNeeded(now) + scheduleWake()
        }
        if let waiter = waiters.popFirst() {
            slots[connection] = .leased
            return [.grant(waiter.id, connection)]
        }
        slots[connection] = .idle(since: now)
        idle.append(connection)
        return scheduleWake()
    }

    mutating func connected(_ connection: ConnectionID, now: Instant) -> [Action] {
        guard case .connecting = slots[connection] else { return [] }
        connecting -= 1
        failures = 0
        retryAt = nil
        lastFailure = nil
        slots[connection] = .leased
        return release(connection, isUsable: true, now: now) + connectIfNeeded(now)
    }

    /// `jitter` lies in 0 ..< 1, so that many processes do not come back in step.
    mutating func connectFailed(_ connection: ConnectionID, _ error: PostgresError, jitter: Double, now: Instant) -> [Action] {
        guard case .connecting = slots[connection] else { return [] }
        slots[connection] = nil
        connecting -= 1
        lastFailure = error
        let wait = min(limits.maxBackoff, limits.backoff * Double(1 << min(failures, 20)))
        failures += 1
        retryAt = now + wait * (0.5 + jitter / 2)
        var actions: [Action] = []
        if error.code == .configuration {
            // A wrong password does not become right by waiting.
            actions = waiters.map { .refuse($0.id, error) }
            waiters.removeAll()
        }
        return actions + scheduleWake()
    }

    mutating func tick(now: Instant) -> [Action] {
        if let wakeAt, wakeAt <= now { self.wakeAt = nil }
        var actions: [Action] = []
        while let waiter = waiters.first, waiter.deadline <= now {
            waiters.removeFirst()
            actions.append(.refuse(waiter.id, timeoutError()))
        }
        while let oldest = idle.first, case .idle(let since) = slots[oldest], since + limits.idleTimeout <= now {
            idle.removeFirst()
            slots[oldest] = nil
            actions.append(.close(oldest))
        }
        return actions + connectIfNeeded(now) + scheduleWake()
    }

    mutating func close() -> [Action] {
        isClosed = true
        var actions = waiters.map { Action.refuse($0.id, PostgresError(.poolClosed, "the pool is closed")) }
        waiters.removeAll()
        for connection in idle {
            slots[connection] = nil
            actions.append(.close(connection))
        }
        idle.removeAll()
        return actions
    }

    private func timeoutError() -> PostgresError {
        if let lastFailure {
            return PostgresError(.unavailable, lastFailure.message, sqlState: lastFailure.sqlState)
        }
        guard openConnections > 0 else {
            return PostgresError(.unavailable, "the server does not answer: no connection was made within \(limits.acquireTimeout)")
        }
        return PostgresError(
            .acquireTimedOut, "no connection became free within \(limits.acquireTimeout); \(slots.count) are in use")
    }

    private mutating func connectIfNeeded(_ now: Instant) -> [Action] {
        guard !isClosed else { return [] }
        if let retryAt, retryAt > now { return [] }
        // After a failure one attempt at a time finds out whether the server is back.
        let maxConnecting = failures > 0 ? 1 : limits.maxConnections
        var actions: [Action] = []
        while connecting < min(waiters.count, maxConnecting), slots.count < limits.maxConnections {
            lastConnectionID += 1
            slots[lastConnectionID] = .connecting
            connecting += 1
            actions.append(.connect(lastConnectionID))
        }
        return actions
    }

    private mutating func scheduleWake() -> [Action] {
        guard !isClosed else { return [] }
        var times: [Instant] = []
        if let waiter = waiters.first {
            times.append(waiter.deadline)
            if let retryAt, connecting == 0 { times.append(retryAt) }
        }
        if let oldest = idle.first, case .idle(let since) = slots[oldest] { times.append(since + limits.idleTimeout) }
        guard let next = times.min(), wakeAt.map({ next < $0 }) ?? true else { return [] }
        wakeAt = next
        return [.wake(next)]
    }
}
