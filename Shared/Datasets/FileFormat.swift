/// What a mapping says about the file around its values.
public struct FileFormat: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case csv
        /// One JSON object a line.
        case ndjson
        /// A list of JSON objects, at the top or under the keys of `records`.
        case json
        /// An element a row, below the element of a message: ISO 20022.
        case xml
    }

    public enum Encoding: String, Sendable, Hashable, CaseIterable {
        case utf8 = "utf-8"
        /// ISO 8859-1.
        case latin1 = "latin-1"
        /// Latin-1 with the euro sign and typographic quotes, as Windows programs write it.
        case windows1252 = "windows-1252"
    }

    /// Nil: by the first byte, `[` is a JSON list, `{` is NDJSON, `<` XML, anything else CSV.
    public var kind: Kind?
    /// Nil: whichever of comma, semicolon, tab and bar the first line has most of.
    public var delimiter: UInt8?
    public var encoding: Encoding
    public var hasHeader: Bool
    /// Column names for a CSV without a header.
    public var columns: [String]
    /// Values that mean "none", beside the empty one: `NA`, `NULL`.
    public var missing: [String]
    /// Keys that lead to the list in a JSON file: `features` in GeoJSON. In XML, the names of the elements that are rows.
    public var records: [String]
    /// In XML, the message that the rows lie in, which may have none; nil: any, with at least one.
    public var message: String?
    /// In XML, the path of the element that says how many rows its message has.
    public var count: String?

    public init(
        kind: Kind? = nil, delimiter: UInt8? = nil, encoding: Encoding = .utf8, hasHeader: Bool = true, columns: [String] = [],
        missing: [String] = [], records: [String] = [], message: String? = nil, count: String? = nil
    ) {
        self.kind = kind
        self.delimiter = delimiter
        self.encoding = encoding
        self.hasHeader = hasHeader
        self.columns = columns
        self.missing = missing
        self.records = records
        self.message = message
        self.count = count
    }
}

extension FileFormat.Encoding {
    /// Without the spaces around a value, also those that are not ASCII and what takes no room, which spreadsheets and documents leave there.
    @inline(__always)
    func trimmed(_ bytes: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        let plain = Datasets.trimmed(bytes)
        guard let first = plain.first, let last = plain.last, first >= 0x80 || last >= 0x80 else { return plain }
        return trimmedOfMarks(plain)
    }

    private func trimmedOfMarks(_ bytes: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        var rest = bytes
        while let mark = marks.first(where: { rest.starts(with: $0) }) {
            rest = Datasets.trimmed(UnsafeBufferPointer(rebasing: rest.dropFirst(mark.count)))
        }
        while let mark = marks.first(where: { rest.suffix($0.count).elementsEqual($0) }) {
            rest = Datasets.trimmed(UnsafeBufferPointer(rebasing: rest.dropLast(mark.count)))
        }
        return rest
    }

    /// No-break spaces, and in UTF-8 a space of no width and the byte order mark.
    private var marks: [[UInt8]] {
        self == .utf8 ? [[0xC2, 0xA0], [0xE2, 0x80, 0xAF], [0xE2, 0x80, 0x8B], [0xEF, 0xBB, 0xBF]] : [[0xA0]]
    }

    /// The text of bytes that have been found to be valid in this encoding.
    @inline(__always)
    func decode(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
        if self == .utf8 { return String(decoding: bytes, as: UTF8.self) }
        return decodeSingleBytes(bytes)
    }

    /// Bytes that stand for nothing there. Source: the WHATWG Encoding Standard.
    static func isFreeInWindows1252(_ byte: UInt8) -> Bool { [0x81, 0x8D, 0x8F, 0x90, 0x9D].contains(byte) }

    private func decodeSingleBytes(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
        var text = String.UnicodeScalarView()
        for byte in bytes {
            if self == .windows1252, (0x80..<0xA0).contains(byte) {
                text.append(Self.windowsScalars[Int(byte) - 0x80])
            } else {
                text.append(Unicode.Scalar(byte))
            }
        }
        return String(text)
    }

    /// Windows-1252 from 0x80 to 0x9F, with the replacement character where it has none. Source: the WHATWG Encoding Standard.
    private static let windowsScalars: [Unicode.Scalar] = Array(
        "€\u{FFFD}‚ƒ„…†‡ˆ‰Š‹Œ\u{FFFD}Ž\u{FFFD}\u{FFFD}‘’“”•–—˜™š›œ\u{FFFD}žŸ".unicodeScalars)
}
