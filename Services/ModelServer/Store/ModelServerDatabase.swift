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

/// A model in the registry, without its bundle.
struct RegisteredModel: Sendable, Hashable {
    enum Stage: String, Sendable {
        case challenger, champion, retired
    }

    let version: String
    let stage: Stage
    let featureSetVersion: String
    let trainedAt: Timestamp
    let promotedAt: Timestamp?
    let alertThreshold: Double
    /// A JSON object of figures by name.
    let metricsJSON: String
}

/// All SQL of the model server.
struct ModelServerDatabase: Sendable {
    let pool: PostgresPool
    let log: EventLog

    static let migrations = [
        Migration(name: "0001_create", sql: String(decoding: PackageResources.V0001_create_sql, as: UTF8.self)),
        Migration(name: "0002_records", sql: String(decoding: PackageResources.V0002_records_sql, as: UTF8.self)),
        Migration(name: "0003_labels", sql: String(decoding: PackageResources.V0003_labels_sql, as: UTF8.self)),
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

    func statistics() async throws -> (decisions: Int64, alerts: Int64) {
        let rows = try await pool.query("SELECT count(*), count(*) FILTER (WHERE is_alert) FROM decisions")
        guard let row = rows.first else { return (0, 0) }
        return try row.decode(Int64.self, Int64.self)
    }

    // MARK: Health

    /// Distributions of so many decisions are known well enough.
    private static let maxObservations = 5_000
    private static let maxJudged = 200_000

    /// What a model's newest decisions were made from.
    func observations(ofModel version: String, since: Timestamp) async throws -> [[UInt8]] {
        try await pool.query(
            """
            SELECT observation FROM decisions WHERE model_version = \(version) AND decided_at >= \(PostgresTimestamp(since))
            ORDER BY decided_at DESC LIMIT \(Self.maxObservations)
            """
        ).decode([UInt8].self)
    }

    /// A model's newest scores whose truth is known: by a label, or, where labels name frauds only, by having been made before
    /// `settledBefore` without one.
    func judgedScores(
        ofModel version: String, since: Timestamp, settledBefore: Timestamp
    ) async throws -> (scores: [Double], isFraud: [Bool]) {
        let rows = try await pool.query(
            """
            SELECT d.risk_score, coalesce(l.is_fraud, false)
            FROM decisions d LEFT JOIN labels l USING (bank_id, transaction_id)
            WHERE d.model_version = \(version) AND d.decided_at >= \(PostgresTimestamp(since))
                AND (l.is_fraud IS NOT NULL
                    OR (d.decided_at < \(PostgresTimestamp(settledBefore)) AND NOT EXISTS (SELECT FROM labels WHERE NOT is_fraud)))
            ORDER BY d.decided_at DESC LIMIT \(Self.maxJudged)
            """
        ).decode(Double.self, Bool.self)
        return (rows.map { $0.0 }, rows.map { $0.1 })
    }

    // MARK: Registry

    /// Adds a model as a challenger; one of that version is left as it is.
    func register(_ model: RegisteredModel, files: [String: [UInt8]]) async throws {
        try await pool.withTransaction { transaction in
            let added = try await transaction.execute(
                """
                INSERT INTO models (version, feature_set_version, trained_at, alert_threshold, metrics)
                VALUES (\(model.version), \(model.featureSetVersion),
                    \(PostgresTimestamp(microsecondsSince1970: model.trainedAt.microseconds)), \(model.alertThreshold),
                    \(PostgresJSON(model.metricsJSON)))
                ON CONFLICT (version) DO NOTHING
                """)
            guard added > 0 else { return }
            try await transaction.execute(
                """
                INSERT INTO model_files (version, name, content)
                SELECT \(model.version), * FROM unnest(\(Array(files.keys)), \(Array(files.values)))
                """)
        }
    }

    /// Makes a model the champion and retires the one before. False if there is no such model.
    func promote(version: String) async throws -> Bool {
        try await pool.withTransaction { transaction in
            let known = try await transaction.query("SELECT stage = 'champion' FROM models WHERE version = \(version) FOR UPDATE")
            guard let row = known.first else { return false }
            if try row.decode(Bool.self) { return true }
            try await transaction.execute("UPDATE models SET stage = 'retired' WHERE stage = 'champion'")
            try await transaction.execute(
                "UPDATE models SET stage = 'champion', promoted_at = clock_timestamp() WHERE version = \(version)")
            return true
        }
    }

    func championVersion() async throws -> String? {
        try await pool.query("SELECT version FROM models WHERE stage = 'champion'").first.map { try $0.decode(String.self) }
    }

    /// The files of a model's bundle by name; empty if there is no such model.
    func files(ofModel version: String) async throws -> [String: [UInt8]] {
        let rows = try await pool.query("SELECT name, content FROM model_files WHERE version = \(version)")
        return Dictionary(uniqueKeysWithValues: try rows.decode(String.self, [UInt8].self))
    }

    /// Newest first.
    func models() async throws -> [RegisteredModel] {
        let rows = try await pool.query(
            """
            SELECT version, stage::text, feature_set_version, trained_at, promoted_at, alert_threshold, metrics::text
            FROM models ORDER BY registered_at DESC
            """)
        return try rows.map { row in
            let (version, stage, featureSet, trained, promoted, threshold, metrics) = try row.decode(
                String.self, String.self, String.self, PostgresTimestamp.self, PostgresTimestamp?.self, Double.self, String.self)
            return RegisteredModel(
                version: version, stage: RegisteredModel.Stage(rawValue: stage) ?? .retired, featureSetVersion: featureSet,
                trainedAt: Timestamp(microseconds: trained.microsecondsSince1970),
                promotedAt: promoted.map { Timestamp(microseconds: $0.microsecondsSince1970) }, alertThreshold: threshold,
                metricsJSON: metrics)
        }
    }
}
