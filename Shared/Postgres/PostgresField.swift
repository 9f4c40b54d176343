public import struct Foundation.UUID

/// One column of one row while it is being decoded. `bytes` is valid only during the call that received the field.
public struct PostgresField {
    public let type: PostgresType
    /// nil is NULL.
    public let bytes: UnsafeRawBufferPointer?
    /// The column's number, from 0.
    public let column: Int

    /// The bytes, or `.decoding` when the column is NULL.
    public func value<T>(as type: T.Type) throws(PostgresError) -> UnsafeRawBufferPointer {
        guard let bytes else { throw mismatch(type, "the column is NULL") }
        return bytes
    }

    /// The error that says this column cannot be read as `wanted`.
    public func mismatch<T>(_ wanted: T.Type, _ reason: String? = nil) -> PostgresError {
        PostgresError(.decoding, "column \(column): \(reason ?? "type \(type.rawValue) cannot be read") as \(wanted)")
    }

    /// A whole number out of any of the integer types, or out of a `numeric` that has no fraction.
    fileprivate func integer<T: FixedWidthInteger>(as wanted: T.Type) throws(PostgresError) -> T {
        let bytes = try value(as: wanted)
        let wide: Int64? =
            switch type {
            case .int8: Int64(bigEndianBytes: bytes)
            case .int4: Int32(bigEndianBytes: bytes).map(Int64.init)
            case .int2: Int16(bigEndianBytes: bytes).map(Int64.init)
            case .oid: UInt32(bigEndianBytes: bytes).map(Int64.init)
            case .numeric: wholeNumeric(bytes)
            default: nil
            }
        guard let wide else { throw mismatch(wanted) }
        guard let number = T(exactly: wide) else { throw mismatch(wanted, "the number is out of range") }
        return number
    }

    /// `numeric` in the binary format: number of base-10000 digits, weight of the first, sign, scale, digits.
    private func numericDigits(_ bytes: UnsafeRawBufferPointer) -> (digits: [Int16], weight: Int, isNegative: Bool)? {
        guard bytes.count >= 8 else { return nil }
        func word(_ index: Int) -> Int16 { Int16(bigEndian: bytes.loadUnaligned(fromByteOffset: index * 2, as: Int16.self)) }
        let count = Int(word(0))
        let sign = UInt16(bitPattern: word(2))
        // 0xC000 and above are NaN and the infinities.
        guard count >= 0, bytes.count == 8 + count * 2, sign == 0 || sign == 0x4000 else { return nil }
        return ((0..<count).map { word(4 + $0) }, Int(word(1)), sign != 0)
    }

    private func wholeNumeric(_ bytes: UnsafeRawBufferPointer) -> Int64? {
        guard let (digits, weight, isNegative) = numericDigits(bytes) else { return nil }
        guard weight >= 0 || digits.isEmpty, digits.count <= weight + 1 else { return digits.isEmpty ? 0 : nil }
        guard weight <= 4 else { return nil }
        var total: Int64 = 0
        for position in 0..<max(weight + 1, 0) {
            let digit = position < digits.count ? Int64(digits[position]) : 0
            let (product, tooLarge) = total.multipliedReportingOverflow(by: 10_000)
            let (sum, overflow) = product.addingReportingOverflow(isNegative ? -digit : digit)
            guard !tooLarge, !overflow else { return nil }
            total = sum
        }
        return total
    }

    fileprivate func numericDouble(_ bytes: UnsafeRawBufferPointer) -> Double? {
        guard let (digits, weight, isNegative) = numericDigits(bytes) else { return nil }
        // As text, so that the result is the nearest double and not the sum of many roundings.
        let mantissa = digits.map { digit in String(repeating: "0", count: 4 - "\(digit)".count) + "\(digit)" }.joined()
        guard !mantissa.isEmpty else { return 0 }
        return Double("\(isNegative ? "-" : "")\(mantissa)e\((weight + 1 - digits.count) * 4)")
    }
}

