import CProtobufC

/// Refuses a message that nests deeper than the limit, before anything recurses into it.
///
/// Only well-formed nesting is measured; what else is wrong with the bytes is left to the decoder.
func checkNesting(
    of bytes: UnsafeRawBufferPointer, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, depth: Int
) throws {
    guard depth <= ProtobufLimits.maxNestingDepth else {
        throw ProtobufError(
            .tooDeep, "nested deeper than \(ProtobufLimits.maxNestingDepth)", fieldPath: String(cString: descriptor.pointee.name))
    }
    var scanner = WireScanner(bytes: bytes)
    while let (number, content) = scanner.nextField() {
        guard let content, let field = protobuf_c_message_descriptor_get_field(descriptor, number),
            field.pointee.type == PROTOBUF_C_TYPE_MESSAGE, let inner = field.pointee.descriptor
        else { continue }
        try checkNesting(of: content, inner.assumingMemoryBound(to: ProtobufCMessageDescriptor.self), depth: depth + 1)
    }
}

/// Steps over the fields of a message in the wire format.
private struct WireScanner {
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
