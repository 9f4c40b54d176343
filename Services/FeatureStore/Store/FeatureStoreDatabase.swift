import EventLog
import Postgres
import Records

/// A line of the store's log; the payload is opaque here.
struct LogLine: Sendable {
    let payload: [UInt8]
    /// Of an observation: which transaction, and when it happened.
    let observed: (key: TransactionKey, eventTime: Timestamp)?
}

/// All SQL of the feature store.
struct FeatureStoreDatabase: Sendable {
    let pool: PostgresPool
    let log: EventLog

    static let migrations = [
        Migration(name: "0001_create", sql: String(decoding: PackageResources.V0001_create_sql, as: UTF8.self)),
        Migration(
            name: "0002_log_holds_observations",
            sql: String(decoding: PackageResources.V0002_log_holds_observations_sql, as: UTF8.self)),
        Migration(name: "0003_observations_view", sql: String(decoding: PackageResources.V0003_observations_view_sql, as: UTF8.self)),
        Migration(name: "0004_snapshots", sql: String(decoding: PackageResources.V0004_snapshots_sql, as: UTF8.self)),
        Migration(name: "0005_replicas", sql: String(decoding: PackageResources.V0005_replicas_sql, as: UTF8.self)),
        Migration(
            name: "0006_snapshots_of_behaviour",
            sql: String(decoding: PackageResources.V0006_snapshots_of_behaviour_sql, as: UTF8.self)),
        Migration(name: "0007_log_in_blocks", sql: String(decoding: PackageResources.V0007_log_in_blocks_sql, as: UTF8.self)),
        Migration(name: "0008_labels_by_time", sql: String(decoding: PackageResources.V0008_labels_by_time_sql, as: UTF8.self)),
    ]

    init(pool: PostgresPool) {
        self.pool = pool
        log = EventLog(pool: pool, nameColumn: "bank_ids", isInBlocks: true)
    }

    /// The log's entries of these transactions' observations, by key; those never observed are missing.
    func observations(of keys: [TransactionKey], in transaction: PostgresTransaction? = nil) async throws -> [TransactionKey: [UInt8]] {
        guard !keys.isEmpty else { return [:] }
        // The order keeps the server to a look into the index for each key, whatever it thinks of the table's size.
        let select: SQL = """
            WITH wanted AS (
                SELECT found.* FROM unnest(\(keys.map(\.bankID)), \(keys.map(\.transactionID))) AS key (bank_id, transaction_id), LATERAL (
                    SELECT * FROM observed o WHERE o.bank_id = key.bank_id AND o.bank_transaction_id = key.transaction_id
                    ORDER BY o.bank_id, o.bank_transaction_id LIMIT 1
                ) found
            )
            SELECT event.bank_id, event.transaction_id, event.payload
            FROM event_log block
            CROSS JOIN LATERAL unnest(payloads, bank_ids, bank_transaction_ids) AS event (payload, bank_id, transaction_id)
            JOIN wanted ON wanted.bank_id = event.bank_id AND wanted.bank_transaction_id = event.transaction_id
            WHERE block.sequence IN (SELECT sequence FROM wanted)
            """
        let rows = if let transaction { try await transaction.query(select) } else { try await pool.query(select) }
        var found: [TransactionKey: [UInt8]] = [:]
        for (bank, transaction, message) in try rows.decode(String.self, String.self, [UInt8].self) {
            found[TransactionKey(bankID: bank, transactionID: transaction)] = message
        }
        return found
    }

    /// Writes lines in the order in which memory took them in, and labels.
    ///
    /// - Returns: where the blocks of lines begin.
    func append(_ lines: [LogLine], labels: [Label], in transaction: PostgresTransaction) async throws -> [LogPosition] {
        if let upsert = Self.upsert(labels) { try await transaction.execute(upsert) }
        return lines.isEmpty ? [] : try Self.positions(in: try await transaction.query(Self.insert(lines)))
    }

    /// Writes lines in one round trip.
    ///
    /// - Returns: where the blocks of lines begin.
    func append(_ lines: [LogLine]) async throws -> [LogPosition] { try Self.positions(in: try await pool.query(Self.insert(lines))) }

    private static func positions(in rows: PostgresRows) throws -> [LogPosition] {
        try rows.decode(PostgresTransactionID.self, Int64.self).map { LogPosition(transactionID: $0.value, sequence: $1) }
    }

