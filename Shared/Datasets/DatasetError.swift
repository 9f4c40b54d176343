/// Why a file or a mapping cannot be used, or can be used no further. A single bad row is no error: it is a `RejectedRow`.
public struct DatasetError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// The file cannot be opened or read.
        case unreadable
        /// Its form is none that is read here, or not the one that the mapping says.
        case unsupported
        /// Compressed data that end in the middle, or JSON that does.
        case truncated
        /// Compressed data or JSON that break their own rules beyond repair.
        case corrupt
        /// The mapping breaks a rule, or does not fit the file.
        case mapping
    }

    public var code: Code
    /// One sentence for the person who gave the file: what is wrong, where, and what would help.
    public var message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}

/// How much of a file is held in memory at most.
public enum DatasetLimits {
    /// A longer line, or a longer JSON value in a list, is refused as one row.
    public static let maxRowBytes = 1 << 20
    /// A longer value is refused with its row.
    public static let maxFieldBytes = 64 << 10
    public static let maxColumns = 4_096
    public static let maxJSONDepth = 64
    public static let maxMappingBytes = 1 << 20
    /// How much is read from a file at once.
    static let chunkBytes = 256 << 10
}

/// Where in a file a row begins, counted in its uncompressed bytes.
public struct RowPosition: Sendable, Hashable {
    /// The first row of data is 1; a header is not counted, blank lines are not.
    public var row: Int
    /// The line on which it begins, the file's first line being 1. For a JSON list it is the row's own number.
    public var line: Int
    /// Offset of the row's first byte.
    public var byteOffset: Int64

    public init(row: Int, line: Int, byteOffset: Int64) {
        self.row = row
        self.line = line
        self.byteOffset = byteOffset
    }
}
