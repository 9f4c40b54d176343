public import Logging
public import Postgres

/// Applies each event of a log once, whatever crashes: the position is stored in the same transaction as the effect.
///
/// ```swift
/// let consumer = LogConsumer(name: "ingestion", pool: pool, logger: logger)
/// try await consumer.run { position, deliver in
///     try await client.tailEvents(request(after: position)) { stream in
///         for try await response in stream { try await deliver(response.events.map { ($0.position, $0.event) }) }
///     }
/// } apply: { events, transaction in
///     try await store.save(events, in: transaction)
/// }
/// ```
/// Several replicas may run the same consumer: the lock on its position makes them take turns, and what one has applied, the others
/// skip.
public struct LogConsumer: Sendable {
    /// An event and the position after it.
    public typealias Positioned<Event> = (position: LogPosition, event: Event)

    public let name: String
    let pool: PostgresPool
    let table: String
    let logger: Logger
    let backoff: Backoff
    let isRefusal: @Sendable (any Error) -> Bool
    let refused: @Sendable () -> Void
    let clock: any Clock<Duration>

    /// - Parameters:
    ///   - name: tells the consumers of a schema apart, usually by the service whose log they read.
    ///   - table: made by ``tableDDL(name:)``, in the pool's schema.
    ///   - backoff: how long to wait before connecting to the source again.
    ///   - isRefusal: whether a source's error says that its log does not know the position, which only an operator can mend.
    ///   - refused: is called then.
    public init(
        name: String, pool: PostgresPool, table: String = "log_positions", logger: Logger = Logger(label: "event-log"),
        backoff: Backoff = Backoff(), isRefusal: @escaping @Sendable (any Error) -> Bool = { _ in false },
        refused: @escaping @Sendable () -> Void = {}, clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.name = name
        self.pool = pool
        self.table = table
        self.logger = logger
        self.backoff = backoff
        self.isRefusal = isRefusal
        self.refused = refused
        self.clock = clock
    }

    /// The table, for the service's first migration.
    public static func tableDDL(name: String = "log_positions") -> String {
        """
        CREATE TABLE \(name) (
            consumer text PRIMARY KEY,
            transaction_id xid8 NOT NULL,
            sequence bigint NOT NULL,
            updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
        );
        """
    }

    /// Waits that double after each failure, with jitter, up to a maximum.
    public struct Backoff: Sendable {
        public var firstSeconds: Double
        public var maxSeconds: Double

        public init(firstSeconds: Double = 0.1, maxSeconds: Double = 5) {
            self.firstSeconds = firstSeconds
            self.maxSeconds = maxSeconds
        }

        /// - Parameter jitter: 0 ..< 1.
        func wait(failures: Int, jitter: Double) -> Duration {
            .seconds(min(maxSeconds, firstSeconds * Double(1 << min(failures, 20))) * (0.5 + jitter / 2))
        }
    }

    /// Some events of a source, in order.
    public struct Batch<Event: Sendable>: Sendable {
        /// The position that the first event comes right after.
        public let following: LogPosition
        public let events: [Positioned<Event>]

        public init(following: LogPosition, events: [Positioned<Event>]) {
            self.following = following
            self.events = events
        }
    }

    /// The batch does not follow on what is stored: another one, delivered before it, did not take effect.
    private struct Gap: Error {}

    /// An error after which the batch must not come again, whatever kind it is.
    private struct Final: Error {
        let error: any Error
    }

    /// The stored position; `.start` before the first batch.
    public func position() async throws -> LogPosition {
        let rows = try await pool.query("SELECT transaction_id, sequence FROM \(ident: table) WHERE consumer = \(name)")
        return try Self.position(in: rows)
    }

    private static func position(in rows: PostgresRows) throws -> LogPosition {
        guard let (transaction, sequence) = try rows.first?.decode(PostgresTransactionID.self, Int64.self) else { return .start }
        return LogPosition(transactionID: transaction.value, sequence: sequence)
    }

    /// Follows a source for ever, applying each batch in a transaction together with the new position.
    ///
    /// `source` is given a position and hands what follows it to `deliver`, batch after batch. When it fails or ends, it is called again
    /// after a while, with the position then stored. `apply` gets the events that have not been applied yet, never none. When it
    /// fails because the database is away or undid the transaction, the batch comes again; any other error ends `run`, for a
    /// consumer that cannot apply an event must not skip it. `committed` is called after each batch that took effect.
    public func run<Event: Sendable>(
        from source: (LogPosition, _ deliver: ([Positioned<Event>]) async throws -> Void) async throws -> Void,
        apply: @escaping ([Positioned<Event>], PostgresTransaction) async throws -> Void,
        committed: @escaping () -> Void = {}
    ) async throws {
        try await follow(from: source) { batch in
            let hadEffect = try await pool.withTransaction { transaction in
                let events = try await claim(batch, in: transaction)
                if !events.isEmpty { try await apply(events, transaction) }
                return !events.isEmpty
            }
            if hadEffect { committed() }
        }
    }

