import ArgumentParser
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

              vigil preprocess --transactions transactions.csv.gz --mapping handbook-transactions --output features.csv

            \(HistoryOptions.help)
            """)

    @OptionGroup var history: HistoryOptions

    @Option(name: [.short, .long], help: ArgumentHelp("The table, CSV.", valueName: "file"))
    var output: String

    func run() throws {
        var progress = ProgressLine()
        let options = self.history
        try OutputPlaces(inputs: options.inputs, files: ["--output": output, "--rejects": options.more.rejects]).check()
        let files = try options.more.files()
        let history = try options.load(files, mayLackLabels: true, &progress)
        let set = FeatureSet.payments
        let table = try TableFile(path: output, header: ["transaction_id", "event_time", "is_fraud"] + set.names)
        let outcomes = history.outcomes(knownBy: Timestamp(microseconds: .max), labelDelay: set.labelDelay)
        var replay = history.replay(set: set)
        var done = 0
        try replay.run(history.transactions, labels: history.labels) { index, values in
            done += 1
            if done % 8_192 == 0 { progress.show("point-in-time features", fraction: Double(done) / Double(history.transactions.count)) }
            let transaction = history.transactions[index]
            try table.write(
                [transaction.key.transactionID, transaction.eventTime.iso8601, outcomes[index].map { $0 ? "1" : "0" } ?? ""], values)
        }
        try table.close()
        progress.end()
        progress.note("\(done) payments with \(set.count) features (\(set.name) \(set.version)) in \(output)")
        try files.finish()
    }
}

/// A CSV file that is written as it grows.
private final class TableFile {
    private static let bufferBytes = 1 << 20
    private let file: FileHandle
    private var buffer: [UInt8] = []

    init(path: String, header: [String]) throws {
        guard FileManager.default.createFile(atPath: path, contents: nil), let file = FileHandle(forWritingAtPath: path) else {
            throw PlaceFault(description: "\(path) cannot be written")
        }
        self.file = file
        buffer = Array((header.joined(separator: ",") + "\n").utf8)
        buffer.reserveCapacity(Self.bufferBytes + 65_536)
    }

    func write(_ cells: [String], _ values: UnsafeBufferPointer<Double>) throws {
        for (index, cell) in cells.enumerated() {
            if index > 0 { buffer.append(UInt8(ascii: ",")) }
            let needsQuotes = cell.utf8.contains { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\n") }
            buffer.append(contentsOf: (needsQuotes ? "\"" + cell.replacing("\"", with: "\"\"") + "\"" : cell).utf8)
        }
        for value in values {
            buffer.append(UInt8(ascii: ","))
            guard !value.isNaN else { continue }
            let whole = Int64(exactly: value)
            buffer.append(contentsOf: (whole.map { String($0) } ?? value.description).utf8)
        }
        buffer.append(UInt8(ascii: "\n"))
        if buffer.count >= Self.bufferBytes { try flush() }
    }

    func close() throws {
        try flush()
        try file.close()
    }

    private func flush() throws {
        try file.write(contentsOf: buffer)
        buffer.removeAll(keepingCapacity: true)
    }
}
