import EventLog
import Postgres
import Records

/// A transaction ready to be written; the log entry is opaque here.
protocol WritableTransaction: Sendable {
    var key: TransactionKey { get }
    var logEntry: [UInt8] { get }
}

struct RecordRow: Sendable {
    let kind: IncomingRecord.Kind
    /// Empty for a kind that is shared.
    let senderID: String
    let recordID: String
    /// Of a kind that is shared: the bank that sends it, nil for whoever may overrule banks.
    let ownerBankID: String?
    let message: [UInt8]
    let logEntry: [UInt8]

    var name: RecordName { RecordName(kind: kind, senderID: senderID, recordID: recordID) }
}

struct RecordName: Sendable, Hashable {
    let kind: IncomingRecord.Kind
    let senderID: String
    let recordID: String
}

/// The SQL of what is sent. Row and log entry become durable together; a transaction is its log entry.
struct IngestionDatabase: Sendable {
    let pool: PostgresPool
    let log: EventLog

    /// From so many rows on it is quicker to write all or none, for all its round trips.
    static let minRowsAtOnce = 24
    /// How often a list of which not all are new is written, where other writers of its names undo it.
    private static let maxInsertAttempts = 10
    /// So near to a partition's end, by whichever clock, writers take turns: a name must not land on both sides.
    static let boundaryMicroseconds: Int64 = 600 * 1_000_000
    private static let partitionMicroseconds: Int64 = 31 * 86_400 * 1_000_000

    static let migrations = [
        Migration(name: "0001_create", sql: String(decoding: PackageResources.V0001_create_sql, as: UTF8.self)),
        Migration(
            name: "0002_log_holds_transactions",
            sql: String(decoding: PackageResources.V0002_log_holds_transactions_sql, as: UTF8.self)),
        Migration(name: "0003_transactions_view", sql: String(decoding: PackageResources.V0003_transactions_view_sql, as: UTF8.self)),
        Migration(name: "0004_merchants", sql: String(decoding: PackageResources.V0004_merchants_sql, as: UTF8.self)),
        Migration(name: "0005_names_by_bytes", sql: String(decoding: PackageResources.V0005_names_by_bytes_sql, as: UTF8.self)),
        Migration(name: "0006_further_owners", sql: String(decoding: PackageResources.V0006_further_owners_sql, as: UTF8.self)),
        Migration(name: "0007_erased_owners", sql: String(decoding: PackageResources.V0007_erased_owners_sql, as: UTF8.self)),
        Migration(name: "0008_identifiers_seen_at", sql: String(decoding: PackageResources.V0008_identifiers_seen_at_sql, as: UTF8.self)),
        Migration(name: "0010_records_with_owners", sql: String(decoding: PackageResources.V0010_records_with_owners_sql, as: UTF8.self)),
    ]

    init(pool: PostgresPool) {
        self.pool = pool
        log = EventLog(pool: pool, nameColumn: "bank_id")
    }

    // MARK: Transactions

    /// Writes all rows, in order, in the quickest way; with them, what is kept of raw identifiers. Returns nil, with nothing written,
    /// where one is not new, where a key comes twice, or where another way is called for: then ``insert(_:sealed:now:)`` is to tell.
    ///
    /// - Parameter hasBegun: called when the log will show these rows before all that begins from now on.
    /// - Returns: where the first of them lies in the log; the others follow it.
    func insertNew(
        _ rows: [some WritableTransaction], sealed: [SealedIdentifier], now: Timestamp, hasBegun: @Sendable () -> Void = {}
    ) async throws -> LogPosition? {
        guard rows.count >= Self.minRowsAtOnce, !Self.isNearBoundary(now) else { return nil }
        return try await insertAll(rows, sealed, hasBegun)
    }

