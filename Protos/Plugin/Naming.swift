/// How names of the .proto files become names in Swift.
enum SwiftName {
    /// Parts of a name that Swift writes in capitals.
    private static let acronyms: [String: String] = [
        "id": "ID", "ids": "IDs", "url": "URL", "urls": "URLs", "uri": "URI", "json": "JSON", "mcc": "MCC", "ip": "IP", "atm": "ATM", "bic": "BIC",
        "atms": "ATMs", "utc": "UTC", "jwt": "JWT", "sms": "SMS", "http": "HTTP",
    ]

    /// Words that no declaration may have as its name without backticks.
    private static let keywords: Set<String> = [
        "as", "associatedtype", "break", "case", "catch", "class", "continue", "default", "defer", "deinit", "do", "else", "enum",
        "extension", "fallthrough", "false", "fileprivate", "for", "func", "guard", "if", "import", "in", "inout", "internal", "is",
        "let", "nil", "operator", "precedencegroup", "private", "protocol", "public", "repeat", "rethrows", "return", "static",
        "struct", "subscript", "super", "switch", "throw", "throws", "true", "try", "typealias", "var", "where", "while",
    ]

    /// Names that mean something else on every value, or that the `Message` protocol takes.
    private static let taken: Set<String> = ["self", "Self", "init", "hashValue", "protobufByteCount", "hash", "protobufBytes", "jsonBytes"]

    /// `vigil.records.v1` → `RecordsV1`, `grpc.health.v1` → `GRPCHealthV1`.
    static func namespace(_ package: String) -> String {
        var parts = package.split(separator: ".").map(String.init)
        if parts.count > 1, parts.first == "vigil" { parts.removeFirst() }
        return parts.map { part in
            switch part {
            case "grpc": "GRPC"
            case "rpc": "RPC"
            case "eventlog": "EventLog"
            default: upperCamel(part)
            }
        }.joined()
    }

    /// A message's or enum's own name, without those around it.
    static func type(_ name: String) -> String {
        switch name {
        case "Any", "Type", "Protocol", "Self": name + "Message"
        default: name
        }
    }

    /// `transaction_id` → `transactionID`, without backticks.
    static func property(_ name: String) -> String {
        let parts = name.split(separator: "_").map { $0.lowercased() }
        guard let first = parts.first else { return name }
        let camel = first + parts.dropFirst().map { acronyms[$0] ?? capitalized($0) }.joined()
        return taken.contains(camel) ? camel + "_" : camel
    }

    /// A name as a declaration writes it.
    static func quoted(_ name: String) -> String {
        keywords.contains(name) ? "`\(name)`" : name
    }

    /// `SubmitTransaction` → `submitTransaction`.
    static func method(_ name: String) -> String {
        let start = name.prefix { $0.isUppercase }
        // In `GETThing` the last capital belongs to the next word.
        let lowered = start.count > 1 && start.count < name.count ? start.count - 1 : start.count
        return name.prefix(lowered).lowercased() + name.dropFirst(lowered)
    }

    /// `some_choice` → `SomeChoice`.
    static func upperCamel(_ name: String) -> String {
        name.split(separator: "_").map { capitalized(String($0)) }.joined()
    }

    /// The case of an enum's value: `CHANNEL_ATM` of `Channel` → `atm`. The enum's name is dropped from all values or from none.
    static func enumCase(_ value: String, of enumeration: EnumSchema) -> String {
        let prefix = screamingSnake(lastPart(enumeration.fullName)) + "_"
        let rest = value.hasPrefix(prefix) ? String(value.dropFirst(prefix.count)) : value
        let name = property(rest)
        return name.first?.isNumber ?? true ? property(value) : name
    }

    /// `vigil/records/v1/records.proto` → `vigilRecordsV1Records`.
    static func fileDescriptor(_ file: String) -> String {
        let stem = file.hasSuffix(".proto") ? String(file.dropLast(6)) : file
        let parts = stem.split { $0 == "/" || $0 == "_" || $0 == "-" || $0 == "." }.map { $0.lowercased() }
        return (parts.first ?? "") + parts.dropFirst().map(capitalized).joined()
    }

    static func lastPart(_ fullName: String) -> String {
        fullName.split(separator: ".").last.map(String.init) ?? fullName
    }

    private static func capitalized(_ word: String) -> String {
        word.prefix(1).uppercased() + word.dropFirst()
    }

    private static func screamingSnake(_ name: String) -> String {
        var result = ""
        var previous: Character?
        for character in name {
            if character.isUppercase, let previous, !previous.isUppercase { result += "_" }
            result += character.uppercased()
            previous = character
        }
        return result
    }
}

/// How protoc-c names things in C.
enum CName {
    /// Words of C and C++, behind which protoc-c writes an underscore.
    private static let keywords: Set<String> = [
        "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch", "char", "class", "compl", "const",
        "const_cast", "continue", "default", "delete", "do", "double", "dynamic_cast", "else", "enum", "explicit", "extern", "false",
        "float", "for", "friend", "goto", "if", "inline", "int", "long", "mutable", "namespace", "new", "not", "not_eq", "operator",
        "or", "or_eq", "private", "protected", "public", "register", "reinterpret_cast", "return", "short", "signed", "sizeof",
        "static", "static_cast", "struct", "switch", "template", "this", "throw", "true", "try", "typedef", "typeid", "typename",
        "union", "unsigned", "using", "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq",
    ]

    /// `vigil.records.v1.Money` → `Vigil__Records__V1__Money`.
    static func type(_ fullName: String) -> String {
        fullName.split(separator: ".").map { SwiftName.upperCamel(String($0)) }.joined(separator: "__")
    }

    /// `vigil.records.v1.TransactionKey` → `vigil__records__v1__transaction_key`.
    static func function(_ fullName: String) -> String {
        fullName.split(separator: ".").map { lowerSnake(String($0)) }.joined(separator: "__")
    }

    /// A field's member, as Swift writes it after a dot.
    static func member(_ field: String) -> String {
        let name = field.lowercased()
        let member = keywords.contains(name) ? name + "_" : name
        // After a dot these two words mean something else.
        return member == "self" || member == "init" ? "`\(member)`" : member
    }

    private static func lowerSnake(_ name: String) -> String {
        var result = ""
        var previousIsUpper = true
        for character in name {
            if character.isUppercase, !previousIsUpper { result += "_" }
            result += character.lowercased()
            previousIsUpper = character.isUppercase
        }
        return result
    }
}
