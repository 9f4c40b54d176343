public import struct Foundation.UUID

/// A value that can be bound to a statement or written by COPY, in PostgreSQL's binary format.
public protocol PostgresBindable: Sendable {
    /// The type that the parameter is declared as.
    static var postgresType: PostgresType { get }
    /// Whether the value is SQL's NULL; then nothing is encoded.
    var isPostgresNull: Bool { get }
    /// Appends the binary format. Throws `.invalidParameter` for a value that PostgreSQL cannot hold.
    func encodePostgres(into buffer: inout [UInt8]) throws(PostgresError)
}

extension PostgresBindable {
    public var isPostgresNull: Bool { false }
}

/// A value that a column can be read as.
public protocol PostgresDecodable: Sendable {
    /// Throws `.decoding` when the column holds another type or NULL.
    init(postgres field: PostgresField) throws(PostgresError)
}

/// A value whose arrays can be bound and read.
public protocol PostgresArrayElement: Sendable {
    static var postgresArrayType: PostgresType { get }
    static func encodePostgresArray(_ values: [Self], into buffer: inout [UInt8]) throws(PostgresError)
    static func decodePostgresArray(_ field: PostgresField) throws(PostgresError) -> [Self]
}

/// An instant in microseconds since 1970-01-01 UTC: PostgreSQL's `timestamptz`. `Int64.min` and `.max` are its -infinity and infinity.
public struct PostgresTimestamp: Sendable, Hashable, Comparable {
    public var microsecondsSince1970: Int64

    public init(microsecondsSince1970: Int64) {
        self.microsecondsSince1970 = microsecondsSince1970
    }

    public static func < (left: Self, right: Self) -> Bool { left.microsecondsSince1970 < right.microsecondsSince1970 }

    /// PostgreSQL counts from 2000-01-01.
    static let epochMicroseconds: Int64 = 946_684_800_000_000
}

/// A day, counted from 1970-01-01: PostgreSQL's `date`.
public struct PostgresDate: Sendable, Hashable, Comparable {
    public var daysSince1970: Int32

    public init(daysSince1970: Int32) {
        self.daysSince1970 = daysSince1970
    }

    public static func < (left: Self, right: Self) -> Bool { left.daysSince1970 < right.daysSince1970 }

    static let epochDays: Int32 = 10_957
}

/// JSON text, bound as `jsonb`.
public struct PostgresJSON: Sendable, Hashable {
    public var text: String

    public init(_ text: String) {
        self.text = text
    }
}

/// A transaction's 64-bit number: PostgreSQL's `xid8`, which, unlike `xid`, never wraps.
public struct PostgresTransactionID: Sendable, Hashable, Comparable {
    public var value: UInt64

    public init(_ value: UInt64) {
        self.value = value
    }

    public static func < (left: Self, right: Self) -> Bool { left.value < right.value }
}

extension Bool: PostgresBindable, PostgresArrayElement {
    public static var postgresType: PostgresType { .boolean }
    public static var postgresArrayType: PostgresType { .booleanArray }
    public func encodePostgres(into buffer: inout [UInt8]) { buffer.append(self ? 1 : 0) }
}

extension Int: PostgresBindable, PostgresArrayElement {
    public static var postgresType: PostgresType { .int8 }
    public static var postgresArrayType: PostgresType { .int8Array }
    public func encodePostgres(into buffer: inout [UInt8]) { buffer.append(bigEndian: Int64(self)) }
}

extension Int64: PostgresBindable, PostgresArrayElement {
    public static var postgresType: PostgresType { .int8 }
    public static var postgresArrayType: PostgresType { .int8Array }
    public func encodePostgres(into buffer: inout [UInt8]) { buffer.append(bigEndian: self) }
}

extension Int32: PostgresBindable, PostgresArrayElement {
    public static var postgresType: PostgresType { .int4 }
    public static var postgresArrayType: PostgresType { .int4Array }
    public func encodePostgres(into buffer: inout [UInt8]) { buffer.append(bigEndian: self) }
}

extension Int16: PostgresBindable, PostgresArrayElement {
    public static var postgresType: PostgresType { .int2 }
    public static var postgresArrayType: PostgresType { .int2Array }
    public func encodePostgres(into buffer: inout [UInt8]) { buffer.append(bigEndian: self) }
}

extension Double: PostgresBindable, PostgresArrayElement {
    public static var postgresType: PostgresType { .float8 }
    public static var postgresArrayType: PostgresType { .float8Array }
    public func encodePostgres(into buffer: inout [UInt8]) { buffer.append(bigEndian: bitPattern) }
}

