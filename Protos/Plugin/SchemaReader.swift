import CDescriptors
import CProtobufC

/// Why no code can be generated for a .proto file.
struct GeneratorError: Error {
    var message: String
}

/// Turns protoc's description of a file, in protobuf-c's structures, into the generator's own values.
struct SchemaReader {
    private let file: UnsafeMutablePointer<Google__Protobuf__FileDescriptorProto>
    private let comments: [[Int32]: String]
    private let package: String

    init(_ file: UnsafeMutablePointer<Google__Protobuf__FileDescriptorProto>) {
        self.file = file
        package = text(file.pointee.package)
        comments = Self.comments(of: file.pointee)
    }

    func read() throws -> FileSchema {
        let proto = file.pointee
        let name = text(proto.name)
        guard text(proto.syntax) == "proto3" else { throw GeneratorError(message: "\(name): only proto3 is supported") }
        return FileSchema(
            name: name, package: package,
            dependencies: list(proto.dependency, proto.n_dependency).map { text($0) },
            messages: try list(proto.message_type, proto.n_message_type).enumerated().map { index, message in
                try self.message(message.pointee, scope: package, path: [4, Int32(index)])
            },
            enums: list(proto.enum_type, proto.n_enum_type).enumerated().map { index, enumeration in
                self.enumeration(enumeration.pointee, scope: package, path: [5, Int32(index)])
            },
            services: list(proto.service, proto.n_service).enumerated().map { index, service in
                self.service(service.pointee, path: [6, Int32(index)])
            },
            comment: comments[[12]] ?? "",
            serialized: serialized())
    }

    /// The paths in comments are field numbers of descriptor.proto and indexes, in turn.
    private func message(_ proto: Google__Protobuf__DescriptorProto, scope: String, path: [Int32]) throws -> MessageSchema {
        let fullName = join(scope, text(proto.name))
        return MessageSchema(
            fullName: fullName,
            fields: try list(proto.field, proto.n_field).enumerated().map { index, field in
                try self.field(field.pointee, of: fullName, path: path + [2, Int32(index)])
            },
            oneofs: list(proto.oneof_decl, proto.n_oneof_decl).enumerated().map { index, oneof in
                OneofSchema(name: text(oneof.pointee.name), comment: comments[path + [8, Int32(index)]] ?? "")
            },
            messages: try list(proto.nested_type, proto.n_nested_type).enumerated().map { index, inner in
                try self.message(inner.pointee, scope: fullName, path: path + [3, Int32(index)])
            },
            enums: list(proto.enum_type, proto.n_enum_type).enumerated().map { index, inner in
                self.enumeration(inner.pointee, scope: fullName, path: path + [4, Int32(index)])
            },
            isMapEntry: proto.options?.pointee.map_entry ?? 0 != 0,
            comment: comments[path] ?? "")
    }

    private func field(_ proto: Google__Protobuf__FieldDescriptorProto, of message: String, path: [Int32]) throws -> FieldSchema {
        let name = text(proto.name)
        guard proto.proto3_optional == 0 else {
            throw GeneratorError(message: "\(message).\(name): protoc-c knows no proto3 `optional`; use a oneof of one field")
        }
        let isRepeated = proto.label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED
        let kind = try self.kind(proto, of: message)
        return FieldSchema(
            name: name, jsonName: text(proto.json_name), number: Int(proto.number), kind: kind, isRepeated: isRepeated,
            isPacked: isRepeated && kind.isPackable && isPacked(proto.options),
            oneofIndex: proto.has_oneof_index != 0 ? Int(proto.oneof_index) : nil,
            isDeprecated: proto.options?.pointee.deprecated ?? 0 != 0,
            comment: comments[path] ?? "")
    }

    /// In proto3 lists of numbers are packed unless the option says otherwise.
    private func isPacked(_ options: UnsafeMutablePointer<Google__Protobuf__FieldOptions>?) -> Bool {
        guard let options, options.pointee.has_packed != 0 else { return true }
        return options.pointee.packed != 0
    }

