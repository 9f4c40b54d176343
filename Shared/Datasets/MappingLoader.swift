import Foundation
import Records
import ShippedMappings
import Yams

extension Mapping {
    /// The names of the mappings that come with Vigil.
    public static var shippedNames: [String] { ShippedMappings.all.keys.sorted() }

    /// The text of a shipped mapping, to copy and change.
    public static func shippedText(_ name: String) -> String? { ShippedMappings.all[name] }

    /// Loads a mapping.
    ///
    /// - Parameter nameOrPath: a shipped name (`handbook-transactions`), or a `.yaml` or `.json` file. A file wins over a shipped name.
    /// - Throws: `DatasetError` with code `mapping`, or `unreadable`; the message names the file, the line and the key.
    public static func load(_ nameOrPath: String) throws(DatasetError) -> Mapping {
        if FileManager.default.fileExists(atPath: nameOrPath) {
            guard let data = FileManager.default.contents(atPath: nameOrPath) else {
                throw DatasetError(.unreadable, "cannot read the mapping \(nameOrPath)")
            }
            guard data.count <= DatasetLimits.maxMappingBytes else {
                throw DatasetError(.mapping, "the mapping \(nameOrPath) is longer than \(DatasetLimits.maxMappingBytes) bytes")
            }
            guard let text = String(validating: data, as: UTF8.self) else {
                throw DatasetError(.mapping, "the mapping \(nameOrPath) is not UTF-8 text")
            }
            return try Mapping(parsing: text, name: nameOrPath)
        }
        let name = nameOrPath.hasSuffix(".yaml") ? String(nameOrPath.dropLast(5)) : nameOrPath
        let isPath = nameOrPath.contains("/") || [".yaml", ".yml", ".json"].contains(where: nameOrPath.hasSuffix)
        if isPath, ShippedMappings.all[name] == nil {
            throw DatasetError(.unreadable, "cannot open the mapping \(nameOrPath): no such file")
        }
        return try shipped(name)
    }

    /// Loads a shipped mapping.
    ///
    /// - Throws: `DatasetError` with code `mapping`, which names those that there are.
    public static func shipped(_ name: String) throws(DatasetError) -> Mapping {
        guard let text = ShippedMappings.all[name] else {
            let near = suggestion(for: name, among: shippedNames).map { "did you mean `\($0)`?" }
            let known = near ?? "shipped are \(shippedNames.joined(separator: ", "))"
            throw DatasetError(.mapping, "there is no mapping \(name); \(known)")
        }
        return try Mapping(parsing: text, name: name)
    }

    /// Reads a mapping from YAML, of which JSON is a part.
    public init(parsing text: String, name: String) throws(DatasetError) {
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            let reason = "\(error)".split(whereSeparator: \.isNewline).joined(separator: " ")
            throw DatasetError(.mapping, "the mapping \(name) is not YAML: \(reason)")
        }
        guard let root else { throw DatasetError(.mapping, "the mapping \(name) is empty") }
        var loader = MappingLoader(name: name)
        self = try loader.mapping(root)
    }
}

/// Turns the YAML tree into a `Mapping` and refuses what it does not know.
private struct MappingLoader {
    let name: String

    func fail(_ node: Node?, _ message: String) -> DatasetError {
        let line = node?.mark.map { ", line \($0.line)" } ?? ""
        return DatasetError(.mapping, "the mapping \(name)\(line): \(message)")
    }

    /// The keys and values of a YAML mapping, refusing keys twice and keys that `known` lacks.
    func entries(_ node: Node, of what: String, known: [String]?) throws(DatasetError) -> [(key: String, node: Node, keyNode: Node)] {
        guard case .mapping(let mapping) = node else { throw fail(node, "\(what) must be a list of `key: value`") }
        var entries: [(key: String, node: Node, keyNode: Node)] = []
        for (keyNode, value) in mapping {
            guard let key = keyNode.scalar?.string else { throw fail(keyNode, "a key of \(what) is not a word") }
            if let known, !known.contains(key) { throw fail(keyNode, "unknown key `\(key)` in \(what)" + hint(for: key, among: known)) }
            if entries.contains(where: { $0.key == key }) { throw fail(keyNode, "the key `\(key)` is in \(what) twice") }
            entries.append((key, value, keyNode))
        }
        return entries
    }

    func text(_ node: Node, _ key: String) throws(DatasetError) -> String {
        guard let scalar = node.scalar else { throw fail(node, "`\(key)` must be one word or text") }
        return scalar.string
    }