    /// Writes those that are new, in order, and returns where they lie in the log; with them, what is kept of raw identifiers. No key may
    /// come twice.
    func insert(
        _ rows: [some WritableTransaction], sealed: [SealedIdentifier], now: Timestamp
    ) async throws -> [TransactionKey: LogPosition] {
        guard !rows.isEmpty else { return [:] }
        let isNearBoundary = Self.isNearBoundary(now)
        if rows.count == 1, !isNearBoundary, let position = try await insertNew(rows[0], sealed) { return [rows[0].key: position] }
        var statements = PrivacyDatabase.keep(sealed)
        if isNearBoundary { statements.append("SELECT pg_advisory_xact_lock(hashtextextended('vigil.log_boundary', 0))") }
        statements.append(Self.insert(rows, looksAround: isNearBoundary))
        // Writers of the same names meet them in one order here, but not where all are thought new: what is undone for that is run again.
        let results = try await pool.withTransaction(attempts: Self.maxInsertAttempts) { try await $0.pipeline(statements) }
        guard let inserted = results.last else { return [:] }
        var written: [TransactionKey: LogPosition] = [:]
        for (bank, id, transaction, sequence) in try inserted.decode(String.self, String.self, PostgresTransactionID.self, Int64.self) {
            written[TransactionKey(bankID: bank, transactionID: id)] = LogPosition(transactionID: transaction.value, sequence: sequence)
        }
        return written
    }

    static func isNearBoundary(_ now: Timestamp) -> Bool {
        let since = now.microseconds % partitionMicroseconds
        return since < boundaryMicroseconds || since > partitionMicroseconds - boundaryMicroseconds
    }

    /// Writes all rows, or none and returns nil where one of them is not new. The current partition's index tells what it holds. The one
    /// before gains nothing any more, so it is asked ahead of the rows whether it has names between the least and the greatest: banks
    /// mostly count or date theirs, and then it has none. Where it has, what was written is looked up there by the server itself, so that
    /// names travel once.
    private func insertAll(
        _ rows: [some WritableTransaction], _ sealed: [SealedIdentifier], _ hasBegun: @Sendable () -> Void
    ) async throws -> LogPosition? {
        let ranges = NameRange.ranges(of: rows)
        do {
            return try await pool.withTransaction { transaction in
                let begun = try await transaction.pipeline(
                    ["SELECT pg_current_xact_id()", Self.earlier(within: ranges)] + PrivacyDatabase.keep(sealed))
                hasBegun()
                var statements = [Self.insertAll(rows, banks: ranges.count)]
                if !begun[1].isEmpty { statements.append(Self.writtenEarlier) }
                let results = try await transaction.pipeline(statements)
                guard results.count == 1 || results[1].isEmpty else { throw NotNew() }
                return try begun[0].first.map { LogPosition(transactionID: try $0.decode(PostgresTransactionID.self).value, sequence: 1) }
            }
        } catch is NotNew {
            return nil
        } catch let error as PostgresError where error.sqlState == "23505" || error.isSerializationFailure {
            // Another has written one of the names, or two writers of the same ones have waited for each other.
            return nil
        }
    }

    /// Not by COPY, which takes the server a fifth longer: it makes a thousand places for rows each time.
    private static func insertAll(_ rows: [some WritableTransaction], banks: Int) -> SQL {
        let bank: SQL = banks == 1 ? "\(rows[0].key.bankID)" : "unnest(\(rows.map(\.key.bankID)))"
        // Events are told apart within their transaction: numbers of its own save the server a common sequence.
        return """
            INSERT INTO event_log (sequence, payload, bank_id, bank_transaction_id)
            SELECT generate_series(1, \(rows.count)), unnest(\(rows.map(\.logEntry))), \(bank), unnest(\(rows.map(\.key.transactionID)))
            """
    }

    /// A row if the partition before has a name in one of the ranges.
    private static func earlier(within ranges: [NameRange]) -> SQL {
        // The order keeps the server to a look into the index for each range, whatever it thinks of the partitions' sizes.
        """
        SELECT FROM unnest(\(ranges.map(\.bankID)), \(ranges.map(\.first)), \(ranges.map(\.last))) AS range (bank_id, first, last), LATERAL (
            SELECT FROM event_log e
            WHERE e.bank_id = range.bank_id AND e.bank_transaction_id >= range.first AND e.bank_transaction_id <= range.last
              AND e.recorded_at >= log_partition_start(now()) - interval '744 hours' AND e.recorded_at < log_partition_start(now())
            ORDER BY e.bank_id, e.bank_transaction_id LIMIT 1
        ) earlier
        LIMIT 1
        """
    }

