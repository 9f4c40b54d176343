import CProtobufC

extension ProtobufError {
    /// The same error with the path of the field from the outermost message, `transaction.customer_id`, where it is a fault of a text:
    /// whoever has unpacked the text knows its own message only.
    @usableFromInline
    func located(in bytes: UnsafeRawBufferPointer, _ descriptor: MessageDescriptor) -> ProtobufError {
        guard code == .nulInString || code == .invalidUTF8, let path = firstTextFault(in: bytes, descriptor.pointer) else { return self }
        return ProtobufError(code, message, fieldPath: path)
    }
}

/// The path of the first string that holds NUL or is not UTF-8; nil where there is none.
private func firstTextFault(
    in bytes: UnsafeRawBufferPointer, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>
) -> String? {
    var scanner = WireScanner(bytes: bytes)
    var counts: [UInt32: Int] = [:]
    while let (number, content) = scanner.nextField() {
        guard let content, let field = protobuf_c_message_descriptor_get_field(descriptor, number) else { continue }
        var name = String(cString: field.pointee.name)
        if field.pointee.label == PROTOBUF_C_LABEL_REPEATED {
            name += "[\(counts[number, default: 0])]"
            counts[number, default: 0] += 1
        }
        switch field.pointee.type {
        case PROTOBUF_C_TYPE_STRING:
            if content.contains(0) || String(validating: content, as: UTF8.self) == nil { return name }
        case PROTOBUF_C_TYPE_MESSAGE:
            guard let inner = field.pointee.descriptor?.assumingMemoryBound(to: ProtobufCMessageDescriptor.self) else { continue }
            if let path = firstTextFault(in: content, inner) { return "\(name).\(path)" }
        default: continue
        }
    }
    return nil
}