    func texts(_ node: Node, _ key: String) throws(DatasetError) -> [String] {
        guard case .sequence(let sequence) = node else { return [try text(node, key)] }
        var texts: [String] = []
        for element in sequence { texts.append(try text(element, key)) }
        return texts
    }

    func flag(_ node: Node, _ key: String) throws(DatasetError) -> Bool {
        switch try text(node, key) {
        case "true", "yes": true
        case "false", "no": false
        default: throw fail(node, "`\(key)` must be true or false")
        }
    }

    func byte(_ node: Node, _ key: String) throws(DatasetError) -> UInt8 {
        let word = try text(node, key)
        let named: [String: Character] = [
            "tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "bar": "|", "pipe": "|", "space": " ", "point": ".",
        ]
        let character = named[word] ?? (word.count == 1 ? AmountText.plainGroups(word).first : nil)
        guard let byte = character?.asciiValue, byte >= 0x20 || byte == 0x09, byte != UInt8(ascii: "\"") else {
            throw fail(node, "`\(key)` must be one character")
        }
        return byte
    }

    mutating func mapping(_ root: Node) throws(DatasetError) -> Mapping {
        let entries = try entries(root, of: "the mapping", known: ["record", "description", "format", "fields", "only", "except"])
        guard let record = entries.first(where: { $0.key == "record" }) else {
            throw fail(root, "`record` is missing: it says what a row is")
        }
        let word = try text(record.node, "record")
        let kinds = RecordKind.allCases.map(\.rawValue)
        guard let kind = RecordKind(rawValue: word) else {
            throw fail(record.node, "there is no record `\(word)`" + hint(for: word, among: kinds))
        }
        var mapping = Mapping(name: name, kind: kind, fields: [])
        for entry in entries {
            switch entry.key {
            case "description": _ = try text(entry.node, "description")
            case "format": mapping.format = try format(entry.node)
            case "fields": mapping.fields = try fields(entry.node, kind)
            case "only": mapping.choice.only = try words(entry.node, of: "`only`")
            case "except": mapping.choice.except = try words(entry.node, of: "`except`")
            default: break
            }
        }
        guard !mapping.fields.isEmpty else { throw fail(root, "`fields` is missing: it says which column is which field") }
        try checkRequired(mapping, root)
        let isReadFromColumns = mapping.fields.contains { !$0.columnNames.isEmpty }
        guard isReadFromColumns else { throw fail(root, "no field is read from a column, so that all rows would say the same") }
        return mapping
    }

    /// Columns, and words that they may say.
    func words(_ node: Node, of what: String) throws(DatasetError) -> [RowChoice.Words] {
        var choice: [RowChoice.Words] = []
        for entry in try entries(node, of: what, known: nil) {
            let words = try texts(entry.node, entry.key).map { $0.trimmingCharacters(in: .whitespaces).lowercased() }
            guard !words.isEmpty else { throw fail(entry.node, "\(what) names no word of the column `\(entry.key)`") }
            choice.append(RowChoice.Words(column: entry.key, words: Set(words)))
        }
        guard !choice.isEmpty else { throw fail(node, "\(what) names no column") }
        return choice
    }

    func checkRequired(_ mapping: Mapping, _ root: Node) throws(DatasetError) {
        let missing = Target.all(for: mapping.kind).filter { $0.isRequired && !mapping.maps($0.name) }.map { "`\($0.name)`" }
        guard missing.isEmpty else { throw fail(root, "\(mapping.kind.rawValue) need the fields \(missing.joined(separator: ", "))") }
        for (one, other) in [("amount", "currency"), ("location.latitude", "location.longitude"), ("home.latitude", "home.longitude")] {
            if mapping.maps(one) != mapping.maps(other) {
                throw fail(root, "`\(mapping.maps(one) ? one : other)` needs the field `\(mapping.maps(one) ? other : one)` beside it")
            }
        }
        if mapping.maps("label.is_fraud") != mapping.maps("label.known_at") {
            throw fail(root, "`label.is_fraud` and `label.known_at` go together")
        }
    }

