import BenchmarkSupport
import Contracts
import Foundation
import Protobuf

/// One server under h2load: what a request costs it, and how long the slowest hundredth waited.
struct Load {
    var path: String
    var body: [UInt8]?
    var connections = 8
    var streams: Int
    var requests: Int
    var usesTLS = false
    /// Whether to look at each request's latency too.
    var logsLatency = false

    struct Result {
        /// User and system time of the server, in microseconds a request.
        var processorMicroseconds: Double
        /// The same of the thread that had most to do.
        var busiestThreadMicroseconds: Double
        var p99Microseconds: Double
    }

    /// Where every request must succeed.
    func run(port: Int, process: Int32) throws -> Result {
        let folder = FileManager.default.temporaryDirectory
        let data = folder.appending(path: "bench-rpc-body-\(ProcessInfo.processInfo.processIdentifier)")
        let log = folder.appending(path: "bench-rpc-log-\(ProcessInfo.processInfo.processIdentifier)")
        defer {
            try? FileManager.default.removeItem(at: data)
            try? FileManager.default.removeItem(at: log)
        }
        var arguments = ["-t1", "-c\(connections)", "-m\(streams)", "-w24", "-W28"]
        if let body {
            try Data(body).write(to: data)
            arguments += ["-d", data.path, "-H", "content-type: application/grpc", "-H", "te: trailers", "-H", "grpc-timeout: 30S"]
            arguments += ["-H", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]
        }
        let url = "\(usesTLS ? "https" : "http")://127.0.0.1:\(port)\(path)"
        _ = try Peers.run("/usr/bin/h2load", arguments + ["-n\(max(requests / 10, connections))", url])
        try? FileManager.default.removeItem(at: log)
        if logsLatency { arguments.append("--log-file=\(log.path)") }
        let threadsBefore = Self.threadSeconds(of: process)
        guard let before = processorSeconds(of: process) else { throw BenchmarkError("the server has gone") }
        let text = try Peers.run("/usr/bin/h2load", arguments + ["-n\(requests)", url])
        guard let after = processorSeconds(of: process) else { throw BenchmarkError("the server has gone") }
        let busiest = Self.threadSeconds(of: process).map { $0.value - (threadsBefore[$0.key] ?? 0) }.max() ?? 0
        guard text.contains("\(requests) succeeded, 0 failed") else { throw BenchmarkError("requests failed: \(text)") }
        return Result(
            processorMicroseconds: (after - before) * 1e6 / Double(requests),
            busiestThreadMicroseconds: busiest * 1e6 / Double(requests),
            p99Microseconds: logsLatency ? try Self.p99(String(contentsOf: log, encoding: .utf8)) : 0)
    }

    /// CPU time of each thread of a process.
    private static func threadSeconds(of process: Int32) -> [String: Double] {
        let folder = "/proc/\(process)/task"
        var seconds: [String: Double] = [:]
        for thread in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            guard let text = try? String(contentsOfFile: "\(folder)/\(thread)/schedstat", encoding: .utf8),
                let nanoseconds = text.split(separator: " ").first.flatMap({ Double($0) })
            else { continue }
            seconds[thread] = nanoseconds / 1e9
        }
        return seconds
    }

    /// h2load's log: start, status, microseconds; one request a line.
    private static func p99(_ log: String) throws -> Double {
        let latencies = log.split(separator: "\n").compactMap { line in
            line.split(separator: "\t").last.flatMap { Double($0) }
        }.sorted()
        guard !latencies.isEmpty else { throw BenchmarkError("h2load logged no latency") }
        return latencies[min(latencies.count - 1, latencies.count * 99 / 100)]
    }
}

/// Our server beside gRPC C++'s and nghttpd.
enum ServerBenchmark {
    private static let service = "/grpc.testing.TestService/"

    /// gRPC's envelope round a message.
    private static func enveloped(_ message: some Message) -> [UInt8] {
        let bytes = message.protobufBytes()
        return [0] + withUnsafeBytes(of: UInt32(bytes.count).bigEndian) { Array($0) } + bytes
    }

    private static func echo(streams: Int, requests: Int, usesTLS: Bool) -> Load {
        let request = GRPCTesting.SimpleRequest(payload: GRPCTesting.Payload(body: [UInt8](repeating: 0x78, count: 100)))
        return Load(
            path: service + "UnaryCall", body: enveloped(request), streams: streams, requests: requests, usesTLS: usesTLS,
            logsLatency: true)
    }

    private static func stream(count: Int, size: Int, streams: Int, requests: Int) -> Load {
        let parameters = [GRPCTesting.ResponseParameters](repeating: .init(size: Int32(size)), count: count)
        let request = GRPCTesting.StreamingOutputCallRequest(responseParameters: parameters)
        return Load(path: service + "StreamingOutputCall", body: enveloped(request), streams: streams, requests: requests)
    }

