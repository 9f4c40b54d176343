import Postgres
import Records

/// A raw identifier as it is kept: encrypted.
struct SealedIdentifier: Sendable, Hashable {
    let token: String
    let kind: IdentifierKind
    /// The token of the customer it was seen with.
    let owner: String?
    let keyID: String
    let sealed: [UInt8]
}

/// One thing that was done to personal data.
struct PrivacyRecord: Sendable, Hashable {
    let at: Timestamp
    let action: String
    let actor: String
    let subject: String
    let reason: String
    let count: Int64
}

/// A partition of the log: everything recorded before `until`, and after the partition before it.
struct LogPartition: Sendable, Hashable {
    let name: String
    let until: Timestamp
}

/// The SQL of raw identifiers, erasure, retention and their audit.
struct PrivacyDatabase: Sendable {
    let pool: PostgresPool

    /// Keeps identifiers that are not kept yet, and every customer that one was seen with; nil where there are none. Nothing is kept of
    /// what was erased, and what turns out to be an erased customer's is erased then.
    static func keep(_ sealed: [SealedIdentifier]) -> SQL? {
        guard !sealed.isEmpty else { return nil }
        return """
            WITH given AS (
                SELECT * FROM unnest(
                    \(sealed.map(\.token)), \(sealed.map(\.kind.rawValue)), \(sealed.map(\.owner)), \(sealed.map(\.keyID)),
                    \(sealed.map(\.sealed))
                ) AS given (token, kind, owner, key_id, sealed)
            ), erased AS (
                SELECT DISTINCT given.token FROM given JOIN erased_tokens e ON e.token IN (given.token, given.owner)
            ), marked AS (
                INSERT INTO erased_tokens (token) SELECT token FROM erased ORDER BY token ON CONFLICT (token) DO NOTHING
            ), withdrawn AS (
                DELETE FROM identifiers i USING erased WHERE i.token = erased.token
            ), wanted AS (
                SELECT * FROM given WHERE token NOT IN (SELECT token FROM erased)
            ), kept AS (
                INSERT INTO identifiers (token, kind, owner, key_id, sealed) SELECT * FROM wanted ORDER BY token
                ON CONFLICT (token) DO NOTHING
                RETURNING token, owner
            )
            INSERT INTO further_owners (owner, token)
            SELECT owner, token FROM wanted w
            WHERE owner IS NOT NULL
              AND NOT EXISTS (SELECT FROM kept k WHERE k.token = w.token AND k.owner = w.owner)
              AND NOT EXISTS (SELECT FROM identifiers i WHERE i.token = w.token AND i.owner = w.owner)
            ORDER BY owner, token
            ON CONFLICT DO NOTHING
            """
    }

    /// Erases what is kept of a customer and of what was seen with it, for good.
    ///
    /// - Returns: how many identifiers were erased.
    func erase(customerToken: String, actor: String, reason: String) async throws -> Int64 {
        try await pool.withTransaction { transaction in
            // Whoever is writing identifiers right now ends first; whoever comes later sees what is erased.
            try await transaction.execute("LOCK TABLE identifiers IN SHARE ROW EXCLUSIVE MODE")
            let erased = try await transaction.query(
                """
                DELETE FROM identifiers
                WHERE token = \(customerToken) OR owner = \(customerToken)
                   OR token = ANY (ARRAY(SELECT token FROM further_owners WHERE owner = \(customerToken)))
                RETURNING token
                """)
            let tokens = try erased.decode(String.self)
            try await transaction.execute("DELETE FROM further_owners WHERE owner = \(customerToken)")
            try await transaction.execute(
                """
                INSERT INTO erased_tokens (token) SELECT * FROM unnest(\(tokens)) UNION SELECT \(customerToken)
                ON CONFLICT (token) DO NOTHING
                """)
            let count = Int64(tokens.count)
            try await transaction.execute(Self.record(.erasure, actor: actor, subject: customerToken, reason: reason, count: count))
            return count
        }
    }

    /// What is kept behind a token, with a record of who asked; nil where nothing is kept.
    func reveal(token: String, actor: String, reason: String) async throws -> SealedIdentifier? {
        try await pool.withTransaction { transaction in
            let rows = try await transaction.query("SELECT kind, owner, key_id, sealed FROM identifiers WHERE token = \(token)")
            let found = try rows.first?.decode(String.self, String?.self, String.self, [UInt8].self)
            try await transaction.execute(
                Self.record(.reveal, actor: actor, subject: token, reason: reason, count: found == nil ? 0 : 1))
            return found.flatMap { kind, owner, keyID, sealed in
                IdentifierKind(rawValue: kind).map {
                    SealedIdentifier(token: token, kind: $0, owner: owner, keyID: keyID, sealed: sealed)
                }
            }
        }
    }

