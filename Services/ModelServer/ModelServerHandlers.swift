import Contracts
import EventLog
import Identity
import Models
import RPC
import RecordCoding
import Records
import StandardContracts

/// `vigil.models.v1.ModelService`.
struct ModelServerHandlers: ModelsV1.ModelService.Handlers {
    static let maxItems = 1_000
    static let maxBundleBytes = 64 << 20

    let database: ModelServerDatabase
    let champion: Champion
    let writer: DecisionWriter
    let records: RecordStore
    let cashOuts: CashOutForecaster
    let cells: CellForecasts
    let health: ModelHealthReport
    /// See `ModelServerConfiguration.trustedKeys`.
    var trustedKeys: String?

    // MARK: Decisions

    func score(_ request: ModelsV1.ScoreRequest, context: CallContext) async throws -> ModelsV1.ScoreResponse {
        try Self.check(count: request.observations.count, "observations")
        try Self.check(count: request.encodedObservations.count, "encoded_observations")
        // Scoring computes for tens of milliseconds, which would hold up the loop's other connections.
        let decisions = try await withTaskExecutorPreference(globalConcurrentExecutor) {
            var observed = request.observations.map(Observed.init)
            for (index, encoded) in request.encodedObservations.enumerated() {
                guard let observation = try? Observed(encoded) else {
                    throw RPCError.invalidArgument([.init(field: "encoded_observations[\(index)]", description: "is no observation")])
                }
                observed.append(observation)
            }
            for (index, observation) in observed.enumerated() where observation.message.key == nil {
                throw RPCError.invalidArgument([FieldViolation(field: "observations[\(index)].key", description: "is missing")])
            }
            let positions = try [LogRun](request.positions, field: "positions", of: observed.count)
            return try await writer.decide(observed, positions: positions, at: .now(), isBrief: request.brief)
        }
        return ModelsV1.ScoreResponse(decisions: decisions)
    }

    func getDecisions(_ request: ModelsV1.GetDecisionsRequest, context: CallContext) async throws -> ModelsV1.GetDecisionsResponse {
        try Self.check(count: request.keys.count, "keys")
        let names = request.keys.map { TransactionKey($0) }.filter { Self.maySee($0, context) }.map { DecisionName(of: $0).bytes }
        let found = try await writer.decisions(named: names, isBrief: request.brief)
        return ModelsV1.GetDecisionsResponse(decisions: names.compactMap { found[$0] })
    }

    func replayDecision(_ request: ModelsV1.ReplayDecisionRequest, context: CallContext) async throws -> ModelsV1.ReplayDecisionResponse {
        let missing = RPCError(.notFound, "there is no decision \(request.decisionID)")
        guard let name = DecisionName(text: request.decisionID), let record = try await database.decisions(named: [name.bytes]).first
        else { throw missing }
        let stored = try RecordsV1.Decision(logEntry: record.logEntry)
        guard Self.maySee(TransactionKey(stored.key ?? .init()), context) else { throw missing }
        let observation = try FeaturesV1.Observation(encoded: record.observation)
        guard let scorer = try await champion.scorer(ofModel: record.modelVersion) else {
            throw RPCError(.dataLoss, "model \(record.modelVersion) is not in the registry any more")
        }
        let decided = try Decision(stored)
        // The place's risk has moved on since: what it was stands in the decision.
        let placeRisk = decided.parts.first { $0.signal == Ensemble.Signal.place.rawValue }?.value ?? .nan
        guard
            var again = scorer.decide(
                [Scorer.Payment(key: decided.key, id: decided.decisionID, values: observation.values, placeRisk: placeRisk)],
                at: decided.decidedAt, isBrief: decided.reasons.isEmpty)[0]
        else {
            throw RPCError(.dataLoss, "the stored features do not fit model \(record.modelVersion)")
        }
        let isSame = again.isSame(as: decided)
        if again.reasons.isEmpty { again.reasons = scorer.reasons(observation.values) }
        let names = scorer.bundle.model.featureNames
        return ModelsV1.ReplayDecisionResponse(
            stored: stored, replayed: .init(again), identical: isSame,
            features: Dictionary(zip(names, observation.values), uniquingKeysWith: { first, _ in first }))
    }

    func tailDecisions(
        _ request: ModelsV1.TailDecisionsRequest, to responses: ResponseWriter<ModelsV1.TailDecisionsResponse>, context: CallContext
    ) async throws {
        let limit = request.maxBatch == 0 ? Self.maxItems : min(Int(request.maxBatch), Self.maxItems)
        let after = try await database.log.checked(request.after)
        for try await entries in database.log.tail(after: after, batchLimit: limit) {
            let decisions = try entries.map { entry in
                var decision = try Payload.decode(ModelsV1.LoggedDecision.self, entry.payload)
                decision.position = .init(entry.position)
                decision.recordedAt = .init(Timestamp(microseconds: entry.recordedAtMicroseconds))
                return decision
            }
            try await responses.write(ModelsV1.TailDecisionsResponse(decisions: decisions))
        }
    }

