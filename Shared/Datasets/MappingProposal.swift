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

    /// - Throws: `DatasetError` when the file cannot be read, or has no columns.
    public init(file: String, kind: RecordKind) throws(DatasetError) {
        let sample = try FileSample(file: file, maxRows: Self.maxRows)
        guard !sample.columns.isEmpty else { throw DatasetError(.unsupported, "\(file) has no columns to look at") }
        var lines: [String] = []
        var open: [String] = []
        let isMoneyKnown = Self.column(for: "amount", form: .amount, in: sample) != nil
        for target in Target.all(for: kind) where !target.name.hasPrefix("label.") && !target.name.hasPrefix("reporter.") {
            let found = Self.column(for: target.name, form: target.form, in: sample)
            if let found, let line = Self.line(target, found) {
                lines.append("  \(target.name): \(line)")
            } else if let line = Self.substitute(target, isMoneyKnown: isMoneyKnown) {
                lines.append("  \(target.name): \(line)")
            } else if target.isRequired {
                open.append(target.name)
                lines.append("  # \(target.name): which column? It is required.")
            }
        }
        // Half a place says nothing, and is refused.
        for place in ["location", "home"] {
            let parts = lines.indices.filter { lines[$0].hasPrefix("  \(place).") }
            if parts.count == 1 { lines.remove(at: parts[0]) }
        }
        let unused = sample.columns.map(\.name).filter { name in !lines.contains { $0.contains(Self.quoted(name)) } }
        var text = "# Proposed from the first \(sample.rowCount) rows; look at every line.\nrecord: \(kind.rawValue)\n"
        if let format = sample.formatLine { text += "format: \(format)\n" }
        text += "fields:\n" + lines.joined(separator: "\n") + "\n"
        if !unused.isEmpty { text += "# Not used: \(unused.joined(separator: ", "))\n" }
        yaml = text
        self.open = open
        rowCount = sample.rowCount
    }

    // MARK: Choosing

    /// A column by its own name first, then by the last part of its path, then by what its name contains, among those whose values fit.
    private static func column(for target: String, form: Target.Form, in sample: FileSample) -> FileSample.Column? {
        let fitting = sample.columns.filter { fits($0, form, target) }
        for name in ColumnNames.of(target) {
            if let column = fitting.first(where: { ColumnNames.plain($0.name) == name || ColumnNames.plain($0.leaf) == name }) { return column }
        }
        for name in ColumnNames.of(target).prefix(3) where name.count >= 5 {
            if let column = fitting.first(where: { ColumnNames.plain($0.name).contains(name) }) { return column }
        }
        return nil
    }

    private static func fits(_ column: FileSample.Column, _ form: Target.Form, _ target: String) -> Bool {
        let values = column.values
        guard !values.isEmpty || column.isArea else { return false }
        switch form {
        case .text, .choice, .list: return true
        case .time: return timeFormat(values) != nil
        case .amount: return numberStyle(values) != nil
        case .number:
            let limit = target.hasSuffix("latitude") ? 90.0 : target.hasSuffix("longitude") ? 180 : .infinity
            return areMostly(values) { Double($0).map { abs($0) <= limit } ?? false }
        case .currency: return areMostly(values) { Currency($0) != nil }
        case .boolean:
            let words: Set = ["1", "true", "t", "yes", "y", "0", "false", "f", "no", "n"]
            return areMostly(values) { words.contains($0.lowercased()) }
        case .merchantCategoryCode: return areMostly(values) { MerchantCategoryCode($0) != nil }
        case .bic: return areMostly(values) { BIC($0) != nil }
        case .area: return column.isArea
        }
    }

    /// Four in five: a bad value among them is for the import to refuse, and must not hide what the column is.
    private static func mostOf(_ values: [String]) -> Int { (values.count * 4 + 4) / 5 }

    private static func areMostly(_ values: [String], _ fit: (String) -> Bool) -> Bool { values.count(where: fit) >= mostOf(values) }

    // MARK: Writing

    private static func line(_ target: Target, _ column: FileSample.Column) -> String? {
        let name = quoted(column.name)
        switch target.form {
        case .time:
            guard let format = timeFormat(column.values) else { return nil }
            return format.key == "iso8601" ? name : "{column: \(name), format: \(quoted(format.key))}" + (format.note.map { "   # \($0)" } ?? "")
        case .amount:
            guard let style = numberStyle(column.values) else { return nil }
            return style.isEmpty ? name : "{column: \(name), \(style)}"
        case .choice(let words):
            let distinct = Set(column.values.map { $0.lowercased() }).sorted()
            if distinct.allSatisfy(words.contains) { return name }
            let map = distinct.prefix(20).map { "\(quoted($0)): \(suggestion(for: $0, among: words) ?? words.last ?? "")" }
            return "{column: \(name), map: {\(map.joined(separator: ", "))}, otherwise: \(words.last ?? "")}   # say which is which"
        default: return name
        }
    }

    /// What can stand in for a column that is not there.
    private static func substitute(_ target: Target, isMoneyKnown: Bool) -> String? {
        switch target.name {
        case "transaction_id", "complaint_id", "signal_id": "{row_number: true}   # no column of names was found"
        case "currency" where isMoneyKnown || target.isRequired: "{constant: EUR}   # which currency is it?"
        case "crime_type": "{constant: unknown}   # what kind of crime?"
        case "kind" where target.isRequired:
            if case .choice = target.form { "{constant: pos}   # pos, atm or online?" } else { "{constant: unknown}   # what kind of signal?" }
        default: nil
        }
    }

    static func quoted(_ text: String) -> String {
        let isPlain = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "." || $0 == "-") }
        // A bare word may read as a number or as true.
        let isWord = text.first?.isLetter == true && !["true", "false", "yes", "no", "null", "on", "off", "y", "n"].contains(text.lowercased())
        return isPlain && isWord ? text : "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }

    private static let patterns = [
        "yyyy/MM/dd HH:mm:ss", "dd/MM/yyyy HH:mm:ss", "MM/dd/yyyy HH:mm:ss", "dd/MM/yyyy HH:mm", "MM/dd/yyyy HH:mm", "MM/dd/yyyy hh:mm:ss a",
        "dd-MM-yyyy HH:mm:ss", "dd.MM.yyyy HH:mm:ss", "dd.MM.yyyy HH:mm", "dd MMM yyyy HH:mm:ss", "dd/MM/yyyy", "MM/dd/yyyy", "dd.MM.yyyy",
        "dd-MM-yyyy", "dd-MMM-yyyy", "yyyy/MM/dd", "yyyyMMdd",
    ]

    /// The first format that reads all values, or else most of them.
    private static func timeFormat(_ values: [String]) -> (key: String, note: String?)? {
        timeFormat(values, least: values.count) ?? timeFormat(values, least: mostOf(values))
    }

    private static func timeFormat(_ values: [String], least: Int) -> (key: String, note: String?)? {
        func reads(_ format: FieldMapping.TimeFormat) -> Bool {
            var field = FieldMapping(target: "time", source: .rowNumber)
            field.timeFormat = format
            guard let reader = try? TimeReader(field) else { return false }
            let read = values.count { value in
                var value = value
                return value.withUTF8 { reader.read($0) != nil }
            }
            return read >= least
        }
        let counted = values.filter { $0.count >= 9 && $0.allSatisfy(\.isNumber) && Int64($0) != nil }
        if counted.count >= least, let longest = counted.map(\.count).max() {
            switch longest {
            case 9...10: return ("unix", nil)
            case 12...13: return ("unix_ms", nil)
            case 15...16: return ("unix_us", nil)
            default: break
            }
        }
        if reads(.iso8601) { return ("iso8601", nil) }
        let fitting = patterns.filter { reads(.pattern($0)) }
        guard let first = fitting.first else { return nil }
        let isAmbiguous = fitting.contains { $0.hasPrefix("dd/MM") } && fitting.contains { $0.hasPrefix("MM/dd") }
        return (first, isAmbiguous ? "or MM/dd: no value tells" : nil)
    }

    /// What a mapping must say of numbers written so: empty for plain ones, nil for what are none.
    private static func numberStyle(_ values: [String]) -> String? {
        numberStyle(values, least: values.count) ?? numberStyle(values, least: mostOf(values))
    }

    private static func numberStyle(_ values: [String], least: Int) -> String? {
        func are(decimal: Character, group: Character) -> Bool {
            let fitting = values.count { value in
                let parts = value.drop { $0 == "-" || $0 == "+" }.split(separator: decimal, omittingEmptySubsequences: false)
                let groups = parts.first?.split(separator: group, omittingEmptySubsequences: false) ?? []
                let areDigits = (groups + parts.dropFirst()).allSatisfy { !$0.isEmpty && $0.allSatisfy(\.isNumber) }
                return areDigits && parts.count <= 2 && groups.dropFirst().allSatisfy { $0.count == 3 }
            }
            return fitting >= least
        }
        if values.count(where: { Double($0) != nil }) >= least { return "" }
        if are(decimal: ".", group: ",") { return "group: \",\"" }
        if are(decimal: ",", group: ".") { return values.contains { $0.contains(".") } ? "decimal: \",\", group: \".\"" : "decimal: \",\"" }
        return nil
    }
}

