public import Postgres

/// A service's log of events, in its own schema, written in the same transaction as the facts that it tells.
///
/// ```swift
/// try await pool.withTransaction { transaction in
///     try await transaction.execute("INSERT INTO complaints …")
///     try await log.append([event.protobufBytes()], in: transaction)
/// }
/// log.notifyCommitted()
///
/// for try await events in log.tail(after: position) { … }
/// ```
///
/// ## The order of events
/// A sequence number alone is no position to read on from. Numbers are handed out when rows are inserted, and rows become visible when
/// transactions commit, so 8 may be visible while 7 is not: a reader that remembers 8 never sees 7. Events are therefore ordered by the
/// number of their transaction, then by sequence, and read only below `pg_snapshot_xmin`, the oldest transaction still running. All
/// transactions below it are over, and those still to come get higher numbers, so what has been read can gain no predecessor.
///
/// The price: one transaction that stays open, in any database of the same PostgreSQL server, once it has written something, holds back
/// all later events until it ends. Long writes belong into several transactions.
///
/// Transaction numbers belong to one PostgreSQL cluster. Streaming replication and file-level backups keep them; a dump restored into
/// a new cluster does not, and its consumers must start over.
public struct EventLog: Sendable {
    let pool: PostgresPool
    let table: String
    let keyColumns: [String]
    let isInBlocks: Bool
    private let commits = WakeSignal()

    /// The most events in one row of a log in blocks, and by how much its sequence grows from row to row.
    public static let maxBlockEvents = 128

    /// - Parameters:
    ///   - table: made by ``tableDDL(name:)``, in the pool's schema.
    ///   - keyColumns: two more columns of type text, that together name what an event is of; null for events without a name.
    ///   - isInBlocks: a row holds up to ``maxBlockEvents`` events, which costs a tenth of a row for each. Their payloads are an array in
    ///     `payloads`, instead of `payload`, and so are the key columns; the numbers from the row's `sequence` on are theirs.
    public init(pool: PostgresPool, table: String = "event_log", keyColumns: (String, String)? = nil, isInBlocks: Bool = false) {
        self.pool = pool
        self.table = table
        self.keyColumns = keyColumns.map { [$0.0, $0.1] } ?? []
        self.isInBlocks = isInBlocks
    }

    /// The table, for the service's first migration.
    public static func tableDDL(name: String = "event_log") -> String {
        """
        CREATE TABLE \(name) (
            transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
            sequence bigint GENERATED ALWAYS AS IDENTITY,
            recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            payload bytea NOT NULL,
            PRIMARY KEY (transaction_id, sequence)
        );
        """
    }

    /// Writes events, in this order, as a part of a transaction. Call ``notifyCommitted()`` once that has committed.
    public func append(_ payloads: [[UInt8]], in transaction: PostgresTransaction) async throws {
        guard !payloads.isEmpty else { return }
        try await transaction.execute(appendStatement(payloads))
    }

    /// The statement that ``append(_:in:)`` runs, for callers who send it in one round trip with others.
    public func appendStatement(_ payloads: [[UInt8]]) -> SQL {
        """
        INSERT INTO \(ident: table) (payload)
        SELECT payload FROM unnest(\(payloads)) WITH ORDINALITY AS event (payload, place) ORDER BY place
        """
    }

    /// Wakes the tails in this process, which else look only every so often.
    public func notifyCommitted() {
        commits.notify()
    }

    /// The next events after a position, oldest first, at most `limit`. Empty when there are none that no other can precede any more.
    ///
    /// - Parameter keysOnly: events that have a key come with it, and without their payload; of a log in blocks, all come without.
    public func read(after position: LogPosition, limit: Int, keysOnly: Bool = false) async throws -> [LoggedEvent] {
        let hasKeys = keysOnly && !keyColumns.isEmpty
        let columns: SQL =
            hasKeys
            ? """
            CASE WHEN \(ident: keyColumns[0]) IS NULL THEN payload ELSE '' END, \(ident: keyColumns[0]), \(ident: keyColumns[1])
            """
            : "payload, NULL::text, NULL::text"
        let rows = try await pool.query(
            isInBlocks
                ? blockEvents(after: position, limit: limit, keysOnly: keysOnly)
                : """
                SELECT transaction_id, sequence, recorded_at, \(columns) FROM \(ident: table)
                WHERE (transaction_id, sequence) > (\(PostgresTransactionID(position.transactionID)), \(position.sequence))
                  AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
                ORDER BY transaction_id, sequence LIMIT \(limit)
                """)
        return try rows.map { row in
            let (transaction, sequence, time, payload, owner, id) = try row.decode(
                PostgresTransactionID.self, Int64.self, PostgresTimestamp.self, [UInt8].self, String?.self, String?.self)
            var key: LoggedEvent.Key?
            if let owner, let id { key = LoggedEvent.Key(owner: owner, id: id) }
            return LoggedEvent(
                position: LogPosition(transactionID: transaction.value, sequence: sequence),
                recordedAtMicroseconds: time.microsecondsSince1970, payload: payload, key: key)
        }
    }

