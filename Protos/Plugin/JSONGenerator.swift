/// A message's way into and out of proto3 JSON.
struct JSONGenerator {
    let message: MessageGenerator

    private var names: TypeNames { message.names }

    func write(to writer: inout SourceWriter) {
        guard !WellKnownGenerator(message: message).hasOwnJSON else { return }
        writeWriting(to: &writer)
        writeReading(to: &writer)
    }

    // MARK: Writing

    private func writeWriting(to writer: inout SourceWriter) {
        writer.line()
        writer.block("public func writeJSON(to writer: inout JSONWriter)") { writer in
            writer.line("writer.beginObject()")
            for member in message.members {
                switch member {
                case .oneof(let oneof, let fields):
                    writer.line("switch self.\(SwiftName.property(oneof.name)) {")
                    for field in fields {
                        writer.line("case .\(field.swiftName)(let value)?:")
                        writer.indented { $0.line("\(key(field)); writer.write(value)") }
                    }
                    writer.line("case nil: break")
                    writer.line("}")
                case .optional(let field, _):
                    writer.line("if let value = self.\(field.swiftName) { \(key(field)); writer.write(value) }")
                case .field(let field): writeField(field, to: &writer)
                }
            }
            writer.line("writer.endObject()")
        }
    }

    private func writeField(_ field: FieldSchema, to writer: inout SourceWriter) {
        let property = "self.\(field.swiftName)"
        if let (key, _) = names.schema.mapEntry(field) {
            writer.block("if !\(property).isEmpty") { writer in
                writer.line(self.key(field))
                writer.line("writer.beginObject()")
                writer.block("for (key, value) in \(property).sorted(by: { \(EncodingGenerator.order(key.kind)) })") { writer in
                    writer.line("writer.key(\(key.kind == .string ? "key" : "String(key)"))")
                    writer.line("writer.write(value)")
                }
                writer.line("writer.endObject()")
            }
        } else if field.isRepeated {
            writer.block("if !\(property).isEmpty") { writer in
                writer.line(key(field))
                writer.line("writer.beginArray()")
                writer.line("for value in \(property) { writer.write(value) }")
                writer.line("writer.endArray()")
            }
        } else if case .message = field.kind {
            writer.line("if let value = \(property) { \(key(field)); writer.write(value) }")
        } else {
            writer.line("if \(names.isSet(field, property)) { \(key(field)); writer.write(\(property)) }")
        }
    }

    private func key(_ field: FieldSchema) -> String {
        "writer.field(\(literal(field.jsonName)))"
    }

    // MARK: Reading

    private func writeReading(to writer: inout SourceWriter) {
        writer.line()
        writer.block("public init(json reader: inout JSONReader) throws") { writer in
            writer.line("try reader.beginObject()")
            writer.block("while let name = try reader.nextField()") { writer in
                guard !message.members.isEmpty else {
                    writer.line("_ = name")
                    writer.line("try reader.skipUnknown()")
                    return
                }
                writer.line("switch name {")
                for member in message.members {
                    switch member {
                    case .oneof(let oneof, let fields):
                        for field in fields { readOneof(oneof, field, to: &writer) }
                    case .field(let field), .optional(let field, _):
                        writeCase(field, to: &writer)
                        writer.indented { readField(field, to: &$0) }
                    }
                }
                writer.line("default: try reader.skipUnknown()")
                writer.line("}")
            }
        }
    }

    /// A known field's label. Null stands for the field's default; an unknown field is refused whatever its value.
    private func writeCase(_ field: FieldSchema, to writer: inout SourceWriter) {
        writer.line("case \(labels(field)):")
        writer.indented { $0.line("if try reader.readNullIfNext() { continue }") }
    }

    /// The name in JSON, and the name in the .proto file where that differs.
    private func labels(_ field: FieldSchema) -> String {
        field.jsonName == field.name ? literal(field.name) : "\(literal(field.jsonName)), \(literal(field.name))"
    }

    private func readOneof(_ oneof: OneofSchema, _ field: FieldSchema, to writer: inout SourceWriter) {
        let property = "self.\(SwiftName.property(oneof.name))"
        writeCase(field, to: &writer)
        writer.indented { writer in
            writer.line("if \(property) != nil { throw reader.invalid(\"only one of \(oneof.name) may be set\") }")
            if case .enumeration(let name) = field.kind {
                writer.line("if let value = try reader.readEnum(\(names.swift(name)).self) { \(property) = .\(field.swiftName)(value) }")
            } else {
                writer.line("\(property) = .\(field.swiftName)(try \(read(field.kind)))")
            }
        }
    }

    private func readField(_ field: FieldSchema, to writer: inout SourceWriter) {
        let property = "self.\(field.swiftName)"
        if let (key, value) = names.schema.mapEntry(field) {
            writer.line("try reader.beginObject()")
            writer.block("while let text = try reader.nextKey()") { writer in
                let parsed =
                    switch key.kind {
                    case .string: "text"
                    case .bool: "try reader.boolKey(text)"
                    default: "try reader.integerKey(text, \(names.element(key.kind)).self)"
                    }
                writer.line("let key = \(parsed)")
                if case .enumeration(let name) = value.kind {
                    writer.line("if let value = try reader.readEnum(\(names.swift(name)).self) { \(property)[key] = value }")
                } else {
                    writer.line("\(property)[key] = try \(read(value.kind))")
                }
            }
        } else if field.isRepeated {
            writer.line("try reader.beginArray()")
            writer.block("while try reader.nextElement()") { writer in
                if case .enumeration(let name) = field.kind {
                    writer.line("if let value = try reader.readEnum(\(names.swift(name)).self) { \(property).append(value) }")
                } else {
                    writer.line("\(property).append(try \(read(field.kind)))")
                }
            }
        } else if case .enumeration(let name) = field.kind {
            writer.line("if let value = try reader.readEnum(\(names.swift(name)).self) { \(property) = value }")
        } else {
            writer.line("\(property) = try \(read(field.kind))")
        }
    }

    /// An expression that reads one value; not for enums.
    private func read(_ kind: FieldSchema.Kind) -> String {
        switch kind {
        case .double: "reader.readDouble()"
        case .float: "reader.readFloat()"
        case .int32, .sint32, .sfixed32: "reader.readInt32()"
        case .int64, .sint64, .sfixed64: "reader.readInt64()"
        case .uint32, .fixed32: "reader.readUInt32()"
        case .uint64, .fixed64: "reader.readUInt64()"
        case .bool: "reader.readBool()"
        case .string: "reader.readString()"
        case .bytes: "reader.readBytes()"
        case .message(let name), .enumeration(let name): "\(names.swift(name))(json: &reader)"
        }
    }

    private func literal(_ text: String) -> String {
        "\"\(text)\""
    }
}
