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

        Rows that cannot be read are left out; the first ten are named on the standard error, all of them in the file of --rejects. Exit \
        status: 0 all rows were read, 3 some were left out (the result is written), another: nothing was done.
        """

    @Option(help: ArgumentHelp("Payments, with their labels where the mapping names them.", valueName: "file"))
    var transactions: String

    @Option(name: [.short, .long], help: ArgumentHelp("Mapping of the transactions.", valueName: "name|file"))
    var mapping = "handbook-transactions"

    @OptionGroup var more: LabelAndPlaceOptions

    /// What the command reads.
    var inputs: [String?] { [transactions, mapping] + more.inputs }

    /// - Parameter mayLackLabels: whether the payments' file may have no column of labels. With --labels it always may.
    func load(_ files: DatasetFiles, mayLackLabels: Bool = false, _ progress: inout ProgressLine) throws -> PaymentHistory {
        let rows = try files.transactions(
            transactions, mapping: mapping, mayLackLabels: mayLackLabels || more.labels != nil, progress: &progress)
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

    @Option(help: ArgumentHelp("Complaints, for the risk of places.", valueName: "file"))
    var complaints: String?

    @Option(help: ArgumentHelp("Mapping of the complaints.", valueName: "name|file"))
    var complaintsMapping = "simulated-complaints"

    @Option(help: ArgumentHelp("Where all rows that are left out go, with the reasons, CSV.", valueName: "file"))
    var rejects: String?

    var inputs: [String?] { [labels, labelsMapping, customers, customersMapping, terminals, terminalsMapping, complaints, complaintsMapping] }

    func files() throws -> DatasetFiles { try DatasetFiles(rejects: rejects) }

    func history(_ rows: [LabelledTransaction], files: DatasetFiles, progress: inout ProgressLine) throws -> PaymentHistory {
        var known = rows.compactMap(\.label)
        if let labels { known = try files.labels(labels, mapping: labelsMapping, progress: &progress) }
        let (homes, places) = try places(files, progress: &progress)
        var history = PaymentHistory(transactions: rows.map(\.transaction), labels: known, homes: homes, terminals: places)
        if let complaints {
            history.incidents = try files.complaints(complaints, mapping: complaintsMapping, progress: &progress).compactMap {
                KnownIncident($0)
            }
        }
        let ids = history.conflicts.map(\.transactionID)
        Self.tellDuplicates(history.duplicateCount, conflicts: ids.count, ids, files, &progress)
        return history
    }

    /// So many payments that contradict an earlier one are named.
    private static let maxToldConflicts = 5

    /// - Parameter ids: of those that contradict an earlier one, as far as they are known.
    static func tellDuplicates(_ count: Int, conflicts: Int, _ ids: [String], _ files: DatasetFiles, _ progress: inout ProgressLine) {
        if count > conflicts {
            progress.note("\(count - conflicts) payments came twice (same bank and id); the first of each counts, with the label given last")
        }
        guard conflicts > 0 else { return }
        let named = ids.prefix(maxToldConflicts).joined(separator: ", ") + (ids.count > maxToldConflicts ? ", …" : "")
        progress.note(
            "\(conflicts) payments are left out: they have the bank and id of an earlier one and say something else"
                + (named.isEmpty ? "" : ": \(named)"))
        files.leaveOut(conflicts)
    }

    /// Where customers live and terminals stand.
    func places(
        _ files: DatasetFiles, progress: inout ProgressLine
    ) throws -> (homes: [String: Coordinate], terminals: [String: Coordinate]) {
        var homes: [String: Coordinate] = [:]
        var places: [String: Coordinate] = [:]
        if let customers {
            for customer in try files.customers(customers, mapping: customersMapping, progress: &progress) {
                homes[customer.customerID] = customer.home
            }
        }
        if let terminals {
            for terminal in try files.terminals(terminals, mapping: terminalsMapping, progress: &progress) {
                places[terminal.terminalID] = terminal.location
            }
        }
        return (homes, places)
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
