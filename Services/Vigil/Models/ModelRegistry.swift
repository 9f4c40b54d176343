import Contracts
import Foundation
import Logging
import Models
import RPC

/// The running model server's registry, as the operator sees it.
struct ModelRegistry {
    static let chunkBytes = 1 << 20

    let suite: SuiteDescription
    /// Signs bundles that nobody has signed; PEM.
    var signingKey: String?

    /// Sends a bundle's files. A bundle that is registered already stays as it is.
    func upload(directory: String) async throws -> ModelsV1.Model? {
        let names = try OptionFile.names(inFolder: directory)
        guard names.contains(ModelBundle.manifestName) else {
            throw PlaceFault(description: "\(directory) is no bundle: it has no \(ModelBundle.manifestName)")
        }
        var files: [(name: String, content: [UInt8])] = []
        for name in names {
            files.append((name, [UInt8](try Data(contentsOf: URL(fileURLWithPath: directory).appendingPathComponent(name)))))
        }
        if let signingKey, !names.contains(ModelBundle.signatureName) {
            let bundle = try ModelBundle(directory: directory).signed(withKey: signingKey)
            if let signature = bundle.files[ModelBundle.signatureName] { files.append((ModelBundle.signatureName, signature)) }
        }
        return try await send(files)
    }

    private func send(_ files: [(name: String, content: [UInt8])]) async throws -> ModelsV1.Model? {
        try await withClient { client in
            let response = try await client.uploadModel { writer in
                for (name, content) in files {
                    for start in stride(from: 0, to: max(content.count, 1), by: Self.chunkBytes) {
                        let chunk = Array(content[start..<min(start + Self.chunkBytes, content.count)])
                        try await writer.write(ModelsV1.UploadModelRequest(fileName: name, chunk: chunk))
                    }
                }
            }
            return response.model
        }
    }

    func promote(version: String) async throws -> ModelsV1.Model? {
        try await withClient { try await $0.promoteModel(.init(version: version)).model }
    }

    func shadow(version: String, stop: Bool) async throws -> ModelsV1.Model? {
        try await withClient { try await $0.shadowModel(.init(version: version, stop: stop)).model }
    }

    func rollBack() async throws -> ModelsV1.Model? { try await withClient { try await $0.rollBackModel(.init()).model } }

    func models() async throws -> [ModelsV1.Model] {
        try await withClient { try await $0.listModels(.init()).models }
    }

    func health(version: String, days: Int) async throws -> ModelsV1.GetModelHealthResponse {
        try await withClient { try await $0.getModelHealth(.init(version: version, days: UInt32(days))) }
    }

    func replay(decisionID: String) async throws -> ModelsV1.ReplayDecisionResponse {
        try await withClient { try await $0.replayDecision(.init(decisionID: decisionID)) }
    }

    private func withClient<R>(_ body: (ModelsV1.ModelService.Client) async throws -> R) async throws -> R {
        guard let url = suite.services["model-server"]?.url else { throw SampleError("suite.json names no model-server") }
        let tls = TLSClientConfiguration(
            trustRootsFile: suite.trust, clientCertificateChainFile: suite.operator.certificate, clientPrivateKeyFile: suite.operator.key)
        let quiet = Logger(label: "vigil") { _ in SwiftLogNoOpLogHandler() }
        return try await withChannel(ChannelConfiguration(target: url, tls: tls), logger: quiet) { channel in
            try await body(ModelsV1.ModelService.Client(channel))
        }
    }
}
