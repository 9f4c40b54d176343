import ArgumentParser
import Foundation
import Records
import Simulation

/// `vigil simulate`
struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Write a simulated city as files that the other commands read.",
        discussion: """
            For all who have no data of their own yet: payments, terminals, customers, ATMs and complaints of a made-up city in which \
            thieves copy cards at hot terminals, talk victims into transfers, run the money through mules and take it out at ATMs. The \
            same seed gives the same files.

              vigil simulate --output sample
              vigil evaluate fraud --transactions sample/transactions.csv \\
                -m simulated-transactions --start 2026-02-08 \\
                --train-days all --delay-days 7 --test-days 7
              vigil import terminals sample/atms.csv -m simulated-atms
              vigil import transactions sample/transactions.csv \\
                -m simulated-transactions

            The files, and the mappings that read them:

              transactions.csv       handbook-transactions, or all fields by
                                     simulated-transactions; its labels by
                                     handbook-labels or simulated-labels
              terminals.csv          handbook-terminals
              customers.csv          handbook-customers
              atms.csv               simulated-atms
              complaints.csv         simulated-complaints
              jurisdictions.geojson  the districts
              truth/fraud.csv        which payments are fraud, and how it was done
              truth/cash-outs.csv    which withdrawals are which complaint's money

            What is in truth/ is only for judging: nobody but the simulator knows it, and no command reads it.

            Times are UTC, amounts Indian rupees. A label is what the bank came to know: a fraud that nobody reports counts as honest.
            """)

    /// Labels take so long at most.
    private static let maxLabelDelay = TimeSpan.days(21)

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("Folder for the files; it is made, and files of these names are replaced.", valueName: "dir"))
    var output: String

    @Option(help: "What all chance is drawn from.")
    var seed: UInt64 = 2026

    @Option(help: "Bank customers, 10 to 100,000.")
    var customers = 1_000

    @Option(help: "Shops, 10 to 20,000.")
    var shops = 500

    @Option(help: "ATMs, 8 to 5,000.")
    var atms = 120

    @Option(help: "Days, 1 to 730.")
    var days = 60

    @Option(help: ArgumentHelp("First day, YYYY-MM-DD. The last must be three weeks ago, when all labels are known.", valueName: "day"))
    var start = Moment(time: Timestamp(CivilTime(year: 2026, month: 1, day: 1)))

    @Option(help: "text or json: how the result is printed.")
    var format: OutputFormat = .text

    func validate() throws {
        guard (10...100_000).contains(customers) else { throw ValidationError("--customers must be 10 to 100000.") }
        guard (10...20_000).contains(shops) else { throw ValidationError("--shops must be 10 to 20000.") }
        guard (8...5_000).contains(atms) else { throw ValidationError("--atms must be 8 to 5000.") }
        guard (1...730).contains(days) else { throw ValidationError("--days must be 1 to 730.") }
        guard start.time.microseconds % Timestamp.microsecondsPerDay == 0 else { throw ValidationError("--start must be a day.") }
        guard start.time + .days(days) + Self.maxLabelDelay <= .now() else {
            throw ValidationError("--start must be at least \(days) days of simulation and 21 days of label delay ago.")
        }
    }

    func run() throws {
        try OutputPlaces.requireFolder(output)
        var progress = ProgressLine()
        let configuration = WorldConfiguration(
            start: start.time, seed: seed, days: days, customers: customers, shops: shops, atms: atms)
        let world = World(configuration) { progress.show("simulating", fraction: $0) }
        let files = try WorldFiles(world: world, directory: output).write { progress.show("writing", fraction: $0) }
        progress.end()
        let frauds = world.labels.count { $0.isFraud }
        switch format {
        case .json:
            try JSONLine.print(
                Result(
                    seed: seed, from: start.time.iso8601, to: (start.time + .days(days)).iso8601, output: output,
                    rows: Dictionary(uniqueKeysWithValues: files.map { ($0.name, $0.rows) }), labelledFrauds: frauds))
        case .text:
            for file in files { print("\(output)/\(file.name): \(file.rows) rows") }
            print("\(start.time) to \(start.time + .days(days)); \(frauds) payments are labelled as fraud")
        }
    }

    private struct Result: Encodable {
        let seed: UInt64
        let from: String
        let to: String
        let output: String
        /// By file.
        let rows: [String: Int]
        let labelledFrauds: Int

        enum CodingKeys: String, CodingKey {
            case seed, from, to, output, rows
            case labelledFrauds = "labelled_frauds"
        }
    }
}

extension Moment {
    init(time: Timestamp) { self.time = time }

    var defaultValueDescription: String { String(time.iso8601.prefix(10)) }
}
