import ArgumentParser
import Foundation
import Models
import Records
import Training

/// `vigil backtest`
struct BacktestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backtest",
        abstract: "Train and test the fraud classifier week after week, as it would have been used.",
        discussion: """
            Runs the protocol of `vigil evaluate fraud` from --start on, --step-days further each time, as long as the data has whole test \
            days or --weeks are done. Each run knows only what was known when its test days began.

              vigil backtest --transactions transactions.csv.gz \\
                  --mapping handbook-transactions --start 2018-05-23 --train-days all

            \(HistoryOptions.help)
            """)

    @OptionGroup var history: HistoryOptions
    @OptionGroup var tuning: TrainingTuning

    @Option(help: ArgumentHelp("First day of the first training week, YYYY-MM-DD.", valueName: "day"))
    var start: Moment

    @Option(help: ArgumentHelp("Runs at most; all that the data has unless given.", valueName: "count"))
    var weeks: Int?

    @Option(help: ArgumentHelp("Days from one run to the next.", valueName: "days"))
    var stepDays = 7

    @Option(help: ArgumentHelp("Days to train on, or all.", valueName: "days|all"))
    var trainDays: EvaluateCommand.TrainingDays = .init(value: .days(7))

    @Option(help: ArgumentHelp("Days between training and test.", valueName: "days"))
    var delayDays = 7

    @Option(help: ArgumentHelp("Days to test on.", valueName: "days"))
    var testDays = 7

    @Option(help: ArgumentHelp("Where a report with plots goes: HTML that opens without a network.", valueName: "file"))
    var report: String?

    @Option(help: "text or json: how the result is printed.")
    var format: OutputFormat = .text

    func validate() throws {
        guard (0...365).contains(delayDays) else { throw ValidationError("--delay-days must be 0 to 365.") }
        guard (1...365).contains(testDays) else { throw ValidationError("--test-days must be 1 to 365.") }
        guard (1...365).contains(stepDays) else { throw ValidationError("--step-days must be 1 to 365.") }
        guard weeks.map({ (1...520).contains($0) }) ?? true else { throw ValidationError("--weeks must be 1 to 520.") }
        guard start.time.microseconds % Timestamp.microsecondsPerDay == 0 else { throw ValidationError("--start must be a day.") }
    }

    private typealias Run = (weeks: HandbookProtocol, outcome: HandbookProtocol.Outcome)

    func run() throws {
        var progress = ProgressLine()
        let options = self.history
        try OutputPlaces(inputs: options.inputs, files: ["--report": report, "--rejects": options.more.rejects]).check()
        let files = try options.more.files()
        let history = try options.load(files, &progress)
        guard let last = history.transactions.last?.eventTime else { throw PlaceFault(description: "\(self.history.transactions): there are no payments") }
        let source = URL(fileURLWithPath: self.history.transactions).lastPathComponent
        var runs: [Run] = []
        var protocolWeeks = HandbookProtocol(
            start: start.time, trainingDays: trainDays.value, delayDays: delayDays, testDays: testDays)
        // The last day counts as whole when it has payments in it.
        while protocolWeeks.testEnd <= last + .days(1), runs.count < weeks ?? .max {
            let outcome = try protocolWeeks.run(
                history, training: FraudTraining(options: tuning.options()), source: source, createdAt: protocolWeeks.testStart,
                progress: { progress.show($0) })
            runs.append((protocolWeeks, outcome))
            if format == .text {
                progress.end()
                if runs.count == 1 { print(Self.head) }
                print(Self.line(runs[runs.count - 1]))
            }
            protocolWeeks.start = protocolWeeks.start + .days(stepDays)
        }
        progress.end()
        guard let newest = runs.last else {
            throw PlaceFault(
                description: "\(source): the data ends on \(last), before the first test days end on \(protocolWeeks.testEnd)")
        }
        if let weeks, runs.count < weeks {
            progress.note("the data ends on \(last): \(runs.count) of \(weeks) runs have whole test days, the others are left out")
        }
        if let report { try page(runs, newest).write(to: report) }
        switch format {
        case .text: print("mean        " + Self.columns(mean(runs)))
        case .json: try JSONLine.print(Result(runs: runs.map { EvaluationResult($0.outcome, $0.weeks) }, mean: Means(mean(runs))))
        }
        try files.finish()
    }

    private struct Means: Encodable {
        var averagePrecision: Double?
        var cardPrecisionAt100: Double?
        var aucROC: Double?
        var calibrationError: Double?

        init(_ values: [Double]) {
            (averagePrecision, cardPrecisionAt100) = (values[0].finite, values[1].finite)
            (aucROC, calibrationError) = (values[2].finite, values[3].finite)
        }

        enum CodingKeys: String, CodingKey {
            case averagePrecision = "average_precision"
            case cardPrecisionAt100 = "card_precision_at_100"
            case aucROC = "auc_roc"
            case calibrationError = "calibration_error"
        }
    }

    private struct Result: Encodable {
        var runs: [EvaluationResult]
        var mean: Means
    }

    private static let head = "test from    AP      CP@100  AUC     ECE     coverage  frauds"

    private static func figures(_ run: Run) -> [Double] {
        [
            run.outcome.averagePrecision, run.outcome.cardPrecision, run.outcome.areaUnderROC, run.outcome.calibrationError,
            run.outcome.coverage?.coverage ?? .nan,
        ]
    }

    private static func columns(_ values: [Double]) -> String { values.map { Figure.text($0) }.joined(separator: "  ") }

    private static func line(_ run: Run) -> String {
        "\(run.weeks.testStart.iso8601.prefix(10))  \(columns(figures(run)))    \(run.outcome.testFrauds)"
    }

    private func mean(_ runs: [Run]) -> [Double] {
        let all = runs.map { Self.figures($0) }
        return all[0].indices.map { column in all.reduce(0) { $0 + $1[column] } / Double(all.count) }
    }

    /// The newest run in full, below a table of all.
    private func page(_ runs: [Run], _ newest: Run) -> FraudReport {
        var page = FraudReport(newest.outcome, newest.weeks)
        page.runs = [["Test days from", "Average precision", "Card precision", "AUC ROC", "Calibration error", "Coverage"]]
            + runs.map { [String($0.weeks.testStart.iso8601.prefix(10))] + Self.figures($0).map { Figure.text($0) } }
            + [["mean"] + mean(runs).map { Figure.text($0) }]
        return page
    }
}
