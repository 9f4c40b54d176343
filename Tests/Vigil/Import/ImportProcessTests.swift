import Foundation
import Synchronization
import Testing

private let executable = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "vigil")

/// `vigil import` as a program that others read.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: executable.path), "the executable vigil is built by `swift build`"))
struct ImportProcessTests {
    @Test func aRoundsResultIsInAFileBeforeTheNextBeginsThoughTheProgramIsKilled() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "vigil-schedule-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let mapping = folder.appending(path: "m.yaml")
        try "record: customers\nfields: {customer_id: id}\n".write(to: mapping, atomically: true, encoding: .utf8)
        let program = Mutex<pid_t>(0)
        let rounds = Mutex(0)
        let api = try FakeAPI { _ in
            let round = rounds.withLock { $0 += 1; return $0 }
            let id = program.withLock { $0 }
            if round >= 2, id > 0 { kill(id, SIGKILL) }
            return .init(body: "id\nC1\nC2\n")
        }
        let file = folder.appending(path: "output")
        try await run(
            [
                "customers", "http://127.0.0.1:\(api.port)/", "--mapping", mapping.path, "--dry-run", "--every", "1s", "--home", folder.path,
                "--rejects", folder.appending(path: "rejects.csv").path,
            ], output: file
        ) { id in program.withLock { $0 = id } }
        let output = try String(contentsOf: file, encoding: .utf8)
        #expect(output.contains("2 would be sent"), "\(output)")
    }

    @Test func whatFailsAtOpeningIsAnObjectToo() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "vigil-failure-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        let arguments = ["customers", "/no/such/file", "--mapping", "handbook-customers", "--dry-run", "--format", "json"]
        #expect(try await run(arguments, output: file) == 1)
        let result = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
        #expect(result["error"] as? String == "cannot open /no/such/file: no such file or directory")
        #expect(result["file"] as? String == "/no/such/file" && result["rows"] as? Int == 0)
    }

    /// Its exit status, or the signal that ended it.
    @discardableResult
    private func run(_ arguments: [String], output: URL, started: (pid_t) -> Void = { _ in }) async throws -> Int32 {
        try Data().write(to: output)
        let process = Process()
        process.executableURL = executable
        process.arguments = ["import"] + arguments
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = FileHandle.nullDevice
        try await withCheckedThrowingContinuation { (ended: CheckedContinuation<Void, any Error>) in
            process.terminationHandler = { _ in ended.resume() }
            do {
                try process.run()
                started(process.processIdentifier)
            } catch {
                ended.resume(throwing: error)
            }
        }
        return process.terminationStatus
    }
}