    /// A row if the partition before has a name that this transaction has written. The inner limit is there for the same reason.
    private static var writtenEarlier: SQL {
        """
        SELECT FROM event_log written, LATERAL (
            SELECT FROM event_log e
            WHERE e.bank_id = written.bank_id AND e.bank_transaction_id = written.bank_transaction_id
              AND e.recorded_at >= log_partition_start(now()) - interval '744 hours' AND e.recorded_at < log_partition_start(now())
            LIMIT 1
        ) earlier
        WHERE written.transaction_id = pg_current_xact_id() AND written.recorded_at >= log_partition_start(now())
        LIMIT 1
        """
    }

    private struct NotNew: Error {}

    /// One by itself, which takes the server half as long as a list of one; nil where it is not new.
    private func insertNew(_ row: some WritableTransaction, _ sealed: [SealedIdentifier]) async throws -> LogPosition? {
        let insert: SQL = """
            INSERT INTO event_log (payload, bank_id, bank_transaction_id)
            SELECT log_entry, bank_id, transaction_id
            FROM (SELECT \(row.logEntry), \(row.key.bankID), \(row.key.transactionID)) AS i (log_entry, bank_id, transaction_id)
            WHERE NOT EXISTS (
                SELECT FROM event_log e WHERE e.bank_id = i.bank_id AND e.bank_transaction_id = i.transaction_id
                AND e.recorded_at >= log_partition_start(now()) - interval '744 hours' AND e.recorded_at < log_partition_start(now())
            )
            RETURNING transaction_id, sequence
            """
        do {
            let written = try await pool.pipeline(PrivacyDatabase.keep(sealed) + [insert]).last?.first
            return try written.map { row in
                let (transaction, sequence) = try row.decode(PostgresTransactionID.self, Int64.self)
                return LogPosition(transactionID: transaction.value, sequence: sequence)
            }
        } catch let error as PostgresError where error.sqlState == "23505" {
            return nil
        }
    }

    /// - Parameter looksAround: also into the partitions before and after, where another writer's clock may have put the name.
    private static func insert(_ rows: [some WritableTransaction], looksAround: Bool) -> SQL {
        let days = looksAround ? 62 : 0
        return """
            WITH incoming AS (
                SELECT * FROM unnest(
                    \(rows.map(\.key.bankID)), \(rows.map(\.key.transactionID)), \(rows.map(\.logEntry))
                ) WITH ORDINALITY AS row (bank_id, transaction_id, log_entry, place)
            )
            INSERT INTO event_log (sequence, payload, bank_id, bank_transaction_id)
            SELECT place, log_entry, bank_id, transaction_id FROM incoming i
            WHERE NOT EXISTS (
                SELECT FROM event_log e WHERE e.bank_id = i.bank_id AND e.bank_transaction_id = i.transaction_id
                AND e.recorded_at >= log_partition_start(now()) - interval '744 hours'
                AND e.recorded_at < log_partition_start(now()) + make_interval(hours => 24 * \(Int32(days)))
            )
            ORDER BY bank_id, transaction_id
            ON CONFLICT DO NOTHING
            RETURNING bank_id, bank_transaction_id, transaction_id, sequence
            """
    }

    /// The log entries of transactions, by key, as far back as a name is taken.
    func entries(of keys: [TransactionKey]) async throws -> [TransactionKey: [UInt8]] {
        guard !keys.isEmpty else { return [:] }
        let rows = try await pool.query(
            """
            SELECT e.bank_id, e.bank_transaction_id, e.payload
            FROM unnest(\(keys.map(\.bankID)), \(keys.map(\.transactionID))) AS wanted (bank_id, transaction_id)
            JOIN event_log e ON e.bank_id = wanted.bank_id AND e.bank_transaction_id = wanted.transaction_id
            WHERE e.recorded_at >= log_partition_start(now()) - interval '744 hours'
            """)
        var found: [TransactionKey: [UInt8]] = [:]
        for (bank, transaction, entry) in try rows.decode(String.self, String.self, [UInt8].self) {
            found[TransactionKey(bankID: bank, transactionID: transaction)] = entry
        }
        return found
    }

    // MARK: Records of other kinds

