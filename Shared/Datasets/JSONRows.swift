/// NDJSON: one JSON object a line. A line that is none costs itself.
final class JSONLineRows {
    private let window: ByteWindow
    private let tree: JSONPathTree
    private var row = 0
    private var line = 1
    private var pendingLength = 0

    init(_ window: ByteWindow, paths: [String]) throws(DatasetError) {
        self.window = window
        tree = JSONPathTree(paths)
        try skipByteOrderMark(window)
    }

    func skip(to position: RowPosition) throws(DatasetError) {
        try window.skip(to: position.byteOffset)
        row = position.row - 1
        line = position.line
    }

    func next(into buffer: RowBuffer) throws(DatasetError) -> RowEvent? {
        while true {
            window.consume(pendingLength)
            pendingLength = 0
            var length = 0
            var isTooLong = false
            while true {
                while length < window.count, window.bytes[length] != UInt8(ascii: "\n") { length += 1 }
                if length > DatasetLimits.maxRowBytes { isTooLong = true }
                if length < window.count || isTooLong { break }
                guard try window.fill() else { break }
            }
            if length == window.count, length == 0 { return nil }
            let position = RowPosition(row: row + 1, line: line, byteOffset: window.offset)
            line += 1
            if isTooLong {
                row += 1
                var outline = JSONOutline()
                try window.skipLine(from: length) { outline.add($0) }
                return tooLong(position, outline, tree, buffer)
            }
            pendingLength = min(length + 1, window.count)
            guard (0..<length).contains(where: { !isJSONSpace(window.bytes[$0]) }) else { continue }
            row += 1
            return jsonRow(position, window.bytes, length, tree, buffer)
        }
    }
}

/// The objects of a list in one JSON file, read as they come: the file is never in memory whole.
final class JSONListRows {
    private let window: ByteWindow
    private let tree: JSONPathTree
    private let name: String
    /// Whether the list lies inside something else, so that what follows it does not matter.
    private let isNested: Bool
    private var row = 0
    private var pendingLength = 0
    /// Of a value that was too long.
    private var outline: JSONOutline?
    private var isFirst = true
    private var isDone = false

    init(_ window: ByteWindow, paths: [String], records: [String], name: String) throws(DatasetError) {
        self.window = window
        self.name = name
        tree = JSONPathTree(paths)
        isNested = !records.isEmpty
        try skipByteOrderMark(window)
        for key in records { try enter(key) }
        guard try peek() == UInt8(ascii: "[") else {
            let path = records.joined(separator: ".")
            let place = records.isEmpty ? "\(name) does not begin with a JSON list" : "\(path) in \(name) is not a JSON list"
            throw DatasetError(.unsupported, place + "; say where the list is with `records:` in the mapping's format")
        }
        window.consume(1)
    }

    /// The value that `next` met last, as it is written; of one that was too long, what is kept of it.
    var currentBytes: [UInt8] { outline?.bytes ?? Array(UnsafeBufferPointer(start: window.bytes, count: pendingLength)) }

    func skip(to position: RowPosition) throws(DatasetError) {
        try window.skip(to: position.byteOffset)
        row = position.row - 1
        isFirst = true
    }

    func next(into buffer: RowBuffer) throws(DatasetError) -> RowEvent? {
        window.consume(pendingLength)
        pendingLength = 0
        guard !isDone, var byte = try peek() else {
            if isDone { return nil }
            throw cut()
        }
        if byte == UInt8(ascii: "]"), isFirst || row > 0 {
            window.consume(1)
            isDone = true
            if !isNested, try peek() != nil { throw broken("has something after the end of its list") }
            return nil
        }
        if !isFirst {
            guard byte == UInt8(ascii: ",") else { throw broken("has no comma between two values") }
            window.consume(1)
            guard let after = try peek() else { throw cut() }
            byte = after
        }
        isFirst = false
        let position = RowPosition(row: row + 1, line: row + 1, byteOffset: window.offset)
        row += 1
        guard let length = try valueLength() else { return tooLong(position, outline ?? JSONOutline(), tree, buffer) }
        guard length > 0 else { throw DatasetError(.corrupt, "\(name) is not JSON: a value is missing at byte \(position.byteOffset + 1)") }
        pendingLength = length
        return jsonRow(position, window.bytes, length, tree, buffer)
    }

    /// The next byte that is no space, which then is the window's first; nil at the end of the file.
    private func peek() throws(DatasetError) -> UInt8? {
        while true {
            var spaces = 0
            while spaces < window.count, isJSONSpace(window.bytes[spaces]) { spaces += 1 }
            window.consume(spaces)
            if window.count > 0 { return window.bytes[0] }
            if try !window.fill() { return nil }
        }
    }