    func getStatistics(_ request: ModelsV1.GetStatisticsRequest, context: CallContext) async throws -> ModelsV1.GetStatisticsResponse {
        let (decisions, alerts) = try await database.statistics()
        return ModelsV1.GetStatisticsResponse(decisions: decisions, alerts: alerts, championVersion: champion.scorer?.version ?? "")
    }

    /// A bank is told of its own transactions; others' are as if they were not there.
    private static func maySee(_ key: TransactionKey, _ context: CallContext) -> Bool {
        context.serviceContext.principal?.maySee(bank: key.bankID) ?? false
    }

    private static func check(count: Int, _ field: String) throws {
        guard count <= maxItems else {
            throw RPCError.invalidArgument([FieldViolation(field: field, description: "has more than \(maxItems) entries")])
        }
    }

    // MARK: Registry

    func uploadModel(
        _ requests: RequestStream<ModelsV1.UploadModelRequest>, context: CallContext
    ) async throws -> ModelsV1.UploadModelResponse {
        var files: [String: [UInt8]] = [:]
        var total = 0
        for try await request in requests {
            guard !request.fileName.isEmpty else {
                throw RPCError.invalidArgument([FieldViolation(field: "file_name", description: "is missing")])
            }
            total += request.chunk.count
            guard total <= Self.maxBundleBytes else {
                throw RPCError(.resourceExhausted, "a bundle of more than \(Self.maxBundleBytes) bytes")
            }
            files[request.fileName, default: []] += request.chunk
        }
        let bundle: ModelBundle
        do {
            bundle = try ModelBundle(files: files)
            if let trustedKeys { try bundle.requireSignature(byKeysIn: trustedKeys) }
        } catch {
            let help =
                error.code == .badSignature
                ? "; to trust another key, add its public key to the file of VIGIL_MODELS_TRUSTED_KEYS_FILE and start the server anew" : ""
            throw RPCError(.invalidArgument, "\(error)\(help)")
        }
        try await database.registry.register(RegisteredModel(bundle, alertThreshold: champion.scorer(of: bundle).alertThreshold), files: files)
        return ModelsV1.UploadModelResponse(model: try await model(version: bundle.version))
    }

    func promoteModel(_ request: ModelsV1.PromoteModelRequest, context: CallContext) async throws -> ModelsV1.PromoteModelResponse {
        guard try await database.registry.promote(version: request.version) else {
            throw RPCError(.notFound, "there is no model \(request.version)")
        }
        try await champion.refresh()
        return ModelsV1.PromoteModelResponse(model: try await model(version: request.version))
    }

    func shadowModel(_ request: ModelsV1.ShadowModelRequest, context: CallContext) async throws -> ModelsV1.ShadowModelResponse {
        switch try await database.registry.shadow(version: request.version, stop: request.stop) {
        case .unknown: throw RPCError(.notFound, "there is no model \(request.version)")
        case .decides: throw RPCError(.failedPrecondition, "\(request.version) is the champion: it decides")
        case .tooMany:
            throw RPCError(.failedPrecondition, "\(ModelRegistryStore.maxShadows) models are shadows already; end one first")
        case .done: break
        }
        try await champion.refresh()
        return ModelsV1.ShadowModelResponse(model: try await model(version: request.version))
    }

    func rollBackModel(_ request: ModelsV1.RollBackModelRequest, context: CallContext) async throws -> ModelsV1.RollBackModelResponse {
        guard let version = try await database.registry.rollBack() else {
            throw RPCError(.failedPrecondition, "there is no champion before the present one")
        }
        try await champion.refresh()
        return ModelsV1.RollBackModelResponse(model: try await model(version: version))
    }

    func listModels(_ request: ModelsV1.ListModelsRequest, context: CallContext) async throws -> ModelsV1.ListModelsResponse {
        ModelsV1.ListModelsResponse(models: try await models())
    }

    private func model(version: String) async throws -> ModelsV1.Model? {
        try await models().first { $0.version == version }
    }

    private func models() async throws -> [ModelsV1.Model] {
        try await database.registry.models().map { try ModelsV1.Model($0, trustedKeys: trustedKeys) }
    }
}

extension Decision {
    /// Equal to the bit, NaN included.
    func isSame(as other: Decision) -> Bool {
        riskScore.bitPattern == other.riskScore.bitPattern && label == other.label && alert == other.alert
            && modelVersion == other.modelVersion && reasons.count == other.reasons.count && predictionSet == other.predictionSet
            && parts.count == other.parts.count
            && zip(parts, other.parts).allSatisfy { mine, theirs in
                mine.signal == theirs.signal && mine.value.bitPattern == theirs.value.bitPattern
                    && mine.contribution.bitPattern == theirs.contribution.bitPattern
            }
            && zip(reasons, other.reasons).allSatisfy { mine, theirs in
                mine.feature == theirs.feature && mine.text == theirs.text && mine.value.bitPattern == theirs.value.bitPattern
                    && mine.contribution.bitPattern == theirs.contribution.bitPattern
            }
    }
}