    private func kind(_ proto: Google__Protobuf__FieldDescriptorProto, of message: String) throws -> FieldSchema.Kind {
        // Names of types come with a leading dot, which says that they are full.
        let typeName = String(text(proto.type_name).drop { $0 == "." })
        switch proto.type {
        case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_DOUBLE: return .double
        case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FLOAT: return .float
        case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT32: return .int32
        case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT64: return .int64
        case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_UINT32: return .uint32
        case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_UINT64: return .uint64
        case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SINT32: return .sint32
        case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SINT64: return .sint64
        case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FIXED32: return .fixed32
        case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FIXED64: return .fixed64
        case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SFIXED32: return .sfixed32
        case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SFIXED64: return .sfixed64
        case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BOOL: return .bool
        case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING: return .string
        case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES: return .bytes
        case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE: return .message(typeName)
        case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_ENUM: return .enumeration(typeName)
        default: throw GeneratorError(message: "\(message).\(text(proto.name)): groups are not supported")
        }
    }

    private func enumeration(_ proto: Google__Protobuf__EnumDescriptorProto, scope: String, path: [Int32]) -> EnumSchema {
        EnumSchema(
            fullName: join(scope, text(proto.name)),
            values: list(proto.value, proto.n_value).enumerated().map { index, value in
                EnumSchema.Value(
                    name: text(value.pointee.name), number: value.pointee.number, comment: comments[path + [2, Int32(index)]] ?? "")
            },
            comment: comments[path] ?? "")
    }

    private func service(_ proto: Google__Protobuf__ServiceDescriptorProto, path: [Int32]) -> ServiceSchema {
        ServiceSchema(
            fullName: join(package, text(proto.name)),
            methods: list(proto.method, proto.n_method).enumerated().map { index, method in
                ServiceSchema.Method(
                    name: text(method.pointee.name),
                    input: String(text(method.pointee.input_type).drop { $0 == "." }),
                    output: String(text(method.pointee.output_type).drop { $0 == "." }),
                    streamsInput: method.pointee.client_streaming != 0,
                    streamsOutput: method.pointee.server_streaming != 0,
                    idempotency: idempotency(method.pointee.options),
                    comment: comments[path + [2, Int32(index)]] ?? "")
            },
            comment: comments[path] ?? "")
    }

    private func idempotency(_ options: UnsafeMutablePointer<Google__Protobuf__MethodOptions>?) -> ServiceSchema.Idempotency {
        guard let options, options.pointee.has_idempotency_level != 0 else { return .none }
        switch options.pointee.idempotency_level {
        case GOOGLE__PROTOBUF__METHOD_OPTIONS__IDEMPOTENCY_LEVEL__NO_SIDE_EFFECTS: return .noSideEffects
        case GOOGLE__PROTOBUF__METHOD_OPTIONS__IDEMPOTENCY_LEVEL__IDEMPOTENT: return .idempotent
        default: return .none
        }
    }

    /// The file's own bytes again, without the positions and comments.
    private func serialized() -> [UInt8] {
        var bare = file.pointee
        bare.source_code_info = nil
        return [UInt8](unsafeUninitializedCapacity: google__protobuf__file_descriptor_proto__get_packed_size(&bare)) { buffer, count in
            count = google__protobuf__file_descriptor_proto__pack(&bare, buffer.baseAddress)
        }
    }

    /// The comment of each element, by its path: the one above it, else the one behind it.
    private static func comments(of proto: Google__Protobuf__FileDescriptorProto) -> [[Int32]: String] {
        guard let info = proto.source_code_info?.pointee else { return [:] }
        var comments: [[Int32]: String] = [:]
        for location in list(info.location, info.n_location) {
            let above = text(location.pointee.leading_comments)
            let comment = above.isEmpty ? text(location.pointee.trailing_comments) : above
            guard !comment.isEmpty else { continue }
            let path = [Int32](UnsafeBufferPointer(start: location.pointee.path, count: location.pointee.n_path))
            comments[path] = comment
        }
        return comments
    }
}

extension FieldSchema.Kind {
    /// Whether a list of it may be packed: numbers only.
    var isPackable: Bool {
        switch self {
        case .string, .bytes, .message: false
        default: true
        }
    }
}

private func join(_ scope: String, _ name: String) -> String {
    scope.isEmpty ? name : "\(scope).\(name)"
}

private func text(_ pointer: UnsafePointer<CChar>?) -> String {
    pointer.map { String(cString: $0) } ?? ""
}

private func text(_ pointer: UnsafeMutablePointer<CChar>?) -> String {
    text(UnsafePointer(pointer))
}

/// The elements of a repeated field; protobuf-c never leaves one of them nil.
private func list<T>(_ start: UnsafeMutablePointer<UnsafeMutablePointer<T>?>?, _ count: Int) -> [UnsafeMutablePointer<T>] {
    UnsafeBufferPointer(start: start, count: count).compactMap { $0 }
}
