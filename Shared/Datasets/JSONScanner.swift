/// Why bytes are no JSON value that can be used.
struct JSONFault: Error {
    /// The path at fault, where one is.
    var path: String?
    var reason: String
}

/// The paths that a mapping asks for, as a tree, so that one pass over a value finds them all.
struct JSONPathTree {
    struct Node {
        var children: [(key: [UInt8], index: Int?, node: Int)] = []
        var slot: Int?
        var path = ""
    }

    private(set) var nodes = [Node()]

    /// - Parameter paths: keys and list positions joined by dots (`geometry.coordinates.0`), or JSON Pointers (RFC 6901), which start
    ///   with `/`.
    init(_ paths: [String]) {
        for (slot, path) in paths.enumerated() {
            var node = 0
            for component in JSONPathTree.components(path) { node = child(of: node, key: component) }
            nodes[node].slot = slot
            nodes[node].path = path
        }
    }

    static func components(_ path: String) -> [String] {
        guard path.hasPrefix("/") else { return path.split(separator: ".", omittingEmptySubsequences: false).map(String.init) }
        return path.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map { part in
            var text = ""
            var afterTilde = false
            for character in part {
                if afterTilde {
                    text.append(character == "1" ? "/" : "~")
                    if character != "0", character != "1" { text.append(character) }
                    afterTilde = false
                } else if character == "~" {
                    afterTilde = true
                } else {
                    text.append(character)
                }
            }
            return afterTilde ? text + "~" : text
        }
    }

    private mutating func child(of parent: Int, key: String) -> Int {
        let bytes = Array(key.utf8)
        if let known = nodes[parent].children.first(where: { $0.key == bytes }) { return known.node }
        nodes.append(Node())
        nodes[parent].children.append((bytes, Int(key), nodes.count - 1))
        return nodes.count - 1
    }
}

/// Reads one JSON value (RFC 8259) and notes where the wanted parts are. Escapes in wanted strings are undone in place.
struct JSONScanner {
    private let bytes: UnsafeMutablePointer<UInt8>
    private let end: Int
    private var index: Int
    private let tree: JSONPathTree
    private let buffer: RowBuffer

    /// Fills the buffer's cells, numbered as the tree's paths.
    static func scan(
        _ bytes: UnsafeMutablePointer<UInt8>, count: Int, tree: JSONPathTree, into buffer: RowBuffer
    ) throws(JSONFault) {
        buffer.clear()
        buffer.bytes = bytes
        var scanner = JSONScanner(bytes: bytes, end: count, index: 0, tree: tree, buffer: buffer)
        scanner.skipSpace()
        guard scanner.index < count, bytes[scanner.index] == UInt8(ascii: "{") else {
            throw JSONFault(reason: "is not a JSON object")
        }
        try scanner.value(node: 0, depth: 0)
        scanner.skipSpace()
        guard scanner.index == count else { throw JSONFault(reason: "has something after the JSON object, at byte \(scanner.index + 1)") }
    }

    private mutating func value(node: Int?, depth: Int) throws(JSONFault) {
        guard depth < DatasetLimits.maxJSONDepth else {
            throw JSONFault(reason: "is nested deeper than \(DatasetLimits.maxJSONDepth) levels")
        }
        guard index < end else { throw cut() }
        let start = index
        let kind: Cell.Kind
        switch bytes[index] {
        case UInt8(ascii: "{"):
            try object(node: node, depth: depth)
            kind = .structure
        case UInt8(ascii: "["):
            try list(node: node, depth: depth)
            kind = .structure
        case UInt8(ascii: "\""):
            let (content, isEscaped) = try string()
            try note(node, content.lowerBound, content.count, .text, isEscaped: isEscaped)
            return
        case UInt8(ascii: "t"):
            try literal("true")
            kind = .boolean
        case UInt8(ascii: "f"):
            try literal("false")
            kind = .boolean
        case UInt8(ascii: "n"):
            try literal("null")
            kind = .null
        default:
            try number()
            kind = .number
        }
        try note(node, start, index - start, kind, isEscaped: false)
    }

    private mutating func note(_ node: Int?, _ start: Int, _ count: Int, _ kind: Cell.Kind, isEscaped: Bool) throws(JSONFault) {
        guard let node, let slot = tree.nodes[node].slot else { return }
        guard buffer.cells[slot].kind == .missing else { throw JSONFault(path: tree.nodes[node].path, reason: "is given twice") }
        let length = isEscaped ? try unescape(start, count, path: tree.nodes[node].path) : count
        buffer.cells[slot] = Cell(start: Int32(start), count: Int32(length), kind: kind)
    }

    private mutating func object(node: Int?, depth: Int) throws(JSONFault) {
        index += 1
        skipSpace()
        if take("}") { return }
        while true {
            skipSpace()
            guard index < end, bytes[index] == UInt8(ascii: "\"") else { throw unexpected("a key in quotes") }
            let (content, isEscaped) = try string()
            skipSpace()
            guard take(":") else { throw unexpected("a colon") }
            skipSpace()
            try value(node: child(of: node, key: content, isEscaped: isEscaped), depth: depth + 1)
            skipSpace()
            if take("}") { return }
            guard take(",") else { throw unexpected("a comma or a closing brace") }
        }
    }

