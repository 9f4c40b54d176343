/// Rows of comma-separated values: RFC 4180, and the forms that are met in practice. The delimiter may be another; lines end in LF or
/// CRLF; a byte order mark is left out; quotes inside an unquoted value are plain characters; blank lines are left out.
///
/// A row that breaks the rules costs one line: reading goes on at the line after the one on which it began, so that one quote too many does
/// not swallow what follows.
final class CSVRows {
    private(set) var header: [String]
    private let window: ByteWindow
    private let delimiter: UInt8
    private let checksUTF8: Bool
    private let scratch: RowBuffer
    private var row = 0
    private var line = 1

    private enum Scan {
        case row(length: Int, fields: Int, spansLines: Bool)
        case blank(length: Int)
        case fault(String)
        case end
    }

    init(_ window: ByteWindow, format: FileFormat, name: String) throws(DatasetError) {
        self.window = window
        checksUTF8 = format.encoding == .utf8
        while window.count < 3, try window.fill() {}
        if window.count >= 3, window.bytes[0] == 0xEF, window.bytes[1] == 0xBB, window.bytes[2] == 0xBF {
            guard checksUTF8 else {
                throw DatasetError(.unsupported, "\(name) begins with UTF-8's byte order mark, and the mapping says `encoding: \(format.encoding.rawValue)`")
            }
            window.consume(3)
        }
        while window.count < DatasetLimits.chunkBytes / 4, try window.fill() {}
        let start = UnsafeBufferPointer(start: window.bytes, count: window.count)
        guard start.contains(UInt8(ascii: "\n")) || !start.dropLast().contains(UInt8(ascii: "\r")) else {
            throw DatasetError(
                .unsupported, "the lines of \(name) end in carriage returns alone, as on old Macs; make them line feeds: tr '\\r' '\\n'")
        }
        let named = CSVRows.namedDelimiter(start)
        delimiter = format.delimiter ?? named?.delimiter ?? CSVRows.likelyDelimiter(start)
        if let named {
            window.consume(named.length)
            line = 2
        }
        scratch = RowBuffer(cellCount: 64)
        header = []
        self.header = try readHeader(format, name: name)
    }

    /// What a first line `sep=;` says, by which Excel knows the delimiter.
    private static func namedDelimiter(_ start: UnsafeBufferPointer<UInt8>) -> (delimiter: UInt8, length: Int)? {
        guard let end = start.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let line = start[..<end].last == UInt8(ascii: "\r") ? start[..<(end - 1)] : start[..<end]
        guard line.count == 5, line.prefix(4).elementsEqual("sep=".utf8, by: { $0 | 0x20 == $1 | 0x20 }), let delimiter = line.last else { return nil }
        return (delimiter, end + 1)
    }

    /// The number of rows read so far.
    var rowsRead: Int { row }

    /// Goes on from a row that an earlier run met.
    func skip(to position: RowPosition) throws(DatasetError) {
        try window.skip(to: position.byteOffset)
        row = position.row - 1
        line = position.line
    }

    /// Nil at the end of the file. Cells are numbered as the header's columns.
    func next(into buffer: RowBuffer) throws(DatasetError) -> RowEvent? {
        while true {
            if pendingLength > 0 {
                window.consume(pendingLength)
                pendingLength = 0
            }
            switch try scan(into: buffer, columns: header.count) {
            case .end: return nil
            case .blank(let length):
                window.consume(length)
                line += 1
            case .fault(let reason):
                return try refuseLine(reason, column: nil)
            case .row(let length, let fields, let spansLines):
                guard fields == header.count else {
                    let reason = "has \(fields) \(fields == 1 ? "value" : "values") where the header has \(header.count) columns"
                    return try refuseLine(reason, column: fields < header.count ? header[fields] : "column \(header.count + 1)")
                }
                buffer.bytes = window.bytes
                if spansLines, let column = (0..<fields).first(where: { holdsRows(buffer.slice(buffer.cells[$0])) }) {
                    return try refuseLine("has a quote that is closed only after whole rows", column: header[column])
                }
                let position = RowPosition(row: row + 1, line: line, byteOffset: window.offset)
                row += 1
                line += spansLines ? lineFeeds(length) : 1
                pendingLength = length
                let bytes = UnsafeBufferPointer<UInt8>(start: window.bytes, count: length)
                if let fault = textFault(bytes, checksUTF8: checksUTF8) {
                    let column = header.indices.first { textFault(buffer.slice(buffer.cells[$0]), checksUTF8: checksUTF8) != nil }
                    return .refusedCells(position, column: column.map { header[$0] }, reason: fault)
                }
                return .row(position)
            }
        }
    }

