import BenchmarkSupport
import Contracts
import Foundation
import Logging
import RPC

/// What an idle connection keeps in the server's memory: resident bytes with many of them, less those with none.
enum MemoryBenchmark {
    static func run(_ report: inout BenchmarkReport) throws {
        for (count, usesTLS, limit) in [(10_000, false, 24.0), (2_000, true, 64.0)] {
            let kibibytes = try measure(connections: count, usesTLS: usesTLS)
            report.compare(
                "memory of an idle connection, \(count) of them\(usesTLS ? ", TLS 1.3" : "")", unit: "KiB", ours: kibibytes, peer: limit,
                "what is allowed", .atMost(1))
        }
    }

    private static func measure(connections: Int, usesTLS: Bool) throws -> Double {
        let server = try Peers.ours(usesTLS: usesTLS)
        defer { server.stop() }
        let target = "\(usesTLS ? "https" : "http")://127.0.0.1:\(server.port)"
        // Once over a few, so that what is made once is there.
        let few = try Peers.Server(Peers.ourselves, ["idle", target, "50"])
        few.stop()
        guard let before = residentBytes(of: server.processID) else { throw BenchmarkError("the server has gone") }
        let clients = try Peers.Server(Peers.ourselves, ["idle", target, String(connections)])
        defer { clients.stop() }
        guard let after = residentBytes(of: server.processID) else { throw BenchmarkError("the server has gone") }
        return Double(after - before) / 1024 / Double(connections)
    }
}

/// Many connections, each of which has made one call.
enum IdleLoad {
    static func run(target: String, connections: Int) async throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(UInt32(7)), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(UInt32(7)), &limit)
        var logger = Logger(label: "bench")
        logger.logLevel = .error
        var configuration = ChannelConfiguration(target: target)
        configuration.tls = TLSClientConfiguration(trustRootsFile: Peers.certificate)
        configuration.connectTimeoutSeconds = 30
        let request = GRPCTesting.SimpleRequest(payload: GRPCTesting.Payload(body: [1, 2, 3]))
        var channels: [RPCChannel] = []
        while channels.count < connections {
            let batch = try (0..<min(50, connections - channels.count)).map { _ in try RPCChannel(configuration, logger: logger) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for channel in batch {
                    group.addTask { _ = try await GRPCTesting.TestService.Client(channel).unaryCall(request) }
                }
                try await group.waitForAll()
            }
            channels += batch
        }
        announce(connections)
        await Task.detached { while readLine() != nil {} }.value
        exit(0)
    }
}
