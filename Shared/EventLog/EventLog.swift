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
/// a new cluster does not, so a service calls ``continueNumbers(logger:maxInVain:)`` when it starts, and ``check(_:)`` before it serves
/// a position of somebody else's.
public struct EventLog: Sendable {
    let pool: PostgresPool
    let table: String
    let nameColumn: String?
    let isInBlocks: Bool
    private let commits = WakeSignal()

    /// The most events in one row of a log in blocks, and by how much its sequence grows from row to row.
    public static let maxBlockEvents = 128

    /// Events as they go into the rows of a log in blocks.
    public static func blocks<Event>(of events: [Event]) -> [ArraySlice<Event>] {
        stride(from: 0, to: events.count, by: maxBlockEvents).map { events[$0..<min($0 + maxBlockEvents, events.count)] }
    }

    /// - Parameters:
    ///   - table: made by ``tableDDL(name:)``, in the pool's schema.
    ///   - nameColumn: one more column, which is null for events without a name, so that runs tell what they are of.
    ///   - isInBlocks: a row holds up to ``maxBlockEvents`` events, which costs a tenth of a row for each. Their payloads are an array in
    ///     `payloads`, instead of `payload`, and so is the name column; the numbers from the row's `sequence` on are theirs.
    public init(pool: PostgresPool, table: String = "event_log", nameColumn: String? = nil, isInBlocks: Bool = false) {
        self.pool = pool
        self.table = table
        self.nameColumn = nameColumn
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
    public func read(after position: LogPosition, limit: Int) async throws -> [LoggedEvent] {
        let rows = try await pool.query(
            isInBlocks
                ? blockEvents(after: position, limit: limit)
                : """
                SELECT transaction_id, sequence, recorded_at, payload FROM \(ident: table)
                WHERE (transaction_id, sequence) > (\(PostgresTransactionID(position.transactionID)), \(position.sequence))
                  AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
                ORDER BY transaction_id, sequence LIMIT \(limit)
                """)
        return try rows.map { row in
            let (transaction, sequence, time, payload) = try row.decode(
                PostgresTransactionID.self, Int64.self, PostgresTimestamp.self, [UInt8].self)
            return LoggedEvent(
                position: LogPosition(transactionID: transaction.value, sequence: sequence),
                recordedAtMicroseconds: time.microsecondsSince1970, payload: payload)
        }
    }

    /// Where the next events after a position lie, in the same order: a run for each transaction, or for each row of a log in blocks.
    ///
    /// - Parameter limit: about so many events; what there is of the last transaction may follow in another answer.
    public func runs(after position: LogPosition, limit: Int) async throws -> [LoggedRun] {
        let rows = try await pool.query(isInBlocks ? blockRuns(after: position, limit: limit) : transactionRuns(after: position, limit: limit))
        var left = limit
        var runs: [LoggedRun] = []
        for row in rows where left > 0 {
            let (transaction, first, last, count, named, time) = try row.decode(
                PostgresTransactionID.self, Int64.self, Int64.self, Int64.self, Int64.self, PostgresTimestamp.self)
            let end = LogPosition(transactionID: transaction.value, sequence: last)
            guard count > 0, end > position else { continue }
            // Of a block that has been read in part the rest is left, and a block has no gaps.
            let read = transaction.value == position.transactionID ? max(0, position.sequence - first + 1) : 0
            let run = LogRun(transactionID: transaction.value, sequences: first + read...last, count: Int(count - read))
            left -= run.count
            runs.append(
                LoggedRun(
                    run: run, naming: named == count ? .all : named == 0 ? .none : .some, recordedAtMicroseconds: time.microsecondsSince1970))
        }
        return runs
    }

    private func transactionRuns(after position: LogPosition, limit: Int) -> SQL {
        """
        SELECT transaction_id, min(sequence), max(sequence), count(*), count(name), max(recorded_at) FROM (
            SELECT transaction_id, sequence, recorded_at, \(name) AS name FROM \(ident: table)
            WHERE (transaction_id, sequence) > (\(PostgresTransactionID(position.transactionID)), \(position.sequence))
              AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
            ORDER BY transaction_id, sequence LIMIT \(limit)
        ) AS event GROUP BY transaction_id ORDER BY transaction_id
        """
    }

    /// More rows than that many of full blocks are read at once, or blocks of single calls would be followed slowly.
    private static let usualBlockEvents = 8

    private func blockRuns(after position: LogPosition, limit: Int) -> SQL {
        // Names are shorter than payloads, and tell as well how many there are.
        let events: SQL = nameColumn == nil ? "payloads" : name
        return """
            SELECT transaction_id, sequence, sequence + cardinality(\(events)) - 1, cardinality(\(events))::bigint,
                coalesce(cardinality(array_remove(\(name), NULL)), 0)::bigint, recorded_at
            FROM \(ident: table)
            WHERE (transaction_id, sequence)
                > (\(PostgresTransactionID(position.transactionID)), \(position.sequence - Int64(Self.maxBlockEvents)))
              AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
            ORDER BY transaction_id, sequence LIMIT \(limit / Self.usualBlockEvents + 2)
            """
    }

    private var name: SQL { nameColumn.map { "\(ident: $0)" } ?? (isInBlocks ? "NULL::text[]" : "NULL::text") }

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
    private func blockEvents(after position: LogPosition, limit: Int) -> SQL {
        let transaction = PostgresTransactionID(position.transactionID)
        return """
            SELECT transaction_id, sequence + place - 1, recorded_at, payload FROM (
                SELECT * FROM \(ident: table)
                WHERE (transaction_id, sequence) > (\(transaction), \(position.sequence - Int64(Self.maxBlockEvents)))
                  AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
                ORDER BY transaction_id, sequence LIMIT \(limit + 1)
            ) AS block CROSS JOIN LATERAL unnest(payloads) WITH ORDINALITY AS event (payload, place)
            WHERE (transaction_id, sequence + place - 1) > (\(transaction), \(position.sequence))
            ORDER BY transaction_id, sequence, place LIMIT \(limit)
            """
    }

    /// The events after a position in batches, without end: waits for news once it has caught up.
    ///
    /// - Parameters:
    ///   - batchLimit: the most events in one batch.
    ///   - pollMilliseconds: how often to look for what another process has written.
    public func tail(after position: LogPosition, batchLimit: Int = 1000, pollMilliseconds: Int = 250) -> LogTail<LoggedEvent> {
        LogTail(
            position: position, pollMilliseconds: Swift.max(pollMilliseconds, 1), commits: commits,
            read: { try await read(after: $0, limit: batchLimit) }, end: \.position)
    }

    /// The same by ``runs(after:limit:)``.
    public func tailRuns(after position: LogPosition, batchLimit: Int = 1000, pollMilliseconds: Int = 250) -> LogTail<LoggedRun> {
        LogTail(
            position: position, pollMilliseconds: Swift.max(pollMilliseconds, 1), commits: commits,
            read: { try await runs(after: $0, limit: batchLimit) }, end: \.run.end)
    }
}

/// Batches of what a log tells, none of them empty. Made by ``EventLog/tail(after:batchLimit:pollMilliseconds:)`` and
/// ``EventLog/tailRuns(after:batchLimit:pollMilliseconds:)``.
public struct LogTail<Entry: Sendable>: AsyncSequence, Sendable {
    public typealias Element = [Entry]

    let position: LogPosition
    let pollMilliseconds: Int
    let commits: WakeSignal
    let read: @Sendable (LogPosition) async throws -> [Entry]
    let end: @Sendable (Entry) -> LogPosition

    public func makeAsyncIterator() -> Iterator {
        Iterator(tail: self, position: position)
    }

    public struct Iterator: AsyncIteratorProtocol {
        let tail: LogTail
        var position: LogPosition

        public mutating func next() async throws -> [Entry]? {
            // A commit is announced before an older transaction ends that still hides it: then look again soon, and ever more rarely.
            var waitMilliseconds = tail.pollMilliseconds
            while true {
                let seen = tail.commits.count
                let entries = try await tail.read(position)
                if let last = entries.last {
                    position = tail.end(last)
                    return entries
                }
                let wasSignalled = await tail.commits.wait(beyond: seen, atMost: .milliseconds(waitMilliseconds))
                try Task.checkCancellation()
                waitMilliseconds = wasSignalled ? 2 : Swift.min(waitMilliseconds * 2, tail.pollMilliseconds)
            }
        }
    }
}
