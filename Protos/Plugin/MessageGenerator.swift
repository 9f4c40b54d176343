/// One message: a struct with its fields, and the four ways in and out of it.
struct MessageGenerator {
    let names: TypeNames
    let message: MessageSchema

    /// A property of the struct: a field by itself, or a oneof with all its fields. A oneof of one field is how our contracts
    /// say that a field may be absent; in Swift that is an optional.
    enum Member {
        case field(FieldSchema)
        case optional(FieldSchema, in: OneofSchema)
        case oneof(OneofSchema, [FieldSchema])
    }

    var schema: Schema { names.schema }
    var swiftType: String { names.swift(message.fullName) }
    private var isRecursive: Bool { schema.isRecursive(message.fullName) }

    /// In the order of the .proto file; a oneof where its first field stands.
    var members: [Member] {
        var members: [Member] = []
        var seen: Set<Int> = []
        for field in message.fields {
            guard let index = field.oneofIndex else {
                members.append(.field(field))
                continue
            }
            guard seen.insert(index).inserted else { continue }
            let fields = message.fields.filter { $0.oneofIndex == index }
            members.append(fields.count == 1 ? .optional(field, in: message.oneofs[index]) : .oneof(message.oneofs[index], fields))
        }
        return members
    }

    func write(to writer: inout SourceWriter) {
        writer.documentation(message.comment, otherwise: "`\(message.fullName)`")
        writer.block("public struct \(SwiftName.type(SwiftName.lastPart(message.fullName))): Message") { writer in
            writeNested(to: &writer)
            for member in members { writeProperty(member, to: &writer) }
            writeInitializers(to: &writer)
            writer.line()
            writer.line("public static let fullName = \"\(message.fullName)\"")
            writeDecoding(to: &writer)
            EncodingGenerator(message: self).write(to: &writer)
            JSONGenerator(message: self).write(to: &writer)
            WellKnownGenerator(message: self).write(to: &writer)
        }
    }

    // MARK: Properties

    private func writeNested(to writer: inout SourceWriter) {
        for enumeration in message.enums {
            EnumGenerator(enumeration: enumeration).write(to: &writer)
            writer.line()
        }
        for inner in message.messages where !inner.isMapEntry {
            MessageGenerator(names: names, message: inner).write(to: &writer)
            writer.line()
        }
        for case .oneof(let oneof, let fields) in members {
            writeOneofType(oneof, fields, to: &writer)
            writer.line()
        }
    }

    private func writeOneofType(_ oneof: OneofSchema, _ fields: [FieldSchema], to writer: inout SourceWriter) {
        let needsBox = fields.contains { schema.needsBox($0, in: message.fullName) }
        writer.documentation(oneof.comment, otherwise: "What `\(SwiftName.property(oneof.name))` may be.")
        writer.block("public \(needsBox ? "indirect " : "")enum \(oneofType(oneof)): Sendable, Hashable") { writer in
            for field in fields {
                writer.documentation(field.comment)
                writer.line("case \(SwiftName.quoted(field.swiftName))(\(names.element(field.kind)))")
            }
        }
    }

    /// The name of the enum for a oneof, without those around it.
    func oneofType(_ oneof: OneofSchema) -> String {
        let name = SwiftName.type(SwiftName.upperCamel(oneof.name))
        let siblings = message.messages.map(\.fullName) + message.enums.map(\.fullName)
        return siblings.contains { SwiftName.lastPart($0) == name } ? name + "OneOf" : name
    }

    private func writeProperty(_ member: Member, to writer: inout SourceWriter) {
        switch member {
        case .oneof(let oneof, _):
            writer.documentation(oneof.comment)
            writer.line("public var \(SwiftName.quoted(SwiftName.property(oneof.name))): \(oneofType(oneof))?")
        case .optional(let field, let oneof):
            let comment = field.comment.isEmpty ? oneof.comment : field.comment
            writeProperty(field, type: names.element(field.kind) + "?", comment: comment, to: &writer)
        case .field(let field):
            writeProperty(field, type: names.property(field), comment: field.comment, to: &writer)
        }
    }

    private func writeProperty(_ field: FieldSchema, type: String, comment: String, to writer: inout SourceWriter) {
        writer.documentation(comment)
        if field.isDeprecated { writer.line("// Deprecated in the contract.") }
        guard schema.needsBox(field, in: message.fullName) else {
            let initial = type.hasSuffix("?") ? "" : " = \(names.initialValue(field))"
            writer.line("public var \(SwiftName.quoted(field.swiftName)): \(type)\(initial)")
            return
        }
        writer.block("public var \(SwiftName.quoted(field.swiftName)): \(type)") { writer in
            writer.line("get { self.\(field.swiftName)Box?.value }")
            writer.line("set { self.\(field.swiftName)Box = newValue.map { MessageBox($0) } }")
        }
        writer.line("private var \(field.swiftName)Box: MessageBox<\(names.element(field.kind))>?")
    }

