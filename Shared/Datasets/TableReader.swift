public import Records

/// Reads chosen columns of a CSV, NDJSON or JSON file as they are, without a mapping.
///
/// ```swift
/// let table = try TableReader(file: "series.csv", columns: ["timestamp", "value"])
/// while try table.next() {
///     guard let time = table.timestamp(0), let value = table.double(1) else { continue }
/// }
/// ```
///
/// Not to be shared between tasks.
public final class TableReader {
    private enum Rows {
        case csv(CSVRows)
        case lines(JSONLineRows)
        case list(JSONListRows)
        case xml(XMLRows)
    }

    private let window: ByteWindow
    private let rows: Rows
    private let columns: [String]
    private let encoding: FileFormat.Encoding
    /// The cell of each column.
    private let cells: [Int]
    let buffer: RowBuffer
    /// Where a file that is read line by line seems to have a list of rows instead.
    let unreadList: [String]?
    /// Rows that broke the format's rules and were passed over by `next`.
    public private(set) var refusedRows = 0
    /// Told of each such row: where it is, the column at fault where one is, and why.
    public var onRefusedRow: ((RowPosition, _ column: String?, _ reason: String) -> Void)?
    /// The row that `next` read last.
    public private(set) var position = RowPosition(row: 0, line: 0, byteOffset: 0)

    /// - Parameters:
    ///   - file: a path, or `-` for the standard input.
    ///   - columns: column names, or paths in JSON.
    public convenience init(file: String, columns: [String], format: FileFormat = FileFormat()) throws(DatasetError) {
        try self.init(file: file, columns: columns, format: format, mappingName: nil)
    }

    /// - Parameter optional: columns that the file may lack; they have no cell then.
    init(
        file: String, columns: [String], optional: Set<String> = [], format: FileFormat, mappingName: String?
    ) throws(DatasetError) {
        window = ByteWindow(try ByteSource(path: file))
        self.columns = columns
        encoding = format.encoding
        let name = file == "-" ? "the standard input" : file
        let kind = try TableReader.kind(format, window)
        if kind == .ndjson, window.count == 0 { _ = try window.fill() }
        unreadList = kind == .ndjson ? JSONEnvelope.records(in: UnsafeBufferPointer(start: window.bytes, count: window.count)) : nil
        switch kind {
        case .csv:
            let csv = try CSVRows(window, format: format, name: name)
            cells = try TableReader.find(columns, optional: optional, in: csv.header, name: name, mappingName: mappingName)
            buffer = RowBuffer(cellCount: csv.header.count)
            rows = .csv(csv)
        case .ndjson:
            rows = .lines(try JSONLineRows(window, paths: columns))
            cells = Array(columns.indices)
            buffer = RowBuffer(cellCount: columns.count)
        case .json:
            rows = .list(try JSONListRows(window, paths: columns, records: format.records, name: name))
            cells = Array(columns.indices)
            buffer = RowBuffer(cellCount: columns.count)
        case .xml:
            guard !format.records.isEmpty else {
                throw DatasetError(.mapping, "\(name) is XML; say which elements are rows with `records:` in the mapping's format")
            }
            rows = .xml(try XMLRows(window, columns: columns, format: format, name: name))
            cells = Array(columns.indices)
            buffer = RowBuffer(cellCount: columns.count)
        }
    }

    /// The names of a CSV file's columns; empty for JSON.
    public var header: [String] {
        if case .csv(let csv) = rows { csv.header } else { [] }
    }

    /// Moves to the next row that keeps the format's rules; false at the end of the file.
    public func next() throws(DatasetError) -> Bool {
        while true {
            switch try nextEvent() {
            case nil: return false
            case .refused(let position, let column, let reason), .refusedCells(let position, let column, let reason):
                refusedRows += 1
                onRefusedRow?(position, column, reason)
            case .row(let position):
                self.position = position
                return true
            }
        }
    }