    /// Blocks of the lines, and of each observation where it is; returns the blocks' positions.
    private static func insert(_ lines: [LogLine]) -> SQL {
        """
        WITH block AS (
            INSERT INTO event_log (payloads, bank_ids, bank_transaction_ids, event_times, first_event_time, last_event_time)
            VALUES \(SQL(commaSeparated: EventLog.blocks(of: lines).map(row)))
            RETURNING transaction_id, sequence, bank_ids, bank_transaction_ids
        ), named AS (
            INSERT INTO observed (bank_id, bank_transaction_id, sequence)
            SELECT key.bank_id, key.transaction_id, sequence
            FROM block, unnest(bank_ids, bank_transaction_ids) AS key (bank_id, transaction_id) WHERE key.bank_id IS NOT NULL
        )
        SELECT transaction_id, sequence FROM block ORDER BY sequence
        """
    }

    /// Of a block. Mostly all its lines observe something, and without a thought of NULL that is told for less.
    private static func row(_ lines: ArraySlice<LogLine>) -> SQL {
        func time(_ time: Timestamp) -> PostgresTimestamp { PostgresTimestamp(microsecondsSince1970: time.microseconds) }
        let all = lines.compactMap { $0.observed }
        let some = lines.map { $0.observed }
        let observed: SQL =
            if all.count == lines.count {
                "\(all.map { $0.key.bankID }), \(all.map { $0.key.transactionID }), \(all.map { time($0.eventTime) })"
            } else {
                "\(some.map { $0?.key.bankID }), \(some.map { $0?.key.transactionID }), \(some.map { $0.map { time($0.eventTime) } })"
            }
        let times = all.map(\.eventTime)
        return "(\(lines.map(\.payload)), \(observed), \(times.min().map(time)), \(times.max().map(time)))"
    }

    private static func upsert(_ labels: [Label]) -> SQL? {
        guard !labels.isEmpty else { return nil }
        // One row a transaction and time, or ON CONFLICT would meet the same row twice.
        let newest = Dictionary(labels.map { (LabelName(key: $0.key, knownAt: $0.knownAt), $0) }, uniquingKeysWith: { $1 }).values
        return """
            INSERT INTO labels (bank_id, transaction_id, is_fraud, known_at, source)
            SELECT * FROM unnest(
                \(newest.map(\.key.bankID)), \(newest.map(\.key.transactionID)), \(newest.map(\.isFraud)),
                \(newest.map { PostgresTimestamp(microsecondsSince1970: $0.knownAt.microseconds) }), \(newest.map(\.source)))
            ON CONFLICT (bank_id, transaction_id, known_at) DO UPDATE SET is_fraud = excluded.is_fraud, source = excluded.source
            """
    }

    private struct LabelName: Hashable {
        let key: TransactionKey
        let knownAt: Timestamp
    }

    /// The last word about an observation `o` by a time. A look into the index for each: to join all labels is quicker for a whole history,
    /// but where the server takes a span for smaller than it is, it sorts them all again for each block.
    private static func lastLabel(knownBy time: Timestamp?) -> SQL {
        """
        LATERAL (
            SELECT * FROM labels l
            WHERE l.bank_id = o.bank_id AND l.transaction_id = o.transaction_id
                AND known_at <= \(PostgresTimestamp(microsecondsSince1970: time?.microseconds ?? .max))
            ORDER BY known_at DESC LIMIT 1
        )
        """
    }

    /// The store's own log behind a position, in the order in which memory took the entries in. Reads what is committed now: nobody else
    /// writes to it, or nothing that this memory is made of.
    func forEachEntry(
        after position: LogPosition = .start, batchRows: Int = 10_000, _ body: ([[UInt8]]) async throws -> Void
    ) async throws {
        let start = PostgresTransactionID(position.transactionID)
        try await pool.withTransaction { transaction in
            try await transaction.stream(
                """
                SELECT payload FROM event_log CROSS JOIN LATERAL unnest(payloads) WITH ORDINALITY AS event (payload, place)
                WHERE (transaction_id, sequence) > (\(start), \(position.sequence - Int64(EventLog.maxBlockEvents)))
                  AND (transaction_id, sequence + place - 1) > (\(start), \(position.sequence))
                ORDER BY transaction_id, sequence, place
                """, batchRows: batchRows
            ) { rows in
                try await body(try rows.map { try $0.decode([UInt8].self) })
            }
        }
    }