    /// The bytes of the row handed out last: they stay until the next is asked for.
    private var pendingLength = 0

    /// - Parameter column: the first that is missing, or that the header does not have.
    private func refuseLine(_ reason: String, column: String?) throws(DatasetError) -> RowEvent {
        let position = RowPosition(row: row + 1, line: line, byteOffset: window.offset)
        row += 1
        line += 1
        try window.skipLine(from: 0)
        return .refused(position, column: column, reason: reason)
    }

    /// Whether most lines within a value have as many columns as the file: then a quote that begins nothing has met one further on, and all
    /// rows between would be lost. A text of several lines is not like that, but where columns are few, its commas may be as many.
    private func holdsRows(_ value: UnsafeBufferPointer<UInt8>) -> Bool {
        guard header.count > 4 else { return false }
        let lines = value.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropFirst().dropLast()
        let alike = lines.count { line in line.count { $0 == delimiter } == header.count - 1 }
        return lines.count > 1 && 2 * alike > lines.count
    }

    private func lineFeeds(_ length: Int) -> Int {
        var count = 0
        for index in 0..<length where window.bytes[index] == UInt8(ascii: "\n") { count += 1 }
        return count
    }

    private func readHeader(_ format: FileFormat, name: String) throws(DatasetError) -> [String] {
        if !format.hasHeader { return format.columns }
        scratch.ensure(DatasetLimits.maxColumns)
        while true {
            switch try scan(into: scratch, columns: DatasetLimits.maxColumns) {
            case .end: throw DatasetError(.unsupported, "\(name) is empty: it has no header line")
            case .fault(let reason): throw DatasetError(.unsupported, "the header line of \(name) \(reason)")
            case .blank(let length):
                window.consume(length)
                line += 1
            case .row(let length, let fields, let spansLines):
                guard fields <= DatasetLimits.maxColumns else {
                    throw DatasetError(.unsupported, "\(name) has more than \(DatasetLimits.maxColumns) columns")
                }
                scratch.bytes = window.bytes
                if let fault = textFault(UnsafeBufferPointer(start: window.bytes, count: length), checksUTF8: checksUTF8) {
                    throw DatasetError(.unsupported, "the header line of \(name) \(fault)")
                }
                let names = (0..<fields).map { format.encoding.decode(trimmed(scratch.value($0))) }
                line += spansLines ? lineFeeds(length) : 1
                window.consume(length)
                return names
            }
        }
    }

    /// Finds the extent of the row at the window's start and of its fields.
    private func scan(into buffer: RowBuffer, columns: Int) throws(DatasetError) -> Scan {
        let quote = UInt8(ascii: "\""), lineFeed = UInt8(ascii: "\n"), carriageReturn = UInt8(ascii: "\r")
        let delimiter = delimiter
        var bytes = window.bytes
        var count = window.count
        var index = 0
        var fields = 0
        var spansLines = false
        while true {
            if index == count {
                guard try grow(index, &bytes, &count) else {
                    if index == 0 { return .end }
                    store(Cell(start: Int32(index), count: 0, kind: .text), in: buffer, at: fields, of: columns)
                    return finish(length: index, fields: fields + 1, spansLines: spansLines)
                }
                if index > DatasetLimits.maxRowBytes { return .fault(CSVRows.tooLong) }
            }
            var cell = Cell(start: Int32(index), count: 0, kind: .text)
            if bytes[index] == quote {
                index += 1
                cell.start += 1
                switch try closeQuote(from: index, &bytes, &count) {
                case .failure(let fault): return .fault(fault.reason)
                case .success(let quoted):
                    cell.count = Int32(quoted.end - index)
                    cell.isEscaped = quoted.isEscaped
                    spansLines = spansLines || quoted.hasLineFeed
                    index = quoted.end + 1
                }
                store(cell, in: buffer, at: fields, of: columns)
                fields += 1
                if index + 1 >= count { _ = try grow(index, &bytes, &count) }
                if index == count { return finish(length: index, fields: fields, spansLines: spansLines) }
                if bytes[index] == carriageReturn, index + 1 < count, bytes[index + 1] == lineFeed { index += 1 }
            } else {
                while true {
                    while index < count, bytes[index] != delimiter, bytes[index] != lineFeed { index += 1 }
                    if index < count { break }
                    if index > DatasetLimits.maxRowBytes { return .fault(CSVRows.tooLong) }
                    guard try grow(index, &bytes, &count) else { break }
                }
                var end = index
                if index == count || bytes[index] == lineFeed, end > Int(cell.start), bytes[end - 1] == carriageReturn { end -= 1 }
                cell.count = Int32(end) - cell.start
                store(cell, in: buffer, at: fields, of: columns)
                fields += 1
                if index == count || bytes[index] == lineFeed, fields == 1, cell.count == 0 {
                    return .blank(length: min(index + 1, count))
                }
                if index == count { return finish(length: index, fields: fields, spansLines: spansLines) }
            }
            if bytes[index] == lineFeed { return finish(length: index + 1, fields: fields, spansLines: spansLines) }
            guard bytes[index] == delimiter else { return .fault("has text after a closing quote") }
            index += 1
        }
    }

