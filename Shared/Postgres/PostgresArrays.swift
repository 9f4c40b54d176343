// The binary format of an array: number of dimensions, whether a NULL is in it, the element's type; for each dimension its size
// and lower bound; then each element with its length before it (-1 for NULL).

extension PostgresArrayElement where Self: PostgresBindable & PostgresDecodable {
    public static func encodePostgresArray(_ values: [Self], into buffer: inout [UInt8]) throws(PostgresError) {
        buffer.append(bigEndian: Int32(values.isEmpty ? 0 : 1))
        buffer.append(bigEndian: Int32(values.contains(where: \.isPostgresNull) ? 1 : 0))
        buffer.append(bigEndian: Self.postgresType.rawValue)
        guard !values.isEmpty else { return }
        guard let count = Int32(exactly: values.count) else {
            throw PostgresError(.invalidParameter, "an array of \(values.count) elements is too long")
        }
        buffer.append(bigEndian: count)
        buffer.append(bigEndian: Int32(1))
        for value in values {
            try buffer.appendLengthPrefixed(value)
        }
    }

    public static func decodePostgresArray(_ field: PostgresField) throws(PostgresError) -> [Self] {
        let bytes = try field.value(as: [Self].self)
        func number(at offset: Int) throws(PostgresError) -> Int {
            guard offset + 4 <= bytes.count else { throw field.mismatch([Self].self, "the array ends early") }
            return Int(Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)))
        }
        let dimensions = try number(at: 0)
        guard dimensions != 0 else { return [] }
        guard dimensions == 1 else { throw field.mismatch([Self].self, "the array has \(dimensions) dimensions") }
        let elementType = PostgresType(UInt32(truncatingIfNeeded: try number(at: 8)))
        let count = try number(at: 12)
        var offset = 20
        guard count >= 0, count <= bytes.count / 4 else { throw field.mismatch([Self].self, "the array lies about its length") }
        var values: [Self] = []
        values.reserveCapacity(count)
        for _ in 0..<count {
            let length = try number(at: offset)
            offset += 4
            guard length < 0 || offset + length <= bytes.count else { throw field.mismatch([Self].self, "the array ends early") }
            let element = length < 0 ? nil : UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length])
            values.append(try Self(postgres: PostgresField(type: elementType, bytes: element, column: field.column)))
            offset += max(length, 0)
        }
        return values
    }
}

extension [UInt8] {
    /// A value as it stands in arrays and in COPY: its length in four bytes, then itself; NULL is the length -1.
    mutating func appendLengthPrefixed<Value: PostgresBindable>(_ value: Value) throws(PostgresError) {
        guard !value.isPostgresNull else {
            append(bigEndian: Int32(-1))
            return
        }
        let start = count
        append(bigEndian: Int32(0))
        try value.encodePostgres(into: &self)
        guard let length = Int32(exactly: count - start - 4) else {
            throw PostgresError(.invalidParameter, "a value of \(count - start - 4) bytes is too long")
        }
        set(bigEndian: length, at: start)
    }
}

/// An array of bytes is not an array to PostgreSQL but one `bytea`.
extension UInt8: PostgresArrayElement {
    public static var postgresArrayType: PostgresType { .bytea }

    public static func encodePostgresArray(_ values: [UInt8], into buffer: inout [UInt8]) {
        buffer += values
    }

    public static func decodePostgresArray(_ field: PostgresField) throws(PostgresError) -> [UInt8] {
        guard field.type == .bytea || field.type == .unknown else { throw field.mismatch([UInt8].self) }
        return [UInt8](try field.value(as: [UInt8].self))
    }
}

extension Array: PostgresArrayElement where Element == UInt8 {
    public static var postgresArrayType: PostgresType { .byteaArray }
}

extension Optional: PostgresArrayElement where Wrapped: PostgresArrayElement & PostgresBindable & PostgresDecodable {
    public static var postgresArrayType: PostgresType { Wrapped.postgresArrayType }
}