    /// Finds the end of the value at the window's start by its brackets and quotes. Nil for one that is too long: it has been passed over, and
    /// is in `outline`.
    private func valueLength() throws(DatasetError) -> Int? {
        outline = nil
        var index = 0
        var depth = 0
        var inString = false
        scan: while true {
            if index == window.count {
                if index > DatasetLimits.maxRowBytes {
                    pass(index)
                    index = 0
                }
                guard try window.fill() else { throw cut() }
                continue
            }
            let byte = window.bytes[index]
            if inString {
                if byte == UInt8(ascii: "\\") {
                    while index + 1 >= window.count { guard try window.fill() else { throw cut() } }
                    index += 1
                } else if byte == UInt8(ascii: "\"") {
                    inString = false
                    if depth == 0 {
                        index += 1
                        break scan
                    }
                }
            } else if byte == UInt8(ascii: "\"") {
                inString = true
            } else if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
                depth += 1
            } else if byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") {
                if depth == 0 { break scan }
                depth -= 1
                if depth == 0 {
                    index += 1
                    break scan
                }
            } else if depth == 0, byte == UInt8(ascii: ",") || isJSONSpace(byte) {
                break scan
            }
            index += 1
        }
        guard outline != nil || index > DatasetLimits.maxRowBytes else { return index }
        pass(index)
        return nil
    }

    /// Goes on behind a part of a value that is too long.
    private func pass(_ count: Int) {
        if outline == nil { outline = JSONOutline() }
        outline?.add(UnsafeBufferPointer(start: window.bytes, count: count))
        window.consume(count)
    }

    /// Moves to the value of `key` in the object that begins at the next byte.
    private func enter(_ key: String) throws(DatasetError) {
        guard try peek() == UInt8(ascii: "{") else { throw DatasetError(.unsupported, "\(name) has no object with the key \(key)") }
        window.consume(1)
        while true {
            guard try peek() == UInt8(ascii: "\"") else {
                throw DatasetError(.unsupported, "\(name) has no key \(key), which the mapping's `records:` names")
            }
            let length = try valueLength() ?? 0
            let content = UnsafeBufferPointer(start: window.bytes + 1, count: max(0, length - 2))
            let found = String(decoding: content, as: UTF8.self) == key
            window.consume(length)
            guard try peek() == UInt8(ascii: ":") else { throw DatasetError(.corrupt, "\(name) is not JSON at byte \(window.offset + 1)") }
            window.consume(1)
            _ = try peek()
            if found { return }
            window.consume(try valueLength() ?? 0)
            if try peek() == UInt8(ascii: ",") {
                window.consume(1)
            }
        }
    }

    private func broken(_ how: String) -> DatasetError { DatasetError(.corrupt, "\(name) \(how), at byte \(window.offset + 1)") }

    private func cut() -> DatasetError { DatasetError(.truncated, "\(name) ends in the middle of its JSON list") }
}

private func skipByteOrderMark(_ window: ByteWindow) throws(DatasetError) {
    while window.count < 3, try window.fill() {}
    if window.count >= 3, window.bytes[0] == 0xEF, window.bytes[1] == 0xBB, window.bytes[2] == 0xBF { window.consume(3) }
}

/// A row that is too long to be read, with the cells that what is kept of it has.
private func tooLong(_ position: RowPosition, _ outline: JSONOutline, _ tree: JSONPathTree, _ buffer: RowBuffer) -> RowEvent {
    let reason = "is longer than \(DatasetLimits.maxRowBytes) bytes"
    let bytes = buffer.hold(outline.bytes)
    guard let start = bytes.baseAddress, textFault(UnsafeBufferPointer(bytes), checksUTF8: true) == nil else {
        return .refused(position, column: nil, reason: reason)
    }
    // Cut off or broken, it ends with a fault; what comes before is as good as ever.
    try? JSONScanner.scan(start, count: bytes.count, tree: tree, into: buffer)
    return .refusedCells(position, column: nil, reason: reason)
}

private func jsonRow(
    _ position: RowPosition, _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, _ tree: JSONPathTree, _ buffer: RowBuffer
) -> RowEvent {
    if let fault = textFault(UnsafeBufferPointer(start: bytes, count: count), checksUTF8: true) {
        return .refused(position, column: nil, reason: fault)
    }
    do {
        try JSONScanner.scan(bytes, count: count, tree: tree, into: buffer)
        return .row(position)
    } catch {
        return .refused(position, column: error.path, reason: error.reason)
    }
}
