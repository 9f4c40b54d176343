import Foundation

/// What `vigil import` prints at its end, as text or as one JSON object.
struct ImportResult: Encodable {
    var kind: String
    var file: String
    var mapping: String
    var dryRun: Bool
    /// Rows that an interrupted run had done before.
    var rowsBefore: Int
    var interrupted = false
    var rows = 0
    var acknowledged = 0
    var duplicates = 0
    var rejected = 0
    var empty = 0
    var pending = 0
    var decided = 0
    var ofUnknownTransactions = 0
    var resent = 0
    var seconds = 0.0
    var rowsPerSecond = 0.0
    var rejectsFile: String?
    /// Of earlier runs, whose rows do not come again; they stay until somebody takes them away.
    var earlierRejectsFiles: [String] = []
    /// The first few, each in words; what names a person is masked.
    var firstRejected: [String] = []
    var note: String?
    var error: String?
    /// Whether the same command would go on where this run ended.
    var canGoOn = false

    init(kind: String, file: String, mapping: String, dryRun: Bool, rowsBefore: Int) {
        self.kind = kind
        self.file = file
        self.mapping = mapping
        self.dryRun = dryRun
        self.rowsBefore = rowsBefore
    }

    mutating func finish(_ counts: ImportCounts, seconds: Double) {
        rows = counts.rows
        acknowledged = dryRun ? 0 : counts.acknowledged
        duplicates = counts.duplicates
        rejected = counts.rejected
        empty = counts.empty
        pending = counts.pending
        decided = counts.decided
        ofUnknownTransactions = counts.ofUnknownTransactions ?? 0
        resent = counts.resent
        self.seconds = seconds
        rowsPerSecond = Double(counts.rows - rowsBefore) / max(seconds, 0.001)
    }

    /// 0 all rows are in, 3 some were rejected, 1 failed, 130 interrupted.
    var status: Int32 {
        if error != nil { return 1 }
        if interrupted { return 130 }
        return rejected > 0 ? 3 : 0
    }

    func show(as format: ImportCommand.Format) throws {
        if let error { FileHandle.standardError.write(Data("vigil import: \(error)\n".utf8)) }
        switch format {
        case .json:
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(self), as: UTF8.self))
        case .text:
            for line in lines { print(line) }
        }
        // A schedule's rounds are read as they end, from a file or a pipe too.
        fflush(nil)
    }

    private var lines: [String] {
        let number = ImportProgress.grouped
        let time = seconds < 10 ? "\((seconds * 10).rounded() / 10) s" : ImportProgress.span(seconds: seconds)
        if let note { return [note] }
        var lines = ["\(number(rows)) rows in \(time), \(number(Int(rowsPerSecond))) a second"]
        if dryRun {
            lines.append("  \(number(rows - rejected - empty)) would be sent")
        } else {
            lines.append("  \(number(acknowledged)) acknowledged, of which \(number(duplicates)) were there before")
            if kind == "transactions" { lines.append("  \(number(decided)) decided, \(number(pending)) pending") }
            if ofUnknownTransactions > 0 {
                let count = number(ofUnknownTransactions)
                lines.append("  \(count) are of transactions that came more than 31 days ago or never: are the ids read as theirs were?")
            }
            if resent > 0 { lines.append("  \(number(resent)) sent again after a lost connection") }
        }
        lines.append("  \(number(rejected)) rejected" + (rejectsFile.map { ": \($0)" } ?? ""))
        lines += firstRejected.map { "    \($0)" }
        if let latest = earlierRejectsFiles.first {
            let others = earlierRejectsFiles.count > 1 ? " and \(earlierRejectsFiles.count - 1) more beside it" : ""
            lines.append("  rejects of earlier runs are kept: \(latest)\(others)")
        }
        if empty > 0 {
            let areAll = empty == rows && kind != "labels"
            lines.append(
                areAll
                    ? "  no row is a record: none says what the mapping's `only` asks for, or each what `except` names"
                    : "  \(number(empty)) are no records: left out by the mapping" + (kind == "labels" ? ", or open yet" : ""))
        }
        if interrupted || error != nil, !dryRun {
            let goingOn = error == nil ? "; run the same command again to go on" : "; once that is mended, the same command goes on from here"
            lines.append("not finished" + (canGoOn ? goingOn : ""))
        }
        return lines
    }
}