    /// Writes those that are new or say something else than before, in order, and returns their names; and those that are left as they are
    /// because they belong to another bank or to no bank. No name may come twice.
    func upsert(
        _ rows: [RecordRow], sealed: [SealedIdentifier]
    ) async throws -> (written: Set<RecordName>, refused: Set<RecordName>) {
        // Rows in the order of their names, so that two writers of the same ones do not wait for each other.
        let write: SQL = """
            WITH incoming AS (
                SELECT * FROM unnest(
                    \(rows.map(\.kind.rawValue))::record_kind[], \(rows.map(\.senderID)), \(rows.map(\.recordID)),
                    \(rows.map(\.ownerBankID)), \(rows.map(\.message)), \(rows.map(\.logEntry))
                ) WITH ORDINALITY AS row (kind, sender_id, record_id, owner_bank_id, message, log_entry, place)
            ), written AS (
                INSERT INTO records (kind, sender_id, record_id, owner_bank_id, message)
                SELECT kind, sender_id, record_id, owner_bank_id, message FROM incoming ORDER BY kind, sender_id, record_id
                ON CONFLICT (kind, sender_id, record_id) DO UPDATE
                SET message = excluded.message, received_at = excluded.received_at
                WHERE records.message <> excluded.message
                  AND (excluded.owner_bank_id IS NULL OR records.owner_bank_id = excluded.owner_bank_id)
                RETURNING kind, sender_id, record_id
            ), logged AS (
                INSERT INTO event_log (payload)
                SELECT log_entry FROM incoming JOIN written USING (kind, sender_id, record_id) ORDER BY place
            )
            SELECT kind::text, sender_id, record_id FROM written
            """
        let owned = rows.filter { $0.ownerBankID != nil }
        var results = try await pool.pipeline(
            PrivacyDatabase.keep(sealed, forGood: true) + [write] + (owned.isEmpty ? [] : [Self.ownedByOthers(owned)]))
        let refused = owned.isEmpty ? [] : try Self.names(results.removeLast())
        return (try results.last.map(Self.names) ?? [], refused)
    }

    /// A statement of its own, after the one that writes, so that it sees who came first where two came at once.
    private static func ownedByOthers(_ rows: [RecordRow]) -> SQL {
        """
        SELECT kind::text, sender_id, record_id FROM records JOIN unnest(
            \(rows.map(\.kind.rawValue))::record_kind[], \(rows.map(\.senderID)), \(rows.map(\.recordID)), \(rows.map(\.ownerBankID))
        ) AS incoming (kind, sender_id, record_id, bank_id) USING (kind, sender_id, record_id)
        WHERE owner_bank_id IS DISTINCT FROM bank_id
        """
    }

    private static func names(_ rows: PostgresRows) throws -> Set<RecordName> {
        Set(
            try rows.decode(String.self, String.self, String.self).compactMap { kind, sender, record in
                IncomingRecord.Kind(rawValue: kind).map { RecordName(kind: $0, senderID: sender, recordID: record) }
            })
    }

    /// How many transactions, and how many records of each kind, by whose they are.
    struct Counts: Sendable {
        fileprivate var transactions: [String: Int64] = [:]
        fileprivate var records: [String: [IncomingRecord.Kind: Int64]] = [:]

        /// - Parameter bankID: nil for all.
        func transactions(of bankID: String?) -> Int64 {
            bankID.map { transactions[$0] ?? 0 } ?? transactions.values.reduce(0, +)
        }

        func records(of bankID: String?) -> [IncomingRecord.Kind: Int64] {
            bankID.map { records[$0] ?? [:] } ?? records.values.reduce(into: [:]) { $0.merge($1, uniquingKeysWith: +) }
        }
    }

    func counts() async throws -> Counts {
        var counts = Counts()
        let transactions = try await pool.query("SELECT bank_id, count(*) FROM event_log WHERE bank_id IS NOT NULL GROUP BY bank_id")
        for (bank, count) in try transactions.decode(String.self, Int64.self) { counts.transactions[bank] = count }
        let records = try await pool.query(
            "SELECT kind::text, coalesce(owner_bank_id, sender_id) AS owner, count(*) FROM records GROUP BY kind, owner")
        for (kind, owner, count) in try records.decode(String.self, String.self, Int64.self) {
            if let kind = IncomingRecord.Kind(rawValue: kind) { counts.records[owner, default: [:]][kind] = count }
        }
        return counts
    }
}
