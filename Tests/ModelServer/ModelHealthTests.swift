import Contracts
import Features
import Identity
import Models
import Postgres
import RPC
import RecordCoding
import Records
import ServiceRuntime
import StandardContracts
import TestSupport
import Testing

@testable import ModelServer

@Suite struct ModelHealthTests {
    private static let features = FeatureSet.payments

    /// Takes a payment for fraud whose first feature is 10 or more; trained where that lay between 0 and 20.
    static func bundle(seed: UInt64 = 1, of features: FeatureSet = features) throws -> ModelBundle {
        let tree = Forest.Tree(
            leftChildren: [1, -1, -1], rightChildren: [2, -1, -1], splitFeatures: [0, 0, 0], splitValues: [10, -3, 3],
            missingGoLeft: [true, false, false], covers: [2, 1, 1])
        let forest = try Forest(trees: [tree], featureCount: features.count, baseMargin: 0, link: .logistic)
        let training = TrainingRecord(
            source: "test", dataSHA256: "", from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z", rows: 2, frauds: 1, seed: seed, rounds: 1,
            parameters: [:], trainer: "hand")
        let truth = (0..<200).map { $0 < 100 }
        return try ModelBundle(
            forest: forest, features: features, calibration: .identity, thresholds: .init(review: 0.2, fraud: 0.5), training: training,
            metrics: ["average_precision": 1],
            conformal: ConformalThresholds(fitting: truth.map { $0 ? 0.95 : 0.05 }, isFraud: truth, coverage: 0.9),
            reference: features.names.map { name in ReferenceDistribution(name: name, values: (0..<2_000).map { Float($0 % 20) }) },
            createdAt: Timestamp(iso8601: "2026-02-02T00:00:00Z") ?? .epoch)
    }

    private func withServer(_ body: (ModelsV1.ModelService.Client, RecordStore) async throws -> Void) async throws {
        try await withTestService(
            .modelServer, environment: ["VIGIL_FEATURES_URL": "https://127.0.0.1:1", "VIGIL_INGESTION_URL": "https://127.0.0.1:1"],
            configuration: ModelServerConfiguration.init(from:), run: ModelServer.run
        ) { service in
            try await withPostgresPool(service.runtime.configuration.database) { pool in
                try await service.withChannel(as: .peer(ServiceName.operator)) {
                    try await body(ModelsV1.ModelService.Client($0), RecordStore(pool: pool))
                }
            }
        }
    }

    private func upload(_ bundle: ModelBundle, _ client: ModelsV1.ModelService.Client) async throws -> String {
        let files = bundle.files
        let uploaded = try await client.uploadModel { writer in
            for (name, content) in files { try await writer.write(.init(fileName: name, chunk: content)) }
        }
        return try #require(uploaded.model?.version)
    }

    private func promote(_ client: ModelsV1.ModelService.Client) async throws -> String {
        let version = try await upload(try Self.bundle(), client)
        _ = try await client.promoteModel(.init(version: version))
        return version
    }

    /// Decides on payments whose features are all alike.
    private func score(_ values: [Double], _ client: ModelsV1.ModelService.Client) async throws {
        let observations = values.enumerated().map { index, value in
            FeaturesV1.Observation(
                key: .init(bankID: "bank", transactionID: "t\(index)"), featureSetVersion: Self.features.version,
                values: [Double](repeating: value, count: Self.features.count))
        }
        _ = try await client.score(.init(observations: observations))
    }

    @Test func driftAndCoverageAreThoseOfTheDecisionsMade() async throws {
        try await withServer { client, records in
            let version = try await promote(client)
            // As in training, over all bins.
            try await score((0..<400).map { Double($0 % 20) }, client)
            let before = try await client.getModelHealth(.init())
            #expect(before.version == version && before.decisions == 400 && before.outcomes == nil)
            #expect(before.drift.count == Self.features.count && before.drift.allSatisfy { $0.stabilityIndex < 0.01 })
            // Eight of ten outcomes are what the model said; the two others are in no set of its.
            try await save(records, truth: (0..<10).map { (id: "t\($0 * 2)", isFraud: $0 % 10 >= 5 || $0 < 2) })
            let after = try await client.getModelHealth(.init(version: version))
            let outcomes = try #require(after.outcomes)
            #expect(outcomes.decisions == 10 && outcomes.frauds == 7)
            // Five were scored low and five high; two of the former were frauds.
            let gaps = outcomes.reliability.map { abs($0.meanScore - $0.observed) * Double($0.decisions) }
            #expect(abs(outcomes.calibrationError - gaps.reduce(0, +) / Double(outcomes.decisions)) < 1e-12)
            #expect(outcomes.reliability.map(\.decisions) == [5, 5] && outcomes.reliability.map(\.observed) == [0.4, 1])
            let stated = [0.0474, 0.9526]
            #expect(zip(outcomes.reliability, stated).allSatisfy { abs($0.meanScore - $1) < 1e-4 })
            let coverage = try #require(outcomes.coverage)
            #expect(coverage.stated == 0.9 && abs(coverage.observed - 0.8) < 1e-12 && coverage.ofGenuine == 1)
        }
    }

