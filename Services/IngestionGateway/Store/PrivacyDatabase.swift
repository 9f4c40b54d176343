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

/// What came of an erasure.
struct Erasure: Sendable, Hashable {
    /// Identifiers that are kept no more.
    let erased: Int64
    /// Identifiers of the erased customer that stay, since they are another customer's as well.
    let shared: Int64
    /// When what was to be erased had been for the first time.
    let erasedBefore: Timestamp?
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

/// What retention has dropped, or would drop.
struct Dropped: Sendable, Hashable {
    var partitions: [LogPartition]
    /// How many raw identifiers.
    var identifiers: Int64
}

/// A partition of the log: everything recorded before `until`, and after the partition before it.
struct LogPartition: Sendable, Hashable {
    let name: String
    let until: Timestamp
}

/// The SQL of raw identifiers, erasure, retention and their audit.
struct PrivacyDatabase: Sendable {
    let pool: PostgresPool

    /// Keeps identifiers that are not kept yet, and every customer that one was seen with; marks those that are kept as seen. Of what was erased
    /// nothing is kept. What an erased customer is seen with is not kept either, and is withdrawn on the record where it has been: unless it is
    /// another customer's, whose it stays. Owners in these tables are never erased ones.
    ///
    /// - Parameter forGood: whether retention leaves them, since what names them is kept for good.
    /// - Returns: statements for one transaction, in order. What is marked first cannot be dropped any more when the others find it kept.
    static func keep(_ sealed: [SealedIdentifier], forGood: Bool = false) -> [SQL] {
        if sealed.isEmpty { return [] }
        let seenAt: SQL = forGood ? "timestamptz 'infinity'" : "now()"
        return [mark(sealed.map(\.token), seenAt: seenAt, unlessSince: forGood ? seenAt : "log_partition_start(now())"), add(sealed, seenAt: seenAt)]
    }

    /// Locks in the tokens' order, so that no two writers wait for each other.
    private static func mark(_ tokens: [String], seenAt: SQL, unlessSince: SQL) -> SQL {
        """
        WITH marked AS (
            SELECT token FROM identifiers WHERE token = ANY (\(tokens)) AND seen_at < \(unlessSince) ORDER BY token FOR NO KEY UPDATE
        )
        UPDATE identifiers i SET seen_at = \(seenAt) FROM marked m WHERE i.token = m.token
        """
    }

