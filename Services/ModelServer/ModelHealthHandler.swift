import Contracts
import Models
import RPC
import Records

extension ModelServerHandlers {
    func getModelHealth(_ request: ModelsV1.GetModelHealthRequest, context: CallContext) async throws -> ModelsV1.GetModelHealthResponse {
        guard request.days <= ModelHealthReport.maxDays else {
            let fault = FieldViolation(field: "days", description: "must be at most \(ModelHealthReport.maxDays)")
            throw RPCError.invalidArgument([fault])
        }
        let version = request.version.isEmpty ? champion.scorer?.version : request.version
        guard let version else { throw RPCError(.failedPrecondition, "no model has been promoted") }
        let days = request.days == 0 ? ModelHealthReport.defaultDays : Int(request.days)
        guard let found = try await health.health(ofModel: version, days: days) else {
            throw RPCError(.notFound, "there is no model \(version)")
        }
        return ModelsV1.GetModelHealthResponse(
            version: found.version, decisions: UInt32(found.decisions),
            drift: found.drift.map { .init(feature: $0.feature, stabilityIndex: $0.stabilityIndex) },
            outcomes: found.outcomes.map { outcomes in
                ModelsV1.ModelOutcomes(
                    decisions: UInt32(outcomes.decisions), frauds: UInt32(outcomes.frauds), calibrationError: outcomes.calibrationError,
                    averagePrecision: outcomes.averagePrecision.isFinite ? outcomes.averagePrecision : 0,
                    coverage: outcomes.observed.map { observed in
                        ModelsV1.ModelOutcomes.Coverage(
                            stated: outcomes.statedCoverage ?? 0, observed: observed.coverage, ofFrauds: observed.fraudCoverage,
                            ofGenuine: observed.genuineCoverage, decidedShare: observed.decidedShare)
                    },
                    reliability: outcomes.reliability.map {
                        .init(meanScore: $0.meanProbability, observed: $0.observed, decisions: UInt32($0.count))
                    })
            })
    }
}