    /// Nil when the row has no such value; an empty CSV value is an empty text.
    public func text(_ column: Int) -> String? {
        switch buffer.cells[cells[column]].kind {
        case .missing, .null, .structure: nil
        case .text, .number, .boolean: encoding.decode(trimmed(buffer.value(cells[column])))
        }
    }

    /// Nil when the value is missing or no finite decimal number.
    public func double(_ column: Int) -> Double? {
        switch buffer.cells[cells[column]].kind {
        case .text, .number: readDouble(trimmed(buffer.value(cells[column])))
        default: nil
        }
    }

    /// Nil when the value is missing or no date and time in ISO 8601; UTC where it states no offset.
    public func timestamp(_ column: Int) -> Timestamp? {
        guard buffer.cells[cells[column]].kind == .text else { return nil }
        return Timestamp.parse(iso8601: trimmed(buffer.value(cells[column])))
    }

    public var bytesRead: Int64 { window.bytesRead }
    public var totalBytes: Int64? { window.totalBytes }
    /// What `position.byteOffset` runs up to, as far as can be judged; nil for a pipe.
    public var estimatedUncompressedBytes: Int64? { window.estimatedUncompressedBytes }

    @inline(__always)
    func nextEvent() throws(DatasetError) -> RowEvent? {
        switch rows {
        case .csv(let rows): try rows.next(into: buffer)
        case .lines(let rows): try rows.next(into: buffer)
        case .list(let rows): try rows.next(into: buffer)
        case .xml(let rows): try rows.next(into: buffer)
        }
    }

    func skip(to position: RowPosition) throws(DatasetError) {
        switch rows {
        case .csv(let rows): try rows.skip(to: position)
        case .lines(let rows): try rows.skip(to: position)
        case .list(let rows): try rows.skip(to: position)
        case .xml(let rows): try rows.skip(to: position)
        }
    }

    /// Nil where the file lacks the column.
    func cell(ofColumn name: String) -> Int? { columns.firstIndex(of: name).flatMap { cells[$0] < 0 ? nil : cells[$0] } }

    private static func kind(_ format: FileFormat, _ window: ByteWindow) throws(DatasetError) -> FileFormat.Kind {
        if let kind = format.kind { return kind }
        while window.count < DatasetLimits.chunkBytes / 4, try window.fill() {}
        var index = 0
        if window.count >= 3, window.bytes[0] == 0xEF, window.bytes[1] == 0xBB, window.bytes[2] == 0xBF { index = 3 }
        while index < window.count, isJSONSpace(window.bytes[index]) { index += 1 }
        guard index < window.count else { return .csv }
        switch window.bytes[index] {
        case UInt8(ascii: "["): return .json
        case UInt8(ascii: "{"): return .ndjson
        case UInt8(ascii: "<"): return .xml
        default: return .csv
        }
    }

    /// What is in the first row is told only where it holds names: where a file begins with data, people's numbers stand there.
    private static func remedy(for column: String, in header: [String]) -> String {
        guard header.contains(where: isData) else { return hint(for: column, among: header) }
        return "; its first row holds data, not names: say `format: {header: false, columns: [...]}` in the mapping, with a name for each column"
    }

    /// -1 for an optional column that is not there.
    private static func find(
        _ columns: [String], optional: Set<String>, in header: [String], name: String, mappingName: String?
    ) throws(DatasetError) -> [Int] {
        var cells: [Int] = []
        for column in columns {
            let found = header.indices.filter { header[$0] == column }
            if found.isEmpty, optional.contains(column) {
                cells.append(-1)
                continue
            }
            let place = mappingName.map { "the mapping \($0) names" } ?? "this needs"
            guard let first = found.first else {
                throw DatasetError(.mapping, "\(place) the column `\(column)`, which \(name) lacks" + remedy(for: column, in: header))
            }
            guard found.count == 1 else {
                throw DatasetError(.mapping, "\(place) the column `\(column)`, which \(name) has \(found.count) times")
            }
            cells.append(first)
        }
        return cells
    }
}
