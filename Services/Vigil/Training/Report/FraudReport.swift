import Foundation
import Models
import Training

/// How good a fraud model is, as an HTML page with plots that opens without a network.
struct FraudReport {
    /// Payments with a score and, later, the truth.
    struct Scored {
        var name: String
        var probabilities: [Double]
        var isFraud: [Bool]
    }

    let manifest: BundleManifest
    /// What the page is about.
    let scored: Scored
    /// What its scores are compared with: those held out in training.
    var reference: Scored?
    var coverage: ConformalThresholds.Observed?
    var drift: [FeatureDrift] = []
    /// Said above the plots, name and value.
    var figures: [(String, String)] = []
    /// A backtest's runs, as a table with its head; empty for a single one.
    var runs: [[String]] = []

    private static let bins = 10
    private static let toldFeatures = 15

    init(_ outcome: HandbookProtocol.Outcome, _ weeks: HandbookProtocol) {
        manifest = outcome.bundle.manifest
        let counted = outcome.scores.filter { !$0.isExcluded && $0.isFraud != nil }
        scored = Scored(name: "test days", probabilities: counted.map(\.score), isFraud: counted.map { $0.isFraud == true })
        reference = Scored(
            name: outcome.model.isHeldOut ? "held out in training" : "training", probabilities: outcome.model.probabilities,
            isFraud: outcome.model.isFraud)
        coverage = outcome.coverage
        drift = outcome.drift
        figures = [
            ("Test days", "\(weeks.testStart) to \(weeks.testEnd)"), ("Payments tested", "\(outcome.testRows)"),
            ("Frauds among them", "\(outcome.testFrauds)"), ("Average precision", Figure.text(outcome.averagePrecision)),
            ("AUC ROC", Figure.text(outcome.areaUnderROC)), ("Card precision at \(weeks.topCards)", Figure.text(outcome.cardPrecision)),
            ("Calibration error", Figure.text(outcome.calibrationError)),
        ]
    }

    init(_ model: TrainedModel) {
        manifest = model.bundle.manifest
        scored = Scored(
            name: model.isHeldOut ? "held out in training" : "training", probabilities: model.probabilities, isFraud: model.isFraud)
        coverage = manifest.conformal?.observe(model.probabilities, isFraud: model.isFraud)
        figures = manifest.metrics.sorted { $0.key < $1.key }.map { ($0.key.replacing("_", with: " "), Figure.text($0.value)) }
    }

    func write(to path: String) throws { try Data(html.utf8).write(to: URL(fileURLWithPath: path), options: .atomic) }

    var html: String {
        let rows = [["Measure", "Value"]] + figures.map { [$0.0, $0.1] }
        let hasBoth = scored.isFraud.contains(true) && scored.isFraud.contains(false)
        let plots = hasBoth ? [precisionRecall, calibration, lift, distribution] : [distribution]
        let training = manifest.training
        return HTML.page(
            title: "Vigil: \(manifest.version)",
            body: """
                <h1>\(HTML.escaped(manifest.version))</h1>
                <p>Trained on \(training.rows) payments from \(training.from) to \(training.to), \(training.frauds) of them fraud \
                (\(HTML.escaped(training.source))). What follows is of the \(scored.name).</p>
                \(HTML.table(rows))
                \(runs.isEmpty ? "" : "<h2>Runs</h2>\n" + HTML.table(runs))
                <h2>Plots</h2>
                <div class="plots">
                \(plots.map(\.svg).joined(separator: "\n"))
                </div>
                \(signalsSection)
                \(coverageSection)
                \(driftSection)
                """)
    }

    /// Indices by falling score.
    private var order: [Int] { scored.probabilities.indices.sorted { scored.probabilities[$0] > scored.probabilities[$1] } }

    private var precisionRecall: Plot {
        let positives = Double(scored.isFraud.reduce(0) { $0 + ($1 ? 1 : 0) })
        var found = 0.0
        var points: [(x: Double, y: Double)] = []
        for (rank, index) in order.enumerated() where scored.isFraud[index] {
            found += 1
            points.append((found / positives, found / Double(rank + 1)))
        }
        return Plot(
            title: "Precision and recall", xLabel: "share of frauds found", yLabel: "share of alarms that are fraud",
            series: [.init(name: "precision", points: points)])
    }

