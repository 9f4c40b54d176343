/// What the generator needs of the .proto files, as plain values.
struct FileSchema {
    var name: String
    var package: String
    var dependencies: [String]
    var messages: [MessageSchema]
    var enums: [EnumSchema]
    var services: [ServiceSchema]
    /// What stands above the file's first statement.
    var comment: String
    /// The file as a `FileDescriptorProto`, without comments, in the wire format.
    var serialized: [UInt8]
}

struct MessageSchema {
    /// With the package and the messages around it: `vigil.records.v1.Jurisdiction.Ring`.
    var fullName: String
    var fields: [FieldSchema]
    var oneofs: [OneofSchema]
    var messages: [MessageSchema]
    var enums: [EnumSchema]
    /// Whether it stands for the entries of a map field.
    var isMapEntry: Bool
    var comment: String
}

struct FieldSchema {
    enum Kind: Equatable {
        case double, float, int32, int64, uint32, uint64, sint32, sint64, fixed32, fixed64, sfixed32, sfixed64
        case bool, string, bytes
        case message(String)
        case enumeration(String)
    }

    var name: String
    var jsonName: String
    var number: Int
    var kind: Kind
    var isRepeated: Bool
    var isPacked: Bool
    var oneofIndex: Int?
    var isDeprecated: Bool
    var comment: String
}

struct OneofSchema {
    var name: String
    var comment: String
}

struct EnumSchema {
    struct Value {
        var name: String
        var number: Int32
        var comment: String
    }

    var fullName: String
    var values: [Value]
    var comment: String
}

struct ServiceSchema {
    enum Idempotency { case none, noSideEffects, idempotent }

    struct Method {
        var name: String
        var input: String
        var output: String
        var streamsInput: Bool
        var streamsOutput: Bool
        var idempotency: Idempotency
        var comment: String
    }

    var fullName: String
    var methods: [Method]
    var comment: String
}

/// All files of a run, and where each type is declared.
struct Schema {
    /// Each after what it imports.
    private(set) var files: [FileSchema] = []
    /// The names of those that code is generated for.
    var generatedFiles: [String] = []
    private(set) var messages: [String: MessageSchema] = [:]
    private(set) var enums: [String: EnumSchema] = [:]
    /// The file that declares each message and enum, by full name.
    private(set) var fileOfType: [String: String] = [:]

    mutating func add(_ file: FileSchema) {
        files.append(file)
        for message in file.messages { register(message, in: file.name) }
        for enumeration in file.enums { register(enumeration, in: file.name) }
    }

    private mutating func register(_ message: MessageSchema, in file: String) {
        messages[message.fullName] = message
        fileOfType[message.fullName] = file
        for inner in message.messages { register(inner, in: file) }
        for enumeration in message.enums { register(enumeration, in: file) }
    }

    private mutating func register(_ enumeration: EnumSchema, in file: String) {
        enums[enumeration.fullName] = enumeration
        fileOfType[enumeration.fullName] = file
    }

    /// The full names of all messages that code is generated for, in order.
    var generatedMessages: [String] {
        messages.values.filter { !$0.isMapEntry && fileOfType[$0.fullName].map(generatedFiles.contains) ?? false }.map(\.fullName).sorted()
    }

    /// The key and value of a map field; nil for any other field.
    func mapEntry(_ field: FieldSchema) -> (key: FieldSchema, value: FieldSchema)? {
        guard field.isRepeated, case .message(let name) = field.kind, let entry = messages[name], entry.isMapEntry,
            let key = entry.fields.first(where: { $0.number == 1 }), let value = entry.fields.first(where: { $0.number == 2 })
        else { return nil }
        return (key, value)
    }

    /// Whether a message of this type can lie inside another of it, by whatever way.
    func isRecursive(_ message: String) -> Bool {
        reaches(message, from: message) { _ in true }
    }

    /// Whether a field holds its message in place, and that message leads back to `owner` in place: a Swift struct then
    /// needs a box there. Lists and maps are boxes already.
    func needsBox(_ field: FieldSchema, in owner: String) -> Bool {
        guard case .message(let name) = field.kind, !field.isRepeated else { return false }
        return name == owner || reaches(owner, from: name) { !$0.isRepeated }
    }

    private func reaches(_ target: String, from start: String, along: (FieldSchema) -> Bool) -> Bool {
        var seen: Set<String> = []
        var pending = [start]
        while let name = pending.popLast() {
            for field in messages[name]?.fields ?? [] where along(field) {
                guard case .message(let inner) = field.kind else { continue }
                if inner == target { return true }
                if seen.insert(inner).inserted { pending.append(inner) }
            }
        }
        return false
    }
}