/// A file's columns with the values of its first rows.
struct FileSample {
    struct Column {
        let name: String
        /// Not empty ones.
        var values: [String] = []
        /// It holds a Polygon or MultiPolygon of GeoJSON.
        var isArea = false

        /// The last part of a path.
        var leaf: String { name.split(separator: ".").last.map(String.init) ?? name }
    }

    private(set) var columns: [Column] = []
    private(set) var rowCount = 0
    /// What a mapping must say of the file.
    private(set) var formatLine: String?

    init(file: String, maxRows: Int) throws(DatasetError) {
        let start = try Self.start(of: file)
        var format = FileFormat()
        // What is no UTF-8 up to its last whole line was written by a program for Windows.
        let lines = start.lastIndex(of: UInt8(ascii: "\n")).map { start[...$0] } ?? start[...]
        if String(validating: lines, as: UTF8.self) == nil { format.encoding = .windows1252 }
        let header = try TableReader(file: file, columns: [], format: format).header
        if header.isEmpty {
            try readJSON(file, start, maxRows)
        } else {
            if format.encoding != .utf8 { formatLine = "{encoding: \(format.encoding.rawValue)}" }
            // A column whose name comes twice cannot be mapped.
            let names = header.filter { name in !name.isEmpty && header.filter { $0 == name }.count == 1 }
            try readRows(file, names, format, maxRows)
        }
    }

