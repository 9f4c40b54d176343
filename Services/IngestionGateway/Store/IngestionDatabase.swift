import EventLog
import Postgres
import Records

/// A transaction ready to be written; the messages are opaque here.
struct TransactionRow: Sendable {
    let key: TransactionKey
    let eventTime: Timestamp
    let message: [UInt8]
    let logEntry: [UInt8]
}

struct RecordRow: Sendable {
    let kind: IncomingRecord.Kind
    let senderID: String
    let recordID: String
    let message: [UInt8]
    let logEntry: [UInt8]

    var name: RecordName { RecordName(kind: kind, senderID: senderID, recordID: recordID) }
}

struct RecordName: Sendable, Hashable {
    let kind: IncomingRecord.Kind
    let senderID: String
    let recordID: String
}

/// All SQL of the ingestion gateway. Each write is one statement: row and log entry become durable together.
struct IngestionDatabase: Sendable {
    let pool: PostgresPool
    let log: EventLog

    static let migrations = [
        Migration(name: "0001_create", sql: String(decoding: PackageResources.V0001_create_sql, as: UTF8.self))
    ]

    init(pool: PostgresPool) {
        self.pool = pool
        log = EventLog(pool: pool)
    }

    /// Writes those that are new, in order, and returns their keys. No key may come twice.
    func insert(_ rows: [TransactionRow]) async throws -> Set<TransactionKey> {
        let inserted = try await pool.query(
            """
            WITH incoming AS (
                SELECT * FROM unnest(
                    \(rows.map(\.key.bankID)), \(rows.map(\.key.transactionID)),
                    \(rows.map { PostgresTimestamp(microsecondsSince1970: $0.eventTime.microseconds) }),
                    \(rows.map(\.message)), \(rows.map(\.logEntry))
                ) WITH ORDINALITY AS row (bank_id, transaction_id, event_time, message, log_entry, place)
            ), inserted AS (
                INSERT INTO transactions (bank_id, transaction_id, event_time, message)
                SELECT bank_id, transaction_id, event_time, message FROM incoming ORDER BY place
                ON CONFLICT DO NOTHING
                RETURNING bank_id, transaction_id
            ), logged AS (
                INSERT INTO event_log (payload)
                SELECT log_entry FROM incoming JOIN inserted USING (bank_id, transaction_id) ORDER BY place
            )
            SELECT bank_id, transaction_id FROM inserted
            """)
        return Set(try inserted.decode(String.self, String.self).map { TransactionKey(bankID: $0, transactionID: $1) })
    }

    /// Transactions as they were accepted, by key.
    func messages(of keys: [TransactionKey]) async throws -> [TransactionKey: [UInt8]] {
        guard !keys.isEmpty else { return [:] }
        let rows = try await pool.query(
            """
            SELECT t.bank_id, t.transaction_id, t.message
            FROM unnest(\(keys.map(\.bankID)), \(keys.map(\.transactionID))) AS wanted (bank_id, transaction_id)
            JOIN transactions t USING (bank_id, transaction_id)
            """)
        var found: [TransactionKey: [UInt8]] = [:]
        for (bank, transaction, message) in try rows.decode(String.self, String.self, [UInt8].self) {
            found[TransactionKey(bankID: bank, transactionID: transaction)] = message
        }
        return found
    }

    /// Writes those that are new or say something else than before, in order, and returns their names. No name may come
    /// twice.
    func upsert(_ rows: [RecordRow]) async throws -> Set<RecordName> {
        let written = try await pool.query(
            """
            WITH incoming AS (
                SELECT * FROM unnest(
                    \(rows.map(\.kind.rawValue))::record_kind[], \(rows.map(\.senderID)), \(rows.map(\.recordID)),
                    \(rows.map(\.message)), \(rows.map(\.logEntry))
                ) WITH ORDINALITY AS row (kind, sender_id, record_id, message, log_entry, place)
            ), written AS (
                INSERT INTO records (kind, sender_id, record_id, message)
                SELECT kind, sender_id, record_id, message FROM incoming ORDER BY place
                ON CONFLICT (kind, sender_id, record_id) DO UPDATE
                SET message = excluded.message, received_at = excluded.received_at
                WHERE records.message <> excluded.message
                RETURNING kind, sender_id, record_id
            ), logged AS (
                INSERT INTO event_log (payload)
                SELECT log_entry FROM incoming JOIN written USING (kind, sender_id, record_id) ORDER BY place
            )
            SELECT kind::text, sender_id, record_id FROM written
            """)
        return Set(
            try written.decode(String.self, String.self, String.self).compactMap { kind, sender, record in
                IncomingRecord.Kind(rawValue: kind).map { RecordName(kind: $0, senderID: sender, recordID: record) }
            })
    }

    /// How many transactions, and how many records of each kind.
    func counts() async throws -> (transactions: Int64, records: [IncomingRecord.Kind: Int64]) {
        let transactions = try await pool.query("SELECT count(*) FROM transactions").first?.decode(Int64.self) ?? 0
        let rows = try await pool.query("SELECT kind::text, count(*) FROM records GROUP BY kind")
        var records: [IncomingRecord.Kind: Int64] = [:]
        for (kind, count) in try rows.decode(String.self, Int64.self) {
            if let kind = IncomingRecord.Kind(rawValue: kind) { records[kind] = count }
        }
        return (transactions, records)
    }
}