    func format(_ node: Node) throws(DatasetError) -> FileFormat {
        var format = FileFormat()
        let known = ["type", "delimiter", "encoding", "header", "columns", "missing", "records", "message", "count"]
        for entry in try entries(node, of: "`format`", known: known) {
            switch entry.key {
            case "type": format.kind = try choice(entry.node, "type", FileFormat.Kind.self)
            case "delimiter": format.delimiter = try byte(entry.node, "delimiter")
            case "encoding": format.encoding = try choice(entry.node, "encoding", FileFormat.Encoding.self)
            case "header": format.hasHeader = try flag(entry.node, "header")
            case "columns": format.columns = try texts(entry.node, "columns")
            case "missing": format.missing = try texts(entry.node, "missing")
            case "message": format.message = try text(entry.node, "message")
            case "count": format.count = try text(entry.node, "count")
            default: format.records = JSONPathTree.components(try text(entry.node, "records"))
            }
        }
        if format.hasHeader != format.columns.isEmpty {
            throw fail(node, "`columns` names the columns of a file with `header: false`, and only of such")
        }
        if !format.records.isEmpty, format.kind == nil { format.kind = .json }
        if format.message ?? format.count != nil, format.kind != .xml {
            throw fail(node, "`\(format.message != nil ? "message" : "count")` is for `type: xml`")
        }
        if format.kind != nil, format.kind != .csv, format.encoding != .utf8 {
            throw fail(node, "JSON is always in UTF-8, and XML says itself what it is in")
        }
        return format
    }

