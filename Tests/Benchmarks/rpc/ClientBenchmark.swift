import BenchmarkSupport
import Contracts
import Foundation
import Logging
import RPC

/// Our client beside gRPC C++'s, both calling gRPC C++'s server, 50 calls at once. Both sides make them in two ways: each caller waits for
/// its answer, wherever it runs, as most code calls; and all is done on the connection's own thread, as handlers of ours call and as
/// C++ does at its cheapest.
enum ClientBenchmark {
    static func run(_ report: inout BenchmarkReport) throws {
        let server = try Peers.theirs("async", usesTLS: false)
        defer { server.stop() }
        let (ourTarget, theirTarget) = ("http://127.0.0.1:\(server.port)", "127.0.0.1:\(server.port)")
        let programs = [
            "anywhere": (Peers.ourselves, ["call", ourTarget, "50", "30000", "pool"]),
            "loop": (Peers.ourselves, ["call", ourTarget, "50", "30000", "loop"]),
            "threads": (Peers.folder + "peer", ["call-and-wait", theirTarget, "50", "30000"]),
            "queue": (Peers.folder + "peer", ["call", theirTarget, "50", "30000"]),
        ]
        var figures: [String: [[Double]]] = [:]
        for _ in 0..<5 {
            for (name, program) in programs { figures[name, default: []].append(try Peers.figures(program.0, program.1, count: 2)) }
        }
        let comparisons = [
            ("tasks that run anywhere", "anywhere", "gRPC C++, a thread each", "threads"),
            ("tasks that run anywhere", "anywhere", "gRPC C++, one thread for all", "queue"),
            ("tasks on the channel's loop", "loop", "gRPC C++, one thread for all", "queue"),
        ]
        for (callers, ours, peerName, peer) in comparisons {
            for (index, title, unit, goal) in [(0, "client", "us CPU/call", 0.5), (1, "client's p99 latency", "us", 1)] {
                let (our, their) = (figures[ours, default: []], figures[peer, default: []])
                report.compare(
                    "\(title), \(callers)", unit: unit, ours: median(our.map { $0[index] }), peer: median(their.map { $0[index] }), peerName,
                    .atMost(goal))
            }
        }
    }
}

/// Unary calls as a service makes them.
enum ClientLoad {
    /// Prints microseconds of CPU time a call, then, of as many calls again, how many microseconds the slowest hundredth took at least.
    static func run(target: String, concurrency: Int, calls: Int, onLoop: Bool) async throws {
        let logger = Logger(label: "bench")
        try await withChannel(ChannelConfiguration(target: target), logger: logger) { channel in
            let client = GRPCTesting.TestService.Client(channel)
            let executor = onLoop ? channel.executor : nil
            _ = try await make(concurrency * 20, concurrency, client, executor, isTimed: false)
            let before = processorSeconds()
            _ = try await make(calls, concurrency, client, executor, isTimed: false)
            let processor = (processorSeconds() - before) * 1e6 / Double(calls)
            let latencies = try await make(calls, concurrency, client, executor, isTimed: true).sorted()
            print(processor, latencies[latencies.count * 99 / 100])
        }
        exit(0)
    }

    /// Gives the microseconds that each call took, where it is to be timed.
    private static func make(
        _ calls: Int, _ concurrency: Int, _ client: GRPCTesting.TestService.Client, _ executor: (any TaskExecutor)?, isTimed: Bool
    ) async throws -> [Double] {
        let request = GRPCTesting.SimpleRequest(payload: GRPCTesting.Payload(body: [UInt8](repeating: 0x78, count: 100)))
        return try await withThrowingTaskGroup(of: [Double].self) { group in
            @Sendable func makeShare() async throws -> [Double] {
                var latencies: [Double] = []
                for _ in 0..<calls / concurrency {
                    let start = isTimed ? ContinuousClock.now : nil
                    let response = try await client.unaryCall(request, options: CallOptions(timeout: .seconds(30), waitForReady: true))
                    guard response.payload?.body.count == 100 else { throw BenchmarkError("a wrong answer") }
                    if let start { latencies.append((ContinuousClock.now - start) / .microseconds(1)) }
                }
                return latencies
            }
            for _ in 0..<concurrency {
                // A task that is told to prefer no executor costs more than one that is told nothing.
                if let executor {
                    group.addTask(executorPreference: executor) { try await makeShare() }
                } else {
                    group.addTask { try await makeShare() }
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
    }
}
