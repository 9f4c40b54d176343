import BenchmarkSupport
import Contracts
import Features
import Foundation
import Postgres
import RPC
import Records
import ServiceRuntime
import StandardContracts
import SuiteProcesses

/// What the feature store costs, beside Redis and Feast, and how it comes back. Names of parts may follow: `memory observe get recovery`.
@main enum Main {
    static func main() async throws {
        let quick = ProcessInfo.processInfo.environment["BENCH_QUICK"] != nil
        let wanted = CommandLine.arguments.dropFirst()
        func wants(_ part: String) -> Bool { wanted.isEmpty || wanted.contains(part) }
        requireSetup(area: "features", files: [".build/bench-feast/bin/python", "/usr/bin/redis-server"])
        var report = BenchmarkReport(area: "features")
        if wants("memory") { memory(scale: quick ? 2 : 8, &report) }
        if wants("observe") || wants("get") {
            try await served(rounds: quick ? 1 : 3, latency: wants("get"), throughput: wants("observe"), &report)
        }
        if wants("recovery") { try await Recovery.run(scale: quick ? 7 : 67, &report) }
        try report.write()
    }

    /// The handbook's windows of 1, 7 and 30 days; the terminals' behind the delay of labels.
    static let handbookSet: FeatureSet = {
        let names = [1, 7, 30].flatMap { days in
            ["customer_count", "customer_sum", "customer_mean", "terminal_settled_count", "terminal_fraud_share"].map { "\($0)_\(days)d" }
        }
        guard let set = FeatureSet.payments.selecting(names) else { fatalError("the handbook's features have other names now") }
        return set
    }()

    private static func memory(scale: Int, _ report: inout BenchmarkReport) {
        let workload = Workload(scale: scale)
        let before = residentBytes(of: getpid()) ?? 0
        var engine = FeatureEngine(set: handbookSet)
        // Long past the point where as much goes as comes.
        for number in 0..<workload.count(days: 75) { engine.observe(workload.transaction(number)) }
        let bytes = Double((residentBytes(of: getpid()) ?? 0) - before) / Double(engine.customerCount + engine.terminalCount)
        report.compare("memory, 30-day windows", unit: "bytes an entity", ours: bytes, peer: 2_048, "the budget", .atMost(1))
    }

    // MARK: - Served

    private static func served(rounds: Int, latency: Bool, throughput: Bool, _ report: inout BenchmarkReport) async throws {
        let server = try DatabaseServer()
        defer { server.end() }
        let suite = try SuiteProcesses(server: server)
        defer { suite.end() }
        try suite.start(.featureStore)
        let redis = throughput ? try RedisPeer() : nil
        defer { redis?.end() }
        let workload = Workload()
        var next = workload.count(days: throughput ? 34 : 5)
        try await observe(0..<next, of: workload, suite)
        _ = try redis?.observe(0..<next, of: workload)
        if throughput, let redis {
            var ours: [Double] = []
            var peer: [Double] = []
            var engine = FeatureEngine(set: handbookSet)
            for number in 0..<next { engine.observe(workload.transaction(number)) }
            var alone: [Double] = []
            let size = 30_000
            for _ in 0..<rounds {
                let numbers = next..<(next + size)
                next += size
                let before = suite.cpuSeconds(.featureStore)
                try await observe(numbers, of: workload, suite)
                ours.append(Double(size) / (suite.cpuSeconds(.featureStore) - before))
                peer.append(Double(size) / (try redis.observe(numbers, of: workload)))
                let transactions = numbers.map(workload.transaction)
                let begun = processorSeconds()
                for transaction in transactions { engine.observe(transaction) }
                alone.append(Double(size) / (processorSeconds() - begun))
            }
            report.compare(
                "Observe, the handbook's features in memory", unit: "payments/CPU s", ours: median(alone), peer: median(peer),
                "Redis, pipelined Lua", .atLeast(5))
            report.compare(
                "Observe by call, all \(FeatureSet.payments.count) features, durable", unit: "payments/CPU s", ours: median(ours),
                peer: median(peer), "Redis, pipelined Lua, not durable", .atLeast(5))
        }
        if latency { try await getFeatures(workload, suite, at: workload.payment(next).microseconds, &report) }
    }

    /// Observes by several calls at a time, as the gateway does.
    static func observe(_ numbers: Range<Int>, of workload: Workload, _ suite: SuiteProcesses) async throws {
        let caller = suite.caller(as: ServiceIdentity.ingestionGateway.name)
        try await caller.withChannel(to: .featureStore) { channel in
            let client = FeaturesV1.FeatureStoreService.Client(channel)
            let options = CallOptions(timeout: .seconds(120), waitForReady: true)
            var start = numbers.lowerBound
            while start < numbers.upperBound {
                let end = min(start + 500, numbers.upperBound)
                let request = FeaturesV1.ObserveRequest(transactions: (start..<end).map(workload.message))
                let response = try await client.observe(request, options: options)
                guard response.observations.count == end - start else { throw BenchmarkProblem("not all payments were observed") }
                start = end
            }
        }
    }

    private static func getFeatures(
        _ workload: Workload, _ suite: SuiteProcesses, at microseconds: Int64, _ report: inout BenchmarkReport
    ) async throws {
        let at = GoogleProtobuf.Timestamp(seconds: microseconds / 1_000_000)
        let features = FeatureSet.payments.definitions.filter { $0.entity == .customer }.map(\.name)
        let caller = suite.caller(as: ServiceIdentity.ingestionGateway.name)
        let ours = try await caller.withChannel(to: .featureStore) { channel in
            let client = FeaturesV1.FeatureStoreService.Client(channel)
            var milliseconds: [Double] = []
            for call in 0..<1_020 {
                let entities = (0..<100).map { FeaturesV1.EntityKey(entity: .customerID("customer-\((call * 97 + $0 * 31) % workload.customers)")) }
                let began = ContinuousClock.now
                let response = try await client.getFeatures(.init(entities: entities, at: at), options: CallOptions(timeout: .seconds(10)))
                if call >= 20 { milliseconds.append((ContinuousClock.now - began) / .milliseconds(1)) }
                guard response.entities.count == 100 else { throw BenchmarkProblem("not all entities were answered") }
            }
            return milliseconds
        }
        let folder = FileManager.default.temporaryDirectory.appending(path: "vigil-bench-feast-\(UUID().uuidString.prefix(8))")
        defer { try? FileManager.default.removeItem(at: folder) }
        let text = try output(
            of: ".build/bench-feast/bin/python", ["Tests/Benchmarks/features/feast_latency.py", folder.path, "100", "300"] + features)
        let peer = try JSONDecoder().decode([Double].self, from: Data(text.utf8))
        report.compare(
            "GetFeatures, 100 customers, \(features.count) features, p50", unit: "ms", ours: percentile(ours, 0.5), peer: percentile(peer, 0.5),
            "Feast's server, SQLite", .atMost(0.1))
        report.compare(
            "GetFeatures, 100 customers, \(features.count) features, p99", unit: "ms", ours: percentile(ours, 0.99),
            peer: percentile(peer, 0.99), "Feast's server, SQLite", .atMost(0.1))
    }

    private static func percentile(_ values: [Double], _ share: Double) -> Double {
        let sorted = values.sorted()
        return sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
    }
}
