import EventLog
import Postgres
import Records

/// A decision as the store keeps it; the messages are opaque here.
struct StoredDecision: Sendable {
    let key: TransactionKey
    let decisionID: String
    let modelVersion: String
    let riskScore: Double
    let isAlert: Bool
    let decidedAt: Timestamp
    let observation: [UInt8]
    let decision: [UInt8]
}

/// What a model that decides nothing says of a transaction.
struct ShadowScore: Sendable {
    let key: TransactionKey
    let modelVersion: String
    let riskScore: Double
    let decidedAt: Timestamp
}

/// The decisions, and what is needed to judge the models that made them.
struct ModelServerDatabase: Sendable {
    let pool: PostgresPool
    let log: EventLog

    var registry: ModelRegistryStore { ModelRegistryStore(pool: pool) }

    static let migrations = [
        Migration(name: "0001_create", sql: String(decoding: PackageResources.V0001_create_sql, as: UTF8.self)),
        Migration(name: "0002_records", sql: String(decoding: PackageResources.V0002_records_sql, as: UTF8.self)),
        Migration(name: "0003_labels", sql: String(decoding: PackageResources.V0003_labels_sql, as: UTF8.self)),
        Migration(name: "0004_shadow", sql: String(decoding: PackageResources.V0004_shadow_sql, as: UTF8.self)),
    ]

    init(pool: PostgresPool) {
        self.pool = pool
        log = EventLog(pool: pool)
    }

    // MARK: Decisions

    /// The decisions on these transactions, by key; those undecided are missing.
    func decisions(on keys: [TransactionKey], in transaction: PostgresTransaction? = nil) async throws -> [TransactionKey: [UInt8]] {
        guard !keys.isEmpty else { return [:] }
        let select: SQL = """
            SELECT d.bank_id, d.transaction_id, d.decision
            FROM unnest(\(keys.map(\.bankID)), \(keys.map(\.transactionID))) AS wanted (bank_id, transaction_id)
            JOIN decisions d USING (bank_id, transaction_id)
            """
        let rows = if let transaction { try await transaction.query(select) } else { try await pool.query(select) }
        var found: [TransactionKey: [UInt8]] = [:]
        for (bank, transaction, decision) in try rows.decode(String.self, String.self, [UInt8].self) {
            found[TransactionKey(bankID: bank, transactionID: transaction)] = decision
        }
        return found
    }

    /// A decision with the observation it was made from; nil if there is none of that name.
    func decision(id: String) async throws -> (decision: [UInt8], observation: [UInt8], modelVersion: String)? {
        let rows = try await pool.query("SELECT decision, observation, model_version FROM decisions WHERE decision_id = \(id)")
        return try rows.first.map { row in
            let (decision, observation, version) = try row.decode([UInt8].self, [UInt8].self, String.self)
            return (decision, observation, version)
        }
    }

    /// Writes decisions with their log entries. A transaction decided already makes it throw: the caller looks first.
    func append(_ decisions: [StoredDecision], entries: [[UInt8]], in transaction: PostgresTransaction) async throws {
        guard !decisions.isEmpty else { return }
        try await transaction.execute(
            """
            INSERT INTO decisions
                (bank_id, transaction_id, decision_id, model_version, risk_score, is_alert, decided_at, observation, decision)
            SELECT * FROM unnest(
                \(decisions.map(\.key.bankID)), \(decisions.map(\.key.transactionID)), \(decisions.map(\.decisionID)),
                \(decisions.map(\.modelVersion)), \(decisions.map(\.riskScore)), \(decisions.map(\.isAlert)),
                \(decisions.map { PostgresTimestamp(microsecondsSince1970: $0.decidedAt.microseconds) }),
                \(decisions.map(\.observation)), \(decisions.map(\.decision)))
            """)
        try await log.append(entries, in: transaction)
    }

    /// Writes what shadows said of transactions that are decided in the same transaction.
    func append(shadowScores scores: [ShadowScore], in transaction: PostgresTransaction) async throws {
        guard !scores.isEmpty else { return }
        try await transaction.execute(
            """
            INSERT INTO shadow_scores (model_version, bank_id, transaction_id, risk_score, decided_at)
            SELECT * FROM unnest(
                \(scores.map(\.modelVersion)), \(scores.map(\.key.bankID)), \(scores.map(\.key.transactionID)), \(scores.map(\.riskScore)),
                \(scores.map { PostgresTimestamp($0.decidedAt) }))
            ON CONFLICT DO NOTHING
            """)
    }

    func statistics() async throws -> (decisions: Int64, alerts: Int64) {
        let rows = try await pool.query("SELECT count(*), count(*) FILTER (WHERE is_alert) FROM decisions")
        guard let row = rows.first else { return (0, 0) }
        return try row.decode(Int64.self, Int64.self)
    }

    // MARK: Health

    /// Distributions of so many decisions are known well enough.
    private static let maxObservations = 5_000
    private static let maxJudged = 200_000

    /// What a model's newest scores, as champion and as shadow, were made from.
    func observations(ofModel version: String, since: Timestamp) async throws -> [[UInt8]] {
        try await pool.query(
            """
            (SELECT observation, decided_at FROM decisions
                WHERE model_version = \(version) AND decided_at >= \(PostgresTimestamp(since))
                ORDER BY decided_at DESC LIMIT \(Self.maxObservations))
            UNION ALL
            (SELECT d.observation, s.decided_at FROM shadow_scores s JOIN decisions d USING (bank_id, transaction_id)
                WHERE s.model_version = \(version) AND s.decided_at >= \(PostgresTimestamp(since))
                ORDER BY s.decided_at DESC LIMIT \(Self.maxObservations))
            ORDER BY decided_at DESC LIMIT \(Self.maxObservations)
            """
        ).decode([UInt8].self, PostgresTimestamp.self).map { $0.0 }
    }

    /// A model's newest scores whose truth is known: by a label, or, where labels name frauds only, by having been made before
    /// `settledBefore` without one.
    func judgedScores(
        ofModel version: String, since: Timestamp, settledBefore: Timestamp
    ) async throws -> (scores: [Double], isFraud: [Bool]) {
        let rows = try await pool.query(
            """
            SELECT d.risk_score, coalesce(l.is_fraud, false)
            FROM (
                SELECT bank_id, transaction_id, risk_score, decided_at FROM decisions WHERE model_version = \(version)
                UNION ALL
                SELECT bank_id, transaction_id, risk_score, decided_at FROM shadow_scores WHERE model_version = \(version)
            ) d LEFT JOIN labels l USING (bank_id, transaction_id)
            WHERE d.decided_at >= \(PostgresTimestamp(since))
                AND (l.is_fraud IS NOT NULL
                    OR (d.decided_at < \(PostgresTimestamp(settledBefore)) AND NOT EXISTS (SELECT FROM labels WHERE NOT is_fraud)))
            ORDER BY d.decided_at DESC LIMIT \(Self.maxJudged)
            """
        ).decode(Double.self, Bool.self)
        return (rows.map { $0.0 }, rows.map { $0.1 })
    }
}
