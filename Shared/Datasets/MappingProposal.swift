import Foundation
import Records

/// The mapping that fits an unknown file best, by its columns' names and what is in its first rows; for a person to look at.
public struct MappingProposal: Sendable {
    static let maxRows = 200

    /// The mapping's text. What could not be found is in it as a comment that says so.
    public let yaml: String
    /// Required fields for which no column was found.
    public let open: [String]
    /// How many rows it was proposed from.
    public let rowCount: Int

    /// Whether the file names its columns; a CSV file that begins with data does not.
    public let hasNames: Bool

    /// - Throws: `DatasetError` when the file cannot be read, or has no columns.
    public init(file: String, kind: RecordKind) throws(DatasetError) {
        let sample = try FileSample(file: file, maxRows: Self.maxRows)
        guard !sample.columns.isEmpty else { throw DatasetError(.unsupported, "\(file) has no columns to look at") }
        let choice = ColumnChoice(sample, kind)
        let targets = Target.all(for: kind).filter { !$0.name.hasPrefix("label.") && !$0.name.hasPrefix("reporter.") }
        var chosen: [String: FileSample.Column] = [:]
        for target in targets { chosen[target.name] = choice.column(for: target) }
        // Half a place says nothing, and is refused.
        for place in ["location", "home"] where (chosen["\(place).latitude"] == nil) != (chosen["\(place).longitude"] == nil) {
            chosen["\(place).latitude"] = nil
            chosen["\(place).longitude"] = nil
        }
        var lines: [String] = []
        var open: [String] = []
        for target in targets {
            let isRequired = target.isRequired || target.name == "currency" && chosen["amount"] != nil
            let line = chosen[target.name].map { Self.line(target, $0, chosen["currency"]) } ?? Self.substitute(target)
            if let line, !line.isOpen {
                lines.append("  \(target.name): \(line.text)")
            } else if isRequired {
                open.append(target.name)
                lines.append("  # \(target.name): \(line?.text ?? "which column?") It is required.")
            } else if let line, chosen[target.name] != nil {
                lines.append("  # \(target.name): \(line.text)")
            }
        }
        let used = Set(chosen.values.map(\.name))
        let unused = sample.columns.map(\.name).filter { !used.contains($0) }
        var text = "# Proposed from the first \(sample.rowCount) rows; look at every line.\n"
        if !sample.hasNames { text += "# The file begins with data, not with names: name its columns in their order.\n" }
        text += "record: \(kind.rawValue)\n"
        if let format = sample.formatLine { text += "format: \(format)\n" }
        text += "fields:\n" + lines.joined(separator: "\n") + "\n"
        if !unused.isEmpty { text += "# Not used: \(unused.joined(separator: ", "))\n" }
        yaml = text
        self.open = open
        rowCount = sample.rowCount
        hasNames = sample.hasNames
    }

    // MARK: Writing

    private struct Line {
        var text: String
        /// It is for a person to decide.
        var isOpen = false
    }

    private static func line(_ target: Target, _ column: FileSample.Column, _ currency: FileSample.Column?) -> Line {
        let name = quoted(column.name)
        switch target.form {
        case .time:
            guard let format = ValueStyle.time(column.values), format.key != "iso8601" else { return Line(text: name) }
            return Line(text: "{column: \(name), format: \(quoted(format.key))}" + note(format.note))
        case .amount: return amount(column, currency)
        case .choice(let words):
            let distinct = Set(column.values.map { $0.lowercased() }).sorted()
            if distinct.allSatisfy(words.contains) { return Line(text: name) }
            // A word that is none of them is `other`, where there is that; else only a person knows.
            let other = words.contains("other") ? "other" : nil
            let meanings = distinct.prefix(20).map { (word: $0, meaning: suggestion(for: $0, among: words) ?? other) }
            let map = meanings.map { "\(quoted($0.word)): \($0.meaning ?? quoted("?"))" }
            let rest = other.map { ", otherwise: \($0)" } ?? ""
            let isOpen = distinct.count > meanings.count && other == nil || meanings.contains { $0.meaning == nil }
            return Line(
                text: "{column: \(name), map: {\(map.joined(separator: ", "))}\(rest)}"
                    + note("say which is which: \(words.joined(separator: ", "))"), isOpen: isOpen)
        default: return Line(text: name)
        }
    }

    private static func amount(_ column: FileSample.Column, _ currency: FileSample.Column?) -> Line {
        let name = quoted(column.name)
        let minorNames = ["cents", "cent", "minor", "minorunits", "paise", "pence"]
        if minorNames.contains(where: ColumnNames.plain(column.name).hasSuffix), ValueStyle.areMostly(column.values, { Int64($0) != nil }) {
            return Line(text: "{column: \(name), unit: minor}")
        }
        let decimals = Set(currency?.values.compactMap { Currency($0)?.exponent } ?? [])
        guard let style = ValueStyle.number(column.values, decimals: decimals.count == 1 ? decimals.first.map(Int.init) : nil) else {
            return Line(text: name)
        }
        let text = style.keys.isEmpty ? name : "{column: \(name), \(style.keys)}"
        guard let contradiction = style.contradiction else { return Line(text: text + note(style.note)) }
        return Line(text: text + note("but `\(contradiction)` is written otherwise: which is it?"), isOpen: true)
    }

    private static func note(_ words: String?) -> String { words.map { "   # \($0)" } ?? "" }

    /// What can stand in for a column that is not there, or what a person should think of.
    private static func substitute(_ target: Target) -> Line? {
        switch target.name {
        case "transaction_id", "complaint_id", "signal_id":
            Line(text: "which column? It must be another in each row of all files.", isOpen: true)
        case "currency": Line(text: "{constant: EUR}   # which currency is it?", isOpen: true)
        case "crime_type": Line(text: "{constant: unknown}   # what kind of crime?", isOpen: true)
        case "kind" where target.isRequired:
            if case .choice = target.form {
                Line(text: "{constant: pos}   # pos, atm or online?", isOpen: true)
            } else {
                Line(text: "{constant: unknown}   # what kind of signal?", isOpen: true)
            }
        default: nil
        }
    }

    static func quoted(_ text: String) -> String {
        let isPlain = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "." || $0 == "-") }
        // A bare word may read as a number or as true.
        let isWord = text.first?.isLetter == true && !["true", "false", "yes", "no", "null", "on", "off", "y", "n"].contains(text.lowercased())
        return isPlain && isWord ? text : "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}