    private static func add(_ sealed: [SealedIdentifier], seenAt: SQL) -> SQL {
        """
        WITH given AS (
            SELECT *,
                EXISTS (SELECT FROM erased_tokens e WHERE e.token = given.owner) AS is_of_erased,
                EXISTS (SELECT FROM erased_tokens e WHERE e.token = given.token AND (e.owner IS NULL OR given.owner IS NULL)) AS is_erased
            FROM unnest(
                \(sealed.map(\.token)), \(sealed.map(\.kind.rawValue)), \(sealed.map(\.owner)), \(sealed.map(\.keyID)),
                \(sealed.map(\.sealed))
            ) AS given (token, kind, owner, key_id, sealed)
        ), alone AS (
            SELECT token, min(owner) AS owner FROM given g WHERE is_of_erased
              AND NOT EXISTS (SELECT FROM given o WHERE o.token = g.token AND o.owner IS NOT NULL AND NOT o.is_of_erased)
              AND NOT EXISTS (SELECT FROM identifiers i WHERE i.token = g.token AND i.owner IS NOT NULL)
              AND NOT EXISTS (SELECT FROM further_owners f WHERE f.token = g.token)
            GROUP BY token
        ), marked AS (
            INSERT INTO erased_tokens (token, owner) SELECT token, owner FROM alone ORDER BY token ON CONFLICT (token) DO NOTHING
        ), withdrawn AS (
            DELETE FROM identifiers i USING alone a WHERE i.token = a.token RETURNING i.token, a.owner
        ), recorded AS (
            INSERT INTO privacy_records (action, actor, subject, reason, count)
            SELECT \(Action.erasure.rawValue), 'ingestion-gateway', token, 'seen with ' || owner || ', which was erased', 1 FROM withdrawn
        ), wanted AS (
            SELECT token, kind, owner, key_id, sealed FROM given
            WHERE NOT is_erased AND NOT is_of_erased AND token NOT IN (SELECT token FROM alone)
        ), claimed AS (
            DELETE FROM erased_tokens e USING wanted w WHERE e.token = w.token
        ), kept AS (
            INSERT INTO identifiers (token, kind, owner, key_id, sealed, seen_at) SELECT *, \(seenAt) FROM wanted ORDER BY token
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

    /// Erases for good what is kept behind a token and, where that is a customer's, what was seen with this customer and is no other's.
    ///
    /// - Parameter bankID: whose customer it is, for the record; nil where that is not said.
    func erase(token: String, actor: String, bankID: String? = nil, reason: String) async throws -> Erasure {
        try await pool.withTransaction { transaction in
            // Whoever is writing identifiers right now ends first; whoever comes later sees what is erased.
            try await transaction.execute("LOCK TABLE identifiers IN SHARE ROW EXCLUSIVE MODE")
            let before = try await transaction.query("SELECT erased_at FROM erased_tokens WHERE token = \(token) AND owner IS NULL")
            let links = try await transaction.query(
                "DELETE FROM further_owners WHERE owner = \(token) OR token = \(token) RETURNING token")
            let handedOn = try await transaction.query(
                """
                WITH heirs AS (
                    SELECT i.token, min(f.owner) AS owner FROM identifiers i JOIN further_owners f ON f.token = i.token
                    WHERE i.owner = \(token) GROUP BY i.token
                ), moved AS (
                    UPDATE identifiers i SET owner = h.owner FROM heirs h WHERE i.token = h.token
                )
                DELETE FROM further_owners f USING heirs h WHERE f.token = h.token AND f.owner = h.owner RETURNING f.token
                """)
            let seen = Set(try links.decode(String.self))
            let erased = try await transaction.query(
                """
                DELETE FROM identifiers i
                WHERE token = \(token) OR owner = \(token)
                   OR token = ANY (\(Array(seen))) AND owner IS NULL AND NOT EXISTS (SELECT FROM further_owners f WHERE f.token = i.token)
                RETURNING token
                """)
            let gone = Set(try erased.decode(String.self))
            let shared = seen.union(try handedOn.decode(String.self)).subtracting(gone)
            if !gone.isEmpty || !shared.isEmpty {
                try await transaction.execute(
                    """
                    INSERT INTO erased_tokens (token, owner)
                    SELECT token, nullif(\(token), token) FROM unnest(\(Array(gone.union([token])))) AS gone (token)
                    ON CONFLICT (token) DO UPDATE SET owner = NULL WHERE excluded.owner IS NULL
                    """)
            }
            let erasedBefore = try before.first.map { Timestamp(microseconds: try $0.decode(PostgresTimestamp.self).microsecondsSince1970) }
            let erasure = Erasure(erased: Int64(gone.count), shared: Int64(shared.count), erasedBefore: erasedBefore)
            try await transaction.execute(
                Self.record(.erasure, actor: actor, bankID: bankID, subject: token, reason: reason, count: erasure.erased))
            return erasure
        }
    }

    /// What is kept behind a token, opened, with a record of who asked; nil where nothing is kept.
    ///
    /// - Parameters:
    ///   - bankID: the bank that asks; nil for who may see all.
    ///   - isOwn: whether a customer is the bank's. Others' customers, and what is no own customer's, are as if nothing were kept.
    /// - Throws: what `open` throws, once it is recorded that nothing was revealed.
    func reveal<Opened>(
        token: String, actor: String, bankID: String?, reason: String, isOwn: (SealedIdentifier) -> Bool,
        open: (SealedIdentifier) throws -> Opened
    ) async throws -> Opened? {
        let revealed: Result<Opened, any Error>? = try await pool.withTransaction { transaction in
            let found = try Self.sealed(
                try await transaction.query("SELECT token, kind, owner, key_id, sealed FROM identifiers WHERE token = \(token)")).first
            var isShown = found != nil
            if bankID != nil, let found {
                let customers = found.kind == .customer ? [found] : try Self.sealed(try await transaction.query(Self.owners(of: token)))
                isShown = customers.contains(where: isOwn)
            }
            let opened = isShown ? found.map { sealed in Result { try open(sealed) } } : nil
            let count: Int64 = if case .success = opened { 1 } else { 0 }
            try await transaction.execute(
                Self.record(.reveal, actor: actor, bankID: bankID, subject: token, reason: reason, count: count))
            return opened
        }
        return try revealed?.get()
    }

    /// The customers that an identifier was seen with.
    private static func owners(of token: String) -> SQL {
        """
        SELECT token, kind, owner, key_id, sealed FROM identifiers
        WHERE token IN (
            SELECT owner FROM identifiers WHERE token = \(token) UNION ALL SELECT owner FROM further_owners WHERE token = \(token))
        """
    }

    private static func sealed(_ rows: PostgresRows) throws -> [SealedIdentifier] {
        try rows.decode(String.self, String.self, String?.self, String.self, [UInt8].self).compactMap { token, kind, owner, key, sealed in
            IdentifierKind(rawValue: kind).map { SealedIdentifier(token: token, kind: $0, owner: owner, keyID: key, sealed: sealed) }
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
        try await sealed("key_id = ANY (\(Array(keyIDs))) ORDER BY token LIMIT \(limit)")
    }

    /// Any identifiers under a key.
    func sample(under keyID: String, limit: Int) async throws -> [SealedIdentifier] {
        try await sealed("key_id = \(keyID) LIMIT \(limit)")
    }

    private func sealed(_ condition: SQL) async throws -> [SealedIdentifier] {
        try Self.sealed(try await pool.query("SELECT token, kind, owner, key_id, sealed FROM identifiers WHERE \(condition)"))
    }

    /// Puts newly sealed identifiers in the place of the old ones; what was erased meanwhile stays erased.
    func replace(_ sealed: [SealedIdentifier]) async throws {
        try await pool.execute(
            """
            WITH locked AS (
                SELECT token FROM identifiers WHERE token = ANY (\(sealed.map(\.token))) ORDER BY token FOR NO KEY UPDATE
            )
            UPDATE identifiers i SET key_id = new.key_id, sealed = new.sealed
            FROM unnest(\(sealed.map(\.token)), \(sealed.map(\.keyID)), \(sealed.map(\.sealed))) AS new (token, key_id, sealed)
            JOIN locked USING (token)
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

    /// Drops partitions that hold nothing younger than so many days, and then identifiers that nothing names which is kept.
    ///
    /// - Parameter dryRun: only says what would be dropped.
    func applyRetention(keepDays: Int, dryRun: Bool, actor: String) async throws -> Dropped {
        let rows = try await pool.query("SELECT log_partition_start(now() - make_interval(days => \(Int32(keepDays))))")
        guard let start = try rows.first?.decode(PostgresTimestamp.self) else { return Dropped(partitions: [], identifiers: 0) }
        let reason = "older than \(keepDays) days"
        let partitions = try await pool.withTransaction { transaction in
            let partitions = try await Self.partitions(before: start, transaction)
            for partition in partitions where !dryRun {
                let counted = try await transaction.query("SELECT count(*) FROM \(ident: partition.name)")
                let count = try counted.first?.decode(Int64.self) ?? 0
                try await transaction.execute("DROP TABLE \(ident: partition.name)")
                try await transaction.execute(Self.record(.retention, actor: actor, subject: partition.name, reason: reason, count: count))
            }
            return partitions
        }
        // In a transaction of its own, since whoever writes waits for the end of that one.
        let identifiers = try await pool.withTransaction { transaction in
            if dryRun {
                return try await transaction.query("SELECT count(*) FROM identifiers WHERE \(Self.isUnnamed(since: start))").first?.decode(Int64.self) ?? 0
            }
            let count = try await Self.dropIdentifiers(unnamedSince: start, transaction)
            if count > 0 {
                try await transaction.execute(Self.record(.retention, actor: actor, subject: "identifiers", reason: reason, count: count))
            }
            return count
        }
        return Dropped(partitions: partitions, identifiers: identifiers)
    }

    /// Oldest first.
    private static func partitions(before start: PostgresTimestamp, _ transaction: PostgresTransaction) async throws -> [LogPartition] {
        let rows = try await transaction.query(
            """
            SELECT name, until FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid, LATERAL (
                SELECT c.relname::text AS name,
                    to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC' + interval '744 hours' AS until
            ) partition
            WHERE i.inhparent = to_regclass('event_log') AND until <= \(start)
            ORDER BY until
            """)
        return try rows.decode(String.self, PostgresTimestamp.self).map {
            LogPartition(name: $0, until: Timestamp(microseconds: $1.microsecondsSince1970))
        }
    }

    /// A payment's identifiers may have been marked in the partition before its own: whoever keeps them does not ask again at once, and clocks
    /// differ. So they stay for one partition more.
    private static func isUnnamed(since start: PostgresTimestamp) -> SQL { "seen_at < \(start) - interval '744 hours'" }

    /// Passes over what somebody is marking right now.
    private static func dropIdentifiers(unnamedSince start: PostgresTimestamp, _ transaction: PostgresTransaction) async throws -> Int64 {
        let dropped = try await transaction.query(
            """
            WITH dropped AS (
                DELETE FROM identifiers
                WHERE token IN (SELECT token FROM identifiers WHERE \(isUnnamed(since: start)) FOR UPDATE SKIP LOCKED)
                RETURNING token
            ), untied AS (
                DELETE FROM further_owners f USING dropped d WHERE f.token = d.token
            )
            SELECT count(*) FROM dropped
            """)
        return try dropped.first?.decode(Int64.self) ?? 0
    }

    // MARK: Audit

    private enum Action: String {
        case erasure, reveal, retention, token
    }

    /// That somebody was told the token of an identifier.
    func recordToken(_ token: String, actor: String, bankID: String?, reason: String) async throws {
        try await pool.execute(Self.record(.token, actor: actor, bankID: bankID, subject: token, reason: reason, count: 1))
    }

    private static func record(
        _ action: Action, actor: String, bankID: String? = nil, subject: String, reason: String, count: Int64
    ) -> SQL {
        """
        INSERT INTO privacy_records (action, actor, bank_id, subject, reason, count)
        VALUES (\(action.rawValue), \(actor), \(bankID), \(subject), \(reason), \(count))
        """
    }

    /// Newest first.
    ///
    /// - Parameter bankID: only what this bank did, or was done to its customers; nil for all.
    func records(ofBank bankID: String? = nil, limit: Int) async throws -> [PrivacyRecord] {
        let rows = try await pool.query(
            """
            SELECT at, action, actor, subject, reason, count FROM privacy_records
            WHERE \(bankID)::text IS NULL OR bank_id = \(bankID) ORDER BY id DESC LIMIT \(limit)
            """)
        return try rows.decode(PostgresTimestamp.self, String.self, String.self, String.self, String.self, Int64.self).map {
            PrivacyRecord(
                at: Timestamp(microseconds: $0.microsecondsSince1970), action: $1, actor: $2, subject: $3, reason: $4, count: $5)
        }
    }
}
