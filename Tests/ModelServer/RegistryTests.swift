import Contracts
import Identity
import RPC
import ServiceRuntime
import TestSupport
import Testing

@testable import ModelServer

@Suite struct RegistryTests {
    private func withServer(_ body: (ModelsV1.ModelService.Client) async throws -> Void) async throws {
        try await withTestService(
            .modelServer, environment: ["VIGIL_FEATURES_URL": "https://127.0.0.1:1", "VIGIL_INGESTION_URL": "https://127.0.0.1:1"],
            configuration: ModelServerConfiguration.init(from:), run: ModelServer.run
        ) { service in
            try await service.withChannel(as: .peer(ServiceName.operator)) { try await body(ModelsV1.ModelService.Client($0)) }
        }
    }

    @Test func withoutAModelNothingIsScored() async throws {
        try await withServer { client in
            let observation = FeaturesV1.Observation(key: .init(bankID: "b", transactionID: "t"), featureSetVersion: "x", values: [1])
            let error = await #expect(throws: RPCError.self) { try await client.score(.init(observations: [observation])) }
            #expect(error?.code == .failedPrecondition)
            let models = try await client.listModels(.init())
            #expect(models.models.isEmpty)
        }
    }

    @Test func whatIsNoBundleIsRefusedWithTheReason() async throws {
        try await withServer { client in
            let broken = await #expect(throws: RPCError.self) {
                try await client.uploadModel { writer in
                    try await writer.write(.init(fileName: "manifest.json", chunk: Array("{}".utf8)))
                }
            }
            #expect(broken?.code == .invalidArgument)
            let nameless = await #expect(throws: RPCError.self) {
                try await client.uploadModel { writer in try await writer.write(.init(chunk: [1])) }
            }
            #expect(nameless?.message.contains("file_name") == true)
        }
    }

    @Test func unknownNamesAreNotFound() async throws {
        try await withServer { client in
            let model = await #expect(throws: RPCError.self) { try await client.promoteModel(.init(version: "fraud-none")) }
            #expect(model?.code == .notFound)
            let decision = await #expect(throws: RPCError.self) { try await client.replayDecision(.init(decisionID: "none")) }
            #expect(decision?.code == .notFound)
            let many = (0...1_000).map { RecordsV1.TransactionKey(bankID: "b", transactionID: "\($0)") }
            let tooMany = await #expect(throws: RPCError.self) { try await client.getDecisions(.init(keys: many)) }
            #expect(tooMany?.code == .invalidArgument)
        }
    }
}
