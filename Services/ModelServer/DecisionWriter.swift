import Contracts
import Crypto
import EventLog
import Postgres
import RPC
import RecordCoding
import Records
import ServiceRuntime

/// Decides on observations and stores the decisions, one batch at a time, whether they come by call or by the feature
/// store's log. A transaction decided already keeps its decision.
struct DecisionWriter: Sendable {
    let database: ModelServerDatabase
    let champion: Champion
    let places: PlaceRisks
    private let turnstile = Turnstile()

    init(database: ModelServerDatabase, champion: Champion, places: PlaceRisks) {
        self.database = database
        self.champion = champion
        self.places = places
    }

    /// One decision for each observation, in their order.
    ///
    /// - Throws: FAILED_PRECONDITION when no model has been promoted, or the champion was trained on other features.
    func decide(_ observations: [FeaturesV1.Observation], at time: Timestamp) async throws -> [RecordsV1.Decision] {
        let decisions = try await turnstile.pass {
            try await retryingConflicts {
                try await database.pool.withTransaction { transaction in
                    try await decide(observations, at: time, in: transaction)
                }
            }
        }
        database.log.notifyCommitted()
        return decisions
    }

    /// Decides on what the feature store's log says, in the transaction in which `claim` moves the position.
    func take(claim: (PostgresTransaction) async throws -> [FeaturesV1.Observation]) async throws {
        try await turnstile.pass {
            try await retryingConflicts {
                try await database.pool.withTransaction { transaction in
                    _ = try await decide(try await claim(transaction), at: .now(), in: transaction)
                }
            }
        }
        database.log.notifyCommitted()
    }

    private func decide(
        _ observations: [FeaturesV1.Observation], at time: Timestamp, in transaction: PostgresTransaction
    ) async throws -> [RecordsV1.Decision] {
        let keys = observations.map { TransactionKey($0.key ?? RecordsV1.TransactionKey()) }
        var decisions = try await database.decisions(on: keys, in: transaction)
            .mapValues { try Payload.decode(RecordsV1.Decision.self, $0) }
        var stored: [StoredDecision] = []
        var entries: [[UInt8]] = []
        var shadowScores: [ShadowScore] = []
        for (key, observation) in zip(keys, observations) where decisions[key] == nil {
            let decision = try decision(on: observation, key: key, at: time)
            let message = RecordsV1.Decision(decision)
            decisions[key] = message
            shadowScores += self.shadowScores(on: observation, key: key, at: time)
            stored.append(
                StoredDecision(
                    key: key, decisionID: decision.decisionID, modelVersion: decision.modelVersion, riskScore: decision.riskScore,
                    isAlert: decision.alert, decidedAt: time, observation: Payload.encode(observation), decision: Payload.encode(message)))
            entries.append(
                Payload.encode(
                    ModelsV1.LoggedDecision(
                        decision: message, eventTime: observation.eventTime, amount: observation.amount, location: observation.location,
                        terminalID: observation.terminalID, channel: observation.channel)))
        }
        try await database.append(stored, entries: entries, in: transaction)
        try await database.append(shadowScores: shadowScores, in: transaction)
        return keys.compactMap { decisions[$0] }
    }

    /// A shadow that was trained on other features says nothing: what is decided does not depend on it.
    private func shadowScores(on observation: FeaturesV1.Observation, key: TransactionKey, at time: Timestamp) -> [ShadowScore] {
        champion.shadows.compactMap { shadow in
            guard observation.featureSetVersion == shadow.featureSetVersion,
                let score = shadow.riskScore(
                    observation.values, placeRisk: places.value(at: observation.location.flatMap(Coordinate.init)))
            else { return nil }
            return ShadowScore(key: key, modelVersion: shadow.version, riskScore: score, decidedAt: time)
        }
    }

    private func decision(on observation: FeaturesV1.Observation, key: TransactionKey, at time: Timestamp) throws -> Decision {
        guard let scorer = champion.scorer else { throw RPCError(.failedPrecondition, "no model has been promoted") }
        guard observation.featureSetVersion == scorer.featureSetVersion else { throw Self.otherFeatures(observation, scorer) }
        let placeRisk = places.value(at: observation.location.flatMap(Coordinate.init))
        guard let decision = scorer.decide(observation.values, placeRisk: placeRisk, on: key, id: Self.decisionID(of: key), at: time) else {
            throw RPCError(.invalidArgument, "an observation has \(observation.values.count) values, which the model does not take")
        }
        return decision
    }

    static func otherFeatures(_ observation: FeaturesV1.Observation, _ scorer: Scorer) -> RPCError {
        RPCError(
            .failedPrecondition,
            "model \(scorer.version) was trained on features \(scorer.featureSetVersion), these are \(observation.featureSetVersion)")
    }

    /// The same transaction has the same name for its decision everywhere: 128 bits of SHA-256 over its key.
    static func decisionID(of key: TransactionKey) -> String {
        var hash = SHA256()
        hash.update(data: Array(key.bankID.utf8))
        hash.update(data: [0])
        hash.update(data: Array(key.transactionID.utf8))
        let digits = Array("0123456789abcdef".utf8)
        var name: [UInt8] = []
        for byte in hash.finalize().prefix(16) { name += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
        return String(decoding: name, as: UTF8.self)
    }

    /// Two replicas may meet on one transaction; the second finds the first's decision when it looks again.
    private func retryingConflicts<R>(_ body: () async throws -> R) async throws -> R {
        let uniqueViolation = "23505"
        do {
            return try await body()
        } catch let error as PostgresError where error.sqlState == uniqueViolation {
            return try await body()
        }
    }
}
