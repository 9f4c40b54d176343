/// What the types of google.protobuf have beyond other messages: a JSON form of their own, and a way into and out of `Any`.
struct WellKnownGenerator {
    let message: MessageGenerator

    private static let wrappers: Set<String> = [
        "DoubleValue", "FloatValue", "Int64Value", "UInt64Value", "Int32Value", "UInt32Value", "BoolValue", "StringValue", "BytesValue",
    ]

    private enum Form { case timestamp, duration, wrapper(FieldSchema), any }

    private var form: Form? {
        let name = message.message.fullName
        guard name.hasPrefix("google.protobuf.") else { return nil }
        switch SwiftName.lastPart(name) {
        case "Timestamp": return .timestamp
        case "Duration": return .duration
        case "Any": return .any
        case let wrapper where Self.wrappers.contains(wrapper): return message.message.fields.first.map { .wrapper($0) }
        default: return nil
        }
    }

    /// Whether the JSON form is not the ordinary one.
    var hasOwnJSON: Bool { form != nil }

    func write(to writer: inout SourceWriter) {
        switch form {
        case .timestamp: writePair("Timestamp", to: &writer)
        case .duration: writePair("Duration", to: &writer)
        case .wrapper(let field): writeWrapper(field, to: &writer)
        case .any: writeAny(to: &writer)
        case nil: break
        }
    }

    private func writePair(_ name: String, to writer: inout SourceWriter) {
        writer.line()
        writer.block("public func writeJSON(to writer: inout JSONWriter)") { writer in
            writer.line("writer.write\(name)(seconds: self.seconds, nanos: self.nanos)")
        }
        writer.line()
        writer.block("public init(json reader: inout JSONReader) throws") { writer in
            writer.line("(self.seconds, self.nanos) = try reader.read\(name)()")
        }
    }

    private func writeWrapper(_ field: FieldSchema, to writer: inout SourceWriter) {
        writer.line()
        writer.line("public func writeJSON(to writer: inout JSONWriter) { writer.write(self.value) }")
        writer.line()
        writer.block("public init(json reader: inout JSONReader) throws") { writer in
            let kind = field.kind == .bytes ? "Bytes" : message.names.element(field.kind)
            writer.line("self.value = try reader.read\(kind)()")
        }
    }

    private func writeAny(to writer: inout SourceWriter) {
        writer.line()
        writer.line("/// A message with its type's name.")
        writer.block("public init<M: Message>(packing message: M)") { writer in
            writer.line("self.init(typeURL: \"type.googleapis.com/\\(M.fullName)\", value: message.protobufBytes())")
        }
        writer.line()
        writer.line("/// The full name of the message's type.")
        writer.block("public var typeName: String") { writer in
            writer.line("String(self.typeURL.split(separator: \"/\", omittingEmptySubsequences: false).last ?? \"\")")
        }
        writer.line()
        writer.line("/// The message, if it is of type `M`; nil if it is of another.")
        writer.line("///")
        writer.line("/// - Throws: `ProtobufError` where the value is no such message.")
        writer.block("public func unpack<M: Message>(as type: M.Type = M.self) throws -> M?") { writer in
            writer.line("self.typeName == M.fullName ? try M(protobuf: self.value) : nil")
        }
        writer.line()
        writer.line("/// The types that JSON can show by their fields; a message of any other type is its bytes in base64.")
        writer.line("private static let knownTypes: [String: any Message.Type] = [")
        writer.indented { writer in
            for name in message.schema.generatedMessages {
                writer.line("\"\(name)\": \(message.names.swift(name)).self,")
            }
        }
        writer.line("]")
        writer.line()
        writer.block("public func writeJSON(to writer: inout JSONWriter)") { writer in
            writer.line("writer.writeAny(typeURL: self.typeURL, value: self.value, type: Self.knownTypes[self.typeName])")
        }
        writer.line()
        writer.block("public init(json reader: inout JSONReader) throws") { writer in
            writer.line("(self.typeURL, self.value) = try reader.readAny { Self.knownTypes[$0] }")
        }
    }
}
