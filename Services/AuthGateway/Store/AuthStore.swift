import Postgres

/// A principal as the store keeps it.
struct StoredPrincipal: Sendable, Hashable {
    var subject: String
    var kind: String
    /// In the PHC string form.
    var secretHash: String
    var bankID: String?
    var roles: [String]
    var scopes: [String]
    var jurisdictions: [String]
    /// When these rights came into force, in microseconds since 1970; the database sets it. 0 where they have never changed.
    var rightsSince: Int64 = 0
}

/// A signing key as the store keeps it.
struct StoredSigningKey: Sendable {
    var id: String
    var encryptedPrivateKey: [UInt8]
    /// Microseconds since 1970.
    var createdAt: Int64
}

/// One look, or one try to look, through the gateway.
struct AccessRecord: Sendable, Hashable {
    var recordID: Int64 = 0
    /// Microseconds since 1970; the database sets it.
    var accessedAt: Int64 = 0
    var subject: String
    var kind: String
    var tokenID: String?
    var method: String
    var purpose: String
    var peerAddress: String
    var outcome: String
}

/// All SQL of the auth gateway.
struct AuthStore: Sendable {
    let pool: PostgresPool

    static let migrations = [
        Migration(name: "0001_create", sql: String(decoding: PackageResources.V0001_create_sql, as: UTF8.self)),
        Migration(name: "0002_rights", sql: String(decoding: PackageResources.V0002_rights_sql, as: UTF8.self)),
    ]

    // MARK: Principals

    /// The principal, unless there is none or it is disabled.
    func principal(_ subject: String) async throws -> StoredPrincipal? {
        try await principals("subject = \(subject) AND disabled_at IS NULL").first
    }

    /// All that are not disabled.
    func principals() async throws -> [StoredPrincipal] {
        try await principals("disabled_at IS NULL")
    }

    private func principals(_ condition: SQL) async throws -> [StoredPrincipal] {
        let rows = try await pool.query("""
            SELECT subject, kind, secret_hash, bank_id, roles, scopes, jurisdictions, rights_since
            FROM principals WHERE \(condition) ORDER BY subject
            """)
        return try rows.decode(
            String.self, String.self, String.self, String?.self, [String].self, [String].self, [String].self, PostgresTimestamp.self
        ).map { subject, kind, hash, bank, roles, scopes, jurisdictions, rightsSince in
            StoredPrincipal(
                subject: subject, kind: kind, secretHash: hash, bankID: bank, roles: roles, scopes: scopes, jurisdictions: jurisdictions,
                rightsSince: rightsSince.microsecondsSince1970)
        }
    }

    /// When whose rights changed, in microseconds since 1970, within the longest life of a token.
    func rightsChanges(withinSeconds seconds: Int64) async throws -> [String: Int64] {
        let rows = try await pool.query("""
            SELECT subject, rights_since FROM principals WHERE rights_since > clock_timestamp() - \(seconds) * interval '1 second'
            """)
        return Dictionary(uniqueKeysWithValues: try rows.decode(String.self, PostgresTimestamp.self).map { subject, time in
            (subject, time.microsecondsSince1970)
        })
    }

    /// Makes these the only principals that get tokens. What was issued before to those whose rights are others now is void.
    /// - Parameter newSecrets: the subjects whose secret is another than before.
    func replacePrincipals(_ principals: [StoredPrincipal], newSecrets: Set<String>) async throws {
        try await pool.withTransaction { transaction in
            for principal in principals {
                try await transaction.execute("""
                    INSERT INTO principals (subject, kind, secret_hash, bank_id, roles, scopes, jurisdictions)
                    VALUES (\(principal.subject), \(principal.kind), \(principal.secretHash), \(principal.bankID), \(principal.roles),
                        \(principal.scopes), \(principal.jurisdictions))
                    ON CONFLICT (subject) DO UPDATE SET kind = excluded.kind, secret_hash = excluded.secret_hash,
                        bank_id = excluded.bank_id, roles = excluded.roles, scopes = excluded.scopes,
                        jurisdictions = excluded.jurisdictions, disabled_at = NULL, updated_at = now(),
                        rights_since = CASE
                            WHEN NOT \(newSecrets.contains(principal.subject)) AND
                                (principals.kind, principals.bank_id, principals.roles, principals.scopes, principals.jurisdictions)
                                IS NOT DISTINCT FROM
                                (excluded.kind, excluded.bank_id, excluded.roles, excluded.scopes, excluded.jurisdictions)
                            THEN principals.rights_since ELSE \(Self.later) END
                    """)
            }
            try await transaction.execute("""
                UPDATE principals SET disabled_at = now(), updated_at = now(), rights_since = \(Self.later)
                WHERE disabled_at IS NULL AND NOT subject = ANY (\(principals.map(\.subject)))
                """)
        }
    }

