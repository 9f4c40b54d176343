import Contracts
import Foundation
import Logging
import RPC
import Synchronization
import Testing

/// gRPC's published interop cases against Python's grpcio, in both directions.
///
/// Needs `python3` with grpcio and grpcio-tools; where they are missing the suite is skipped with a word.
@Suite(.serialized, .timeLimit(.minutes(2)), .enabled(if: Python.isUsable, "python3 has no grpcio and grpcio-tools"))
struct InteropTests {
    static let cases = [
        "empty_unary", "large_unary", "client_compressed_unary", "server_compressed_unary", "client_streaming",
        "client_compressed_streaming", "server_streaming", "server_compressed_streaming", "ping_pong", "empty_stream",
        "cancel_after_begin", "cancel_after_first_response", "timeout_on_sleeping_server", "custom_metadata",
        "status_code_and_message", "special_status_message", "unimplemented_method", "unimplemented_service",
    ]

    private static let logger: Logger = {
        var logger = Logger(label: "interop")
        logger.logLevel = .critical
        return logger
    }()

    @Test(arguments: cases) func pythonCallsOurServer(name: String) async throws {
        var configuration = ServerConfiguration()
        configuration.limits.drainTimeoutSeconds = 2
        let (status, output) = try await withServer(
            configuration, services: [InteropService()], health: HealthRegistry(), logger: Self.logger
        ) { server in
            try await Python.run("client.py", [server.address, name])
        }
        #expect(status == 0, "\(output)")
        #expect(output.contains("passed \(name)"))
    }

    /// As grpcurl does it, which Debian has not.
    @Test func aToolThatKnowsNoContractListsEverythingAndCalls() async throws {
        let (status, output) = try await withServer(
            ServerConfiguration(), services: [InteropService()], health: HealthRegistry(), logger: Self.logger
        ) { server in
            try await Python.run("reflection.py", [server.address])
        }
        #expect(status == 0, "\(output)")
        #expect(output.contains("grpc.health.v1.Health Check"))
        #expect(output.contains("grpc.testing.TestService EmptyCall UnaryCall"))
        #expect(output.contains("AAAAAAA="))
        #expect(output.contains("passed reflection"))
    }

    @Test(arguments: cases) func ourClientCallsPython(name: String) async throws {
        let server = try await Python.startServer()
        defer { server.stop() }
        try await withChannel(ChannelConfiguration(target: "http://127.0.0.1:\(server.port)"), logger: Self.logger) { channel in
            try await InteropClient(channel).run(name)
        }
    }
}

/// Runs the scripts beside this file with messages that protoc made from our contracts.
enum Python {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()

    static let isUsable: Bool = {
        let (status, _) = (try? execute("/usr/bin/env", ["python3", "-c", "import grpc, grpc_tools"])) ?? (1, "")
        return status == 0
    }()

    /// What protoc says of our contracts; made once a run.
    private static let descriptors: Result<String, any Error> = Result {
        let target = FileManager.default.temporaryDirectory.appendingPathComponent("interop-\(UUID().uuidString).binpb").path
        let protos = folder.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Protos").path
        let (status, output) = try execute(
            "/usr/bin/env",
            ["python3", "-m", "grpc_tools.protoc", "-I", protos, "--include_imports", "--descriptor_set_out", target]
                + ["testing/empty", "testing/messages", "testing/test", "reflection/v1/reflection"].map { "\(protos)/grpc/\($0).proto" })
        guard status == 0 else { throw Failure(output: output) }
        return target
    }

    struct Failure: Error {
        let output: String
    }

    static func run(_ script: String, _ arguments: [String]) async throws -> (status: Int32, output: String) {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(
                    with: Result {
                        try execute(
                            "/usr/bin/env", ["python3", folder.appendingPathComponent("Python/\(script)").path] + arguments,
                            descriptors: descriptors.get())
                    })
            }
        }
    }

    private static func execute(_ program: String, _ arguments: [String], descriptors: String? = nil) throws -> (Int32, String) {
        let process = process(program, arguments, descriptors)
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }

    private static func process(_ program: String, _ arguments: [String], _ descriptors: String?) -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        if let descriptors {
            process.environment = ProcessInfo.processInfo.environment.merging(["DESCRIPTORS": descriptors]) { $1 }
        }
        return process
    }

    /// A server that runs until it is stopped.
    final class Server: Sendable {
        let port: Int
        private let process: Mutex<Process>
        private let input: FileHandle

        fileprivate init(port: Int, process: sending Process, input: FileHandle) {
            self.port = port
            self.process = Mutex(process)
            self.input = input
        }

        func stop() {
            try? input.close()
            process.withLock { $0.waitUntilExit() }
        }
    }

    static func startServer() async throws -> Server {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(
                    with: Result {
                        let process = process(
                            "/usr/bin/env", ["python3", folder.appendingPathComponent("Python/server.py").path], try descriptors.get())
                        let (input, output) = (Pipe(), Pipe())
                        process.standardInput = input
                        process.standardOutput = output
                        try process.run()
                        var line = ""
                        while !line.hasSuffix("\n") {
                            let byte = output.fileHandleForReading.readData(ofLength: 1)
                            guard !byte.isEmpty else { throw Failure(output: "the server ended: \(line)") }
                            line += String(decoding: byte, as: UTF8.self)
                        }
                        guard let port = Int(line.dropLast()) else { throw Failure(output: line) }
                        return Server(port: port, process: process, input: input.fileHandleForWriting)
                    })
            }
        }
    }
}