    /// The last position that ``read(after:limit:)`` can reach now; `.start` for an empty log.
    public func end() async throws -> LogPosition {
        let rows = try await pool.query(
            """
            SELECT transaction_id, \(lastSequence) FROM \(ident: table)
            WHERE transaction_id < pg_snapshot_xmin(pg_current_snapshot())
            ORDER BY transaction_id DESC, sequence DESC LIMIT 1
            """)
        guard let (transaction, sequence) = try rows.first?.decode(PostgresTransactionID.self, Int64.self) else { return .start }
        return LogPosition(transactionID: transaction.value, sequence: sequence)
    }

    /// Of a row, as an expression.
    public var lastSequence: SQL { isInBlocks ? "sequence + cardinality(payloads) - 1" : "sequence" }

    /// The first row of a log in blocks may have been read in part: it begins at or before the position.
    private func blockEvents(after position: LogPosition, limit: Int, keysOnly: Bool) -> SQL {
        let transaction = PostgresTransactionID(position.transactionID)
        let payloads: SQL = keysOnly ? "NULL::bytea[]" : "payloads"
        let keys: SQL = keyColumns.isEmpty ? "NULL::text[], NULL::text[]" : "\(ident: keyColumns[0]), \(ident: keyColumns[1])"
        return """
            SELECT transaction_id, sequence + place - 1, recorded_at, coalesce(payload, ''), owner, id FROM (
                SELECT * FROM \(ident: table)
                WHERE (transaction_id, sequence) > (\(transaction), \(position.sequence - Int64(Self.maxBlockEvents)))
                  AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
                ORDER BY transaction_id, sequence LIMIT \(limit + 1)
            ) AS block CROSS JOIN LATERAL unnest(\(payloads), \(keys)) WITH ORDINALITY AS event (payload, owner, id, place)
            WHERE (transaction_id, sequence + place - 1) > (\(transaction), \(position.sequence))
            ORDER BY transaction_id, sequence, place LIMIT \(limit)
            """
    }

    /// The events after a position in batches, without end: waits for news once it has caught up.
    ///
    /// - Parameters:
    ///   - batchLimit: the most events in one batch.
    ///   - keysOnly: see ``read(after:limit:keysOnly:)``.
    ///   - pollMilliseconds: how often to look for what another process has written.
    public func tail(
        after position: LogPosition, batchLimit: Int = 1000, keysOnly: Bool = false, pollMilliseconds: Int = 250
    ) -> Tail {
        Tail(log: self, position: position, batchLimit: batchLimit, keysOnly: keysOnly, pollMilliseconds: Swift.max(pollMilliseconds, 1))
    }

    /// Batches of events, none of them empty. Made by ``EventLog/tail(after:batchLimit:keysOnly:pollMilliseconds:)``.
    public struct Tail: AsyncSequence, Sendable {
        public typealias Element = [LoggedEvent]

        let log: EventLog
        let position: LogPosition
        let batchLimit: Int
        let keysOnly: Bool
        let pollMilliseconds: Int

        public func makeAsyncIterator() -> Iterator {
            Iterator(tail: self, position: position)
        }

        public struct Iterator: AsyncIteratorProtocol {
            let tail: Tail
            var position: LogPosition

            public mutating func next() async throws -> [LoggedEvent]? {
                // A commit is announced before an older transaction ends that still hides it: then look again soon, and ever more rarely.
                var waitMilliseconds = tail.pollMilliseconds
                while true {
                    let seen = tail.log.commits.count
                    let events = try await tail.log.read(after: position, limit: tail.batchLimit, keysOnly: tail.keysOnly)
                    if let last = events.last {
                        position = last.position
                        return events
                    }
                    let wasSignalled = await tail.log.commits.wait(beyond: seen, atMost: .milliseconds(waitMilliseconds))
                    try Task.checkCancellation()
                    waitMilliseconds = wasSignalled ? 2 : Swift.min(waitMilliseconds * 2, tail.pollMilliseconds)
                }
            }
        }
    }
}
