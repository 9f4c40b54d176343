public import Logging
import Synchronization

/// Runs `body` with a pool of connections to PostgreSQL, which are closed when it ends.
///
/// Connections are opened when they are needed, up to the configured number; a broken one is replaced by the next that is needed, so
/// the pool outlives restarts of the server: statements under way fail with `.unavailable`, later ones run.
///
/// ```swift
/// try await withPostgresPool(configuration) { pool in
///     try await pool.execute("INSERT INTO seen (id) VALUES (\(id))")
/// }
/// ```
@discardableResult
public func withPostgresPool<R>(
    _ configuration: PostgresConfiguration, logger: Logger = Logger(label: "postgres"), _ body: (PostgresPool) async throws -> R
) async throws -> R {
    try configuration.validate()
    let (chores, continuation) = AsyncStream.makeStream(of: PoolState.Action.self)
    let pool = PostgresPool(configuration: configuration, logger: logger, chores: continuation)
    let result: Result<R, any Error> = await withTaskGroup(of: Void.self) { group in
        group.addTask { await pool.run(chores) }
        let result: Result<R, any Error>
        do {
            result = .success(try await body(pool))
        } catch {
            result = .failure(error)
        }
        pool.close()
        // Ends the waits for a time that no longer matters.
        group.cancelAll()
        return result
    }
    return try result.get()
}

/// Connections shared by tasks. Made by ``withPostgresPool(_:logger:_:)``.
public final class PostgresPool: Sendable {
    private struct Shared {
        var state: PoolState
        var connections: [PoolState.ConnectionID: Connection] = [:]
        var waiting: [PoolState.WaiterID: CheckedContinuation<Lease, any Error>] = [:]
        var lastWaiterID = 0
        var lastTransactionNumber = 0
    }

    struct Lease: Sendable {
        let id: PoolState.ConnectionID
        let connection: Connection
    }

    public let configuration: PostgresConfiguration
    let logger: Logger
    private let shared: Mutex<Shared>
    private let isUnreachable = Atomic(false)
    private let chores: AsyncStream<PoolState.Action>.Continuation

    init(configuration: PostgresConfiguration, logger: Logger, chores: AsyncStream<PoolState.Action>.Continuation) {
        self.configuration = configuration
        self.logger = logger
        self.chores = chores
        shared = Mutex(
            Shared(
                state: PoolState(
                    limits: PoolState.Limits(
                        maxConnections: configuration.maxConnections, maxWaiting: configuration.maxWaiting,
                        acquireTimeout: .seconds(configuration.acquireTimeoutSeconds),
                        idleTimeout: .seconds(configuration.idleTimeoutSeconds), backoff: .seconds(configuration.backoffSeconds),
                        maxBackoff: .seconds(configuration.maxBackoffSeconds)))))
    }

    /// How many connections are open, how many of them are free, and how many callers wait for one.
    public var usage: (open: Int, idle: Int, waiting: Int) {
        shared.withLock { ($0.state.openConnections, $0.state.idleConnections, $0.state.waiting) }
    }

    /// Runs one statement in a transaction of its own, and returns its rows.
    public func query(_ sql: SQL) async throws -> PostgresRows {
        try await pipeline([sql])[0]
    }

    /// Runs one statement in a transaction of its own, and returns how many rows it changed.
    @discardableResult
    public func execute(_ sql: SQL) async throws -> Int {
        try await query(sql).affectedRows
    }

    /// Runs several statements in one round trip and one transaction: all take effect, or none.
    public func pipeline(_ statements: [SQL]) async throws -> [PostgresRows] {
        try await withLease { connection in
            try await connection.perform { connection, cancellation in
                try connection.run(statements, in: nil, mayCommit: true, cancellation)
            }
        }
    }

    /// Runs `body` in a transaction, committed when it returns and rolled back when it throws.
    ///
    /// - Parameter attempts: how often `body` is run when the server undoes the transaction (40001, 40P01); it must then have no effect
    ///   outside of it.
    @discardableResult
    public func withTransaction<R>(
        isolation: PostgresTransaction.Isolation = .serverDefault, attempts: Int = 1,
        _ body: (PostgresTransaction) async throws -> R
    ) async throws -> R {
        var attempt = 1
        while true {
            do {
                return try await withLease { connection in
                    let transaction = PostgresTransaction(connection: connection, number: nextTransactionNumber(), isolation: isolation)
                    return try await transaction.run(body)
                }
            } catch let error as PostgresError where error.isSerializationFailure && attempt < attempts {
                attempt += 1
            }
        }
    }

