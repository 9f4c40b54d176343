import Contracts
import Foundation
import Logging
import RPC
import Synchronization
import TestPrograms
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

    @Test(arguments: cases) func pythonCallsOurServer(name: String) async throws {
        var configuration = ServerConfiguration()
        configuration.limits.drainTimeoutSeconds = 2
        let log = RecordedLog()
        let (status, output) = try await withServer(
            configuration, services: [InteropService()], interceptors: [CallLog(logger: log.logger)], health: HealthRegistry(),
            logger: log.logger
        ) { server in
            try await Python.run("client.py", [server.address, name]) { log.text }
        }
        #expect(status == 0, "\(output)")
        #expect(output.contains("passed \(name)"))
    }

    /// As grpcurl does it, which Debian has not.
    @Test func aToolThatKnowsNoContractListsEverythingAndCalls() async throws {
        let log = RecordedLog()
        let (status, output) = try await withServer(
            ServerConfiguration(), services: [InteropService()], interceptors: [CallLog(logger: log.logger)], health: HealthRegistry(),
            logger: log.logger
        ) { server in
            try await Python.run("reflection.py", [server.address]) { log.text }
        }
        #expect(status == 0, "\(output)")
        #expect(output.contains("grpc.health.v1.Health Check"))
        #expect(output.contains("grpc.testing.TestService EmptyCall UnaryCall"))
        #expect(output.contains("AAAAAAA="))
        #expect(output.contains("passed reflection"))
    }

    @Test(arguments: cases) func ourClientCallsPython(name: String) async throws {
        let server = try await Python.startServer()
        let log = RecordedLog()
        let watch = Watch(seconds: 60) {
            Issue.record("\(name) has no end; our side logged:\n\(log.text)\nThe server wrote:")
            // Python writes where each of its threads stands to this process's own errors; its end ends our calls.
            server.abort()
        }
        defer {
            watch.stop()
            server.stop()
        }
        try await withChannel(ChannelConfiguration(target: "http://127.0.0.1:\(server.port)"), logger: log.logger) { channel in
            try await InteropClient(channel).run(name)
        }
    }
}

/// Tells of each call that it began and how it ended: what a server knows of a peer that waits.
private struct CallLog: ServerInterceptor {
    let logger: Logger

    func begin(_ call: inout IncomingCall) async throws -> CallFinisher? {
        let path = call.path
        logger.debug("begins", metadata: ["path": "\(path)"])
        return CallFinisher { [logger] outcome in
            logger.debug("ends", metadata: ["path": "\(path)", "status": "\(outcome.status.name)", "message": "\(outcome.message)"])
        }
    }
}

/// Does something unless it is stopped in time.
private struct Watch {
    private let work: DispatchWorkItem

    init(seconds: Int, _ act: @escaping @Sendable () -> Void) {
        work = DispatchWorkItem(block: act)
        DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(seconds), execute: work)
    }

    func stop() { work.cancel() }
}

/// Runs the scripts beside this file with messages that protoc made from our contracts.
enum Python {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()

    /// The one on the PATH or Debian's, whichever has grpcio; nil where neither has.
    private static let program: String? = ["python3", "/usr/bin/python3"].first { program in
        let (status, _) = (try? TestPrograms.run("/usr/bin/env", [program, "-c", "import grpc, grpc_tools"])) ?? (1, "")
        return status == 0
    }

    static var isUsable: Bool { program != nil }

    /// What protoc says of our contracts; made once a run.
    private static let descriptors: Result<String, any Error> = Result {
        let target = FileManager.default.temporaryDirectory.appendingPathComponent("interop-\(UUID().uuidString).binpb").path
        let protos = folder.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Protos").path
        let (status, output) = try TestPrograms.run(
            "/usr/bin/env",
            [program ?? "python3", "-m", "grpc_tools.protoc", "-I", protos, "--include_imports", "--descriptor_set_out", target]
                + ["testing/empty", "testing/messages", "testing/test", "reflection/v1/reflection"].map { "\(protos)/grpc/\($0).proto" })
        guard status == 0 else { throw ProgramFailure(output) }
        return target
    }

    /// - Parameter otherSide: what to say of our side, where the script does not end in time.
    static func run(
        _ script: String, _ arguments: [String], otherSide: @escaping @Sendable () -> String
    ) async throws -> (status: Int32, output: String) {
        let script = folder.appendingPathComponent("Python/\(script)").path
        return try await runInBackground(
            "/usr/bin/env", [program ?? "python3", "-X", "faulthandler", script] + arguments, environment: ["DESCRIPTORS": descriptors.get()],
            otherSide: otherSide)
    }

    /// A server that runs until it is stopped.
    final class Server: Sendable {
        let port: Int
        private let processID: pid_t
        private let process: Mutex<Process>
        private let input: FileHandle

        fileprivate init(port: Int, process: sending Process, input: FileHandle) {
            self.port = port
            processID = process.processIdentifier
            self.process = Mutex(process)
            self.input = input
        }

        func stop() {
            try? input.close()
            process.withLock { $0.waitUntilExit() }
        }

        func abort() { _ = kill(processID, SIGABRT) }
    }

    static func startServer() async throws -> Server {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(
                    with: Result {
                        let process = Process()
                        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
                        process.arguments = [program ?? "python3", "-X", "faulthandler", folder.appendingPathComponent("Python/server.py").path]
                        process.environment = ProcessInfo.processInfo.environment.merging(["DESCRIPTORS": try descriptors.get()]) { $1 }
                        let (input, output) = (Pipe(), Pipe())
                        process.standardInput = input
                        process.standardOutput = output
                        try process.run()
                        var line = ""
                        while !line.hasSuffix("\n") {
                            let byte = output.fileHandleForReading.readData(ofLength: 1)
                            guard !byte.isEmpty else { throw ProgramFailure("the server ended: \(line)") }
                            line += String(decoding: byte, as: UTF8.self)
                        }
                        guard let port = Int(line.dropLast()) else { throw ProgramFailure(line) }
                        return Server(port: port, process: process, input: input.fileHandleForWriting)
                    })
            }
        }
    }
}