    /// Now, and in any case after the change before, wherever the clock has been put.
    private static let later: SQL = "greatest(clock_timestamp(), principals.rights_since + interval '1 microsecond')"

    // MARK: Signing keys

    /// Keys that are not retired, the newest first.
    func signingKeys() async throws -> [StoredSigningKey] {
        try Self.decodeKeys(await pool.query(Self.selectKeys))
    }

    /// Changes the keys while no other replica does.
    ///
    /// - Parameter change: gets the keys that are not retired, newest first; returns the one to add and the ids to retire.
    /// - Returns: the keys afterwards, newest first.
    func changeSigningKeys(
        _ change: ([StoredSigningKey]) throws -> (add: StoredSigningKey?, retire: [String])
    ) async throws -> [StoredSigningKey] {
        try await pool.withTransaction { transaction in
            try await transaction.execute("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE")
            let (add, retire) = try change(try Self.decodeKeys(await transaction.query(Self.selectKeys)))
            if !retire.isEmpty {
                try await transaction.execute("UPDATE signing_keys SET retired_at = now() WHERE key_id = ANY (\(retire))")
            }
            if let add {
                try await transaction.execute("""
                    INSERT INTO signing_keys (key_id, encrypted_private_key, created_at)
                    VALUES (\(add.id), \(add.encryptedPrivateKey), \(PostgresTimestamp(microsecondsSince1970: add.createdAt)))
                    """)
            }
            return try Self.decodeKeys(await transaction.query(Self.selectKeys))
        }
    }

    private static let selectKeys: SQL = """
        SELECT key_id, encrypted_private_key, created_at FROM signing_keys WHERE retired_at IS NULL ORDER BY created_at DESC, key_id
        """

    private static func decodeKeys(_ rows: PostgresRows) throws -> [StoredSigningKey] {
        try rows.decode(String.self, [UInt8].self, PostgresTimestamp.self).map { id, bytes, createdAt in
            StoredSigningKey(id: id, encryptedPrivateKey: bytes, createdAt: createdAt.microsecondsSince1970)
        }
    }

    // MARK: Access records

    /// Returns when the record is durable.
    func append(_ record: AccessRecord) async throws {
        try await pool.execute("""
            INSERT INTO access_records (subject, kind, token_id, method, purpose, peer_address, outcome)
            VALUES (\(record.subject), \(record.kind), \(record.tokenID), \(record.method), \(record.purpose), \(record.peerAddress),
                \(record.outcome))
            """)
    }

    /// The newest records first, of one subject or of all.
    /// - Parameter before: only those older than the record of this id.
    func accessRecords(subject: String?, before: Int64 = .max, limit: Int) async throws -> [AccessRecord] {
        let condition: SQL = if let subject { "subject = \(subject)" } else { "true" }
        let rows = try await pool.query("""
            SELECT record_id, accessed_at, subject, kind, token_id, method, purpose, peer_address, outcome
            FROM access_records WHERE \(condition) AND record_id < \(before) ORDER BY record_id DESC LIMIT \(limit)
            """)
        return try rows.decode(
            Int64.self, PostgresTimestamp.self, String.self, String.self, String?.self, String.self, String.self, String.self, String.self
        ).map { id, time, subject, kind, token, method, purpose, peer, outcome in
            AccessRecord(
                recordID: id, accessedAt: time.microsecondsSince1970, subject: subject, kind: kind, tokenID: token, method: method,
                purpose: purpose, peerAddress: peer, outcome: outcome)
        }
    }
}
