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
    ]

    /// From so many lines on COPY is quicker than a statement, for all its round trips.
    static let minCopyLines = 24

    init(pool: PostgresPool) {
        self.pool = pool
        log = EventLog(pool: pool, keyColumns: ("bank_id", "bank_transaction_id"))
    }

    /// The log's entries of these transactions' observations, by key; those never observed are missing.
    func observations(of keys: [TransactionKey], in transaction: PostgresTransaction? = nil) async throws -> [TransactionKey: [UInt8]] {
        guard !keys.isEmpty else { return [:] }
        let select: SQL = """
            SELECT o.bank_id, o.bank_transaction_id, o.payload
            FROM unnest(\(keys.map(\.bankID)), \(keys.map(\.transactionID))) AS wanted (bank_id, transaction_id)
            JOIN event_log o ON o.bank_id = wanted.bank_id AND o.bank_transaction_id = wanted.transaction_id
            """
        let rows = if let transaction { try await transaction.query(select) } else { try await pool.query(select) }
        var found: [TransactionKey: [UInt8]] = [:]
        for (bank, transaction, message) in try rows.decode(String.self, String.self, [UInt8].self) {
            found[TransactionKey(bankID: bank, transactionID: transaction)] = message
        }
        return found
    }

    /// Writes lines in the order in which memory took them in, and labels.
    func append(_ lines: [LogLine], labels: [Label], in transaction: PostgresTransaction) async throws {
        if let upsert = Self.upsert(labels) { try await transaction.execute(upsert) }
        guard lines.count >= Self.minCopyLines else {
            if !lines.isEmpty { try await transaction.execute(Self.insert(lines)) }
            return
        }
        try await transaction.copyIn(
            table: "event_log", columns: ["payload", "bank_id", "bank_transaction_id", "event_time"]
        ) { writer in
            for line in lines {
                try await writer.write(
                    line.payload, line.observed?.key.bankID, line.observed?.key.transactionID, Self.time(of: line))
            }
        }
    }

    /// Writes a few lines in one round trip.
    func append(_ lines: [LogLine]) async throws { try await pool.execute(Self.insert(lines)) }

    private static func time(of line: LogLine) -> PostgresTimestamp? {
        line.observed.map { PostgresTimestamp(microsecondsSince1970: $0.eventTime.microseconds) }
    }

    private static func insert(_ lines: [LogLine]) -> SQL {
        """
        INSERT INTO event_log (payload, bank_id, bank_transaction_id, event_time)
        SELECT payload, bank_id, transaction_id, event_time FROM unnest(
            \(lines.map(\.payload)), \(lines.map { $0.observed?.key.bankID }), \(lines.map { $0.observed?.key.transactionID }),
            \(lines.map(Self.time))
        ) WITH ORDINALITY AS line (payload, bank_id, transaction_id, event_time, place)
        ORDER BY place
        """
    }

    private static func upsert(_ labels: [Label]) -> SQL? {
        guard !labels.isEmpty else { return nil }
        // One row a transaction, or ON CONFLICT would meet the same row twice.
        let newest = Dictionary(labels.map { ($0.key, $0) }, uniquingKeysWith: { $1 }).values
        return """
            INSERT INTO labels (bank_id, transaction_id, is_fraud, known_at, source)
            SELECT * FROM unnest(
                \(newest.map(\.key.bankID)), \(newest.map(\.key.transactionID)), \(newest.map(\.isFraud)),
                \(newest.map { PostgresTimestamp(microsecondsSince1970: $0.knownAt.microseconds) }), \(newest.map(\.source)))
            ON CONFLICT (bank_id, transaction_id) DO UPDATE
            SET is_fraud = excluded.is_fraud, known_at = excluded.known_at, source = excluded.source
            """
    }

    /// The store's own log behind a position, in the order in which memory took the entries in. Reads what is committed now: nobody else
    /// writes to it, or nothing that this memory is made of.
    func forEachEntry(
        after position: LogPosition = .start, batchRows: Int = 10_000, _ body: ([[UInt8]]) async throws -> Void
    ) async throws {
        try await pool.withTransaction { transaction in
            try await transaction.stream(
                """
                SELECT payload FROM event_log
                WHERE (transaction_id, sequence) > (\(PostgresTransactionID(position.transactionID)), \(position.sequence))
                ORDER BY transaction_id, sequence
                """, batchRows: batchRows
            ) { rows in
                try await body(try rows.map { try $0.decode([UInt8].self) })
            }
        }
    }

    /// The last observations up to a position, in the order in which memory took them in.
    func lastObservations(upTo position: LogPosition, limit: Int) async throws -> [[UInt8]] {
        let rows = try await pool.query(
            """
            SELECT payload FROM event_log
            WHERE bank_id IS NOT NULL
              AND (transaction_id, sequence) <= (\(PostgresTransactionID(position.transactionID)), \(position.sequence))
            ORDER BY transaction_id DESC, sequence DESC LIMIT \(limit)
            """)
        return try rows.decode([UInt8].self).reversed()
    }

    /// Observations of a span of event time with the labels known by a time, ordered by event time, a batch at a time.
    func forEachHistoricalBatch(
        from: Timestamp?, to: Timestamp?, knownBy: Timestamp?, batchRows: Int,
        _ body: ([HistoricalObservation]) async throws -> Void
    ) async throws {
        let first = PostgresTimestamp(microsecondsSince1970: from?.microseconds ?? .min)
        let end = PostgresTimestamp(microsecondsSince1970: to?.microseconds ?? .max)
        let known = PostgresTimestamp(microsecondsSince1970: knownBy?.microseconds ?? .max)
        try await pool.withTransaction { transaction in
            try await transaction.stream(
                """
                SELECT o.bank_id, o.bank_transaction_id, o.payload, l.is_fraud, l.known_at, l.source
                FROM event_log o
                LEFT JOIN labels l ON l.bank_id = o.bank_id AND l.transaction_id = o.bank_transaction_id AND l.known_at <= \(known)
                WHERE o.bank_id IS NOT NULL AND o.event_time >= \(first) AND o.event_time < \(end)
                ORDER BY o.event_time, o.bank_id, o.bank_transaction_id
                """, batchRows: batchRows
            ) { rows in
                try await body(try rows.map(HistoricalObservation.init(row:)))
            }
        }
    }
}

