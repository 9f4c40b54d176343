import BenchmarkSupport
import Foundation

/// Redis with the same updates and reads in one pipelined script a payment; nothing of it on the disk.
final class RedisPeer {
    private let process = Process()
    private let folder: URL
    private let port: Int
    private var script = ""

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "vigil-bench-redis-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        port = try freePort()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/redis-server")
        process.arguments = ["--port", "\(port)", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder.path]
        process.standardOutput = FileHandle.nullDevice
        try process.runWithSignals()
        let deadline = Date() + 20
        while (try? client(["PING"]))?.contains("PONG") != true {
            guard process.isRunning, Date() < deadline else { throw BenchmarkProblem("Redis did not start") }
            usleep(50_000)
        }
        let lua = try String(contentsOfFile: "Tests/Benchmarks/features/observe.lua", encoding: .utf8)
        script = try client(["SCRIPT", "LOAD", lua]).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// CPU seconds that Redis needs for these payments.
    func observe(_ numbers: Range<Int>, of workload: Workload) throws -> Double {
        let file = folder.appending(path: "commands")
        var commands: [UInt8] = []
        for number in numbers {
            let payment = workload.payment(number)
            let arguments = [
                "EVALSHA", script, "4", "c:customer-\(payment.customer)", "t:terminal-\(payment.terminal)", "f:terminal-\(payment.terminal)",
                "d:customer-\(payment.customer)", "\(payment.microseconds / 1_000_000)", "\(payment.cents)", "t\(number)",
            ]
            commands += Array("*\(arguments.count)\r\n".utf8)
            for argument in arguments { commands += Array("$\(argument.utf8.count)\r\n\(argument)\r\n".utf8) }
        }
        try Data(commands).write(to: file)
        let before = processorSeconds(of: process.processIdentifier) ?? 0
        let answer = try output(of: "/bin/sh", ["-c", "redis-cli -p \(port) --pipe < '\(file.path)'"])
        guard answer.contains("errors: 0, replies: \(numbers.count)") else { throw BenchmarkProblem("Redis answered: \(answer)") }
        return (processorSeconds(of: process.processIdentifier) ?? 0) - before
    }

    func end() {
        process.terminate()
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: folder)
    }

    private func client(_ arguments: [String]) throws -> String { try output(of: "/usr/bin/redis-cli", ["-p", "\(port)"] + arguments) }
}
