import Foundation

/// A file's columns with the values of its first rows.
struct FileSample {
    struct Column {
        let name: String
        /// One of each row; empty where it has none.
        private(set) var cells: [String] = []
        /// Those that are not empty.
        private(set) var values: [String] = []
        /// Some are texts, as all of CSV are; the numbers of JSON are written in one way only, whatever they look like.
        var hasTexts = false
        /// It holds a Polygon or MultiPolygon of GeoJSON.
        var isArea = false

        /// The last part of a path.
        var leaf: String { parts.last ?? name }
        /// Whom a path's `id` at the end names: `account` in `debtor.account.id`.
        var owner: String? { parts.count > 1 && leaf.lowercased() == "id" ? parts[parts.count - 2] : nil }
        private var parts: [String] { name.split { $0 == "." || $0 == "/" && name.first == "/" }.map(String.init) }

        mutating func append(_ cell: String) {
            cells.append(cell)
            if !cell.isEmpty { values.append(cell) }
        }

        /// As a mapping joins its values with another's.
        func joined(with other: Column) -> Column {
            var column = Column(name: name)
            for (one, next) in zip(cells, other.cells) { column.append([one, next].filter { !$0.isEmpty }.joined(separator: " ")) }
            return column
        }
    }

    private(set) var columns: [Column] = []
    private(set) var rowCount = 0
    /// What a mapping must say of the file.
    private(set) var formatLine: String?
    /// False for a CSV file that begins with data; its columns are numbered then.
    private(set) var hasNames = true
    /// Whoever writes semicolons between values does so because of their decimal commas.
    private(set) var isOfCommas = false

    init(file: String, maxRows: Int) throws(DatasetError) {
        let start = try Self.start(of: file)
        var format = FileFormat()
        // What is no UTF-8 up to its last whole line was written by a program for Windows.
        let lines = start.lastIndex(of: UInt8(ascii: "\n")).map { start[...$0] } ?? start[...]
        if String(validating: lines, as: UTF8.self) == nil {
            format.encoding = .windows1252
            guard !lines.contains(where: FileFormat.Encoding.isFreeInWindows1252) else {
                let example = "iconv -f SHIFT_JIS -t UTF-8"
                throw DatasetError(.unsupported, "\(file) is neither in UTF-8 nor in Windows-1252; convert it to UTF-8 first (as by \(example))")
            }
        }
        let header = try TableReader(file: file, columns: [], format: format).header
        isOfCommas = !header.isEmpty && start.withUnsafeBufferPointer { CSVRows.likelyDelimiter($0) } == UInt8(ascii: ";")
        if header.isEmpty {
            try readJSON(file, start, maxRows)
        } else {
            var keys = format.encoding == .utf8 ? [] : ["encoding: \(format.encoding.rawValue)"]
            if header.contains(where: isData) {
                hasNames = false
                format.hasHeader = false
                format.columns = header.indices.map { "column\($0 + 1)" }
                keys.append("header: false, columns: [\(format.columns.joined(separator: ", "))]")
            }
            if !keys.isEmpty { formatLine = "{\(keys.joined(separator: ", "))}" }
            let heads = hasNames ? header : format.columns
            // A column whose name comes twice cannot be mapped.
            let names = heads.filter { name in !name.isEmpty && heads.filter { $0 == name }.count == 1 }
            try readRows(file, names, format, maxRows)
        }
    }

    private mutating func readRows(_ file: String, _ names: [String], _ format: FileFormat, _ maxRows: Int) throws(DatasetError) {
        columns = names.map { Column(name: $0) }
        let table = try TableReader(file: file, columns: names, format: format)
        while rowCount < maxRows, try table.next() {
            rowCount += 1
            for index in names.indices {
                columns[index].append(table.text(index) ?? "")
                if let cell = table.cell(ofColumn: names[index]), case .text = table.buffer.cells[cell].kind { columns[index].hasTexts = true }
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
        let paths = Self.paths(first, []).map { (name: JSONEnvelope.text($0.keys), isArea: $0.isArea) }
        try readRows(file, paths.filter { !$0.isArea }.map(\.name).sorted(), format, maxRows)
        columns += paths.filter(\.isArea).map { Column(name: $0.name, isArea: true) }
    }

    private static func object(_ bytes: [UInt8]) -> [String: Any]? {
        (try? JSONSerialization.jsonObject(with: Data(bytes))) as? [String: Any]
    }

    /// The values below one, by the keys that lead to them; an area is one, however many numbers it has.
    private static func paths(_ value: Any, _ keys: [String]) -> [(keys: [String], isArea: Bool)] {
        if let object = value as? [String: Any] {
            if ["Polygon", "MultiPolygon"].contains(object["type"] as? String), object["coordinates"] != nil { return [(keys, true)] }
            return object.flatMap { paths($0.value, keys + [$0.key]) }
        }
        if let list = value as? [Any] { return list.prefix(4).enumerated().flatMap { paths($0.element, keys + ["\($0.offset)"]) } }
        return [(keys, false)]
    }
}
