import ArgumentParser
import Contracts
import Foundation

extension ModelsCommand {
    /// `vigil models health`
    struct Health: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say how a model does on what it has decided.",
            discussion: """
                Drift is each feature's population stability index against its distribution in training: by custom below 0.1 nothing has moved, \
                from 0.25 on much has. Where outcomes are known: the calibration error of the scores, and how many prediction sets held the \
                truth beside what the model states. The champion's figures are also in the model server's /metrics.
                """,
            aliases: ["drift"])

        @Option(help: ArgumentHelp("A model as `vigil models list` shows it; the champion unless given.", valueName: "version"))
        var version = ""

        @Option(help: ArgumentHelp("The decisions of so many last days count, 1 to 90.", valueName: "count"))
        var days = 7

        @Option(help: ArgumentHelp("So many features are shown as text, those that moved most.", valueName: "count"))
        var features = 10

        @OptionGroup var target: Target

        func validate() throws {
            guard (1...90).contains(days) else { throw ValidationError("--days must be 1 to 90.") }
            guard (0...1_000).contains(features) else { throw ValidationError("--features must be 0 to 1000.") }
        }

        func run() async throws {
            let health = try await target.registry().health(version: version, days: days)
            switch target.format {
            case .json: try JSONLine.print(HealthRow(health))
            case .text: show(health)
            }
        }

        private func show(_ health: ModelsV1.GetModelHealthResponse) {
            print("\(health.version): drift over the newest \(health.decisions) decisions of \(days) days")
            for drift in health.drift.prefix(features) { print("    \(Figure.text(drift.stabilityIndex))  \(drift.feature)") }
            guard let outcomes = health.outcomes else { return print("no outcome is known yet") }
            print("\(outcomes.decisions) outcomes are known, \(outcomes.frauds) of them fraud")
            print("calibration error  \(Figure.text(outcomes.calibrationError))")
            if let coverage = outcomes.coverage {
                print("coverage of sets   \(Figure.text(coverage.observed)), stated \(Figure.text(coverage.stated))")
            }
        }
    }

    private struct HealthRow: Encodable {
        struct Drift: Encodable {
            let feature: String
            let psi: Double
        }

        struct Coverage: Encodable {
            let stated: Double
            let observed: Double
            let ofFrauds: Double
            let ofGenuine: Double
            let decidedShare: Double
        }

        let version: String
        let decisions: UInt32
        let drift: [Drift]
        let judgedDecisions: UInt32
        let judgedFrauds: UInt32
        let calibrationError: Double?
        let coverage: Coverage?

        init(_ health: ModelsV1.GetModelHealthResponse) {
            version = health.version
            decisions = health.decisions
            drift = health.drift.map { Drift(feature: $0.feature, psi: $0.stabilityIndex) }
            judgedDecisions = health.outcomes?.decisions ?? 0
            judgedFrauds = health.outcomes?.frauds ?? 0
            calibrationError = health.outcomes?.calibrationError
            coverage = health.outcomes?.coverage.map {
                Coverage(
                    stated: $0.stated, observed: $0.observed, ofFrauds: $0.ofFrauds, ofGenuine: $0.ofGenuine, decidedShare: $0.decidedShare)
            }
        }
    }
}