    /// Starts ours and the faster of theirs.
    private static func withServers(
        usesTLS: Bool, trial: Load, _ body: (_ ours: Peers.Server, _ theirs: Peers.Server, _ name: String) throws -> Void
    ) throws {
        let ours = try Peers.ours(usesTLS: usesTLS)
        defer { ours.stop() }
        var candidates: [(server: Peers.Server, name: String, cost: Double)] = []
        defer { for candidate in candidates { candidate.server.stop() } }
        for kind in ["async", "callback"] {
            let server = try Peers.theirs(kind, usesTLS: usesTLS)
            candidates.append((server, "gRPC C++ \(kind)" + (usesTLS ? " with TLS" : ""), .infinity))
            candidates[candidates.count - 1].cost = try trial.run(port: server.port, process: server.processID).processorMicroseconds
        }
        guard let faster = candidates.min(by: { $0.cost < $1.cost }) else { return }
        try body(ours, faster.server, faster.name)
    }

    /// Medians of runs in turns.
    private static func compare(
        rounds: Int, _ ours: () throws -> Load.Result, _ theirs: () throws -> Load.Result
    ) throws -> (ours: Load.Result, theirs: Load.Result) {
        var our: [Load.Result] = []
        var their: [Load.Result] = []
        for _ in 0..<rounds {
            our.append(try ours())
            their.append(try theirs())
        }
        func middle(_ results: [Load.Result]) -> Load.Result {
            Load.Result(
                processorMicroseconds: median(results.map(\.processorMicroseconds)),
                busiestThreadMicroseconds: median(results.map(\.busiestThreadMicroseconds)),
                p99Microseconds: median(results.map(\.p99Microseconds)))
        }
        return (middle(our), middle(their))
    }

    static func unary(_ report: inout BenchmarkReport, usesTLS: Bool) throws {
        let suffix = usesTLS ? ", TLS 1.3" : ""
        let wide = echo(streams: 50, requests: 100_000, usesTLS: usesTLS)
        let narrow = echo(streams: 1, requests: 30_000, usesTLS: usesTLS)
        var trial = wide
        trial.requests = 20_000
        try withServers(usesTLS: usesTLS, trial: trial) { ours, theirs, name in
            for (load, label, goal) in [(wide, "8 x 50", 0.35), (narrow, "8 x 1", 0.8)] {
                let result = try compare(
                    rounds: 3, { try load.run(port: ours.port, process: ours.processID) },
                    { try load.run(port: theirs.port, process: theirs.processID) })
                report.compare(
                    "unary echo, 100 bytes, \(label)\(suffix)", unit: "us CPU/request", ours: result.ours.processorMicroseconds,
                    peer: result.theirs.processorMicroseconds, name, .atMost(goal))
                report.compare(
                    "p99 latency, \(label)\(suffix)", unit: "us", ours: result.ours.p99Microseconds, peer: result.theirs.p99Microseconds,
                    name, .atMost(1))
            }
            if !usesTLS { try ceiling(&report, wide, ours) }
        }
    }

    private static func ceiling(_ report: inout BenchmarkReport, _ load: Load, _ ours: Peers.Server) throws {
        let files = try FileServer()
        defer { files.stop() }
        let get = Load(path: "/file", body: nil, streams: load.streams, requests: load.requests)
        let result = try compare(
            rounds: 3, { try load.run(port: ours.port, process: ours.processID) },
            { try get.run(port: files.port, process: files.process.processIdentifier) })
        report.compare(
            "unary echo, 100 bytes, 8 x 50, beside a static file", unit: "us CPU/request", ours: result.ours.processorMicroseconds,
            peer: result.theirs.processorMicroseconds, "nghttpd", .atMost(2.5))
    }

    static func streaming(_ report: inout BenchmarkReport) throws {
        let small = stream(count: 1000, size: 100, streams: 4, requests: 300)
        let large = stream(count: 16, size: 1 << 20, streams: 1, requests: 128)
        let lines = [(small, "100-byte messages", "messages", 1000.0, 2.0), (large, "1 MiB messages", "MiB", 16, 1)]
        for (load, name, unit, amount, goal) in lines {
            try withServers(usesTLS: false, trial: load) { ours, theirs, peer in
                let result = try compare(
                    rounds: 3, { try load.run(port: ours.port, process: ours.processID) },
                    { try load.run(port: theirs.port, process: theirs.processID) })
                report.compare(
                    "server stream of \(name)", unit: "\(unit)/CPU second", ours: amount * 1e6 / result.ours.processorMicroseconds,
                    peer: amount * 1e6 / result.theirs.processorMicroseconds, peer, .atLeast(goal))
            }
        }
    }

    /// What two threads could carry beside one, where each has a core of its own: with the load generator on the same
    /// machine, wall time would measure that. A thread carries what its CPU time a request allows, and the busier of two
    /// sets the pace; contention between them would show as more CPU time a request.
    static func threads(_ report: inout BenchmarkReport) throws {
        var load = echo(streams: 50, requests: 200_000, usesTLS: false)
        load.logsLatency = false
        let one = try Peers.ours(usesTLS: false, threads: 1)
        defer { one.stop() }
        let two = try Peers.ours(usesTLS: false, threads: 2)
        defer { two.stop() }
        let result = try compare(
            rounds: 5, { try load.run(port: two.port, process: two.processID) }, { try load.run(port: one.port, process: one.processID) })
        report.compare(
            "two threads, by the CPU time of the busier", unit: "requests/CPU second of a thread",
            ours: 1e6 / result.ours.busiestThreadMicroseconds, peer: 1e6 / result.theirs.busiestThreadMicroseconds, "one thread",
            .atLeast(1.7))
    }
}