extension Bool: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) {
        let bytes = try field.value(as: Self.self)
        guard field.type == .boolean, bytes.count == 1 else { throw field.mismatch(Self.self) }
        self = bytes[0] != 0
    }
}

extension Int: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) { self = try field.integer(as: Self.self) }
}

extension Int64: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) { self = try field.integer(as: Self.self) }
}

extension Int32: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) { self = try field.integer(as: Self.self) }
}

extension Int16: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) { self = try field.integer(as: Self.self) }
}

extension Double: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) {
        let bytes = try field.value(as: Self.self)
        let number: Double? =
            switch field.type {
            case .float8: UInt64(bigEndianBytes: bytes).map(Double.init(bitPattern:))
            case .float4: UInt32(bigEndianBytes: bytes).map { Double(Float(bitPattern: $0)) }
            case .numeric: field.numericDouble(bytes)
            default: nil
            }
        guard let number else { throw field.mismatch(Self.self) }
        self = number
    }
}

extension Float: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) {
        let bytes = try field.value(as: Self.self)
        guard field.type == .float4, let bits = UInt32(bigEndianBytes: bytes) else { throw field.mismatch(Self.self) }
        self = Float(bitPattern: bits)
    }
}

extension String: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) {
        var bytes = try field.value(as: Self.self)
        switch field.type {
        case .text, .varchar, .bpchar, .name, .char, .json, .unknown, .void: break
        case .jsonb: bytes = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
        // An enum travels as its label, a domain as its base type.
        case let type where type.isUserDefined: break
        default: throw field.mismatch(Self.self)
        }
        self = String(decoding: bytes, as: UTF8.self)
    }
}

/// What `UUID` is made of.
private typealias UUIDBytes = (
    UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8
)

extension UUID: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) {
        let bytes = try field.value(as: Self.self)
        guard field.type == .uuid, bytes.count == 16 else { throw field.mismatch(Self.self) }
        self.init(uuid: bytes.loadUnaligned(as: UUIDBytes.self))
    }
}

extension PostgresTimestamp: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) {
        let bytes = try field.value(as: Self.self)
        guard field.type == .timestamptz || field.type == .timestamp, let number = Int64(bigEndianBytes: bytes)
        else { throw field.mismatch(Self.self) }
        let (sum, overflow) = number.addingReportingOverflow(Self.epochMicroseconds)
        let isInfinite = overflow || number == .min
        self.init(microsecondsSince1970: isInfinite ? (number < 0 ? .min : .max) : sum)
    }
}

extension PostgresDate: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) {
        let bytes = try field.value(as: Self.self)
        guard field.type == .date, let days = Int32(bigEndianBytes: bytes) else { throw field.mismatch(Self.self) }
        let (sum, overflow) = days.addingReportingOverflow(Self.epochDays)
        guard !overflow, days != .min else { throw field.mismatch(Self.self, "the date is infinite") }
        self.init(daysSince1970: sum)
    }
}

extension PostgresJSON: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) {
        guard field.type == .json || field.type == .jsonb else { throw field.mismatch(Self.self) }
        self.init(try String(postgres: field))
    }
}

extension PostgresTransactionID: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) {
        let bytes = try field.value(as: Self.self)
        guard field.type == .xid8, let number = UInt64(bigEndianBytes: bytes) else { throw field.mismatch(Self.self) }
        self.init(number)
    }
}

extension Optional: PostgresDecodable where Wrapped: PostgresDecodable {
    public init(postgres field: PostgresField) throws(PostgresError) {
        self = field.bytes == nil ? nil : try Wrapped(postgres: field)
    }
}

extension Array: PostgresDecodable where Element: PostgresArrayElement {
    public init(postgres field: PostgresField) throws(PostgresError) {
        self = try Element.decodePostgresArray(field)
    }
}