    /// The keys that identifiers are sealed with, each found by one look into their index.
    func keyIDs() async throws -> Set<String> {
        let rows = try await pool.query(
            """
            WITH RECURSIVE keys AS (
                SELECT min(key_id) AS key_id FROM identifiers
                UNION ALL
                SELECT (SELECT min(i.key_id) FROM identifiers i WHERE i.key_id > keys.key_id) FROM keys WHERE keys.key_id IS NOT NULL
            )
            SELECT key_id FROM keys WHERE key_id IS NOT NULL
            """)
        return Set(try rows.decode(String.self))
    }

    /// Some identifiers under these keys, to be sealed again.
    func sealed(under keyIDs: Set<String>, limit: Int) async throws -> [SealedIdentifier] {
        let rows = try await pool.query(
            """
            SELECT token, kind, owner, key_id, sealed FROM identifiers WHERE key_id = ANY (\(Array(keyIDs))) ORDER BY token LIMIT \(limit)
            """)
        return try rows.decode(String.self, String.self, String?.self, String.self, [UInt8].self).compactMap { token, kind, owner, key, sealed in
            IdentifierKind(rawValue: kind).map { SealedIdentifier(token: token, kind: $0, owner: owner, keyID: key, sealed: sealed) }
        }
    }

    /// Puts newly sealed identifiers in the place of the old ones; what was erased meanwhile stays erased.
    func replace(_ sealed: [SealedIdentifier]) async throws {
        try await pool.execute(
            """
            UPDATE identifiers i SET key_id = new.key_id, sealed = new.sealed
            FROM unnest(\(sealed.map(\.token)), \(sealed.map(\.keyID)), \(sealed.map(\.sealed))) AS new (token, key_id, sealed)
            WHERE i.token = new.token
            """)
    }

    // MARK: Retention

    /// Two partitions: a new transaction's name is looked up in the current one and the one before, which reach so far back at most.
    static let minKeepDays = 62

    /// Makes the partitions that the next two months will need.
    func createPartitions() async throws {
        try await pool.execute("SELECT create_log_partition(now() + make_interval(days => d)) FROM unnest(ARRAY[0, 31, 62]) AS d")
    }

    /// Partitions that hold nothing younger than so many days, oldest first. They are dropped unless only asked for.
    func applyRetention(keepDays: Int, dryRun: Bool, actor: String) async throws -> [LogPartition] {
        try await pool.withTransaction { transaction in
            let rows = try await transaction.query(
                """
                SELECT c.relname::text, to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC' + interval '744 hours'
                FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = to_regclass('event_log')
                  AND to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC' + interval '744 hours'
                      < now() - make_interval(days => \(Int32(keepDays)))
                ORDER BY 2
                """)
            let partitions = try rows.decode(String.self, PostgresTimestamp.self).map {
                LogPartition(name: $0, until: Timestamp(microseconds: $1.microsecondsSince1970))
            }
            if dryRun { return partitions }
            for partition in partitions {
                let counted = try await transaction.query("SELECT count(*) FROM \(ident: partition.name)")
                let count = try counted.first?.decode(Int64.self) ?? 0
                try await transaction.execute("DROP TABLE \(ident: partition.name)")
                try await transaction.execute(
                    Self.record(
                        .retention, actor: actor, subject: partition.name, reason: "older than \(keepDays) days", count: count))
            }
            return partitions
        }
    }

    // MARK: Audit

    private enum Action: String {
        case erasure, reveal, retention
    }

    private static func record(
        _ action: Action, actor: String, subject: String, reason: String, count: Int64
    ) -> SQL {
        """
        INSERT INTO privacy_records (action, actor, subject, reason, count)
        VALUES (\(action.rawValue), \(actor), \(subject), \(reason), \(count))
        """
    }

    /// Newest first.
    func records(limit: Int) async throws -> [PrivacyRecord] {
        let rows = try await pool.query(
            "SELECT at, action, actor, subject, reason, count FROM privacy_records ORDER BY id DESC LIMIT \(limit)")
        return try rows.decode(PostgresTimestamp.self, String.self, String.self, String.self, String.self, Int64.self).map {
            PrivacyRecord(
                at: Timestamp(microseconds: $0.microsecondsSince1970), action: $1, actor: $2, subject: $3, reason: $4, count: $5)
        }
    }
}
