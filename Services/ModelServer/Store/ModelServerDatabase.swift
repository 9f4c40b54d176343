import EventLog
import Foundation
import Postgres
import Records

/// A decision as the store keeps it; the messages are opaque here.
struct StoredDecision: Sendable {
    let name: UUID
    let riskScore: Double
    let isAlert: Bool
    let observation: [UInt8]
    /// With what the log tells of its transaction.
    let logEntry: [UInt8]
}

/// Decisions that one model made at one time, in order.
struct StoredDecisions: Sendable {
    let modelVersion: String
    let decidedAt: Timestamp
    var decisions: [StoredDecision] = []
    /// What shadows said beside it.
    var shadowScores: [ShadowScore] = []
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
        Migration(name: "0006_log_in_blocks", sql: String(decoding: PackageResources.V0006_log_in_blocks_sql, as: UTF8.self)),
    ]

    /// Others may write the same decisions at the same time, and then there are fewer left to write.
    private static let maxAttempts = 4

    init(pool: PostgresPool) {
        self.pool = pool
        log = EventLog(pool: pool, isInBlocks: true)
    }

    // MARK: Decisions

    /// The log's entries of the decisions of these names, what each was made from, and by which model; those not made are missing.
    func decisions(
        named names: [UUID]
    ) async throws -> [(name: UUID, logEntry: [UInt8], observation: [UInt8], modelVersion: String)] {
        guard !names.isEmpty else { return [] }
        let rows = try await pool.query(
            """
            SELECT made.decision_id, payload, observation, model_version
            FROM event_log CROSS JOIN LATERAL unnest(decision_ids, payloads, observations) AS made (decision_id, payload, observation)
            WHERE sequence IN (SELECT sequence FROM decided WHERE decision_id = ANY(\(names))) AND made.decision_id = ANY(\(names))
            """)
        return try rows.decode(UUID.self, [UInt8].self, [UInt8].self, String.self).map { ($0.0, $0.1, $0.2, $0.3) }
    }

    /// Writes decisions on transactions that have none, in order, and what shadows said beside them.
    ///
    /// - Returns: the names of those that were there already, and stay as they are.
    func append(_ batch: StoredDecisions) async throws -> Set<UUID> {
        var existing: Set<UUID> = []
        for attempt in 1... {
            let statements = Self.statements(batch, without: existing)
            if statements.isEmpty { break }
            do {
                _ = try await pool.pipeline(statements)
                break
            } catch let error as PostgresError where error.isUniqueViolation && attempt < Self.maxAttempts {
                existing = try await Self.existing(of: batch) { try await pool.query($0) }
            }
        }
        return existing
    }

    /// The same as a part of a transaction, which fails with a unique violation where others write the same decisions meanwhile.
    func append(_ batch: StoredDecisions, in transaction: PostgresTransaction) async throws {
        let existing = try await Self.existing(of: batch) { try await transaction.query($0) }
        let statements = Self.statements(batch, without: existing)
        if !statements.isEmpty { try await transaction.pipeline(statements) }
    }

    private static func existing(of batch: StoredDecisions, _ query: (SQL) async throws -> PostgresRows) async throws -> Set<UUID> {
        guard !batch.decisions.isEmpty else { return [] }
        return Set(
            try await query("SELECT decision_id FROM decided WHERE decision_id = ANY(\(batch.decisions.map(\.name)))").decode(UUID.self))
    }

    private static func statements(_ batch: StoredDecisions, without existing: Set<UUID>) -> [SQL] {
        let new = existing.isEmpty ? batch.decisions : batch.decisions.filter { !existing.contains($0.name) }
        return (new.isEmpty ? [] : [insert(new, of: batch)]) + (batch.shadowScores.isEmpty ? [] : [insert(batch.shadowScores)])
    }

    /// Blocks of decisions, and of each where it is.
    private static func insert(_ decisions: [StoredDecision], of batch: StoredDecisions) -> SQL {
        """
        WITH block AS (
            INSERT INTO event_log (payloads, decision_ids, risk_scores, are_alerts, observations, model_version, decided_at)
            VALUES \(SQL(commaSeparated: EventLog.blocks(of: decisions).map { row($0, of: batch) }))
            RETURNING sequence, decision_ids
        )
        INSERT INTO decided (decision_id, sequence) SELECT id, sequence FROM block, unnest(decision_ids) AS id
        """
    }

    private static func row(_ decisions: ArraySlice<StoredDecision>, of batch: StoredDecisions) -> SQL {
        """
        (\(decisions.map(\.logEntry)), \(decisions.map(\.name)), \(decisions.map(\.riskScore)), \(decisions.map(\.isAlert)),
        \(decisions.map(\.observation)), \(batch.modelVersion), \(PostgresTimestamp(batch.decidedAt)))
        """
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
        let rows = try await pool.query(
            """
            SELECT coalesce(sum(cardinality(are_alerts)), 0), coalesce(sum(cardinality(array_positions(are_alerts, true))), 0)
            FROM event_log
            """)
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
            WITH shadow AS (
                SELECT decision_id, decided_at FROM shadow_scores
                WHERE model_version = \(version) AND decided_at >= \(PostgresTimestamp(since))
                ORDER BY decided_at DESC LIMIT \(Self.maxObservations)
            )
            (SELECT observation, decided_at FROM (
                SELECT observations, decided_at FROM event_log
                WHERE model_version = \(version) AND decided_at >= \(PostgresTimestamp(since))
                ORDER BY decided_at DESC LIMIT \(Self.maxObservations)) AS block CROSS JOIN LATERAL unnest(observations) AS observation
                ORDER BY decided_at DESC LIMIT \(Self.maxObservations))
            UNION ALL
            SELECT made.observation, shadow.decided_at
            FROM event_log CROSS JOIN LATERAL unnest(decision_ids, observations) AS made (decision_id, observation)
            JOIN shadow ON shadow.decision_id = made.decision_id
            WHERE sequence IN (SELECT sequence FROM decided JOIN shadow USING (decision_id))
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
                SELECT decision_id, risk_score, decided_at FROM decisions WHERE model_version = \(version)
                UNION ALL
                SELECT decision_id, risk_score, decided_at FROM shadow_scores WHERE model_version = \(version)
            ) d LEFT JOIN labels l ON decision_id_of(l.bank_id, l.transaction_id) = d.decision_id
            WHERE d.decided_at >= \(PostgresTimestamp(since))
                AND (l.is_fraud IS NOT NULL
                    OR (d.decided_at < \(PostgresTimestamp(settledBefore)) AND NOT EXISTS (SELECT FROM labels WHERE NOT is_fraud)))
            ORDER BY d.decided_at DESC LIMIT \(Self.maxJudged)
            """
        ).decode(Double.self, Bool.self)
        return (rows.map { $0.0 }, rows.map { $0.1 })
    }
}