    private func writeInitializers(to writer: inout SourceWriter) {
        if !members.isEmpty { writer.line() }
        writer.line("public init() {}")
        guard !members.isEmpty else { return }
        writer.line()
        writer.line("public init(")
        writer.indented { writer in
            for (index, member) in members.enumerated() {
                let comma = index == members.count - 1 ? "" : ","
                switch member {
                case .oneof(let oneof, _):
                    writer.line("\(SwiftName.quoted(SwiftName.property(oneof.name))): \(oneofType(oneof))? = nil\(comma)")
                case .optional(let field, _):
                    writer.line("\(SwiftName.quoted(field.swiftName)): \(names.element(field.kind))? = nil\(comma)")
                case .field(let field):
                    writer.line("\(SwiftName.quoted(field.swiftName)): \(names.property(field)) = \(names.initialValue(field))\(comma)")
                }
            }
        }
        writer.block(")") { writer in
            for member in members {
                let name =
                    switch member {
                    case .oneof(let oneof, _): SwiftName.property(oneof.name)
                    case .field(let field), .optional(let field, _): field.swiftName
                    }
                writer.line("self.\(name) = \(SwiftName.quoted(name))")
            }
        }
    }

    // MARK: From protobuf-c

    private func writeDecoding(to writer: inout SourceWriter) {
        let cType = CName.type(message.fullName)
        writer.line()
        writer.line("private static let descriptor = MessageDescriptor(")
        writer.line("    \(cType)(), { \(CName.function(message.fullName))__init($0) }, isRecursive: \(isRecursive))")
        writer.line()
        writer.block("public init(protobuf bytes: UnsafeRawBufferPointer) throws") { writer in
            writer.block("self = try withUnpacked(bytes, Self.descriptor)") { writer in
                writer.line("try Self(unpacked: $0.assumingMemoryBound(to: \(cType).self))")
            }
        }
        writer.line()
        writer.line("/// For generated code: a message out of protobuf-c's structure.")
        writer.block("public init(unpacked: UnsafePointer<\(cType)>) throws") { writer in
            for member in members {
                switch member {
                case .oneof(let oneof, let fields): writeOneofDecoding(oneof, fields, to: &writer)
                case .optional(let field, let oneof):
                    writer.line("if unpacked.pointee.\(oneof.name.lowercased())_case.rawValue == \(field.number) {")
                    writer.indented { $0.line("self.\(field.swiftName) = \(oneofValue(field))") }
                    writer.line("}")
                case .field(let field): writeFieldDecoding(field, to: &writer)
                }
            }
        }
    }

    private func writeOneofDecoding(_ oneof: OneofSchema, _ fields: [FieldSchema], to writer: inout SourceWriter) {
        writer.line("switch unpacked.pointee.\(oneof.name.lowercased())_case.rawValue {")
        for field in fields {
            writer.line("case \(field.number): self.\(SwiftName.property(oneof.name)) = .\(field.swiftName)(\(oneofValue(field)))")
        }
        writer.line("default: break")
        writer.line("}")
    }

    /// The value of a oneof's field that is known to be the one set.
    private func oneofValue(_ field: FieldSchema) -> String {
        if case .message(let name) = field.kind {
            return "try \(names.swift(name))(unpacked: Unpacked.message(unpacked.pointee.\(field.cName)))"
        }
        return single(field.kind, "unpacked.pointee.\(field.cName)", field)
    }

    private func writeFieldDecoding(_ field: FieldSchema, to writer: inout SourceWriter) {
        let property = "self.\(field.swiftName)"
        let member = "unpacked.pointee.\(field.cName)"
        let count = "unpacked.pointee.n_\(field.name.lowercased())"
        if let (key, value) = schema.mapEntry(field) {
            writer.block("for pointer in Unpacked.list(\(member), \(count))") { writer in
                writer.line("let entry = try Unpacked.message(pointer)")
                var mapped = single(value.kind, "entry.pointee.value", field)
                if case .message(let name) = value.kind {
                    mapped = "try entry.pointee.value.map { try \(names.swift(name))(unpacked: $0) } ?? \(names.swift(name))()"
                }
                writer.line("\(property)[\(single(key.kind, "entry.pointee.key", field))] = \(mapped)")
            }
        } else if field.isRepeated {
            switch field.kind {
            case .message(let name):
                let element = "try \(names.swift(name))(unpacked: Unpacked.message($0))"
                writer.line("\(property) = try Unpacked.list(\(member), \(count)) { \(element) }")
            case .string:
                writer.line("\(property) = try Unpacked.list(\(member), \(count)) { \(single(field.kind, "$0", field)) }")
            case .bool, .bytes, .enumeration:
                writer.line("\(property) = Unpacked.list(\(member), \(count)) { \(single(field.kind, "$0", field)) }")
            default:
                writer.line("\(property) = Unpacked.list(\(member), \(count))")
            }
        } else if case .message(let name) = field.kind {
            writer.line("if let message = \(member) { \(property) = try \(names.swift(name))(unpacked: message) }")
        } else {
            writer.line("\(property) = \(single(field.kind, member, field))")
        }
    }

    /// One value of protobuf-c's as Swift has it; not for messages.
    private func single(_ kind: FieldSchema.Kind, _ value: String, _ field: FieldSchema) -> String {
        switch kind {
        case .bool: "\(value) != 0"
        case .string: "try Unpacked.string(\(value), \"\(message.fullName).\(field.name)\")"
        case .bytes: "Unpacked.bytes(\(value))"
        case .enumeration(let name): "\(names.swift(name))(rawValue: Int32(truncatingIfNeeded: \(value).rawValue))"
        default: value
        }
    }
}
