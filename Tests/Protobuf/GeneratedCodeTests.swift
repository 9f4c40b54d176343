import Contracts
import Foundation
import RPC
import Testing

@Suite("Generated code")
struct GeneratedCodeTests {
    private static var root: URL { URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent() }

    /// The plugin lies beside the test bundle.
    static var plugin: URL {
        #if os(macOS)
        Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }?.bundleURL.deletingLastPathComponent()
            .appending(path: "protoc-gen-vigil") ?? root
        #else
        Bundle.main.bundleURL.appending(path: "protoc-gen-vigil")
        #endif
    }

    @Test("what is committed is what the contracts give", .enabled("protoc and protoc-gen-c are not installed", isProtocInstalled))
    func isFresh() throws {
        let process = Process()
        process.executableURL = Self.root.appending(path: "Protos/generate.sh")
        process.arguments = ["--check"]
        process.environment = ProcessInfo.processInfo.environment.merging(["PROTOC_GEN_VIGIL": Self.plugin.path]) { $1 }
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let report = try errors.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(String(decoding: report, as: UTF8.self))")
    }

    @Sendable static func isProtocInstalled() -> Bool {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        return ["protoc", "protoc-gen-c"].allSatisfy { tool in
            folders.contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(tool)") }
        }
    }

    @Test("a service tells its methods, their kinds, and whether they may be repeated")
    func methods() {
        typealias Methods = TestingV1.KindsService.Methods
        #expect(Methods.single.path == "/vigil.testing.v1.KindsService/Single")
        #expect(Methods.all.map(\.kind) == [.unary, .serverStreaming, .clientStreaming, .bidirectional])
        #expect(Methods.all.map(\.idempotency) == [.noSideEffects, .idempotent, .none, .none])
    }
}
