import EventLog
import Postgres
import Records

/// A transaction's place in the store's tables; `message` is opaque here.
struct StoredObservation: Sendable {
    let key: TransactionKey
    let eventTime: Timestamp
    let message: [UInt8]
}

/// All SQL of the feature store.
struct FeatureStoreDatabase: Sendable {
    let pool: PostgresPool
    let log: EventLog

    static let migrations = [
        Migration(name: "0001_create", sql: String(decoding: PackageResources.V0001_create_sql, as: UTF8.self))
    ]

    init(pool: PostgresPool) {
        self.pool = pool
        log = EventLog(pool: pool)
    }

    /// What was observed of these transactions, by key; those never observed are missing.
    func observations(of keys: [TransactionKey], in transaction: PostgresTransaction? = nil) async throws -> [TransactionKey: [UInt8]] {
        guard !keys.isEmpty else { return [:] }
        let select: SQL = """
            SELECT o.bank_id, o.transaction_id, o.observation
            FROM unnest(\(keys.map(\.bankID)), \(keys.map(\.transactionID))) AS wanted (bank_id, transaction_id)
            JOIN observations o USING (bank_id, transaction_id)
            """
        let rows = if let transaction { try await transaction.query(select) } else { try await pool.query(select) }
        var found: [TransactionKey: [UInt8]] = [:]
        for (bank, transaction, message) in try rows.decode(String.self, String.self, [UInt8].self) {
            found[TransactionKey(bankID: bank, transactionID: transaction)] = message
        }
        return found
    }

    /// Writes observations and labels with their log entries. `entries` is the order in which memory took them in.
    func append(
        observations: [StoredObservation], labels: [Label], entries: [[UInt8]], in transaction: PostgresTransaction
    ) async throws {
        if !observations.isEmpty {
            try await transaction.execute(
                """
                INSERT INTO observations (bank_id, transaction_id, event_time, observation)
                SELECT * FROM unnest(
                    \(observations.map(\.key.bankID)), \(observations.map(\.key.transactionID)),
                    \(observations.map { PostgresTimestamp(microsecondsSince1970: $0.eventTime.microseconds) }), \(observations.map(\.message)))
                """)
        }
        if !labels.isEmpty {
            // One row a transaction, or ON CONFLICT would meet the same row twice.
            let newest = Dictionary(labels.map { ($0.key, $0) }, uniquingKeysWith: { $1 }).values
            try await transaction.execute(
                """
                INSERT INTO labels (bank_id, transaction_id, is_fraud, known_at, source)
                SELECT * FROM unnest(
                    \(newest.map(\.key.bankID)), \(newest.map(\.key.transactionID)), \(newest.map(\.isFraud)),
                    \(newest.map { PostgresTimestamp(microsecondsSince1970: $0.knownAt.microseconds) }), \(newest.map(\.source)))
                ON CONFLICT (bank_id, transaction_id) DO UPDATE
                SET is_fraud = excluded.is_fraud, known_at = excluded.known_at, source = excluded.source
                """)
        }
        try await log.append(entries, in: transaction)
    }

    /// The store's own log from its beginning, in the order in which memory took the entries in. Reads what is committed
    /// now: nobody else writes to it.
    func forEachEntry(batchRows: Int = 10_000, _ body: ([[UInt8]]) async throws -> Void) async throws {
        try await pool.withTransaction { transaction in
            try await transaction.stream("SELECT payload FROM event_log ORDER BY transaction_id, sequence", batchRows: batchRows) { rows in
                try await body(try rows.map { try $0.decode([UInt8].self) })
            }
        }
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
                SELECT o.bank_id, o.transaction_id, o.observation, l.is_fraud, l.known_at, l.source
                FROM observations o
                LEFT JOIN labels l ON l.bank_id = o.bank_id AND l.transaction_id = o.transaction_id AND l.known_at <= \(known)
                WHERE o.event_time >= \(first) AND o.event_time < \(end)
                ORDER BY o.event_time, o.bank_id, o.transaction_id
                """, batchRows: batchRows
            ) { rows in
                try await body(try rows.map(HistoricalObservation.init(row:)))
            }
        }
    }
}

/// An observation with its label, if one was known in time.
struct HistoricalObservation: Sendable {
    let message: [UInt8]
    let label: Label?

    init(row: PostgresRow) throws {
        let (bank, transaction, message, isFraud, knownAt, source) = try row.decode(
            String.self, String.self, [UInt8].self, Bool?.self, PostgresTimestamp?.self, String?.self)
        self.message = message
        label =
            if let isFraud, let knownAt, let source {
                Label(
                    key: TransactionKey(bankID: bank, transactionID: transaction), isFraud: isFraud,
                    knownAt: Timestamp(microseconds: knownAt.microsecondsSince1970), source: source)
            } else { nil }
    }
}
