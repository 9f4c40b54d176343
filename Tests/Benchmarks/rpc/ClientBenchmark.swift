import BenchmarkSupport
import Contracts
import Foundation
import Logging
import RPC

/// Our client beside gRPC C++'s, both calling gRPC C++'s server.
enum ClientBenchmark {
    static func run(_ report: inout BenchmarkReport) throws {
        let server = try Peers.theirs("async", usesTLS: false)
        defer { server.stop() }
        // From tasks that run anywhere, which the goal is about; and as handlers call, whose tasks run where connections are.
        for (place, name) in [("pool", "unary calls of 100 bytes, 50 at once"), ("loop", "the same from tasks on the channel's loop")] {
            let ours = ["call", "http://127.0.0.1:\(server.port)", "50", "30000", place]
            let result = try paired(
                rounds: 3, ours: { try Peers.figure(Peers.ourselves, ours) },
                peer: { try Peers.figure(Peers.folder + "peer", ["call", "127.0.0.1:\(server.port)", "50", "30000"]) })
            report.compare(
                "client, \(name)", unit: "us CPU/call", ours: result.ours, peer: result.peer, "gRPC C++ async client", .atMost(0.5))
        }
    }
}

/// Unary calls as a service makes them.
enum ClientLoad {
    /// Prints microseconds of CPU time a call.
    static func run(target: String, concurrency: Int, calls: Int, onLoop: Bool) async throws {
        let logger = Logger(label: "bench")
        try await withChannel(ChannelConfiguration(target: target), logger: logger) { channel in
            let client = GRPCTesting.TestService.Client(channel)
            let executor = onLoop ? channel.executor : nil
            try await make(concurrency * 20, concurrency, client, executor)
            let before = processorSeconds()
            try await make(calls, concurrency, client, executor)
            print((processorSeconds() - before) * 1e6 / Double(calls))
        }
        exit(0)
    }

    private static func make(
        _ calls: Int, _ concurrency: Int, _ client: GRPCTesting.TestService.Client, _ executor: (any TaskExecutor)?
    ) async throws {
        let request = GRPCTesting.SimpleRequest(payload: GRPCTesting.Payload(body: [UInt8](repeating: 0x78, count: 100)))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<concurrency {
                group.addTask(executorPreference: executor) {
                    for _ in 0..<calls / concurrency {
                        let response = try await client.unaryCall(request, options: CallOptions(timeout: .seconds(30), waitForReady: true))
                        guard response.payload?.body.count == 100 else { throw BenchmarkError("a wrong answer") }
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}
