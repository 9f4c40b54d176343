import BenchmarkSupport

/// The models beside their peers. Each benchmark lies in a file of its own and is called here; arguments choose among them.
@main
enum Main {
    static func main() throws {
        let chosen = Set(CommandLine.arguments.dropFirst())
        func wants(_ part: String) -> Bool { chosen.isEmpty || chosen.contains(part) }
        var report = BenchmarkReport(area: "models")
        if wants("scores") { try FraudBenchmark.scores(&report) }
        if wants("features") { FraudBenchmark.features(&report) }
        if wants("training") { try FraudBenchmark.training(&report) }
        if wants("preprocess") { try PreprocessBenchmark.run(&report) }
        if wants("anomalies") { benchmarkAnomalies(&report) }
        if wants("forecast") { try benchmarkForecast(&report) }
        try report.write()
    }
}