extension FeatureStoreDatabase {
    /// All observations in the order in which memory took them in, with the labels known by a time, a batch at a time.
    func forEachObservedBatch(
        knownBy: Timestamp?, batchRows: Int, _ body: ([HistoricalObservation]) async throws -> Void
    ) async throws {
        let known = PostgresTimestamp(microsecondsSince1970: knownBy?.microseconds ?? .max)
        try await pool.withTransaction { transaction in
            try await transaction.stream(
                """
                SELECT o.bank_id, o.bank_transaction_id, o.payload, l.is_fraud, l.known_at, l.source
                FROM event_log o
                LEFT JOIN labels l ON l.bank_id = o.bank_id AND l.transaction_id = o.bank_transaction_id AND l.known_at <= \(known)
                WHERE o.bank_id IS NOT NULL
                ORDER BY o.transaction_id, o.sequence
                """, batchRows: batchRows
            ) { rows in
                try await body(try rows.map(HistoricalObservation.init(row:)))
            }
        }
    }
}

/// An observation's entry with its label, if one was known in time.
struct HistoricalObservation: Sendable {
    let payload: [UInt8]
    let label: Label?

    init(row: PostgresRow) throws {
        let (bank, transaction, payload, isFraud, knownAt, source) = try row.decode(
            String.self, String.self, [UInt8].self, Bool?.self, PostgresTimestamp?.self, String?.self)
        self.payload = payload
        label =
            if let isFraud, let knownAt, let source {
                Label(
                    key: TransactionKey(bankID: bank, transactionID: transaction), isFraud: isFraud,
                    knownAt: Timestamp(microseconds: knownAt.microsecondsSince1970), source: source)
            } else { nil }
    }
}
