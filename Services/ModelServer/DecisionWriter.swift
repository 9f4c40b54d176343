import Contracts
import EventLog
import Foundation
import Postgres
import RPC
import RecordCoding
import Records
import ServiceRuntime

/// What is decided on, and how it is encoded, which is how it is stored.
struct Observed: Sendable {
    let message: FeaturesV1.Observation
    let encoded: [UInt8]

    init(_ message: FeaturesV1.Observation) { (self.message, encoded) = (message, message.encoded) }

    init(_ encoded: [UInt8]) throws { (message, self.encoded) = (try FeaturesV1.Observation(encoded: encoded), encoded) }
}

/// Decides on observations and stores the decisions, whether they come by call or by the feature store's log. A transaction decided
/// already keeps its decision.
struct DecisionWriter: Sendable {
    let database: ModelServerDatabase
    let champion: Champion
    let places: PlaceRisks
    /// Others decide on the same transactions at the same time; each attempt finds more of them decided on.
    private static let maxAttempts = 4
    /// What calls have brought of the feature store's log.
    let brought = KnownRuns()

    init(database: ModelServerDatabase, champion: Champion, places: PlaceRisks) {
        self.database = database
        self.champion = champion
        self.places = places
    }

    /// One decision for each observation, in their order.
    ///
    /// - Parameters:
    ///   - positions: of observations among these, in the feature store's log.
    ///   - isBrief: see `Scorer.decide`.
    /// - Throws: FAILED_PRECONDITION when no model that was trained on their features has been promoted.
    func decide(
        _ observations: [Observed], positions: [LogRun] = [], at time: Timestamp, isBrief: Bool
    ) async throws -> [RecordsV1.Decision] {
        var batch = try decisions(on: observations, at: time, isBrief: isBrief)
        // Replicas that decide on the same transactions may wait for each other.
        let existing = try await retryingConflicts { try await database.append(batch.stored) }
        database.log.notifyCommitted()
        brought.insert(positions)
        if !existing.isEmpty {
            for (name, decision) in try await decisions(named: Array(existing), isBrief: isBrief) {
                if let place = batch.places[DecisionName(name)] { batch.messages[place] = decision }
            }
        }
        return batch.order.map { batch.messages[$0] }
    }

    /// Decisions made before; what was decided on briefly gets its reasons here, unless that is not wanted.
    func decisions(named names: [UUID], isBrief: Bool) async throws -> [UUID: RecordsV1.Decision] {
        var scorers: [String: Scorer] = [:]
        var found: [UUID: RecordsV1.Decision] = [:]
        for stored in try await database.decisions(named: names) {
            var decision = try RecordsV1.Decision(logEntry: stored.logEntry)
            if !isBrief, decision.reasons.isEmpty {
                let version = decision.modelVersion
                if scorers[version] == nil { scorers[version] = try await champion.scorer(ofModel: version) }
                let values = try FeaturesV1.Observation(encoded: stored.observation).values
                decision.reasons = scorers[version]?.reasons(values).map(RecordsV1.Reason.init) ?? []
            }
            found[stored.name] = decision
        }
        return found
    }

    /// Decides on what the feature store's log says, in the transaction in which `claim` moves the position.
    func take(claim: (PostgresTransaction) async throws -> [FeaturesV1.Observation]) async throws {
        try await retryingConflicts {
            try await database.pool.withTransaction { transaction in
                let batch = try decisions(on: try await claim(transaction).map(Observed.init), at: .now(), isBrief: false)
                try await database.append(batch.stored, in: transaction)
            }
        }
        database.log.notifyCommitted()
    }

    /// Decisions as they would be, had none been made before.
    private struct Batch {
        var messages: [RecordsV1.Decision] = []
        /// Where each is among the messages.
        var places: [DecisionName: Int] = [:]
        /// Of each observation the place of its decision.
        var order: [Int] = []
        var stored: StoredDecisions
    }

    private func decisions(on observations: [Observed], at time: Timestamp, isBrief: Bool) throws -> Batch {
        guard let first = observations.first else { return Batch(stored: StoredDecisions(modelVersion: "", decidedAt: time)) }
        let scorer = try scorer(ofFeatures: first.message.featureSetVersion)
        let shadows = champion.shadows
        var batch = Batch(stored: StoredDecisions(modelVersion: scorer.version, decidedAt: time))
        batch.order.reserveCapacity(observations.count)
        batch.messages.reserveCapacity(observations.count)
        batch.places.reserveCapacity(observations.count)
        batch.stored.decisions.reserveCapacity(observations.count)
        // Where an observation is: to copy it would cost more than to look there again.
        var wanted: [(index: Int, name: DecisionName, payment: Scorer.Payment)] = []
        wanted.reserveCapacity(observations.count)
        for index in observations.indices {
            let observation = observations[index].message
            let key = TransactionKey(observation.key ?? RecordsV1.TransactionKey())
            let name = DecisionName(of: key)
            let place = batch.places[name, default: wanted.count]
            batch.order.append(place)
            guard place == wanted.count else { continue }
            batch.places[name] = place
            guard observation.featureSetVersion == scorer.featureSetVersion else {
                throw RPCError(.failedPrecondition, "the observations are of several feature sets")
            }
            let placeRisk = places.value(at: observation.location.flatMap(Coordinate.init))
            wanted.append((index, name, .init(key: key, id: name.text, values: observation.values, placeRisk: placeRisk)))
        }
        let decisions = scorer.decide(wanted.map(\.payment), at: time, isBrief: isBrief)
        for ((index, name, payment), decision) in zip(wanted, decisions) {
            let observation = observations[index].message
            guard let decision else {
                throw RPCError(.invalidArgument, "an observation has \(payment.values.count) values, which the model does not take")
            }
            let message = RecordsV1.Decision(decision)
            batch.messages.append(message)
            batch.stored.decisions.append(
                StoredDecision(
                    name: name.bytes, riskScore: decision.riskScore, isAlert: decision.alert, observation: observations[index].encoded,
                    logEntry: Payload.encode(
                        ModelsV1.LoggedDecision(
                            decision: message, eventTime: observation.eventTime, amount: observation.amount, location: observation.location,
                            terminalID: observation.terminalID, channel: observation.channel))))
            // A shadow that was trained on other features says nothing: what is decided does not depend on it.
            for shadow in shadows where observation.featureSetVersion == shadow.featureSetVersion {
                guard let score = shadow.riskScore(payment.values, placeRisk: payment.placeRisk) else { continue }
                batch.stored.shadowScores.append(
                    ShadowScore(key: payment.key, name: name.bytes, modelVersion: shadow.version, riskScore: score, decidedAt: time))
            }
        }
        return batch
    }

    /// - Throws: FAILED_PRECONDITION where there is none.
    func scorer(ofFeatures version: String) throws(RPCError) -> Scorer {
        if let scorer = champion.scorer(ofFeatures: version) { return scorer }
        guard let scorer = champion.scorer else { throw RPCError(.failedPrecondition, "no model has been promoted") }
        throw RPCError(
            .failedPrecondition,
            "the champion \(scorer.version) was trained on features \(scorer.featureSetVersion) and these are \(version), for which no model has "
                + "been promoted: train one, upload and promote it")
    }

    private func retryingConflicts<R>(_ body: () async throws -> R) async throws -> R {
        for _ in 1..<Self.maxAttempts {
            do {
                return try await body()
            } catch let error as PostgresError where error.isSerializationFailure || error.isUniqueViolation {
                continue
            }
        }
        return try await body()
    }
}
