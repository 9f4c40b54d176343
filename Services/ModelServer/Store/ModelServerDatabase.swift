import EventLog
import Foundation
import Postgres
import Records

/// A decision as the store keeps it; the messages are opaque here.
struct StoredDecision: Sendable {
    let key: TransactionKey
    let name: UUID
    let modelVersion: String
    let riskScore: Double
    let isAlert: Bool
    let decidedAt: Timestamp
    let observation: [UInt8]
    /// With what the log tells of its transaction.
    let logEntry: [UInt8]
}

/// What a model that decides nothing says of a transaction.
struct ShadowScore: Sendable {
    let key: TransactionKey
    let name: UUID
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
        Migration(name: "0005_log_holds_decisions", sql: String(decoding: PackageResources.V0005_log_holds_decisions_sql, as: UTF8.self)),
    ]

    /// From so many rows on COPY is quicker than a statement, for all its round trips.
    static let minCopyRows = 24

    init(pool: PostgresPool) {
        self.pool = pool
        log = EventLog(pool: pool)
    }

    // MARK: Decisions

    /// The log's entries of the decisions of these names, and what each was made from; those not made are missing.
    func decisions(named names: [UUID]) async throws -> [(name: UUID, logEntry: [UInt8], observation: [UInt8])] {
        guard !names.isEmpty else { return [] }
        let rows = try await pool.query("SELECT decision_id, payload, observation FROM event_log WHERE decision_id = ANY(\(names))")
        return try rows.decode(UUID.self, [UInt8].self, [UInt8].self).map { ($0.0, $0.1, $0.2) }
    }

    /// A decision's log entry with the observation it was made from; nil if there is none of that name.
    func decision(named name: UUID) async throws -> (logEntry: [UInt8], observation: [UInt8], modelVersion: String)? {
        let rows = try await pool.query("SELECT payload, observation, model_version FROM event_log WHERE decision_id = \(name)")
        return try rows.first.map { row in
            let (entry, observation, version) = try row.decode([UInt8].self, [UInt8].self, String.self)
            return (entry, observation, version)
        }
    }

    /// Writes decisions on transactions that have none, in order, and what shadows said beside them.
    ///
    /// - Returns: the names of those that were there already, and stay as they are.
    func append(_ decisions: [StoredDecision], shadowScores: [ShadowScore]) async throws -> Set<UUID> {
        guard !decisions.isEmpty else { return [] }
        if decisions.count >= Self.minCopyRows, try await copy(decisions, shadowScores) { return [] }
        let results = try await pool.pipeline(Self.statements(decisions, shadowScores))
        return try Self.missing(decisions, results[0])
    }

    /// The same as a part of a transaction.
    func append(_ decisions: [StoredDecision], shadowScores: [ShadowScore], in transaction: PostgresTransaction) async throws {
        guard !decisions.isEmpty else { return }
        try await transaction.pipeline(Self.statements(decisions, shadowScores))
    }

    /// Writes all, or none and returns false where one of them is there already.
    private func copy(_ decisions: [StoredDecision], _ shadowScores: [ShadowScore]) async throws -> Bool {
        do {
            // Two replicas that decide on the same transactions may wait for each other.
            try await pool.withTransaction(attempts: 3) { transaction in
                if !shadowScores.isEmpty { try await transaction.execute(Self.insert(shadowScores)) }
                try await transaction.copyIn(
                    table: "event_log",
                    columns: [
                        "payload", "decision_id", "bank_id", "bank_transaction_id", "model_version", "risk_score", "is_alert", "decided_at",
                        "observation",
                    ]
                ) { writer in
                    for row in decisions {
                        try await writer.write(
                            row.logEntry, row.name, row.key.bankID, row.key.transactionID, row.modelVersion, row.riskScore, row.isAlert,
                            PostgresTimestamp(row.decidedAt), row.observation)
                    }
                }
            }
            return true
        } catch let error as PostgresError where error.sqlState == "23505" {
            return false
        }
    }

    private static func missing(_ decisions: [StoredDecision], _ written: PostgresRows) throws -> Set<UUID> {
        guard written.count < decisions.count else { return [] }
        return Set(decisions.map(\.name)).subtracting(try written.decode(UUID.self))
    }

    private static func statements(_ decisions: [StoredDecision], _ shadowScores: [ShadowScore]) -> [SQL] {
        let write: SQL = """
            INSERT INTO event_log (
                payload, decision_id, bank_id, bank_transaction_id, model_version, risk_score, is_alert, decided_at, observation)
            SELECT payload, decision_id, bank_id, transaction_id, model_version, risk_score, is_alert, decided_at, observation
            FROM unnest(
                \(decisions.map(\.logEntry)), \(decisions.map(\.name)), \(decisions.map(\.key.bankID)),
                \(decisions.map(\.key.transactionID)), \(decisions.map(\.modelVersion)), \(decisions.map(\.riskScore)),
                \(decisions.map(\.isAlert)), \(decisions.map { PostgresTimestamp($0.decidedAt) }), \(decisions.map(\.observation))
            ) WITH ORDINALITY AS row (
                payload, decision_id, bank_id, transaction_id, model_version, risk_score, is_alert, decided_at, observation, place)
            ORDER BY place
            ON CONFLICT (decision_id) DO NOTHING
            RETURNING decision_id
            """
        return shadowScores.isEmpty ? [write] : [write, insert(shadowScores)]
    }

    private static func insert(_ scores: [ShadowScore]) -> SQL {
        """
        INSERT INTO shadow_scores (model_version, bank_id, transaction_id, decision_id, risk_score, decided_at)
        SELECT * FROM unnest(
            \(scores.map(\.modelVersion)), \(scores.map(\.key.bankID)), \(scores.map(\.key.transactionID)), \(scores.map(\.name)),
            \(scores.map(\.riskScore)), \(scores.map { PostgresTimestamp($0.decidedAt) }))
        ON CONFLICT DO NOTHING
        """
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
            (SELECT d.observation, s.decided_at FROM shadow_scores s JOIN decisions d USING (decision_id)
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
