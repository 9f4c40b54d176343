import BenchmarkSupport
import Foundation

/// `vigil preprocess` of a whole file beside the handbook's pandas code.
///
/// Needs the handbook's transactions (`VIGIL_BENCH_TRANSACTIONS`, or `transactions.csv.gz` in `VIGIL_DATA`) and the release
/// build of `vigil`.
enum PreprocessBenchmark {
    static func run(_ report: inout BenchmarkReport) throws {
        let environment = ProcessInfo.processInfo.environment
        let file = environment["VIGIL_BENCH_TRANSACTIONS"] ?? environment["VIGIL_DATA"].map { $0 + "/transactions.csv.gz" }
            ?? "../shared/data/transactions.csv.gz"
        let vigil = environment["VIGIL_BENCH_EXECUTABLE"] ?? ".build/release/vigil"
        guard FileManager.default.fileExists(atPath: file) else { return print("models: preprocess is left out: there is no \(file)") }
        guard FileManager.default.isExecutableFile(atPath: vigil) else {
            return print("models: preprocess is left out: there is no \(vigil); `make build` makes it")
        }
        let output = FileManager.default.temporaryDirectory.appendingPathComponent("vigil-bench-\(UUID().uuidString).csv")
        defer { try? FileManager.default.removeItem(at: output) }
        func preprocess(_ features: String) throws -> (seconds: Double, bytes: Double) {
            try measure(
                vigil,
                [
                    "preprocess", "--transactions", file, "--mapping", "handbook-transactions", "--features", features, "--output",
                    output.path,
                ])
        }
        // The peer computes the handbook's features and writes nothing; ours writes its table.
        let same = try preprocess("handbook")
        let all = try preprocess("all")
        let text = try Python.run(["Tests/Benchmarks/models/handbook_features.py", file])
        guard let theirs = Double(text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw XGBoostPeer.Failure(description: "handbook_features.py printed \(text)")
        }
        report.compare(
            "preprocess of the handbook's file, the handbook's features", unit: "s CPU", ours: same.seconds, peer: theirs, "pandas",
            .atMost(0.05))
        report.compare(
            "preprocess of the handbook's file, all our features", unit: "s CPU", ours: all.seconds, peer: theirs,
            "pandas, the handbook's", .atMost(0.05))
        report.compare("preprocess, peak memory", unit: "GB", ours: all.bytes / 1e9, peer: 1, "the budget", .atMost(1))
    }

    private static func measure(_ executable: String, _ arguments: [String]) throws -> (seconds: Double, bytes: Double) {
        var before = rusage()
        getrusage(__rusage_who_t(RUSAGE_CHILDREN.rawValue), &before)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw XGBoostPeer.Failure(description: "\(executable) preprocess failed") }
        var after = rusage()
        getrusage(__rusage_who_t(RUSAGE_CHILDREN.rawValue), &after)
        func seconds(_ usage: rusage) -> Double {
            Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
        }
        // The largest child so far: compilers of the peers are smaller than a gigabyte.
        return (seconds(after) - seconds(before), Double(after.ru_maxrss) * 1_024)
    }
}
