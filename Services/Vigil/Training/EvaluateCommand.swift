import ArgumentParser
import Datasets
import Foundation
import Models
import Records
import Training

/// `vigil evaluate …`
struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate", abstract: "Measure how good the models are.", subcommands: [CashOuts.self, Forecasts.self, Fraud.self])

    /// `vigil evaluate fraud`
    struct Fraud: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "fraud",
            abstract: "Train and test the fraud classifier by the Fraud Detection Handbook's protocol.",
            discussion: """
                Trains on --train-days from --start, leaves --delay-days in which labels arrive, scores the --test-days after, and prints \
                AUC ROC, average precision and card precision at 100. Cards known to be compromised before a test day do not count. \
                With --train-days all everything before the gap trains, and the test days are those of seven training days from --start.

                  vigil evaluate fraud --transactions transactions.csv.gz \\
                      --mapping handbook-transactions --start 2018-06-13

                \(HistoryOptions.help)
                """)

        @OptionGroup var history: HistoryOptions
        @OptionGroup var tuning: TrainingTuning

        @Option(help: ArgumentHelp("First day of the training week, YYYY-MM-DD.", valueName: "day"))
        var start: Moment

        @Option(help: ArgumentHelp("Days to train on, or all.", valueName: "days|all"))
        var trainDays: TrainingDays = .init(value: .days(7))

        @Option(help: ArgumentHelp("Days between training and test.", valueName: "days"))
        var delayDays = 7

        @Option(help: ArgumentHelp("Days to test on.", valueName: "days"))
        var testDays = 7

        @Option(help: ArgumentHelp("Where the test days' scores go, as TRANSACTION_ID,score.", valueName: "file"))
        var scores: String?

        @Option(help: ArgumentHelp("Where the trained bundle goes.", valueName: "dir"))
        var bundle: String?

        @Option(help: ArgumentHelp("Where a report with plots goes: HTML that opens without a network.", valueName: "file"))
        var report: String?

        @Option(help: "text or json: how the result is printed.")
        var format: OutputFormat = .text

        func validate() throws {
            guard (0...365).contains(delayDays) else { throw ValidationError("--delay-days must be 0 to 365.") }
            guard (1...365).contains(testDays) else { throw ValidationError("--test-days must be 1 to 365.") }
            guard start.time.microseconds % Timestamp.microsecondsPerDay == 0 else { throw ValidationError("--start must be a day.") }
        }

        func run() throws {
            var progress = ProgressLine()
            let options = self.history
            try OutputPlaces(
                inputs: options.inputs, files: ["--scores": scores, "--report": report, "--rejects": options.more.rejects],
                bundle: bundle.map { ("--bundle", $0) }
            ).check()
            let files = try options.more.files()
            let history = try options.load(files, &progress)
            let weeks = HandbookProtocol(start: start.time, trainingDays: trainDays.value, delayDays: delayDays, testDays: testDays)
            let outcome = try weeks.run(
                history, training: FraudTraining(options: tuning.options()),
                source: URL(fileURLWithPath: self.history.transactions).lastPathComponent, createdAt: .now(),
                progress: { progress.show($0) })
            if let scores { try write(outcome.scores, to: scores) }
            if let bundle { try outcome.bundle.write(to: bundle) }
            if let report { try FraudReport(outcome, weeks).write(to: report) }
            progress.end()
            let result = EvaluationResult(outcome, weeks)
            try show(outcome, weeks, result)
            if let caution = result.caution { progress.note(caution) }
            try files.finish()
        }

        private func write(_ scores: [HandbookProtocol.Outcome.Score], to path: String) throws {
            var csv = CSVWriter(header: ["TRANSACTION_ID", "score"])
            for score in scores { csv.row([score.key.transactionID, "\(score.score)"]) }
            try Data(csv.bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
        }

        private func show(_ outcome: HandbookProtocol.Outcome, _ weeks: HandbookProtocol, _ result: EvaluationResult) throws {
            switch format {
            case .json:
                try JSONLine.print(result)
            case .text:
                print("trained on \(outcome.trainingRows) payments, \(outcome.trainingFrauds) of them fraud")
                print("tested on \(outcome.testRows) payments, \(outcome.testFrauds) of them fraud, \(weeks.testStart) to \(weeks.testEnd)")
                print("AUC ROC                \(Figure.text(outcome.areaUnderROC))")
                print("average precision      \(Figure.text(outcome.averagePrecision))")
                print("card precision at 100  \(Figure.text(outcome.cardPrecision))")
                print("calibration error      \(Figure.text(outcome.calibrationError))")
                if let coverage = outcome.coverage, let stated = outcome.bundle.manifest.conformal?.coverage {
                    print("coverage of sets       \(Figure.text(coverage.coverage)), stated \(Figure.text(stated))")
                }
                if let drift = outcome.drift.first {
                    print("largest drift (PSI)    \(Figure.text(drift.stabilityIndex)), \(drift.feature)")
                }
            }
        }
    }

    struct TrainingDays: ExpressibleByArgument {
        let value: HandbookProtocol.TrainingDays

        init(value: HandbookProtocol.TrainingDays) { self.value = value }

        init?(argument: String) {
            if argument == "all" {
                value = .all
            } else {
                guard let days = Int(argument), (1...3_650).contains(days) else { return nil }
                value = .days(days)
            }
        }

        var defaultValueDescription: String {
            switch value {
            case .all: "all"
            case .days(let days): "\(days)"
            }
        }
    }
}