    /// In bins of equal width; empty ones are left out.
    private var calibration: Plot {
        var stated = [Double](repeating: 0, count: Self.bins)
        var observed = stated
        var counts = stated
        for (probability, isFraud) in zip(scored.probabilities, scored.isFraud) {
            let bin = min(Self.bins - 1, max(0, Int(probability * Double(Self.bins))))
            stated[bin] += probability
            observed[bin] += isFraud ? 1 : 0
            counts[bin] += 1
        }
        let points = counts.indices.filter { counts[$0] > 0 }.map { (x: stated[$0] / counts[$0], y: observed[$0] / counts[$0]) }
        return Plot(
            title: "Calibration", xLabel: "stated probability", yLabel: "share that was fraud",
            series: [.init(name: "observed", points: points), .init(name: "perfect", points: [(0, 0), (1, 1)], isDashed: true)])
    }

    private var lift: Plot {
        let positives = Double(scored.isFraud.reduce(0) { $0 + ($1 ? 1 : 0) })
        let shown = max(1, scored.probabilities.count / 20)
        var found = 0.0
        var points: [(x: Double, y: Double)] = [(0, 0)]
        for (rank, index) in order.prefix(shown).enumerated() {
            if scored.isFraud[index] { found += 1 }
            points.append((Double(rank + 1) / Double(scored.probabilities.count) * 100, found / positives))
        }
        return Plot(
            title: "Gain: frauds found in the highest scores", xLabel: "% of payments looked at", yLabel: "share of frauds found",
            xRange: 0...5,
            series: [.init(name: "model", points: points), .init(name: "at random", points: [(0, 0), (5, 0.05)], isDashed: true)])
    }

    /// Of scores as log-odds: where drift shows first.
    private var distribution: Plot {
        let all = [scored] + (reference.map { [$0] } ?? [])
        let series = all.enumerated().map { index, one in
            var counts = [Double](repeating: 0, count: 40)
            for probability in one.probabilities {
                let odds = log(max(probability, 1e-9) / max(1 - probability, 1e-9))
                counts[min(39, max(0, Int((odds + 12) / 20 * 40)))] += 1
            }
            let total = Double(max(1, one.probabilities.count))
            return Plot.Series(
                name: one.name, points: counts.enumerated().map { (x: -12 + (Double($0) + 0.5) / 2, y: $1 / total) }, isBars: index == 0)
        }
        let highest = series.flatMap { $0.points.map(\.y) }.max() ?? 1
        return Plot(
            title: "Distribution of scores", xLabel: "log-odds of fraud", yLabel: "share of payments", xRange: -12...8,
            yRange: 0...max(highest * 1.1, 1e-6), series: series)
    }

    private var signalsSection: String {
        guard let ensemble = manifest.ensemble else { return "" }
        let rows = ensemble.parts.map { [$0.signal.rawValue, Figure.text($0.weight), Figure.text($0.centre)] }
        return """
            <h2>Signals beside the classifier</h2>
            <p>Each adds its weight, in log-odds, for every unit that it lies above its mean in training.</p>
            \(HTML.table([["Signal", "Weight", "Mean"]] + rows))
            """
    }

    private var coverageSection: String {
        guard let coverage, let stated = manifest.conformal?.coverage else { return "" }
        let rows = [
            ["Prediction sets", "Value"], ["stated coverage", Figure.text(stated)], ["observed coverage", Figure.text(coverage.coverage)],
            ["of frauds", Figure.text(coverage.fraudCoverage)], ["of genuine payments", Figure.text(coverage.genuineCoverage)],
            ["sets that say one thing", Figure.text(coverage.decidedShare)],
        ]
        return "<h2>Coverage</h2>\n" + HTML.table(rows)
    }

    private var driftSection: String {
        guard !drift.isEmpty else { return "" }
        let rows = drift.prefix(Self.toldFeatures).map { [$0.feature, Figure.text($0.stabilityIndex)] }
        return """
            <h2>Drift of features</h2>
            <p>Population stability index against the training payments, the largest first: below 0.1 nothing has moved, from 0.25 on \
            much has.</p>
            \(HTML.table([["Feature", "PSI"]] + rows))
            """
    }
}