extension Float: PostgresBindable, PostgresArrayElement {
    public static var postgresType: PostgresType { .float4 }
    public static var postgresArrayType: PostgresType { .float4Array }
    public func encodePostgres(into buffer: inout [UInt8]) { buffer.append(bigEndian: bitPattern) }
}

extension String: PostgresBindable, PostgresArrayElement {
    public static var postgresType: PostgresType { .text }
    public static var postgresArrayType: PostgresType { .textArray }

    public func encodePostgres(into buffer: inout [UInt8]) throws(PostgresError) {
        let start = buffer.count
        buffer.append(contentsOf: utf8)
        guard !buffer[start...].contains(0) else {
            throw PostgresError(.invalidParameter, "a string holds a NUL, which PostgreSQL's text cannot")
        }
    }
}

extension UUID: PostgresBindable, PostgresArrayElement {
    public static var postgresType: PostgresType { .uuid }
    public static var postgresArrayType: PostgresType { .uuidArray }
    public func encodePostgres(into buffer: inout [UInt8]) {
        withUnsafeBytes(of: uuid) { buffer.append(contentsOf: $0) }
    }
}

extension PostgresTimestamp: PostgresBindable, PostgresArrayElement {
    public static var postgresType: PostgresType { .timestamptz }
    public static var postgresArrayType: PostgresType { .timestamptzArray }
    public func encodePostgres(into buffer: inout [UInt8]) {
        let (difference, overflow) = microsecondsSince1970.subtractingReportingOverflow(Self.epochMicroseconds)
        let isInfinite = overflow || microsecondsSince1970 == .max
        buffer.append(bigEndian: isInfinite ? (microsecondsSince1970 < 0 ? Int64.min : .max) : difference)
    }
}

extension PostgresDate: PostgresBindable, PostgresArrayElement {
    public static var postgresType: PostgresType { .date }
    public static var postgresArrayType: PostgresType { .dateArray }
    public func encodePostgres(into buffer: inout [UInt8]) throws(PostgresError) {
        let (days, overflow) = daysSince1970.subtractingReportingOverflow(Self.epochDays)
        guard !overflow else { throw PostgresError(.invalidParameter, "a date lies outside PostgreSQL's range") }
        buffer.append(bigEndian: days)
    }
}

extension PostgresJSON: PostgresBindable, PostgresArrayElement {
    public static var postgresType: PostgresType { .jsonb }
    public static var postgresArrayType: PostgresType { .jsonbArray }
    public func encodePostgres(into buffer: inout [UInt8]) throws(PostgresError) {
        // The binary format of jsonb is its version number, 1, and the text.
        buffer.append(1)
        try text.encodePostgres(into: &buffer)
    }
}

extension PostgresTransactionID: PostgresBindable, PostgresArrayElement {
    public static var postgresType: PostgresType { .xid8 }
    public static var postgresArrayType: PostgresType { .xid8Array }
    public func encodePostgres(into buffer: inout [UInt8]) { buffer.append(bigEndian: value) }
}

extension Optional: PostgresBindable where Wrapped: PostgresBindable {
    public static var postgresType: PostgresType { Wrapped.postgresType }
    public var isPostgresNull: Bool { self?.isPostgresNull ?? true }
    public func encodePostgres(into buffer: inout [UInt8]) throws(PostgresError) {
        if let self { try self.encodePostgres(into: &buffer) }
    }
}

extension Array: PostgresBindable where Element: PostgresArrayElement {
    public static var postgresType: PostgresType { Element.postgresArrayType }
    public func encodePostgres(into buffer: inout [UInt8]) throws(PostgresError) {
        try Element.encodePostgresArray(self, into: &buffer)
    }
}

extension FixedWidthInteger {
    /// Reads the number in network order; nil unless exactly as long as the type.
    init?(bigEndianBytes bytes: UnsafeRawBufferPointer) {
        guard bytes.count == MemoryLayout<Self>.size else { return nil }
        self.init(bigEndian: bytes.loadUnaligned(as: Self.self))
    }
}

extension [UInt8] {
    mutating func append(bigEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }

    /// Overwrites four bytes: lengths are known only after what they count.
    mutating func set(bigEndian value: Int32, at offset: Int) {
        withUnsafeMutableBytes { $0.storeBytes(of: value.bigEndian, toByteOffset: offset, as: Int32.self) }
    }
}