    func choice<T: RawRepresentable<String> & CaseIterable>(_ node: Node, _ key: String, _: T.Type) throws(DatasetError) -> T {
        let word = try text(node, key).lowercased()
        guard let value = T(rawValue: word) else {
            throw fail(node, "`\(key): \(word)` is none of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return value
    }

    func fields(_ node: Node, _ kind: RecordKind) throws(DatasetError) -> [FieldMapping] {
        let targets = Target.all(for: kind)
        var fields: [FieldMapping] = []
        for entry in try entries(node, of: "`fields`", known: nil) {
            var target = targets.first { $0.name == entry.key }
            let isAttribute = entry.key.hasPrefix(Target.attributePrefix) && entry.key != Target.attributePrefix
            if kind == .context, isAttribute { target = Target(name: entry.key) }
            guard let target else {
                let known = hint(for: entry.key, among: targets.map(\.name))
                throw fail(entry.keyNode, "\(kind.rawValue) have no field `\(entry.key)`\(known)")
            }
            fields.append(try field(entry.node, target))
        }
        return fields
    }

    func field(_ node: Node, _ target: Target) throws(DatasetError) -> FieldMapping {
        if let scalar = node.scalar { return FieldMapping(target: target.name, source: .columns([scalar.string])) }
        let what = "the field `\(target.name)`"
        let entries = try entries(node, of: what, known: Self.sourceKeys + Self.textKeys + Self.keys(for: target.form))
        let sources = entries.filter { Self.sourceKeys.contains($0.key) }
        guard sources.count == 1 else {
            let many = sources.isEmpty ? "" : ", not several"
            throw fail(node, "\(what) needs one of `column`, `columns`, `path`, `constant`, `row_number`\(many)")
        }
        var field = FieldMapping(target: target.name, source: try source(sources[0].key, sources[0].node))
        for entry in entries where !Self.sourceKeys.contains(entry.key) { try set(entry.key, entry.node, in: &field) }
        try check(field, target, node)
        return field
    }

    static let sourceKeys = ["column", "columns", "path", "constant", "row_number"]
    static let textKeys = ["prefix", "suffix", "separator", "default", "check"]

    static func keys(for form: Target.Form) -> [String] {
        switch form {
        case .text: ["map", "otherwise"]
        case .time: ["format", "zone", "plus"]
        case .amount: ["decimal", "group", "symbol", "unit", "negate"]
        case .currency, .choice: ["map", "otherwise"]
        case .number: ["decimal"]
        case .boolean: ["true_words", "false_words", "unknown"]
        case .merchantCategoryCode, .bic: []
        case .list: ["split"]
        case .area: []
        }
    }

    func source(_ key: String, _ node: Node) throws(DatasetError) -> FieldMapping.Source {
        switch key {
        case "constant": return .constant(try text(node, key))
        case "row_number":
            guard try flag(node, key) else { throw fail(node, "`row_number` must be true") }
            return .rowNumber
        case "columns":
            let columns = try texts(node, key)
            guard !columns.isEmpty else { throw fail(node, "`columns` is empty") }
            return .columns(columns)
        default: return .columns([try text(node, key)])
        }
    }

    func set(_ key: String, _ node: Node, in field: inout FieldMapping) throws(DatasetError) {
        switch key {
        case "prefix": field.prefix = try text(node, key)
        case "suffix": field.suffix = try text(node, key)
        case "separator": field.separator = try text(node, key)
        case "default": field.fallback = try text(node, key)
        case "check": field.check = try choice(node, key, FieldMapping.Check.self)
        case "format": field.timeFormat = try timeFormat(node)
        case "zone": try setZone(node, in: &field)
        case "plus": field.plusMicroseconds = try span(node)
        case "decimal": (field.decimalPoint, field.statesDecimalPoint) = (try byte(node, key), true)
        case "group": field.groupSeparator = try byte(node, key)
        case "symbol":
            field.symbols = try texts(node, key).map(AmountText.plainGroups).sorted { $0.count > $1.count }
            if field.symbols.contains(where: { $0.isEmpty || $0.first == "." || $0.contains { $0.isNumber || "+-, '".contains($0) } }) {
                throw fail(node, "`symbol` must be a currency's sign (€, kr, Rs.), without digits, signs, commas and spaces")
            }
        case "unit":
            switch try text(node, key) {
            case "minor": field.isMinorUnits = true
            case "major": field.isMinorUnits = false
            default: throw fail(node, "`unit` must be major or minor")
            }
        case "negate": field.isNegated = try flag(node, key)
        case "true_words": field.trueWords = try texts(node, key).map { $0.lowercased() }
        case "false_words": field.falseWords = try texts(node, key).map { $0.lowercased() }
        case "unknown":
            guard try text(node, key) == "missing" else { throw fail(node, "`unknown` can only be `missing`") }
            field.ignoresUnknown = true
        case "split": field.listSeparator = try text(node, key)
        case "otherwise": field.otherwise = try text(node, key)
        default:
            for entry in try entries(node, of: "`map`", known: nil) {
                field.words[entry.key.lowercased()] = try text(entry.node, entry.key)
            }
        }
    }

    /// A zone for all rows, or the column in which each names its own.
    func setZone(_ node: Node, in field: inout FieldMapping) throws(DatasetError) {
        guard node.scalar == nil else { return field.zone = try text(node, "zone") }
        let entries = try entries(node, of: "`zone`", known: ["column", "path"])
        guard let column = entries.first, entries.count == 1 else { throw fail(node, "`zone` is a time zone, or `{column: NAME}`") }
        field.zoneColumn = try text(column.node, column.key)
    }

    func timeFormat(_ node: Node) throws(DatasetError) -> FieldMapping.TimeFormat {
        switch try text(node, "format") {
        case "iso8601": .iso8601
        case "unix": .unix(ticksPerSecond: 1)
        case "unix_ms": .unix(ticksPerSecond: 1_000)
        case "unix_us": .unix(ticksPerSecond: 1_000_000)
        case let pattern: .pattern(pattern)
        }
    }

    /// `7d`, `-90m`, `36h`, `1w`, `10s`.
    func span(_ node: Node) throws(DatasetError) -> Int64 {
        let word = try text(node, "plus")
        let seconds: [Character: Int64] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800]
        guard let unit = word.last.flatMap({ seconds[$0] }), let count = Int64(word.dropLast()), abs(count) <= 1_000_000 else {
            throw fail(node, "`plus: \(word)` is no length of time; write a number and s, m, h, d or w, for instance 7d")
        }
        return count * unit * Timestamp.microsecondsPerSecond
    }

    /// What is only wrong when the keys are seen together, or when the value is.
    func check(_ field: FieldMapping, _ target: Target, _ node: Node) throws(DatasetError) {
        if field.check != nil, case .text = target.form {} else if field.check != nil {
            throw fail(node, "`check` is for text, not for `\(target.name)`")
        }
        switch target.form {
        case .time:
            do { _ = try TimeReader(field) } catch { throw fail(node, error.reason) }
        case .choice(let words):
            for word in Array(field.words.values) + [field.otherwise, constant(field)].compactMap({ $0 }) where !words.contains(word) {
                throw fail(node, "`\(word)` is no \(target.name)" + hint(for: word, among: words))
            }
        case .currency:
            if let code = constant(field), Currency(code) == nil { throw fail(node, "`\(code)` is no currency of ISO 4217") }
        case .amount:
            if field.decimalPoint == field.groupSeparator { throw fail(node, "`decimal` and `group` are the same character") }
        default: break
        }
    }

    func constant(_ field: FieldMapping) -> String? {
        if case .constant(let text) = field.source { text } else { nil }
    }
}
