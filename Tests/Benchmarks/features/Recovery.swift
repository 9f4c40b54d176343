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

/// A store with very many entities is killed and started again.
enum Recovery {
    /// Less than what makes the store take a snapshot by itself.
    static let tail = 45_000

    static func run(scale: Int, _ report: inout BenchmarkReport) async throws {
        let server = try DatabaseServer()
        defer { server.end() }
        let suite = try SuiteProcesses(server: server)
        defer { suite.end() }
        // The schema, and one answer to know that it stands.
        try suite.start(.featureStore)
        _ = try await secondsUntilAnswer(suite)
        suite.stop(.featureStore)

        let workload = Workload(scale: scale)
        let count = workload.count(days: 34)
        let megabytes = try await store(snapshot(of: workload, count: count), url: server.url)
        try suite.start(.featureStore)
        let loaded = try await secondsUntilAnswer(suite)
        print("  recovery: \(workload.entities) entities, \(count) payments, \(megabytes) MB, read in \(String(format: "%.1f", loaded)) s")
        try await Main.observe(count..<(count + tail), of: workload, suite)
        try suite.crash(.featureStore)
        let seconds = try await secondsUntilAnswer(suite)
        let name = "recovery, \(workload.entities) entities and \(tail) entries behind the snapshot"
        report.compare(name, unit: "s", ours: seconds, peer: 30, "the budget", .atMost(1))
        let resident = Double(suite.residentBytes(.featureStore)) / Double(workload.entities)
        report.compare("resident memory after it, all features", unit: "bytes an entity", ours: resident, peer: 4_096, "the budget", .atMost(1))
    }

    private static func snapshot(of workload: Workload, count: Int) -> FeatureSnapshotWriter {
        var engine = FeatureEngine(set: .payments)
        // What was usual does not matter here; computing it would.
        let values = [Double](repeating: 1, count: engine.set.count)
        for number in 0..<count { engine.remember(workload.transaction(number), values: values) }
        return FeatureSnapshotWriter(of: engine)
    }

    /// As the store itself writes it.
    private static func store(_ snapshot: FeatureSnapshotWriter, url: String) async throws -> Int {
        var configuration = try PostgresConfiguration(url: url)
        configuration.schema = "features"
        return try await withPostgresPool(configuration) { pool in
            var snapshot = snapshot
            var chunks = 0
            var bytes = 0
            while let chunk = snapshot.next() {
                try await pool.execute("INSERT INTO snapshot_chunks (snapshot, chunk, payload) VALUES (1, \(Int32(chunks)), \(chunk))")
                chunks += 1
                bytes += chunk.count
            }
            try await pool.execute(
                """
                INSERT INTO snapshots (snapshot, format, feature_set_version, transaction_id, sequence, chunks)
                VALUES (1, \(FeatureSnapshotWriter.format), \(FeatureSet.payments.version), '0', 0, \(chunks))
                """)
            return bytes / 1_000_000
        }
    }

    /// Asks until the store answers; from now.
    private static func secondsUntilAnswer(_ suite: SuiteProcesses) async throws -> Double {
        let began = ContinuousClock.now
        try await suite.caller(as: ServiceIdentity.ingestionGateway.name).withChannel(to: .featureStore) { channel in
            let client = FeaturesV1.FeatureStoreService.Client(channel)
            let request = FeaturesV1.GetFeaturesRequest(entities: [.init(entity: .customerID("customer-1"))])
            let deadline = began + .seconds(300)
            while true {
                do {
                    _ = try await client.getFeatures(request, options: CallOptions(timeout: .seconds(5), waitForReady: true))
                    return
                } catch let error as RPCError where ContinuousClock.now < deadline && error.code != .permissionDenied {
                    try await Task.sleep(for: .milliseconds(50))
                }
            }
        }
        return (ContinuousClock.now - began) / .seconds(1)
    }
}
