import BenchmarkSupport

/// Serving and training of the fraud classifier.
enum FraudBenchmark {
    static func run(_ report: inout BenchmarkReport) throws {
    }
}
