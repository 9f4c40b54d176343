import Foundation
import TestSupport
import Testing

/// The executable as the launcher starts it.
@Suite(.enabled(if: ServiceProcess.isBuilt, "the executable auth-gateway is built by `swift build`"))
struct ProcessTests {
    @Test func badConfigurationNamesEveryVariableAndExits64() async throws {
        let process = try ServiceProcess(environment: ["VIGIL_LISTEN_PORT": "http", "VIGIL_AUTH_PRINCIPALS_FILE": "/no/such/file"])
        let (status, output) = await process.end()
        #expect(status == 64)
        #expect(output.contains("auth-gateway: VIGIL_LISTEN_PORT: \"http\" is not a whole number\n"))
        #expect(output.contains("auth-gateway: VIGIL_DATABASE_URL: is required"))
        #expect(output.contains("auth-gateway: VIGIL_AUTH_KEY_ENCRYPTION_FILE: is required"))
        #expect(output.contains("auth-gateway: VIGIL_AUTH_PRINCIPALS_FILE: there is no file /no/such/file\n"))
    }

    @Test func helpListsTheVariables() async throws {
        let (status, output) = try await ServiceProcess(arguments: ["--help"]).end()
        #expect(status == 0)
        #expect(output.contains("VIGIL_AUTH_KEY_ROTATION_DAYS"))
        #expect(output.contains("VIGIL_LISTEN_PORT"))
        let unknown = try await ServiceProcess(arguments: ["--frobnicate"]).end()
        #expect(unknown.status == 64)
    }

    @Test func terminationDrainsAndExitsWithSuccess() async throws {
        try await withConfigured { environment in
            let process = try ServiceProcess(environment: environment)
            try await process.waitFor("\"message\":\"serving\"")
            process.terminate()
            let (status, output) = await process.end()
            #expect(status == 0)
            #expect(output.contains("\"message\":\"draining\""))
        }
    }

    @Test func endOfStandardInputEndsTheService() async throws {
        try await withConfigured { environment in
            let process = try ServiceProcess(environment: environment.merging(["VIGIL_EXIT_WITH_STDIN": "1"]) { _, new in new })
            try await process.waitFor("\"message\":\"listening\"")
            process.closeStandardInput()
            #expect(await process.end().status == 0)
        }
    }

    @Test func unreachableDatabaseIsAFailureThatNamesNoSecret() async throws {
        try await withConfigured { environment in
            let unreachable = ["VIGIL_DATABASE_URL": "postgresql://auth@127.0.0.1:1/vigil", "VIGIL_DATABASE_WAIT_SECONDS": "0"]
            let (status, output) = try await ServiceProcess(environment: environment.merging(unreachable) { _, new in new }).end()
            #expect(status == 70)
            #expect(output.contains("the service failed"))
            #expect(!output.contains("5a5a5a"))
        }
    }

    private func withConfigured(_ body: ([String: String]) async throws -> Void) async throws {
        let key = FileManager.default.temporaryDirectory.appending(path: "auth-key-\(UUID().uuidString)")
        try Data(String(repeating: "5a", count: 32).utf8).write(to: key)
        defer { try? FileManager.default.removeItem(at: key) }
        try await TemporaryPostgres.withDatabase { database in
            try await body([
                "VIGIL_LISTEN_PORT": "0", "VIGIL_DATABASE_URL": database.url, "VIGIL_AUTH_KEY_ENCRYPTION_FILE": key.path,
            ])
        }
    }
}

/// A started executable and what it has written so far.
private final class ServiceProcess: Sendable {
    private static let executable = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        .appending(path: "auth-gateway")

    static var isBuilt: Bool { FileManager.default.isExecutableFile(atPath: executable.path) }

    private let process: Process
    private let input = Pipe()
    private let lines: AsyncStream<String>
    private let output = LateText()

    init(arguments: [String] = [], environment: [String: String] = [:]) throws {
        process = Process()
        process.executableURL = Self.executable
        process.arguments = arguments
        process.environment = environment
        process.standardInput = input
        let written = Pipe()
        process.standardOutput = written
        process.standardError = written
        let (lines, continuation) = AsyncStream<String>.makeStream()
        self.lines = lines
        let reading = written.fileHandleForReading
        _ = fcntl(reading.fileDescriptor, F_SETFL, O_NONBLOCK)
        let output = output
        let readAll: @Sendable () -> Void = {
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while case let count = read(reading.fileDescriptor, &buffer, buffer.count), count > 0 {
                output.append(String(decoding: buffer[..<count], as: UTF8.self))
            }
            continuation.yield("")
        }
        reading.readabilityHandler = { _ in readAll() }
        // The end of the pipe is no sign: children of other tests may hold its other end too.
        process.terminationHandler = { _ in
            reading.readabilityHandler = nil
            readAll()
            continuation.finish()
        }
        try process.run()
    }

    /// Returns when the output holds `text`.
    func waitFor(_ text: String) async throws {
        if output.value.contains(text) { return }
        for await _ in lines where output.value.contains(text) { return }
        throw ServiceProcessError(output: output.value)
    }

    func terminate() { process.terminate() }

    func closeStandardInput() { try? input.fileHandleForWriting.close() }

    /// The exit status and all output.
    func end() async -> (status: Int32, output: String) {
        for await _ in lines {}
        return (process.terminationStatus, output.value)
    }
}

private struct ServiceProcessError: Error {
    let output: String
}
