import ArgumentParser
import Features
import Foundation
import Models
import Records
import Training

/// `vigil train`
struct TrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a fraud model on payments from a file, or from the running suite, and write it as a bundle.",
        discussion: """
            The model learns from what was known at --as-of, and from features that only use what was known at each payment:

              vigil train --transactions transactions.csv.gz \\
                  --mapping handbook-transactions --output bundle
              vigil train --from-suite --output bundle
              vigil models upload bundle --promote

            \(HistoryOptions.help)
            """)

    @Option(help: ArgumentHelp("Payments, with their labels where the mapping names them.", valueName: "file"))
    var transactions: String?

    @Option(name: [.short, .long], help: ArgumentHelp("Mapping of the transactions.", valueName: "name|file"))
    var mapping = "handbook-transactions"

    @OptionGroup var more: LabelAndPlaceOptions

    @Flag(help: "Learn from what the running suite has stored.")
    var fromSuite = false

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var tuning: TrainingTuning

    @Option(
        help: ArgumentHelp(
            "How long until a payment without a fraud label is taken for genuine; unless given as the suite's feature store has it, or 7.",
            valueName: "days"))
    var labelDelayDays: Int?

    @Option(
        help: ArgumentHelp(
            "Clock by which night and weekend are told of payments without a zone, east of UTC; unless given the suite's, or 0.",
            valueName: "minutes"))
    var utcOffsetMinutes: Int?

    @Option(help: ArgumentHelp("Learn only what was known by then; the newest payment's time unless given.", valueName: "time"))
    var asOf: Moment?

    @Option(
        help: ArgumentHelp(
            "Train on payments from then on, with earlier ones as history; unless given, after the first third, at most two weeks.",
            valueName: "time"))
    var from: Moment?

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("The bundle's folder: a new or an empty one, or a bundle, which is replaced.", valueName: "dir"))
    var output = "bundle"

    @Option(help: ArgumentHelp("Sign the bundle with this P-256 private key (PEM); `vigil models new-key` makes one.", valueName: "file"))
    var signWith: String?

    @Option(help: ArgumentHelp("Where a report with plots goes: HTML that opens without a network.", valueName: "file"))
    var report: String?

    @Option(help: "text or json: how the result is printed.")
    var format: OutputFormat = .text

    func validate() throws {
        guard fromSuite != (transactions != nil) else { throw ValidationError("Give either --transactions or --from-suite.") }
        guard (0...90).contains(labelDelayDays ?? 0) else { throw ValidationError("--label-delay-days must be 0 to 90.") }
        guard (-720...840).contains(utcOffsetMinutes ?? 0) else { throw ValidationError("--utc-offset-minutes must be -720 to 840.") }
    }

    func run() async throws {
        var progress = ProgressLine()
        try OutputPlaces(
            inputs: [transactions, mapping, signWith] + more.inputs, files: ["--report": report, "--rejects": more.rejects],
            bundle: ("--output", output)
        ).check()
        let signingKey = try signWith.map { try OptionFile.text($0, for: "--sign-with") }
        let files = try more.files()
        let history = try await history(files, &progress)
        guard let first = history.transactions.first?.eventTime, let last = history.transactions.last?.eventTime else {
            throw PlaceFault(description: "\(transactions ?? "the suite"): there are no payments to learn from")
        }
        let asOf = asOf?.time ?? last
        guard asOf >= first else { throw ValidationError("--as-of \(asOf) is before the oldest payment, \(first).") }
        let period = try Self.period(from: from?.time, asOf: asOf, last: last)
        let source = transactions.map { URL(fileURLWithPath: $0).lastPathComponent } ?? "suite"
        let model = try FraudTraining(options: tuning.options(), set: try await featureSet()).fit(
            on: history, period: period, asOf: asOf, source: source, createdAt: .now(),
            progress: { progress.show($0) })
        let bundle = try signingKey.map { try model.bundle.signed(withKey: $0) } ?? model.bundle
        try bundle.write(to: output)
        if let report { try FraudReport(model).write(to: report) }
        if !bundle.isSigned { progress.note(Self.unsigned(output)) }
        progress.end()
        try show(bundle, of: history.transactions.count)
        if let caution = Self.caution(bundle.manifest.training) { progress.note(caution) }
        try files.finish()
    }

    /// What makes a model hardly worth its name; nil where nothing does.
    static func caution(_ training: TrainingRecord) -> String? {
        guard training.frauds < FraudTraining.minFraudsToHoldOut else { return nil }
        return "only \(training.frauds) of the training payments \(training.frauds == 1 ? "is a fraud" : "are frauds"), fewer than "
            + "\(FraudTraining.minFraudsToHoldOut): the model knows little, its metrics are of what it was trained on, and it states no coverage"
    }

    static func unsigned(_ path: String) -> String {
        "the bundle \(path) is not signed: nothing says who made it; see --sign-with. "
            + "vigil models upload signs it on the way where the suite's home has a key"
    }

    /// What to train on; nil for all but the warm-up.
    static func period(from: Timestamp?, asOf: Timestamp, last: Timestamp) throws -> Range<Timestamp>? {
        guard let from else { return nil }
        guard from <= last else { throw ValidationError("--from \(from) is after the newest payment, \(last).") }
        guard from <= asOf else { throw ValidationError("--from \(from) is after --as-of \(asOf).") }
        return from..<(asOf + TimeSpan(microseconds: 1))
    }

    /// As the suite's feature store would compute it by this release.
    private func featureSet() async throws -> FeatureSet {
        let computation = fromSuite ? try await connection.connection().catalogue().computation : nil
        return .payments(
            labelDelay: labelDelayDays.map { .days($0) } ?? .seconds(Int(computation?.labelDelaySeconds ?? 7 * 86_400)),
            utcOffsetSeconds: utcOffsetMinutes.map { $0 * 60 } ?? computation?.utcOffsetSeconds ?? 0)
    }

    private func history(_ files: DatasetFiles, _ progress: inout ProgressLine) async throws -> PaymentHistory {
        guard let transactions else { return try await SuiteHistory(connection: try connection.connection()).load(&progress) }
        let rows = try files.transactions(transactions, mapping: mapping, mayLackLabels: more.labels != nil, progress: &progress)
        return try more.history(rows, files: files, progress: &progress)
    }

    private struct Result: Encodable {
        var version: String
        var bundle: String
        var rows: Int
        var frauds: Int
        var featureSetVersion: String
        var metrics: [String: Double]

        enum CodingKeys: String, CodingKey {
            case version, bundle, rows, frauds, metrics
            case featureSetVersion = "feature_set_version"
        }
    }

    private func show(_ bundle: ModelBundle, of payments: Int) throws {
        let manifest = bundle.manifest
        switch format {
        case .json:
            try JSONLine.print(
                Result(
                    version: bundle.version, bundle: output, rows: manifest.training.rows, frauds: manifest.training.frauds,
                    featureSetVersion: manifest.features.version, metrics: manifest.metrics))
        case .text:
            print("\(bundle.version) in \(output)")
            let training = manifest.training
            if let currencies = training.currencies, currencies.count > 1 {
                print("amounts are in \(currencies.joined(separator: ", ")) and compared as numbers: better train a model for each")
            }
            print("trained on \(training.rows) payments, \(training.frauds) of them fraud, \(training.from) to \(training.to)")
            if training.rows < payments {
                print("the other \(payments - training.rows) are before that and serve as history, or have no label known in time")
            }
            for (name, value) in manifest.metrics.sorted(by: { $0.key < $1.key }) {
                print("\(name.replacing("_", with: " ")): \(Figure.text(value))")
            }
        }
    }
}

/// One JSON value on the standard output.
enum JSONLine {
    static func print(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        FileHandle.standardOutput.write(try encoder.encode(value) + Data("\n".utf8))
    }
}

/// Numbers for people.
enum Figure {
    /// Four decimals; a dash for what has no value.
    static func text(_ value: Double) -> String {
        guard value.isFinite else { return "–" }
        let scaled = (value.magnitude * 10_000).rounded()
        let digits = String(Int(scaled.truncatingRemainder(dividingBy: 10_000)))
        return (value < 0 ? "-" : "") + "\(Int(scaled / 10_000))." + String(repeating: "0", count: 4 - digits.utf8.count) + digits
    }
}
