import BenchmarkSupport

/// The models beside their peers. Each benchmark lies in a file of its own and is called here.
@main
enum Main {
    static func main() throws {
        var report = BenchmarkReport(area: "models")
        try FraudBenchmark.run(&report)
        benchmarkAnomalies(&report)
        try benchmarkForecast(&report)
        try report.write()
    }
}
