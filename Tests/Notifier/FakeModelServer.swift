import Contracts
import EventLog
import RPC
import StandardContracts
import Synchronization
import TestSupport

/// A model server whose log the test writes.
final class FakeModelServer: ModelsV1.ModelService.Handlers {
    private struct State {
        var decisions: [ModelsV1.LoggedDecision] = []
        var tails: [AsyncStream<Void>.Continuation] = []
    }

    private let state = Mutex(State())

    /// Runs one on a free port.
    static func with<R>(_ body: (FakeModelServer, _ url: String) async throws -> R) async throws -> R {
        let model = FakeModelServer()
        var configuration = ServerConfiguration(threads: 1)
        configuration.limits.streamDrainSeconds = 0
        return try await withServer(configuration, services: [model], health: HealthRegistry(), logger: testLogger) { server in
            try await body(model, "http://127.0.0.1:\(server.port)")
        }
    }

    func decide(_ decisions: [RecordsV1.Decision], eventTime: GoogleProtobuf.Timestamp? = nil) {
        let tails = state.withLock { state in
            for decision in decisions {
                let number = Int64(state.decisions.count + 1)
                state.decisions.append(
                    ModelsV1.LoggedDecision(
                        position: EventLogV1.LogPosition(transactionID: UInt64(number), sequence: number), recordedAt: decision.decidedAt,
                        decision: decision, eventTime: eventTime, amount: RecordsV1.Money(minorUnits: 100, currency: "INR"),
                        terminalID: "T-1", channel: .atm))
            }
            return state.tails
        }
        for tail in tails { tail.yield() }
    }

    func tailDecisions(
        _ request: ModelsV1.TailDecisionsRequest, to responses: ResponseWriter<ModelsV1.TailDecisionsResponse>, context: CallContext
    ) async throws {
        let (wakes, wake) = AsyncStream.makeStream(of: Void.self)
        state.withLock { $0.tails.append(wake) }
        wake.yield()
        var sent = Int(request.after?.sequence ?? 0)
        for await _ in wakes {
            let rest = state.withLock { Array($0.decisions.dropFirst(sent)) }
            guard !rest.isEmpty else { continue }
            sent += rest.count
            try await responses.write(ModelsV1.TailDecisionsResponse(decisions: rest))
        }
    }

    // What the notifier never calls.

    private func unused<R>() throws -> R { throw RPCError(.unimplemented, "not in this test") }

    func score(_ request: ModelsV1.ScoreRequest, context: CallContext) async throws -> ModelsV1.ScoreResponse { try unused() }
    func getDecisions(_ request: ModelsV1.GetDecisionsRequest, context: CallContext) async throws -> ModelsV1.GetDecisionsResponse { try unused() }
    func replayDecision(_ request: ModelsV1.ReplayDecisionRequest, context: CallContext) async throws -> ModelsV1.ReplayDecisionResponse {
        try unused()
    }
    func uploadModel(_ requests: RequestStream<ModelsV1.UploadModelRequest>, context: CallContext) async throws -> ModelsV1.UploadModelResponse {
        try unused()
    }
    func promoteModel(_ request: ModelsV1.PromoteModelRequest, context: CallContext) async throws -> ModelsV1.PromoteModelResponse { try unused() }
    func shadowModel(_ request: ModelsV1.ShadowModelRequest, context: CallContext) async throws -> ModelsV1.ShadowModelResponse { try unused() }
    func rollBackModel(_ request: ModelsV1.RollBackModelRequest, context: CallContext) async throws -> ModelsV1.RollBackModelResponse {
        try unused()
    }
    func predictCashOut(_ request: ModelsV1.PredictCashOutRequest, context: CallContext) async throws -> ModelsV1.PredictCashOutResponse {
        try unused()
    }
    func getModelHealth(_ request: ModelsV1.GetModelHealthRequest, context: CallContext) async throws -> ModelsV1.GetModelHealthResponse {
        try unused()
    }
    func forecastCells(_ request: ModelsV1.ForecastCellsRequest, context: CallContext) async throws -> ModelsV1.ForecastCellsResponse {
        try unused()
    }
    func listModels(_ request: ModelsV1.ListModelsRequest, context: CallContext) async throws -> ModelsV1.ListModelsResponse { try unused() }
    func getStatistics(_ request: ModelsV1.GetStatisticsRequest, context: CallContext) async throws -> ModelsV1.GetStatisticsResponse {
        try unused()
    }
}