    private static let tooLong = "is longer than \(DatasetLimits.maxRowBytes) bytes"

    private func finish(length: Int, fields: Int, spansLines: Bool) -> Scan {
        length > DatasetLimits.maxRowBytes ? .fault(CSVRows.tooLong) : .row(length: length, fields: fields, spansLines: spansLines)
    }

    private struct QuoteFault: Error { var reason: String }

    /// Finds the quote that closes a value which begins at `start`.
    private func closeQuote(
        from start: Int, _ bytes: inout UnsafeMutablePointer<UInt8>, _ count: inout Int
    ) throws(DatasetError) -> Result<(end: Int, isEscaped: Bool, hasLineFeed: Bool), QuoteFault> {
        let quote = UInt8(ascii: "\"")
        var index = start
        var isEscaped = false
        var hasLineFeed = false
        while true {
            while index < count, bytes[index] != quote {
                if bytes[index] == UInt8(ascii: "\n") { hasLineFeed = true }
                index += 1
            }
            if index > DatasetLimits.maxRowBytes {
                return .failure(QuoteFault(reason: hasLineFeed ? "has a quote that is not closed" : CSVRows.tooLong))
            }
            if index == count {
                guard try grow(index, &bytes, &count) else { return .failure(QuoteFault(reason: "has a quote that is not closed")) }
                continue
            }
            if index + 1 == count { _ = try grow(index, &bytes, &count) }
            guard index + 1 < count, bytes[index + 1] == quote else { return .success((index, isEscaped, hasLineFeed)) }
            isEscaped = true
            index += 2
        }
    }

    @inline(__always)
    private func store(_ cell: Cell, in buffer: RowBuffer, at field: Int, of columns: Int) {
        if field < columns { buffer.cells[field] = cell }
    }

    /// Reads on when the scan stands at the end of what is in memory; false at the end of the file.
    private func grow(_ index: Int, _ bytes: inout UnsafeMutablePointer<UInt8>, _ count: inout Int) throws(DatasetError) -> Bool {
        let grew = try window.fill()
        bytes = window.bytes
        count = window.count
        return grew
    }

    /// The one of comma, semicolon, tab and bar that the first line has most of, outside quotes.
    static func likelyDelimiter(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt8 {
        let candidates = [UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "\t"), UInt8(ascii: "|")]
        var counts = [0, 0, 0, 0]
        var inQuotes = false
        for byte in bytes {
            if byte == UInt8(ascii: "\"") { inQuotes.toggle() }
            if byte == UInt8(ascii: "\n"), !inQuotes, counts.contains(where: { $0 > 0 }) { break }
            if !inQuotes, let index = candidates.firstIndex(of: byte) { counts[index] += 1 }
        }
        let most = counts.max() ?? 0
        return candidates[counts.firstIndex(of: most) ?? 0]
    }
}

/// Without spaces and tabs at either end.
@inline(__always)
func trimmed(_ bytes: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
    var start = 0
    var end = bytes.count
    while start < end, bytes[start] == 0x20 || bytes[start] == 0x09 { start += 1 }
    while end > start, bytes[end - 1] == 0x20 || bytes[end - 1] == 0x09 { end -= 1 }
    return start == 0 && end == bytes.count ? bytes : UnsafeBufferPointer(rebasing: bytes[start..<end])
}
