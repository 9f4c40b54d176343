import BenchmarkSupport
import CXGBoost
import Features
import Foundation
import Models
import Records
import SeededRandom
import Training

/// Serving and training of the fraud classifier.
enum FraudBenchmark {
    private static let featureCount = 20
    private static let trees = 200
    private static let rounds = 7

    /// Serving.
    static func scores(_ report: inout BenchmarkReport) throws {
        var random = SplitMix64(seed: 7)
        let data = Rows(count: 20_000, features: featureCount, using: &random)
        let peer = try XGBoostPeer(
            rows: data.values, labels: data.labels, features: featureCount, rounds: trees,
            parameters: [
                ("objective", "binary:logistic"), ("tree_method", "hist"), ("max_depth", "6"), ("eta", "0.1"), ("nthread", "1"),
                ("verbosity", "0"),
            ])
        let forest = try XGBoostModel(try peer.saved(as: "ubj")).forest
        let single = data.values.chunked(by: featureCount, first: 500)
        try checkEqual(forest, peer, rows: Array(data.values.prefix(10_000 * featureCount)))
        try compareSingleRows(&report, forest, peer, single)
        try compareBatch(&report, forest, peer, rows: Array(data.values.prefix(10_000 * featureCount)))
        try compareReasons(&report, forest, peer, single)
    }

    private static func checkEqual(_ forest: Forest, _ peer: XGBoostPeer, rows: [Float]) throws {
        let ours = forest.margins(rows: rows)
        let theirs = try rows.withUnsafeBufferPointer { Array(try peer.predictInPlace($0, .margin)) }
        let worst = zip(ours, theirs).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
        guard worst <= 1e-6 else { throw XGBoostPeer.Failure(description: "scores differ from XGBoost's by \(worst)") }
    }

    private static func compareSingleRows(
        _ report: inout BenchmarkReport, _ forest: Forest, _ peer: XGBoostPeer, _ rows: [[Float]]
    ) throws {
        let name = "score of one row, \(trees) trees of depth 6, \(featureCount) features"
        let ours = { perCall(rows) { sink(forest.prediction(margin: forest.margin($0))) } }
        let matrices = try rows.map { try XGBoostPeer.matrix($0, features: featureCount) }
        defer { for matrix in matrices { XGDMatrixFree(matrix) } }
        let (a, inPlace) = try paired(rounds: rounds, ours: ours) {
            try perCall(rows) { row in sink(try row.withUnsafeBufferPointer { try peer.predictInPlace($0, .probability)[0] }) }
        }
        let matrix = try perCall(matrices) { sink(try peer.predict($0, .probability)[0]) }
        report.compare(name, unit: "us CPU", ours: a, peer: min(inPlace, matrix), "XGBoost's C API", .atMost(0.1))

        let compiled = try CompiledPeer(model: try peer.saved(as: "json"))
        var row = rows[0]
        var result: Float = 0
        row.withUnsafeMutableBytes { if let entry = $0.baseAddress { compiled.predict(entry, 1, &result) } }
        guard abs(result - forest.margin(rows[0])) <= 1e-5 else {
            throw XGBoostPeer.Failure(description: "tl2cgen's score is another: \(result), not \(forest.margin(rows[0]))")
        }
        var entries = rows
        let (b, theirs) = paired(rounds: rounds, ours: ours) {
            perCall(entries.indices) { index in
                entries[index].withUnsafeMutableBytes { if let entry = $0.baseAddress { compiled.predict(entry, 0, &result) } }
                sink(result)
            }
        }
        report.compare(name, unit: "us CPU", ours: b, peer: theirs, "tl2cgen's C, gcc -O3", .atMost(1 / 1.5))
    }

    private static func compareBatch(_ report: inout BenchmarkReport, _ forest: Forest, _ peer: XGBoostPeer, rows: [Float]) throws {
        let count = rows.count / featureCount
        let (ours, inPlace) = try paired(rounds: rounds) {
            perCall(0..<5) { _ in sink(forest.margins(rows: rows)[0]) } / Double(count)
        } peer: {
            try perCall(0..<5) { _ in
                sink(try rows.withUnsafeBufferPointer { try peer.predictInPlace($0, .margin)[0] })
            } / Double(count)
        }
        // A matrix remembers what was predicted of it, so each is asked once.
        let matrices = try (0..<5).map { _ in try XGBoostPeer.matrix(rows, features: featureCount) }
        defer { for matrix in matrices { XGDMatrixFree(matrix) } }
        let throughMatrix = try perCall(matrices) { sink(try peer.predict($0, .margin)[0]) } / Double(count)
        report.compare(
            "scores of \(count) rows", unit: "rows/us CPU", ours: 1 / ours, peer: 1 / min(inPlace, throughMatrix), "XGBoost", .atLeast(2))
    }

