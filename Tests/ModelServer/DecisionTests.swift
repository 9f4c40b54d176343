import Contracts
import Features
import Identity
import Models
import RPC
import ServiceRuntime
import TestSupport
import Testing

@testable import ModelServer

@Suite struct DecisionTests {
    /// - Parameter features: the feature store's address.
    static func withChampion(
        features: String = "https://127.0.0.1:1", _ body: (TestService, ModelsV1.ModelService.Client) async throws -> Void
    ) async throws {
        try await withTestService(
            .modelServer, environment: ["VIGIL_FEATURES_URL": features, "VIGIL_INGESTION_URL": "https://127.0.0.1:1"],
            configuration: ModelServerConfiguration.init(from:), run: ModelServer.run
        ) { service in
            try await service.withChannel(as: .peer(ServiceName.operator)) { channel in
                let client = ModelsV1.ModelService.Client(channel)
                let files = try ModelHealthTests.bundle().files
                let uploaded = try await client.uploadModel { writer in
                    for (name, content) in files { try await writer.write(.init(fileName: name, chunk: content)) }
                }
                _ = try await client.promoteModel(.init(version: try #require(uploaded.model?.version)))
                try await body(service, client)
            }
        }
    }

    /// The model takes a payment for fraud from 10 on.
    private func observations(_ ids: Range<Int>, value: (Int) -> Double) -> [FeaturesV1.Observation] {
        ids.map { id in
            FeaturesV1.Observation(
                key: .init(bankID: "bank", transactionID: "t\(id)"), featureSetVersion: FeatureSet.payments.version,
                values: [Double](repeating: value(id), count: FeatureSet.payments.count))
        }
    }

    @Test func whatIsDecidedBrieflyHasItsReasonsWhenAsked() async throws {
        try await Self.withChampion { _, client in
            let asked = observations(0..<40) { $0 % 2 == 0 ? 1 : 15 }
            let brief = try await client.score(.init(observations: asked, brief: true)).decisions
            #expect(brief.allSatisfy { $0.reasons.isEmpty == ($0.label == .legitimate) })
            #expect(Set(brief.map(\.label)) == [.legitimate, .fraud])
            let later = try await client.getDecisions(.init(keys: brief.compactMap(\.key))).decisions
            #expect(later.count == 40 && later.allSatisfy { !$0.reasons.isEmpty })
            let stored = try await client.getDecisions(.init(keys: brief.compactMap(\.key), brief: true)).decisions
            #expect(stored == brief)
            for decision in brief.prefix(2) {
                let replay = try await client.replayDecision(.init(decisionID: decision.decisionID))
                #expect(replay.identical && replay.stored == decision && replay.replayed?.reasons.isEmpty == false)
            }
            let whole = try await client.score(.init(observations: observations(40..<42) { _ in 1 })).decisions
            #expect(whole.allSatisfy { $0.label == .legitimate && !$0.reasons.isEmpty })
        }
    }

    @Test func aBankIsToldOfItsOwnDecisionsAlone() async throws {
        try await Self.withChampion { service, client in
            let decisions = try await client.score(.init(observations: observations(0..<3) { _ in 1 })).decisions
            let keys = decisions.compactMap(\.key)
            try await service.withChannel { channel in
                let client = ModelsV1.ModelService.Client(channel)
                func options(_ bank: String?, _ kind: Principal.Kind = .bank) async throws -> CallOptions {
                    TestService.options(
                        try await TestTokens.token(bank ?? "nobody", kind: kind, scopes: [Scope.readDecisions, Scope.readModels], bankID: bank))
                }
                for own in [try await options("bank"), try await options("bank", .user), try await options(nil, .agency)] {
                    #expect(try await client.getDecisions(.init(keys: keys), options: own).decisions.count == 3)
                    #expect(try await client.replayDecision(.init(decisionID: decisions[0].decisionID), options: own).identical)
                }
                for other in [try await options("bank-b"), try await options("bank-b", .user), try await options(nil)] {
                    #expect(try await client.getDecisions(.init(keys: keys), options: other).decisions.isEmpty)
                    let known = await #expect(throws: RPCError.self) {
                        try await client.replayDecision(.init(decisionID: decisions[0].decisionID), options: other)
                    }
                    #expect(known?.code == .notFound && known?.message == "there is no decision \(decisions[0].decisionID)")
                    let totals = await #expect(throws: RPCError.self) { try await client.getStatistics(.init(), options: other) }
                    #expect(totals?.code == .permissionDenied)
                }
            }
        }
    }

    /// Of few by a statement, of many by COPY.
    @Test(arguments: [3, 60]) func aTransactionKeepsItsFirstDecision(_ count: Int) async throws {
        try await Self.withChampion { _, client in
            let first = try await client.score(.init(observations: observations(0..<count) { _ in 1 })).decisions
            let again = try await client.score(.init(observations: observations(1..<count + 1) { _ in 15 })).decisions
            #expect(again.dropLast() == first.dropFirst() && again.last?.label == .fraud)
            let twice = observations(count + 1..<count + 2) { _ in 1 }
            let same = try await client.score(.init(observations: twice + twice)).decisions
            #expect(same.count == 2 && same[0] == same[1])
            #expect(try await client.getStatistics(.init()).decisions == Int64(count + 2))
        }
    }
}
