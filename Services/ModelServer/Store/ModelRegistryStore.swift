import Models
import Postgres
import Records

/// A model in the registry, without its bundle.
struct RegisteredModel: Sendable, Hashable {
    enum Stage: String, Sendable {
        case challenger, shadow, champion, retired
    }

    let version: String
    let stage: Stage
    let featureSetVersion: String
    let trainedAt: Timestamp
    let promotedAt: Timestamp?
    let alertThreshold: Double
    /// A JSON object of figures by name.
    let metricsJSON: String
    /// Nil where nobody has signed the bundle.
    let signature: Signature?

    struct Signature: Sendable, Hashable {
        let bytes: [UInt8]
        /// What it is over.
        let manifest: [UInt8]
    }
}

/// The registry of models and their bundles.
struct ModelRegistryStore: Sendable {
    let pool: PostgresPool

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

    /// What came of the wish to make a model a shadow.
    enum ShadowOutcome: Sendable {
        case done, unknown, decides, tooMany
    }

    /// More would cost every decision more.
    static let maxShadows = 2

    /// Makes a model a shadow, or, to `stop`, a challenger again.
    func shadow(version: String, stop: Bool) async throws -> ShadowOutcome {
        try await pool.withTransaction { transaction in
            // One at a time, so that the limit holds.
            try await transaction.execute("LOCK TABLE models IN SHARE ROW EXCLUSIVE MODE")
            let known = try await transaction.query("SELECT stage::text FROM models WHERE version = \(version)")
            guard let row = known.first else { return .unknown }
            let stage = try row.decode(String.self)
            if stage == RegisteredModel.Stage.champion.rawValue { return .decides }
            let isShadow = stage == RegisteredModel.Stage.shadow.rawValue
            if isShadow != stop { return .done }
            if !stop {
                let shadows = try await transaction.query("SELECT count(*) FROM models WHERE stage = 'shadow'")
                if try shadows.first?.decode(Int64.self) ?? 0 >= Self.maxShadows { return .tooMany }
            }
            let next: SQL = stop
                ? "UPDATE models SET stage = 'challenger' WHERE version = \(version)"
                : "UPDATE models SET stage = 'shadow' WHERE version = \(version)"
            try await transaction.execute(next)
            return .done
        }
    }

    /// Makes the retired model that was promoted last champion again. Nil if there is none.
    func rollBack() async throws -> String? {
        try await pool.withTransaction { transaction in
            let before = try await transaction.query(
                """
                SELECT version FROM models WHERE stage <> 'champion' AND promoted_at IS NOT NULL
                ORDER BY promoted_at DESC LIMIT 1 FOR UPDATE
                """)
            guard let row = before.first else { return nil }
            let version = try row.decode(String.self)
            // What is rolled back is a challenger again, and not what a second rollback would come to.
            try await transaction.execute("UPDATE models SET stage = 'challenger', promoted_at = NULL WHERE stage = 'champion'")
            try await transaction.execute("UPDATE models SET stage = 'champion' WHERE version = \(version)")
            return version
        }
    }

    /// The versions of all shadows.
    func shadowVersions() async throws -> [String] {
        try await pool.query("SELECT version FROM models WHERE stage = 'shadow' ORDER BY version").map { try $0.decode(String.self) }
    }

    /// The champion's version, and of each other set of features that of the model which was champion last; the latest sets first.
    func decidingVersions(limit: Int) async throws -> [String] {
        try await pool.query(
            """
            SELECT version FROM (
                SELECT DISTINCT ON (feature_set_version) version, stage, promoted_at FROM models WHERE promoted_at IS NOT NULL
                ORDER BY feature_set_version, stage = 'champion' DESC, promoted_at DESC
            ) AS deciding ORDER BY stage = 'champion' DESC, promoted_at DESC LIMIT \(limit)
            """
        ).map { try $0.decode(String.self) }
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
            SELECT models.version, stage::text, feature_set_version, trained_at, promoted_at, alert_threshold, metrics::text,
                signature.content, manifest.content
            FROM models
            LEFT JOIN model_files AS signature ON signature.version = models.version AND signature.name = \(ModelBundle.signatureName)
            LEFT JOIN model_files AS manifest ON manifest.version = signature.version AND manifest.name = \(ModelBundle.manifestName)
            ORDER BY registered_at DESC
            """)
        return try rows.map { row in
            let (version, stage, featureSet, trained, promoted, threshold, metrics, signature, manifest) = try row.decode(
                String.self, String.self, String.self, PostgresTimestamp.self, PostgresTimestamp?.self, Double.self, String.self,
                [UInt8]?.self, [UInt8]?.self)
            return RegisteredModel(
                version: version, stage: RegisteredModel.Stage(rawValue: stage) ?? .retired, featureSetVersion: featureSet,
                trainedAt: Timestamp(microseconds: trained.microsecondsSince1970),
                promotedAt: promoted.map { Timestamp(microseconds: $0.microsecondsSince1970) }, alertThreshold: threshold,
                metricsJSON: metrics, signature: signature.map { .init(bytes: $0, manifest: manifest ?? []) })
        }
    }
}