    private static func compareReasons(
        _ report: inout BenchmarkReport, _ forest: Forest, _ peer: XGBoostPeer, _ rows: [[Float]]
    ) throws {
        let rows = Array(rows.prefix(40))
        let shap = TreeSHAP(forest)
        let matrices = try rows.map { try XGBoostPeer.matrix($0, features: featureCount) }
        defer { for matrix in matrices { XGDMatrixFree(matrix) } }
        for (row, matrix) in zip(rows, matrices) {
            for (ours, theirs) in zip(shap.contributions(row) + [shap.expectedMargin], try peer.predict(matrix, .contributions)) {
                guard abs(ours - Double(theirs)) < 1e-4 else {
                    throw XGBoostPeer.Failure(description: "a contribution is another: \(ours), not \(theirs)")
                }
            }
        }
        let (ours, theirs) = try paired(rounds: rounds) {
            perCall(rows) { sink(Float(shap.contributions($0)[0])) }
        } peer: {
            try perCall(matrices) { sink(try peer.predict($0, .contributions)[0]) }
        }
        report.compare("Shapley values of one row", unit: "us CPU", ours: ours, peer: theirs, "XGBoost's pred_contribs", .atMost(0.2))
    }

    /// The online engine in the state of a bank of 3,000 customers after some months; 5 µs is what the design allows.
    static func features(_ report: inout BenchmarkReport) {
        let payments = Payments(count: 300_000, customers: 3_000, terminals: 1_500, days: 90)
        var replay = FeatureReplay(set: .payments)
        let warm = 200_000
        replay.run(Array(payments.transactions.prefix(warm)), labels: payments.labels(before: warm)) { _, _ in }
        let start = processorSeconds()
        for transaction in payments.transactions[warm...] { sink(Float(replay.engine.observe(transaction)[0])) }
        let each = (processorSeconds() - start) / Double(payments.transactions.count - warm) * 1e6
        report.compare(
            "features of one payment, \(FeatureSet.payments.count) of them", unit: "us CPU", ours: each, peer: 5, "the budget", .atMost(1))
    }

    /// From rows to a bundle, beside XGBoost on the same rows with the same parameters.
    static func training(_ report: inout BenchmarkReport) throws {
        let payments = Payments(count: 120_000, customers: 2_000, terminals: 1_000, days: 60)
        let labels = payments.labels(before: payments.transactions.count)
        let history = PaymentHistory(transactions: payments.transactions, labels: labels)
        guard let last = payments.transactions.last?.eventTime, let begin = payments.transactions.first?.eventTime else { return }
        let options = TrainingOptions(parts: 1, threads: 1)
        let period = (begin + .days(14))..<last
        let asOf = last + .days(8)
        var parameters: [(name: String, value: String)] = []
        let train = {
            var started = 0.0
            let bundle = try FraudTraining(options: options).train(
                on: history, period: period, asOf: asOf, source: "benchmark", createdAt: last
            ) { progress in
                // Features are told of last when all are there.
                if case .features = progress { started = processorSeconds() }
            }
            let seconds = processorSeconds() - started
            parameters = bundle.manifest.training.parameters.filter { $0.key != "parts" }.map { (name: $0.key, value: $0.value) }
            return seconds
        }
        let outcomes = history.outcomes(knownBy: asOf, labelDelay: .days(7))
        var replay = history.replay(set: .payments)
        let table = FeatureTable(replaying: history.transactions, labels: history.labels, with: &replay) {
            period.contains(history.transactions[$0].eventTime)
        }
        let targets = table.transactionIndices.map { outcomes[$0] == true ? Float(1) : 0 }
        let (ours, theirs) = try paired(rounds: 3, ours: train) {
            let start = processorSeconds()
            _ = try XGBoostPeer(
                rows: table.values, labels: targets, features: table.set.count, rounds: options.rounds, parameters: parameters)
            return processorSeconds() - start
        }
        report.compare(
            "training, \(options.rounds) rounds on \(table.rowCount) rows", unit: "s CPU", ours: ours, peer: theirs, "XGBoost",
            .atMost(1.1))
    }

    /// Microseconds of CPU a call, over all `inputs`.
    private static func perCall<C: Collection>(_ inputs: C, _ body: (C.Element) throws -> Void) rethrows -> Double {
        let start = processorSeconds()
        for input in inputs { try body(input) }
        return (processorSeconds() - start) / Double(inputs.count) * 1e6
    }

    /// Keeps the compiler from leaving work out.
    @inline(never)
    private static func sink(_ value: Float) { if value == .leastNonzeroMagnitude { print(value) } }
}