    private mutating func list(node: Int?, depth: Int) throws(JSONFault) {
        index += 1
        skipSpace()
        if take("]") { return }
        var position = 0
        while true {
            skipSpace()
            let child = node.flatMap { node in tree.nodes[node].children.first { $0.index == position }?.node }
            try value(node: child, depth: depth + 1)
            position += 1
            skipSpace()
            if take("]") { return }
            guard take(",") else { throw unexpected("a comma or a closing bracket") }
        }
    }

    private func child(of node: Int?, key: Range<Int>, isEscaped: Bool) -> Int? {
        guard let node, !isEscaped else { return nil }  // nobody writes escapes in the keys that a mapping names
        for child in tree.nodes[node].children where child.key.count == key.count {
            if child.key.indices.allSatisfy({ child.key[$0] == bytes[key.lowerBound + $0] }) { return child.node }
        }
        return nil
    }

    /// The content between the quotes, still escaped.
    private mutating func string() throws(JSONFault) -> (Range<Int>, isEscaped: Bool) {
        index += 1
        let start = index
        var isEscaped = false
        while index < end {
            let byte = bytes[index]
            if byte == UInt8(ascii: "\"") {
                index += 1
                return (start..<index - 1, isEscaped)
            }
            if byte < 0x20 { throw JSONFault(reason: "has a control character in a string, at byte \(index + 1)") }
            if byte == UInt8(ascii: "\\") {
                isEscaped = true
                index += 1
            }
            index += 1
        }
        throw cut()
    }

    private mutating func number() throws(JSONFault) {
        if index < end, bytes[index] == UInt8(ascii: "-") { index += 1 }
        let start = index
        guard digits() else { throw unexpected("a value") }
        if bytes[start] == UInt8(ascii: "0"), index - start > 1 {
            throw JSONFault(reason: "has a number with a leading zero, at byte \(start + 1)")
        }
        if take(".") { guard digits() else { throw unexpected("a digit") } }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            guard digits() else { throw unexpected("a digit") }
        }
    }

    private mutating func digits() -> Bool {
        let start = index
        while index < end, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[index]) { index += 1 }
        return index > start
    }

    private mutating func literal(_ word: StaticString) throws(JSONFault) {
        let count = word.utf8CodeUnitCount
        guard index + count <= end, (0..<count).allSatisfy({ bytes[index + $0] == word.utf8Start[$0] }) else { throw unexpected("a value") }
        index += count
    }

    /// Undoes the escapes of `count` bytes from `start` in place; returns how many bytes are left.
    private mutating func unescape(_ start: Int, _ count: Int, path: String) throws(JSONFault) -> Int {
        let stop = start + count
        var source = start
        var target = start
        while source < stop {
            guard bytes[source] == UInt8(ascii: "\\") else {
                bytes[target] = bytes[source]
                source += 1
                target += 1
                continue
            }
            let escape = bytes[source + 1]
            source += 2
            switch escape {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes[target] = escape
            case UInt8(ascii: "b"): bytes[target] = 0x08
            case UInt8(ascii: "f"): bytes[target] = 0x0C
            case UInt8(ascii: "n"): bytes[target] = 0x0A
            case UInt8(ascii: "r"): bytes[target] = 0x0D
            case UInt8(ascii: "t"): bytes[target] = 0x09
            case UInt8(ascii: "u"):
                let scalar = try unicodeEscape(&source, stop, path: path)
                for unit in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter {
                    bytes[target] = unit
                    target += 1
                }
                continue
            default: throw JSONFault(path: path, reason: "has an unknown escape")
            }
            target += 1
        }
        return target - start
    }

    /// `source` stands after `\u`; two escapes in a row may make one scalar. Never longer in UTF-8 than it was escaped.
    private func unicodeEscape(_ source: inout Int, _ stop: Int, path: String) throws(JSONFault) -> Unicode.Scalar {
        guard let first = hex(source, stop) else { throw JSONFault(path: path, reason: "has a broken \\u escape") }
        source += 4
        if first == 0 { throw JSONFault(path: path, reason: "contains a NUL character") }
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, source + 6 <= stop, bytes[source] == UInt8(ascii: "\\"), bytes[source + 1] == UInt8(ascii: "u"),
            let second = hex(source + 2, stop), (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw JSONFault(path: path, reason: "has half of a surrogate pair") }
        source += 6
        return scalar
    }

    private func hex(_ start: Int, _ stop: Int) -> UInt32? {
        guard start + 4 <= stop else { return nil }
        var value: UInt32 = 0
        for index in start..<start + 4 {
            let byte = bytes[index]
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt32(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt32(byte - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | UInt32(byte - UInt8(ascii: "A") + 10)
            default: return nil
            }
        }
        return value
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard index < end, bytes[index] == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    private mutating func skipSpace() {
        while index < end, isJSONSpace(bytes[index]) { index += 1 }
    }

    private func unexpected(_ wanted: String) -> JSONFault {
        index >= end ? cut() : JSONFault(reason: "is not JSON: \(wanted) was expected at byte \(index + 1)")
    }

    private func cut() -> JSONFault { JSONFault(reason: "is not whole: the JSON ends too soon") }
}

@inline(__always)
func isJSONSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }
