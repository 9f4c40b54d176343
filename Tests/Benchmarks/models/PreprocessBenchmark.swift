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

    /// Processor time and peak memory of that process alone.
    private static func measure(_ executable: String, _ arguments: [String]) throws -> (seconds: Double, bytes: Double) {
        let words = ([executable] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var child = pid_t()
        guard posix_spawn(&child, executable, &actions, nil, words, environ) == 0 else {
            throw XGBoostPeer.Failure(description: "\(executable) does not start")
        }
        var status: Int32 = 0
        var usage = rusage()
        while wait4(child, &status, 0, &usage) < 0, errno == EINTR {}
        guard status == 0 else { throw XGBoostPeer.Failure(description: "\(executable) preprocess failed") }
        let seconds = Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
        return (seconds, Double(usage.ru_maxrss) * 1_024)
    }
}