    private func nextTransactionNumber() -> Int {
        shared.withLock {
            $0.lastTransactionNumber += 1
            return $0.lastTransactionNumber
        }
    }

    /// Lends a connection to `body`.
    func withLease<R>(_ body: (Connection) async throws -> R) async throws -> R {
        let lease = try await acquire()
        defer { release(lease) }
        return try await body(lease.connection)
    }

    private func acquire() async throws -> Lease {
        while true {
            let lease = try await nextLease()
            guard lease.connection.looksStale else { return lease }
            // The server closed it meanwhile. At worst every idle connection is thrown away so; then a fresh one comes.
            perform { $0.state.release(lease.id, isUsable: false, now: .now) }
        }
    }

    private func nextLease() async throws -> Lease {
        let waiter = shared.withLock {
            $0.lastWaiterID += 1
            return $0.lastWaiterID
        }
        return try await withTaskCancellationHandler {
            try Task.checkCancellation()
            let lease = try await withCheckedThrowingContinuation { continuation in
                perform {
                    $0.waiting[waiter] = continuation
                    return $0.state.acquire(waiter, now: .now)
                }
                // The cancellation may have come before the continuation was there to be resumed.
                if Task.isCancelled { abandon(waiter) }
            }
            return lease
        } onCancel: {
            abandon(waiter)
        }
    }

    private func abandon(_ waiter: PoolState.WaiterID) {
        let continuation = shared.withLock { $0.state.abandon(waiter) ? $0.waiting.removeValue(forKey: waiter) : nil }
        continuation?.resume(throwing: CancellationError())
    }

    private func release(_ lease: Lease) {
        let isUsable = lease.connection.isUsable.load(ordering: .acquiring)
        perform { $0.state.release(lease.id, isUsable: isUsable, now: .now) }
    }

    /// Changes the state, then does what it decided: callers are resumed here, outside the lock; the rest goes to `run`.
    private func perform(_ change: (inout Shared) -> [PoolState.Action]) {
        var granted: [(CheckedContinuation<Lease, any Error>, Result<Lease, any Error>)] = []
        shared.withLock { shared in
            for action in change(&shared) {
                switch action {
                case .grant(let waiter, let id):
                    guard let continuation = shared.waiting.removeValue(forKey: waiter), let connection = shared.connections[id]
                    else { preconditionFailure("the pool granted what it does not have") }
                    granted.append((continuation, .success(Lease(id: id, connection: connection))))
                case .refuse(let waiter, let error):
                    guard let continuation = shared.waiting.removeValue(forKey: waiter) else { continue }
                    granted.append((continuation, .failure(error)))
                case .connect, .close, .wake: chores.yield(action)
                }
            }
        }
        for (continuation, result) in granted { continuation.resume(with: result) }
    }

    func close() {
        perform { $0.state.close() }
        chores.finish()
    }

    /// Opens and closes connections and keeps time until the pool is closed.
    func run(_ actions: AsyncStream<PoolState.Action>) async {
        await withDiscardingTaskGroup { group in
            for await action in actions {
                group.addTask { await self.carryOut(action) }
            }
            group.cancelAll()
        }
        let connections = shared.withLock { shared in
            defer { shared.connections = [:] }
            return shared.connections.values
        }
        for connection in connections { await connection.close() }
    }

    private func carryOut(_ action: PoolState.Action) async {
        switch action {
        case .connect(let id): await connect(id)
        case .close(let id):
            let connection = shared.withLock { $0.connections.removeValue(forKey: id) }
            await connection?.close()
        case .wake(let instant):
            try? await Task.sleep(until: instant, clock: .continuous)
            perform { $0.state.tick(now: .now) }
        case .grant, .refuse: break
        }
    }

    private func connect(_ id: PoolState.ConnectionID) async {
        do {
            let connection = try Connection()
            let configuration = configuration
            try await connection.perform { connection, cancellation in try connection.open(configuration, cancellation) }
            perform {
                $0.connections[id] = connection
                return $0.state.connected(id, now: .now)
            }
            if isUnreachable.exchange(false, ordering: .relaxed) { logger.info("PostgreSQL is back") }
        } catch {
            let failure = error as? PostgresError ?? PostgresError(.unavailable, "connecting was given up")
            // Once an outage, not once an attempt.
            if !isUnreachable.exchange(true, ordering: .relaxed), !Task.isCancelled {
                logger.warning("no connection to PostgreSQL", metadata: ["error": "\(failure)"])
            }
            perform { $0.state.connectFailed(id, failure, jitter: .random(in: 0..<1), now: .now) }
        }
    }
}
