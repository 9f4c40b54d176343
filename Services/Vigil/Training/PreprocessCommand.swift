import ArgumentParser
import Datasets
import Features
import Foundation
import Records
import Training

/// `vigil preprocess`
struct PreprocessCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "preprocess",
        abstract: "Turn a file of payments into a table of point-in-time features.",
        discussion: """
            One row for each payment, in the order of event times: its id, time and label, then the features as they were known when it \
            was made. A value that was not known is empty.

              vigil preprocess --transactions transactions.csv.gz \\
                  --mapping handbook-transactions --output features.csv

            \(HistoryOptions.help)
            """)

    @OptionGroup var history: HistoryOptions

    @Option(
        help: ArgumentHelp(
            "Which features: all, handbook (those of the Fraud Detection Handbook), or names separated by commas.", valueName: "names"))
    var features = "all"

    @Option(name: [.short, .long], help: ArgumentHelp("The table, CSV.", valueName: "file"))
    var output: String

    func run() throws {
        var progress = ProgressLine()
        let more = history.more
        try OutputPlaces(inputs: history.inputs, files: ["--output": output, "--rejects": more.rejects]).check()
        let set = try chosenFeatures()
        let files = try more.files()
        let payments = try loadPayments(files, &progress)
        let (homes, places) = try more.places(files, progress: &progress)
        if more.complaints != nil { progress.note("--complaints is not read: no feature rests on complaints") }
        LabelAndPlaceOptions.tellDuplicates(payments.duplicateCount, conflicts: payments.conflictCount, [], files, &progress)
        let table = try TableWriter(path: output, header: ["transaction_id", "event_time", "is_fraud"] + set.names)
        let outcomes = payments.outcomes()
        var replay = ColumnReplay(set: set, payments, homes: homes, terminals: places)
        var done = 0
        try replay.run { row, values in
            done += 1
            if done % 8_192 == 0 { progress.show("point-in-time features", fraction: Double(done) / Double(payments.count)) }
            payments.withID(of: row) { table.text($0) }
            table.time(Timestamp(microseconds: payments.times[row]))
            table.flag(outcomes[row])
            table.numbers(values)
            try table.endRow()
        }
        try table.close()
        progress.end()
        progress.note("\(done) payments with \(set.count) features (\(set.name) \(set.version)) in \(output)")
        try files.finish()
    }

    private func loadPayments(_ files: DatasetFiles, _ progress: inout ProgressLine) throws -> PaymentColumns {
        var payments = try files.payments(history.transactions, mapping: history.mapping, progress: &progress)
        if let labels = history.more.labels {
            payments.setLabels(try files.labels(labels, mapping: history.more.labelsMapping, progress: &progress))
        }
        return payments
    }

    private func chosenFeatures() throws -> FeatureSet {
        switch features {
        case "all": return .payments
        case "handbook": return .handbook
        default: break
        }
        let names = features.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        let known = Set(FeatureSet.payments.names)
        if let unknown = names.first(where: { !known.contains($0) }) {
            throw ValidationError("--features: there is no feature `\(unknown)`; `vigil features` lists them.")
        }
        guard !names.isEmpty, Set(names).count == names.count, let set = FeatureSet.payments.selecting(names) else {
            throw ValidationError("--features: name each feature once.")
        }
        return set
    }
}