    private mutating func readRows(_ file: String, _ names: [String], _ format: FileFormat, _ maxRows: Int) throws(DatasetError) {
        columns = names.map { Column(name: $0) }
        let table = try TableReader(file: file, columns: names, format: format)
        while rowCount < maxRows, try table.next() {
            rowCount += 1
            for index in names.indices {
                if let value = table.text(index), !value.isEmpty { columns[index].values.append(value) }
            }
        }
    }

    private static func start(of file: String) throws(DatasetError) -> [UInt8] {
        let window = ByteWindow(try ByteSource(path: file))
        while window.count < DatasetLimits.chunkBytes, try window.fill() {}
        return Array(UnsafeBufferPointer(start: window.bytes, count: window.count))
    }

    private mutating func readJSON(_ file: String, _ start: [UInt8], _ maxRows: Int) throws(DatasetError) {
        var format = FileFormat(kind: start.first { !isJSONSpace($0) } == UInt8(ascii: "[") ? .json : .ndjson)
        if let records = start.withUnsafeBufferPointer({ JSONEnvelope.records(in: $0) }) {
            format = FileFormat(kind: .json, records: records)
            formatLine = "{records: \(MappingProposal.quoted(JSONEnvelope.text(records)))}"
        }
        var first: Any?
        if format.kind == .json {
            let rows = try JSONListRows(ByteWindow(try ByteSource(path: file)), paths: [], records: format.records, name: file)
            if try rows.next(into: RowBuffer(cellCount: 0)) != nil { first = Self.object(Array(rows.currentBytes)) }
        } else if let line = start.split(separator: UInt8(ascii: "\n")).first {
            first = Self.object(Array(line))
        }
        guard let first else { throw DatasetError(.unsupported, "\(file) has no JSON objects to look at") }
        let paths = Self.paths(first, "")
        try readRows(file, paths.filter { !$0.isArea }.map(\.name).sorted(), format, maxRows)
        columns += paths.filter(\.isArea).map { Column(name: $0.name, isArea: true) }
    }

    private static func object(_ bytes: [UInt8]) -> [String: Any]? {
        (try? JSONSerialization.jsonObject(with: Data(bytes))) as? [String: Any]
    }

    /// The values below one, by their paths; an area is one, however many numbers it has.
    private static func paths(_ value: Any, _ prefix: String) -> [(name: String, isArea: Bool)] {
        func path(_ key: String) -> String { prefix.isEmpty ? key : "\(prefix).\(key)" }
        if let object = value as? [String: Any] {
            if ["Polygon", "MultiPolygon"].contains(object["type"] as? String), object["coordinates"] != nil { return [(prefix, true)] }
            return object.flatMap { paths($0.value, path($0.key)) }
        }
        if let list = value as? [Any] { return list.prefix(4).enumerated().flatMap { paths($0.element, path("\($0.offset)")) } }
        return [(prefix, false)]
    }
}
