import ArgumentParser
import Models
import Records

extension EvaluateCommand {
    /// `vigil evaluate cash-out`
    struct CashOuts: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "cash-out",
            abstract: "Train the cash-out model on simulated cities and test it on others.",
            discussion: """
                Makes --train-cities from the seeds 1, 2, … and --test-cities from --seed on, fits the model to the former and asks it \
                about every complaint of the latter, at the minute it was reported, with what the bank and the police knew by then. Only \
                the judge knows which withdrawals truly were the complaint's money.

                  vigil evaluate cash-out --seed 1000

                hit@5 is the share of complaints with a withdrawal still to come (within three days) whose next one is at one of five \
                ATMs: the model's first five, the five with most withdrawals, the five nearest to the complaint's place, the five where \
                most traced money of earlier complaints went. Reliability is the gap between what is stated and what happens, averaged \
                over ten equally filled bins: of the chance that the money is gone, of the first five ATMs' chances, of the next 24 \
                hours', and of both together. A bin needs some hundreds of statements to tell a gap from chance: the JSON has each bin's \
                count.
                """)

        @Option(help: "Seed of the first city to test on; 1000 or more, so that none of the training's is among them.")
        var seed: UInt64 = 1_000

        @Option(help: "Cities to train on, 1 to 100.")
        var trainCities = 8

        @Option(help: "Cities to test on, 1 to 100.")
        var testCities = 30

        @Option(help: "Days of each city, 10 to 365.")
        var days = 60

        @Option(help: "Bank customers of each city, 100 to 20,000.")
        var customers = 1_500

        @Option(help: "text or json: how the result is printed.")
        var format: OutputFormat = .text

        func validate() throws {
            guard (1_000...UInt64.max - 1_000).contains(seed) else { throw ValidationError("--seed must be 1000 or more.") }
            guard (1...100).contains(trainCities) else { throw ValidationError("--train-cities must be 1 to 100.") }
            guard (1...100).contains(testCities) else { throw ValidationError("--test-cities must be 1 to 100.") }
            guard (10...365).contains(days) else { throw ValidationError("--days must be 10 to 365.") }
            guard (100...20_000).contains(customers) else { throw ValidationError("--customers must be 100 to 20000.") }
        }

        func run() throws {
            var progress = ProgressLine()
            var histories: [CashHistory] = []
            for number in 0..<trainCities {
                progress.show("training cities", fraction: Double(number) / Double(trainCities))
                histories.append(SimulatedCashOuts(seed: UInt64(number) + 1, days: days, customers: customers).history)
            }
            let model = CashOutModel.fitted(to: histories, before: Timestamp(CivilTime(year: 2026, month: 1, day: 1)) + .days(days))
            guard model.complaints > 0 else {
                throw PlaceFault(
                    description: "the training cities have no complaint to learn from: take more --days, --customers or --train-cities")
            }
            var evaluation = CashOutEvaluation()
            for number in 0..<testCities {
                progress.show("test cities", fraction: Double(number) / Double(testCities))
                let city = SimulatedCashOuts(seed: seed + UInt64(number), days: days, customers: customers)
                evaluation.add(model, city.history, outcomes: city.outcomes, end: city.end)
            }
            progress.end()
            guard let report = evaluation.report else {
                throw PlaceFault(
                    description: "the test cities have no complaint with a withdrawal to come: take more --days, --customers or --test-cities")
            }
            try show(report, trainedOn: model.complaints)
        }

        private struct Result: Encodable {
            let trainingComplaints: Int
            let testComplaints: Int
            let openComplaints: Int
            let hitAt5: Double
            let hitAt5MostUsed: Double
            let hitAt5Nearest: Double
            let hitAt5PastCashOuts: Double
            /// Mean and largest gap by what is stated.
            let reliability: [String: Double]
            let reliabilityMax: [String: Double]
            let bins: [String: [CashOutEvaluation.Reliability.Bin]]

            enum CodingKeys: String, CodingKey {
                case trainingComplaints = "training_complaints"
                case testComplaints = "test_complaints"
                case openComplaints = "open_complaints"
                case hitAt5 = "hit_at_5"
                case hitAt5MostUsed = "hit_at_5_most_withdrawals"
                case hitAt5Nearest = "hit_at_5_nearest"
                case hitAt5PastCashOuts = "hit_at_5_past_cash_outs"
                case reliability
                case reliabilityMax = "reliability_worst_bin"
                case bins = "reliability_bins"
            }
        }

        private func show(_ report: CashOutEvaluation.Report, trainedOn complaints: Int) throws {
            let reliabilities = [
                ("gone", report.gone), ("atm", report.machines), ("hour", report.hours), ("atm_and_hour", report.machineHours),
            ]
            switch format {
            case .json:
                try JSONLine.print(
                    Result(
                        trainingComplaints: complaints, testComplaints: report.complaints, openComplaints: report.open,
                        hitAt5: report.hitAt5, hitAt5MostUsed: report.hitAt5MostUsed, hitAt5Nearest: report.hitAt5Nearest,
                        hitAt5PastCashOuts: report.hitAt5PastCashOuts,
                        reliability: Dictionary(uniqueKeysWithValues: reliabilities.map { ($0.0, $0.1.meanGap) }),
                        reliabilityMax: Dictionary(uniqueKeysWithValues: reliabilities.map { ($0.0, $0.1.maxGap) }),
                        bins: Dictionary(uniqueKeysWithValues: reliabilities.map { ($0.0, $0.1.bins) })))
            case .text:
                print("trained on \(complaints) complaints; tested on \(report.complaints), \(report.open) of them with cash still to come")
                print("hit@5                     \(Figure.text(report.hitAt5))")
                print("  most withdrawals        \(Figure.text(report.hitAt5MostUsed))")
                print("  nearest                 \(Figure.text(report.hitAt5Nearest))")
                print("  past cash-outs          \(Figure.text(report.hitAt5PastCashOuts))")
                print("reliability, mean gap (worst of ten bins)")
                for (name, gap) in reliabilities {
                    let label = (name.replacing("_", with: " ") + String(repeating: " ", count: 24)).prefix(24)
                    print("  \(label)\(Figure.text(gap.meanGap)) (\(Figure.text(gap.maxGap)))")
                }
            }
        }
    }
}
