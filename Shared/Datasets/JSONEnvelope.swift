/// A JSON object that only wraps a list of records, as APIs answer: `{"data": {"items": [{…}, {…}]}}`.
struct JSONEnvelope {
    private static let maxDepth = 8

    private let bytes: UnsafeBufferPointer<UInt8>
    private var index = 0
    private var longest: (path: [String], byteCount: Int)?
    private var isBroken = false

    /// The keys that lead to the list; nil where the file is something else, objects line by line among it.
    ///
    /// - Parameter start: the file's first bytes. The list must take up most of them.
    static func records(in start: UnsafeBufferPointer<UInt8>) -> [String]? {
        var envelope = JSONEnvelope(bytes: start)
        if start.starts(with: [0xEF, 0xBB, 0xBF]) { envelope.index = 3 }
        guard envelope.next() == UInt8(ascii: "{") else { return nil }
        envelope.object([])
        let count = envelope.index
        // A second object after the first: they are rows.
        guard !envelope.isBroken, envelope.next() == nil, let list = envelope.longest, list.byteCount * 2 > count else { return nil }
        return list.path
    }

    /// The keys as a mapping's `records:` names them.
    static func text(_ records: [String]) -> String {
        guard records.contains(where: { $0.contains(".") || $0.contains("/") }) else { return records.joined(separator: ".") }
        return records.map { "/" + $0.replacing("~", with: "~0").replacing("/", with: "~1") }.joined()
    }

    private init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    /// The next byte that is no space; nil at the end of what there is.
    private mutating func next() -> UInt8? {
        while index < bytes.count, isJSONSpace(bytes[index]) { index += 1 }
        return index < bytes.count ? bytes[index] : nil
    }

    private mutating func object(_ path: [String]) {
        index += 1
        while !isBroken, let byte = next() {
            if byte == UInt8(ascii: "}") {
                index += 1
                return
            }
            if byte == UInt8(ascii: ",") {
                index += 1
                continue
            }
            let start = index
            pass()
            guard byte == UInt8(ascii: "\""), index - start >= 2 else { return isBroken = true }
            let key = String(decoding: bytes[(start + 1)..<(index - 1)], as: UTF8.self)
            guard let colon = next() else { return }
            guard colon == UInt8(ascii: ":") else { return isBroken = true }
            index += 1
            member(path + [key])
        }
    }

    private mutating func member(_ path: [String]) {
        let byte = next()
        if byte == UInt8(ascii: "{"), path.count < Self.maxDepth { return object(path) }
        let start = index
        pass()
        guard byte == UInt8(ascii: "[") else { return }
        let first = bytes[start..<index].dropFirst().first { !isJSONSpace($0) }
        if first == UInt8(ascii: "{"), index - start > longest?.byteCount ?? 0 { longest = (path, index - start) }
    }

    /// Goes on behind a value, or to the end of what there is.
    private mutating func pass() {
        let start = index
        var depth = 0
        var isInString = false
        while index < bytes.count {
            let byte = bytes[index]
            if isInString {
                if byte == UInt8(ascii: "\\") { index += 1 }
                isInString = byte != UInt8(ascii: "\"")
            } else if byte == UInt8(ascii: "\"") {
                isInString = true
            } else if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
                depth += 1
            } else if byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") {
                // A bare value ends where the object around it does.
                guard depth > 0 else { break }
                depth -= 1
            } else if depth == 0, byte == UInt8(ascii: ",") || isJSONSpace(byte) {
                break
            }
            index += 1
            if depth == 0, !isInString, [UInt8(ascii: "\""), UInt8(ascii: "}"), UInt8(ascii: "]")].contains(byte) { break }
        }
        index = min(index, bytes.count)
        if index == start, index < bytes.count { isBroken = true }
    }
}