    @Test func featuresThatHaveMovedAreSeen() async throws {
        try await withServer { client, _ in
            _ = try await promote(client)
            try await score([Double](repeating: 19, count: 200), client)
            let health = try await client.getModelHealth(.init())
            #expect((health.drift.first?.stabilityIndex ?? 0) > 1)
        }
    }

    @Test func aShadowScoresAlongAndIsJudgedWithoutDeciding() async throws {
        try await withServer { client, records in
            let champion = try await promote(client)
            let shadow = try await upload(try Self.bundle(seed: 2), client)
            let champions = await #expect(throws: RPCError.self) { try await client.shadowModel(.init(version: champion)) }
            #expect(champions?.code == .failedPrecondition)
            #expect(try await client.shadowModel(.init(version: shadow)).model?.stage == .shadow)
            try await score((0..<40).map { Double($0 % 20) }, client)
            let decisions = try await client.getDecisions(.init(keys: [.init(bankID: "bank", transactionID: "t3")]))
            #expect(decisions.decisions.map(\.modelVersion) == [champion])
            try await save(records, truth: (0..<10).map { (id: "t\($0)", isFraud: $0 >= 5) })
            let health = try await client.getModelHealth(.init(version: shadow))
            #expect(health.version == shadow && health.decisions == 40 && health.outcomes?.decisions == 10)
            #expect(try await client.shadowModel(.init(version: shadow, stop: true)).model?.stage == .challenger)
            let third = await #expect(throws: RPCError.self) { try await client.shadowModel(.init(version: "none")) }
            #expect(third?.code == .notFound)
        }
    }

    @Test func aRollbackMakesTheChampionBeforeChampionAgain() async throws {
        try await withServer { client, _ in
            let first = try await promote(client)
            let none = await #expect(throws: RPCError.self) { try await client.rollBackModel(.init()) }
            #expect(none?.code == .failedPrecondition)
            let second = try await upload(try Self.bundle(seed: 2), client)
            _ = try await client.promoteModel(.init(version: second))
            // Also while it scores along.
            _ = try await client.shadowModel(.init(version: first))
            let back = try await client.rollBackModel(.init())
            #expect(back.model?.version == first && back.model?.stage == .champion)
            try await score([1], client)
            #expect(try await client.getStatistics(.init()).championVersion == first)
            let stages = try await client.listModels(.init()).models.map { "\($0.version == first) \($0.stage)" }
            #expect(Set(stages) == ["true champion", "false challenger"])
        }
    }

    @Test func whatIsNotThereIsRefused() async throws {
        try await withServer { client, _ in
            let early = await #expect(throws: RPCError.self) { try await client.getModelHealth(.init()) }
            #expect(early?.code == .failedPrecondition)
            let unknown = await #expect(throws: RPCError.self) { try await client.getModelHealth(.init(version: "none")) }
            #expect(unknown?.code == .notFound)
            let long = await #expect(throws: RPCError.self) { try await client.getModelHealth(.init(days: 91)) }
            #expect(long?.fieldViolations.map(\.field) == ["days"])
        }
    }

    /// An earlier word on each, which the later one replaces, comes in the same batch and again afterwards.
    private func save(_ records: RecordStore, truth: [(id: String, isFraud: Bool)]) async throws {
        let now = Timestamp.now()
        func words(_ turned: Bool, at time: Timestamp) -> [StoredRecord] {
            truth.map { .label(TransactionKey(bankID: "bank", transactionID: $0.id), isFraud: $0.isFraud != turned, knownAt: time) }
        }
        let (early, late) = (words(true, at: now - .days(1)), words(false, at: now))
        for batch in [late + early, early] {
            try await records.pool.withTransaction { try await records.save(batch, in: $0) }
        }
    }
}