    /// The last observations up to a position, in the order in which memory took them in.
    func lastObservations(upTo position: LogPosition, limit: Int) async throws -> [[UInt8]] {
        let end = PostgresTransactionID(position.transactionID)
        let rows = try await pool.query(
            """
            SELECT payload FROM (
                SELECT *, sum(cardinality(array_remove(bank_ids, NULL))) OVER (
                    ORDER BY transaction_id DESC, sequence DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS later
                FROM (
                    SELECT * FROM event_log
                    WHERE first_event_time IS NOT NULL AND (transaction_id, sequence) <= (\(end), \(position.sequence))
                    ORDER BY transaction_id DESC, sequence DESC LIMIT \(limit)
                ) AS latest
            ) AS block CROSS JOIN LATERAL unnest(payloads, bank_ids) WITH ORDINALITY AS event (payload, bank_id, place)
            WHERE coalesce(later, 0) < \(limit) AND event.bank_id IS NOT NULL
                AND (transaction_id, sequence + place - 1) <= (\(end), \(position.sequence))
            ORDER BY transaction_id DESC, sequence DESC, place DESC LIMIT \(limit)
            """)
        return try rows.decode([UInt8].self).reversed()
    }

    /// Whether an observation of a span of event time lacks `mark` in its entry.
    func holdsObservations(from: Timestamp?, to: Timestamp?, without mark: [UInt8]) async throws -> Bool {
        let first = PostgresTimestamp(microsecondsSince1970: from?.microseconds ?? .min)
        let end = PostgresTimestamp(microsecondsSince1970: to?.microseconds ?? .max)
        let rows = try await pool.query(
            """
            SELECT EXISTS (
                SELECT FROM event_log CROSS JOIN LATERAL unnest(payloads, event_times) AS o (payload, event_time)
                WHERE last_event_time >= \(first) AND first_event_time < \(end)
                  AND o.event_time >= \(first) AND o.event_time < \(end) AND position(\(mark) IN o.payload) = 0)
            """)
        return try rows.decode(Bool.self).first ?? false
    }

    /// Observations of a span of event time with the labels known by a time, ordered by event time, a batch at a time.
    func forEachHistoricalBatch(
        from: Timestamp?, to: Timestamp?, knownBy: Timestamp?, batchRows: Int,
        _ body: ([HistoricalEntry]) async throws -> Void
    ) async throws {
        let first = PostgresTimestamp(microsecondsSince1970: from?.microseconds ?? .min)
        let end = PostgresTimestamp(microsecondsSince1970: to?.microseconds ?? .max)
        try await pool.withTransaction { transaction in
            try await transaction.stream(
                """
                SELECT o.bank_id, o.transaction_id, o.payload, l.is_fraud, l.known_at, l.source
                FROM event_log block
                CROSS JOIN LATERAL unnest(payloads, bank_ids, bank_transaction_ids, event_times)
                    AS o (payload, bank_id, transaction_id, event_time)
                LEFT JOIN \(Self.lastLabel(knownBy: knownBy)) l ON true
                WHERE last_event_time >= \(first) AND first_event_time < \(end)
                  AND o.bank_id IS NOT NULL AND o.event_time >= \(first) AND o.event_time < \(end)
                ORDER BY o.event_time, o.bank_id, o.transaction_id
                """, batchRows: batchRows
            ) { rows in
                try await body(try rows.map(HistoricalEntry.init(row:)))
            }
        }
    }
}

extension FeatureStoreDatabase {
    /// All of the log in the order in which memory took it in, observations with the labels known by a time, a batch at a time.
    func forEachLoggedBatch(
        knownBy: Timestamp?, batchRows: Int, _ body: ([HistoricalEntry]) async throws -> Void
    ) async throws {
        try await pool.withTransaction { transaction in
            try await transaction.stream(
                """
                SELECT o.bank_id, o.transaction_id, o.payload, l.is_fraud, l.known_at, l.source
                FROM event_log block
                CROSS JOIN LATERAL unnest(payloads, bank_ids, bank_transaction_ids) WITH ORDINALITY
                    AS o (payload, bank_id, transaction_id, place)
                LEFT JOIN \(Self.lastLabel(knownBy: knownBy)) l ON true
                ORDER BY block.transaction_id, block.sequence, o.place
                """, batchRows: batchRows
            ) { rows in
                try await body(try rows.map(HistoricalEntry.init(row:)))
            }
        }
    }
}

/// An entry of the log; that of an observation with its label, if one was known in time.
struct HistoricalEntry: Sendable {
    let payload: [UInt8]
    let label: Label?

    init(row: PostgresRow) throws {
        let (bank, transaction, payload, isFraud, knownAt, source) = try row.decode(
            String?.self, String?.self, [UInt8].self, Bool?.self, PostgresTimestamp?.self, String?.self)
        self.payload = payload
        label =
            if let bank, let transaction, let isFraud, let knownAt, let source {
                Label(
                    key: TransactionKey(bankID: bank, transactionID: transaction), isFraud: isFraud,
                    knownAt: Timestamp(microseconds: knownAt.microsecondsSince1970), source: source)
            } else { nil }
    }
}
