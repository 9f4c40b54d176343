/// Names and expressions in Swift for the kinds of fields.
struct TypeNames {
    let schema: Schema
    private let packageOfFile: [String: String]

    init(_ schema: Schema) {
        self.schema = schema
        packageOfFile = Dictionary(uniqueKeysWithValues: schema.files.map { ($0.name, $0.package) })
    }

    /// `vigil.records.v1.Jurisdiction.Ring` → `RecordsV1.Jurisdiction.Ring`: whole, so that nothing nearer can hide it.
    func swift(_ fullName: String) -> String {
        let package = schema.fileOfType[fullName].flatMap { packageOfFile[$0] } ?? ""
        let inner = fullName.dropFirst(package.count + 1).split(separator: ".").map { SwiftName.type(String($0)) }
        return ([SwiftName.namespace(package)] + inner).joined(separator: ".")
    }

    /// The type of one value of a field.
    func element(_ kind: FieldSchema.Kind) -> String {
        switch kind {
        case .double: "Double"
        case .float: "Float"
        case .int32, .sint32, .sfixed32: "Int32"
        case .int64, .sint64, .sfixed64: "Int64"
        case .uint32, .fixed32: "UInt32"
        case .uint64, .fixed64: "UInt64"
        case .bool: "Bool"
        case .string: "String"
        case .bytes: "[UInt8]"
        case .message(let name), .enumeration(let name): swift(name)
        }
    }

    /// The type of a field's property.
    func property(_ field: FieldSchema) -> String {
        if let (key, value) = schema.mapEntry(field) { return "[\(element(key.kind)): \(element(value.kind))]" }
        if field.isRepeated { return "[\(element(field.kind))]" }
        if case .message = field.kind { return element(field.kind) + "?" }
        return element(field.kind)
    }

    /// What a field's property is where the message says nothing.
    func initialValue(_ field: FieldSchema) -> String {
        if schema.mapEntry(field) != nil { return "[:]" }
        if field.isRepeated { return "[]" }
        switch field.kind {
        case .message: return "nil"
        case .bool: return "false"
        case .string: return "\"\""
        case .bytes: return "[]"
        case .enumeration(let name): return "\(swift(name))()"
        default: return "0"
        }
    }

    /// A condition that holds where `value`, of a field without presence, is not the default. A negative zero is not.
    func isSet(_ field: FieldSchema, _ value: String) -> String {
        if field.isRepeated { return "!\(value).isEmpty" }
        switch field.kind {
        case .bool: return value
        case .string, .bytes: return "!\(value).isEmpty"
        case .enumeration: return "\(value).rawValue != 0"
        case .double, .float: return "\(value).bitPattern != 0"
        default: return "\(value) != 0"
        }
    }
}

extension FieldSchema {
    /// The name of its property, as a member after a dot.
    var swiftName: String { SwiftName.property(name) }
    /// Its member in protobuf-c's structure.
    var cName: String { CName.member(name) }
}

extension FieldSchema.Kind {
    /// The name of the method of `ProtobufSink` that takes such a field.
    var sinkMethod: String {
        switch self {
        case .double: "double"
        case .float: "float"
        case .int32: "int32"
        case .int64: "int64"
        case .uint32: "uint32"
        case .uint64: "uint64"
        case .sint32: "sint32"
        case .sint64: "sint64"
        case .fixed32: "fixed32"
        case .fixed64: "fixed64"
        case .sfixed32: "sfixed32"
        case .sfixed64: "sfixed64"
        case .bool: "bool"
        case .string: "string"
        case .bytes: "bytes"
        case .message: "message"
        case .enumeration: "enumeration"
        }
    }
}
