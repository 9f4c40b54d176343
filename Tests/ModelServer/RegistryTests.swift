import Contracts
import Foundation
import Identity
import Models
import RPC
import ServiceRuntime
import TestSupport
import Testing

@testable import ModelServer

@Suite struct RegistryTests {
    private func withServer(
        _ environment: [String: String] = [:], _ body: (ModelsV1.ModelService.Client) async throws -> Void
    ) async throws {
        let urls = ["VIGIL_FEATURES_URL": "https://127.0.0.1:1", "VIGIL_INGESTION_URL": "https://127.0.0.1:1"]
        try await withTestService(
            .modelServer, environment: environment.merging(urls) { $1 }, configuration: ModelServerConfiguration.init(from:), run: ModelServer.run
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

    private func upload(_ bundle: ModelBundle, to client: ModelsV1.ModelService.Client) async throws -> ModelsV1.Model? {
        try await client.uploadModel { writer in
            for (name, content) in bundle.files { try await writer.write(.init(fileName: name, chunk: content)) }
        }.model
    }

    @Test func theListTellsWhoSignedAModel() async throws {
        let (bundle, pair, other) = (try ModelHealthTests.bundle(), ModelBundle.newSigningKey(), ModelBundle.newSigningKey())
        let keys = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).pub")
        try Data("\(other.publicKeyPEM)\n\(pair.publicKeyPEM)\n".utf8).write(to: keys)
        defer { try? FileManager.default.removeItem(at: keys) }
        let signed = try bundle.signed(withKey: pair.privateKeyPEM)
        try await withServer(["VIGIL_MODELS_TRUSTED_KEYS_FILE": keys.path]) { client in
            let refused = await #expect(throws: RPCError.self) { try await upload(bundle, to: client) }
            #expect(refused?.message.contains("is not signed") == true)
            let model = try #require(try await upload(signed, to: client))
            let (manifest, signature) = (signed.files[ModelBundle.manifestName] ?? [], signed.files[ModelBundle.signatureName] ?? [])
            let signer = try ModelBundle.signer(ofManifest: manifest, signature: signature, amongKeysIn: pair.publicKeyPEM)
            #expect(model.signed && model.signingKeySha256.utf8.count == 64 && model.signingKeySha256 == signer)
            #expect(try await client.listModels(.init()).models == [model])
        }
    }

    @Test func aServerThatTrustsNoKeysTellsWhetherAModelIsSigned() async throws {
        let bundle = try ModelHealthTests.bundle()
        try await withServer { client in
            let model = try #require(try await upload(bundle, to: client))
            #expect(!model.signed && model.signingKeySha256.isEmpty)
        }
        try await withServer { client in
            let model = try #require(try await upload(bundle.signed(withKey: ModelBundle.newSigningKey().privateKeyPEM), to: client))
            #expect(model.signed && model.signingKeySha256.isEmpty)
        }
    }
}