    /// The same for a consumer that keeps something in memory beside its store: what `apply` returns is handed to `committed` once the
    /// transaction has taken effect, batch after batch in order.
    ///
    /// Memory must not fall behind the store. So an error of `committed`, or a commit whose outcome is unknown, ends `run`, and the
    /// caller builds its memory anew. Replicas that each have a memory need a consumer, with a name, each.
    public func run<Event: Sendable, Effect>(
        from source: (LogPosition, _ deliver: ([Positioned<Event>]) async throws -> Void) async throws -> Void,
        apply: @escaping ([Positioned<Event>], PostgresTransaction) async throws -> Effect,
        committed: @escaping (Effect) async throws -> Void
    ) async throws {
        try await follow(from: source) { batch in
            let effect: Effect?
            do {
                effect = try await pool.withTransaction { transaction in
                    let events = try await claim(batch, in: transaction)
                    return events.isEmpty ? nil : try await apply(events, transaction)
                }
            } catch let error as PostgresError where error.outcomeIsUnknown {
                throw Final(error: error)
            }
            guard let effect else { return }
            do {
                try await committed(effect)
            } catch {
                throw Final(error: error)
            }
        }
    }

    /// Follows a source for ever, leaving the transaction to `handle`, which calls ``claim(_:in:)`` in it. For consumers that put their
    /// effects together with those of others.
    public func follow<Event: Sendable>(
        from source: (LogPosition, _ deliver: ([Positioned<Event>]) async throws -> Void) async throws -> Void,
        handle: @escaping (Batch<Event>) async throws -> Void
    ) async throws {
        var failures = 0
        while true {
            try Task.checkCancellation()
            var handling: (any Error)?
            do {
                var cursor = try await position()
                try await source(cursor) { events in
                    guard let last = events.last else { return }
                    do {
                        try await handle(Batch(following: cursor, events: events))
                    } catch {
                        handling = error
                        throw error
                    }
                    cursor = last.position
                    failures = 0
                }
                logger.debug("a log's stream ended", metadata: ["consumer": "\(name)"])
            } catch {
                try Task.checkCancellation()
                // A source may wrap what its reader threw, so the handler's own error counts.
                let cause = handling ?? error
                guard isTransient(cause, ofHandler: handling != nil) else { throw (cause as? Final)?.error ?? cause }
                let isRefused = isRefusal(cause)
                if isRefused { refused() }
                if failures == 0 {
                    logger.log(level: isRefused ? .error : .warning, "following a log failed", metadata: ["consumer": "\(name)", "error": "\(cause)"])
                }
            }
            try await clock.sleep(for: backoff.wait(failures: failures, jitter: .random(in: 0..<1)))
            failures += 1
        }
    }

    /// The source may be away for any reason; what the store or the handler says is final unless it says that it is not.
    private func isTransient(_ error: any Error, ofHandler isOfHandler: Bool) -> Bool {
        if error is Gap { return true }
        if let error = error as? PostgresError { return error.isTransient }
        return !isOfHandler
    }

    /// Locks the position until the transaction ends, moves it to the batch's end, and returns the events that lie beyond the old one.
    /// They are applied if, and only if, the transaction commits.
    public func claim<Event: Sendable>(
        _ batch: Batch<Event>, in transaction: PostgresTransaction
    ) async throws -> [Positioned<Event>] {
        guard let last = batch.events.last else { return [] }
        let stored = try await lockedPosition(in: transaction)
        guard stored >= batch.following else { throw Gap() }
        guard stored < last.position else { return [] }
        try await advance(to: last.position, in: transaction)
        return stored == batch.following ? batch.events : batch.events.filter { $0.position > stored }
    }

    /// The stored position, locked until the transaction ends, so that replicas take turns.
    public func lockedPosition(in transaction: PostgresTransaction) async throws -> LogPosition {
        let select: SQL = "SELECT transaction_id, sequence FROM \(ident: table) WHERE consumer = \(name) FOR UPDATE"
        var rows = try await transaction.query(select)
        if rows.isEmpty {
            // The first time. Of two replicas one inserts, and the other waits for it here.
            let start = PostgresTransactionID(LogPosition.start.transactionID)
            try await transaction.execute(
                """
                INSERT INTO \(ident: table) (consumer, transaction_id, sequence)
                VALUES (\(name), \(start), \(LogPosition.start.sequence)) ON CONFLICT (consumer) DO NOTHING
                """)
            rows = try await transaction.query(select)
        }
        return try Self.position(in: rows)
    }

    /// Stores a position, without a look at the old one.
    public func advance(to position: LogPosition, in transaction: PostgresTransaction) async throws {
        try await transaction.execute(
            """
            UPDATE \(ident: table)
            SET transaction_id = \(PostgresTransactionID(position.transactionID)), sequence = \(position.sequence),
                updated_at = clock_timestamp()
            WHERE consumer = \(name)
            """)
    }
}
