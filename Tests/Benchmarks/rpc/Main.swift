import BenchmarkSupport
import Foundation

/// `bench-rpc` measures; started with a role it is one side of what is measured.
@main enum Main {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        switch (arguments.first, arguments.count) {
        case ("serve", 3):
            try await EchoServer.run(usesTLS: arguments[1] == "tls", threads: Int(arguments[2]) ?? 1)
        case ("call", 5):
            try await ClientLoad.run(
                target: arguments[1], concurrency: Int(arguments[2]) ?? 1, calls: Int(arguments[3]) ?? 1, onLoop: arguments[4] == "loop")
        case ("idle", 3):
            try await IdleLoad.run(target: arguments[1], connections: Int(arguments[2]) ?? 1)
        default:
            requireSetup(
                area: "rpc", files: ["peer", "codec", "server.crt", "server.key"].map { Peers.folder + $0 } + ["/usr/bin/h2load"])
            let chosen = Set(arguments)
            var report = BenchmarkReport(area: "rpc")
            func wants(_ part: String) -> Bool { chosen.isEmpty || chosen.contains(part) }
            if wants("codec") { try CodecBenchmark.run(&report) }
            if wants("unary") { try ServerBenchmark.unary(&report, usesTLS: false) }
            if wants("tls") { try ServerBenchmark.unary(&report, usesTLS: true) }
            if wants("streaming") { try ServerBenchmark.streaming(&report) }
            if wants("threads") { try ServerBenchmark.threads(&report) }
            if wants("client") { try ClientBenchmark.run(&report) }
            if wants("memory") { try MemoryBenchmark.run(&report) }
            try report.write()
        }
    }
}

/// Why nothing can be measured.
struct BenchmarkError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
