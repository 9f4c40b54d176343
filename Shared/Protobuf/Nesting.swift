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
