/// Steps over the fields of a message in the wire format.
struct WireScanner {
    let bytes: UnsafeRawBufferPointer
    var offset = 0

    init(bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    /// The next field's number and, where it has a length, its content; nil at the end or where the bytes make no sense.
    mutating func nextField() -> (number: UInt32, content: UnsafeRawBufferPointer?)? {
        guard let tag = varint(), let number = UInt32(exactly: tag >> 3) else { return nil }
        switch tag & 7 {
        case 0: return varint().map { _ in (number, nil) }
        case 1: return skip(8).map { _ in (number, nil) }
        case 2:
            guard let length = varint().flatMap({ Int(exactly: $0) }) else { return nil }
            return skip(length).map { (number, $0) }
        case 5: return skip(4).map { _ in (number, nil) }
        default: return nil
        }
    }

    private mutating func skip(_ count: Int) -> UnsafeRawBufferPointer? {
        guard count <= bytes.count - offset else { return nil }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }

    private mutating func varint() -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while offset < bytes.count, shift < 70 {
            let byte = bytes[offset]
            offset += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        return nil
    }
}
