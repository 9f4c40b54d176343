import ArgumentParser
import Datasets
import Foundation
import Records
import Training

/// The files that a history is read from.
struct HistoryOptions: ParsableArguments {
    static let help = """
        Files are CSV, NDJSON or a JSON list, gzip or not. A mapping says which column is which field; it is a shipped mapping's name or a \
        .yaml or .json file. Shipped mappings: \(Mapping.shippedNames.joined(separator: ", ")).
        """

    @Option(help: ArgumentHelp("Payments, with their labels where the mapping names them.", valueName: "file"))
    var transactions: String

    @Option(name: [.short, .long], help: ArgumentHelp("Mapping of the transactions.", valueName: "name|file"))
    var mapping = "handbook-transactions"

    @OptionGroup var more: LabelAndPlaceOptions

    func load(_ progress: inout ProgressLine) throws -> PaymentHistory {
        let files = DatasetFiles()
        let rows = try files.transactions(transactions, mapping: mapping, progress: &progress)
        return try more.history(rows, files: files, progress: &progress)
    }
}

/// What is known beside the payments.
struct LabelAndPlaceOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Labels in a file of their own; they replace those of the transactions' file.", valueName: "file"))
    var labels: String?

    @Option(help: ArgumentHelp("Mapping of the labels.", valueName: "name|file"))
    var labelsMapping = "handbook-labels"

    @Option(help: ArgumentHelp("Customers, for the distance from home.", valueName: "file"))
    var customers: String?

    @Option(help: ArgumentHelp("Mapping of the customers.", valueName: "name|file"))
    var customersMapping = "handbook-customers"

    @Option(help: ArgumentHelp("Terminals, for the distance from home.", valueName: "file"))
    var terminals: String?

    @Option(help: ArgumentHelp("Mapping of the terminals.", valueName: "name|file"))
    var terminalsMapping = "handbook-terminals"

    func history(_ rows: [LabelledTransaction], files: DatasetFiles, progress: inout ProgressLine) throws -> PaymentHistory {
        var known = rows.compactMap(\.label)
        if let labels { known = try files.labels(labels, mapping: labelsMapping, progress: &progress) }
        let homes = try customers.map { try Dataset.customers(file: $0, mapping: .load(customersMapping)) } ?? []
        let places = try terminals.map { try Dataset.terminals(file: $0, mapping: .load(terminalsMapping)) } ?? []
        let history = PaymentHistory(transactions: rows.map(\.transaction), labels: known, customers: homes, terminals: places)
        if history.duplicateCount > 0 { progress.note("left out \(history.duplicateCount) payments whose id was there before") }
        return history
    }
}

/// Reads files whole, telling of refused rows.
struct DatasetFiles {
    /// So many refused rows are told one by one.
    private static let maxToldRows = 5

    func transactions(_ file: String, mapping: String, progress: inout ProgressLine) throws -> [LabelledTransaction] {
        var rows: [LabelledTransaction] = []
        try read(file, mapping: mapping, as: .transactions, progress: &progress) { record in
            if case .transaction(let row) = record { rows.append(row) }
        }
        return rows
    }

    func labels(_ file: String, mapping: String, progress: inout ProgressLine) throws -> [Label] {
        var labels: [Label] = []
        try read(file, mapping: mapping, as: .labels, progress: &progress) { record in
            if case .label(let label) = record { labels.append(label) }
        }
        return labels
    }

    private func read(
        _ file: String, mapping name: String, as kind: RecordKind, progress: inout ProgressLine, _ take: (DatasetRecord) -> Void
    ) throws {
        let mapping = try Mapping.load(name)
        guard mapping.kind == kind else {
            throw ValidationError("The mapping \(mapping.name) is for \(mapping.kind.rawValue), not for \(kind.rawValue).")
        }
        let reader = try DatasetReader(file: file, mapping: mapping)
        var rejected = 0
        var count = 0
        while let item = try reader.next() {
            count += 1
            if count % 8_192 == 0 {
                progress.show("reading \(URL(fileURLWithPath: file).lastPathComponent)", fraction: reader.totalBytes.map {
                    Double(reader.bytesRead) / Double(max(1, $0))
                })
            }
            switch item.outcome {
            case .record(let record): take(record)
            case .nothing: break
            case .rejected(let why):
                rejected += 1
                if rejected <= Self.maxToldRows, let first = why.first {
                    progress.note("\(file): row \(item.position.row) is left out: \(first.field) \(first.reason)")
                }
            }
        }
        if rejected > Self.maxToldRows { progress.note("\(file): \(rejected) rows are left out in all") }
    }
}

/// A moment or a day on the command line, ISO 8601.
struct Moment: ExpressibleByArgument {
    let time: Timestamp

    init?(argument: String) {
        guard let time = Timestamp(iso8601: argument) else { return nil }
        self.time = time
    }
}

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case text, json
}
