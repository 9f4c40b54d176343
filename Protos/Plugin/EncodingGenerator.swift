/// A message's way into the wire format, without a detour through protobuf-c's structures: one function names the fields
/// in the order of their numbers, and serves both to count the bytes and to write them.
struct EncodingGenerator {
    let message: MessageGenerator

    private var names: TypeNames { message.names }

    func write(to writer: inout SourceWriter) {
        writer.line()
        writer.block("public var protobufByteCount: Int") { writer in
            writer.line("var counter = ProtobufCounter()")
            writer.line("send(to: &counter)")
            writer.line("return counter.count")
        }
        writer.line()
        writer.line("public func writeProtobuf(to writer: inout ProtobufWriter) { send(to: &writer) }")
        writer.line()
        writer.line("@inline(__always)")
        writer.block("private func send(to sink: inout some ProtobufSink)") { writer in
            for member in message.members.sorted(by: { $0.firstNumber < $1.firstNumber }) {
                switch member {
                case .oneof(let oneof, let fields): writeOneof(oneof, fields, to: &writer)
                case .optional(let field, _):
                    writer.line("if let value = self.\(field.swiftName) { sink.\(field.kind.sinkMethod)(\(field.number), value) }")
                case .field(let field): writeField(field, to: &writer)
                }
            }
        }
    }

    private func writeOneof(_ oneof: OneofSchema, _ fields: [FieldSchema], to writer: inout SourceWriter) {
        writer.line("switch self.\(SwiftName.property(oneof.name)) {")
        for field in fields {
            writer.line("case .\(field.swiftName)(let value)?: sink.\(field.kind.sinkMethod)(\(field.number), value)")
        }
        writer.line("case nil: break")
        writer.line("}")
    }

    private func writeField(_ field: FieldSchema, to writer: inout SourceWriter) {
        let property = "self.\(field.swiftName)"
        let send = "sink.\(field.kind.sinkMethod)(\(field.number), "
        if let (key, value) = names.schema.mapEntry(field) {
            writeMap(field, key, value, to: &writer)
        } else if field.isPacked {
            writer.line("\(packed(field.kind))(\(field.number), \(property)) { \(packedElement(field.kind)) }")
        } else if field.isRepeated {
            writer.line("for value in \(property) { \(send)value) }")
        } else if case .message = field.kind {
            writer.line("if let value = \(property) { \(send)value) }")
        } else {
            writer.line("if \(names.isSet(field, property)) { \(send)\(property)) }")
        }
    }

    private func writeMap(_ field: FieldSchema, _ key: FieldSchema, _ value: FieldSchema, to writer: inout SourceWriter) {
        writer.block("for (key, value) in self.\(field.swiftName).sorted(by: { \(Self.order(key.kind)) })") { writer in
            writer.line("var entry = ProtobufCounter()")
            for sink in ["entry", "sink"] {
                if sink == "sink" { writer.line("sink.begin(\(field.number), byteCount: entry.count)") }
                writer.line("\(sink).\(key.kind.sinkMethod)(1, key)")
                writer.line("\(sink).\(value.kind.sinkMethod)(2, value)")
            }
        }
    }

    /// The order of a map's keys; false before true.
    static func order(_ key: FieldSchema.Kind) -> String {
        key == .bool ? "!$0.key && $1.key" : "$0.key < $1.key"
    }

    private func packed(_ kind: FieldSchema.Kind) -> String {
        switch kind {
        case .fixed32, .sfixed32, .float: "sink.packedFixed32"
        case .fixed64, .sfixed64, .double: "sink.packedFixed64"
        default: "sink.packedVarints"
        }
    }

    private func packedElement(_ kind: FieldSchema.Kind) -> String {
        switch kind {
        case .fixed32, .fixed64, .uint64: "$0"
        case .uint32: "UInt64($0)"
        case .sfixed32: "UInt32(bitPattern: $0)"
        case .sfixed64, .int64: "UInt64(bitPattern: $0)"
        case .float, .double: "$0.bitPattern"
        case .int32: "UInt64(bitPattern: Int64($0))"
        case .sint32: "UInt64(zigZag($0))"
        case .sint64: "zigZag($0)"
        case .bool: "$0 ? 1 : 0"
        default: "UInt64(bitPattern: Int64($0.rawValue))"
        }
    }
}

extension MessageGenerator.Member {
    var firstNumber: Int {
        switch self {
        case .field(let field), .optional(let field, _): field.number
        case .oneof(_, let fields): fields.map(\.number).min() ?? 0
        }
    }
}
