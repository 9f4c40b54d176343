import ArgumentParser
import Datasets
import Foundation
import Models
import Records
import Training

/// `vigil evaluate …`
struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate", abstract: "Measure how good the models are.", subcommands: [Fraud.self])

    /// `vigil evaluate fraud`
    struct Fraud: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "fraud",
            abstract: "Train and test the fraud classifier by the Fraud Detection Handbook's protocol.",
            discussion: """
                Trains on --train-days from --start, leaves --delay-days in which labels arrive, scores the --test-days after, and prints \
                AUC ROC, average precision and card precision at 100. Cards that are known to be compromised before a test day do not count. \
                With --train-days all everything before the gap trains, and the test days are those of seven training days from --start.

                  vigil evaluate fraud --transactions transactions.csv.gz --mapping handbook-transactions --start 2018-06-13

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

        @Option(help: "text or json: how the result is printed.")
        var format: OutputFormat = .text

        func validate() throws {
            guard (0...365).contains(delayDays) else { throw ValidationError("--delay-days must be 0 to 365.") }
            guard (1...365).contains(testDays) else { throw ValidationError("--test-days must be 1 to 365.") }
            guard start.time.microseconds % Timestamp.microsecondsPerDay == 0 else { throw ValidationError("--start must be a day.") }
        }

        func run() throws {
            var progress = ProgressLine()
            let history = try history.load(&progress)
            let weeks = HandbookProtocol(start: start.time, trainingDays: trainDays.value, delayDays: delayDays, testDays: testDays)
            let outcome = try weeks.run(
                history, training: FraudTraining(options: tuning.options()),
                source: URL(fileURLWithPath: self.history.transactions).lastPathComponent, createdAt: .now(),
                progress: { progress.show($0) })
            if let scores { try write(outcome.scores, to: scores) }
            if let bundle { try outcome.bundle.write(to: bundle) }
            progress.end()
            try show(outcome, weeks)
        }

        private func write(_ scores: [HandbookProtocol.Outcome.Score], to path: String) throws {
            var csv = CSVWriter(header: ["TRANSACTION_ID", "score"])
            for score in scores { csv.row([score.key.transactionID, "\(score.score)"]) }
            try Data(csv.bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
        }

        private struct Result: Encodable {
            var aucROC: Double?
            var averagePrecision: Double?
            var cardPrecisionAt100: Double?
            var calibrationError: Double?
            var trainingRows: Int
            var trainingFrauds: Int
            var testRows: Int
            var testFrauds: Int
            var scoredRows: Int
            var testFrom: String
            var testTo: String
            var modelVersion: String

            enum CodingKeys: String, CodingKey {
                case aucROC = "auc_roc"
                case averagePrecision = "average_precision"
                case cardPrecisionAt100 = "card_precision_at_100"
                case calibrationError = "calibration_error"
                case trainingRows = "training_rows"
                case trainingFrauds = "training_frauds"
                case testRows = "test_rows"
                case testFrauds = "test_frauds"
                case scoredRows = "scored_rows"
                case testFrom = "test_from"
                case testTo = "test_to"
                case modelVersion = "model_version"
            }

            /// JSON has no NaN: what has no value is null, not left out.
            func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: CodingKeys.self)
                try container.encode(aucROC, forKey: .aucROC)
                try container.encode(averagePrecision, forKey: .averagePrecision)
                try container.encode(cardPrecisionAt100, forKey: .cardPrecisionAt100)
                try container.encode(calibrationError, forKey: .calibrationError)
                try container.encode(trainingRows, forKey: .trainingRows)
                try container.encode(trainingFrauds, forKey: .trainingFrauds)
                try container.encode(testRows, forKey: .testRows)
                try container.encode(testFrauds, forKey: .testFrauds)
                try container.encode(scoredRows, forKey: .scoredRows)
                try container.encode(testFrom, forKey: .testFrom)
                try container.encode(testTo, forKey: .testTo)
                try container.encode(modelVersion, forKey: .modelVersion)
            }
        }

        private func show(_ outcome: HandbookProtocol.Outcome, _ weeks: HandbookProtocol) throws {
            switch format {
            case .json:
                try JSONLine.print(
                    Result(
                        aucROC: outcome.areaUnderROC.finite, averagePrecision: outcome.averagePrecision.finite,
                        cardPrecisionAt100: outcome.cardPrecision.finite, calibrationError: outcome.calibrationError.finite,
                        trainingRows: outcome.trainingRows, trainingFrauds: outcome.trainingFrauds, testRows: outcome.testRows,
                        testFrauds: outcome.testFrauds, scoredRows: outcome.scores.count, testFrom: weeks.testStart.iso8601,
                        testTo: weeks.testEnd.iso8601, modelVersion: outcome.bundleVersion))
            case .text:
                print("trained on \(outcome.trainingRows) payments, \(outcome.trainingFrauds) of them fraud")
                print("tested on \(outcome.testRows) payments, \(outcome.testFrauds) of them fraud, \(weeks.testStart) to \(weeks.testEnd)")
                print("AUC ROC                \(Figure.text(outcome.areaUnderROC))")
                print("average precision      \(Figure.text(outcome.averagePrecision))")
                print("card precision at 100  \(Figure.text(outcome.cardPrecision))")
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

extension Double {
    fileprivate var finite: Double? { isFinite ? self : nil }
}
