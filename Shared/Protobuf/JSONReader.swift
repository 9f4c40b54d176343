/// Reads one JSON document, value by value, into messages. Every bound holds while reading: nothing is built first.
///
/// ```swift
/// try reader.beginObject()
/// while let name = try reader.nextField() {
///     switch name {
///     case "code": code = try reader.readString()
///     default: try reader.skipUnknown()
///     }
/// }
/// ```
public struct JSONReader {
    public struct Options: Sendable, Hashable {
        /// Whether a field or an enum's name that the contract does not know is an error, rather than passed over, and
        /// whether a name that comes twice in one object is, rather than its last value standing.
        public var refusesUnknownFields: Bool

        public init(refusesUnknownFields: Bool = false) {
            self.refusesUnknownFields = refusesUnknownFields
        }
    }

    enum PathStep {
        /// By either of its names.
        case field(String)
        /// A key of a map, or a name that nobody knows.
        case key(String)
        case index(Int)
    }

    let input: UnsafeRawBufferPointer
    let options: Options
    var offset = 0
    /// Whether the object or array being read has had a value.
    private var needsComma = false
    private var path: [PathStep] = []
    /// The names that each open object or array has had; kept only where a name that comes twice is an error.
    private var names: [Set<String>] = []

    /// The caller keeps `input` alive while the reader is in use.
    init(_ input: UnsafeRawBufferPointer, options: Options) {
        self.input = input
        self.options = options
    }

    /// Lets `body` read the one value that `bytes` hold.
    ///
    /// - Throws: what `body` throws; `ProtobufError` where something follows the value.
    public static func read<R>(
        _ bytes: [UInt8], options: Options = Options(), _ body: (inout JSONReader) throws -> R
    ) throws -> R {
        try bytes.withUnsafeBytes { input in
            var reader = JSONReader(input, options: options)
            let result = try body(&reader)
            try reader.finish()
            return result
        }
    }

    /// What the next value is, from its first character.
    public enum Kind: Sendable, Hashable { case object, array, string, number, boolean, null }

    public mutating func peekKind() throws -> Kind {
        switch try peek() {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .boolean
        case UInt8(ascii: "n"): return .null
        default: throw invalid("expected a value")
        }
    }

    // MARK: Objects and arrays

    public mutating func beginObject() throws {
        try open("{", as: "an object", .field(""))
    }

    /// The next name in the object, or nil at its end.
    public mutating func nextKey() throws -> String? {
        try nextName(as: { .key($0) }) { $0 }
    }

    /// - Parameter identity: what two names have in common that stand for the same.
    private mutating func nextName(as step: (String) -> PathStep, _ identity: (String) -> String) throws -> String? {
        guard try advance(closing: "}") else { return nil }
        path[path.count - 1] = .field("")
        guard try peek() == UInt8(ascii: "\"") else { throw invalid("expected a name in quotes") }
        let key = try scanString()
        path[path.count - 1] = step(key)
        if options.refusesUnknownFields, !names[names.count - 1].insert(identity(key)).inserted { throw invalid("given twice") }
        guard try peek() == UInt8(ascii: ":") else { throw invalid("expected a colon") }
        offset += 1
        return key
    }

    /// The name of the next field in the object, or nil at its end. Its value may be null, which stands for its default.
    public mutating func nextField() throws -> String? {
        try nextName(as: { .field($0) }, Self.lowerCamelCase)
    }

    /// A field's name in JSON, from that or from its name in the .proto file.
    private static func lowerCamelCase(_ name: String) -> String {
        guard name.utf8.contains(UInt8(ascii: "_")) else { return name }
        var isAfterUnderscore = false
        var text = ""
        for character in name {
            if character != "_" { text += isAfterUnderscore ? character.uppercased() : String(character) }
            isAfterUnderscore = character == "_"
        }
        return text
    }

    /// A field's name in the .proto file, from that or from its name in JSON.
    private static func snakeCase(_ name: String) -> String {
        name.reduce(into: "") { text, character in text += character.isUppercase ? "_\(character.lowercased())" : String(character) }
    }

    public mutating func beginArray() throws {
        try open("[", as: "an array", .index(-1))
    }

    /// Whether another element follows in the array; it must be read before this is asked again.
    public mutating func nextElement() throws -> Bool {
        guard try advance(closing: "]") else { return false }
        if case .index(let index)? = path.last { path[path.count - 1] = .index(index + 1) }
        return true
    }

    /// Passes over the value of a name nobody knows.
    public mutating func skipUnknown() throws {
        if case .field(let name)? = path.last { path[path.count - 1] = .key(name) }
        if options.refusesUnknownFields, !isAtTypeName { throw invalid("no such field") }
        try skipValue()
    }

    /// Whether what was read last is the name that an `Any` adds to its message's own.
    private var isAtTypeName: Bool {
        if case .key("@type")? = path.last { true } else { false }
    }

    public mutating func skipValue() throws {
        switch try peekKind() {
        case .object:
            try beginObject()
            while try nextKey() != nil { try skipValue() }
        case .array:
            try beginArray()
            while try nextElement() { try skipValue() }
        case .string: _ = try readString()
        case .number:
            guard JSONNumber(try readNumberText()) != nil else { throw invalid("expected a number") }
        case .boolean: _ = try readBool()
        case .null: _ = try readNullIfNext()
        }
    }

    /// Refuses what follows the document.
    mutating func finish() throws {
        skipWhiteSpace()
        guard offset == input.count else { throw invalid("something follows the value") }
    }

    // MARK: Scalars

    /// Reads `null` if that is what follows, and says whether it was.
    public mutating func readNullIfNext() throws -> Bool {
        guard try peek() == UInt8(ascii: "n") else { return false }
        try literal("null")
        return true
    }

    public mutating func readBool() throws -> Bool {
        switch try peek() {
        case UInt8(ascii: "t"): try literal("true"); return true
        case UInt8(ascii: "f"): try literal("false"); return false
        default: throw invalid("expected true or false")
        }
    }

    /// A string; NUL is refused, as it is in the wire format.
    public mutating func readString() throws -> String {
        guard try peek() == UInt8(ascii: "\"") else { throw invalid("expected a string") }
        let text = try scanString()
        needsComma = true
        return text
    }

    /// Bytes in base64, standard or URL-safe.
    public mutating func readBytes() throws -> [UInt8] {
        guard let bytes = Base64.decode(try readString().utf8) else { throw invalid("expected base64") }
        return bytes
    }

    /// The text of a number, or of a string that stands for one.
    mutating func readNumberText() throws -> String {
        if try peek() == UInt8(ascii: "\"") { return try readString() }
        let start = offset
        while offset < input.count, isNumberByte(input[offset]) { offset += 1 }
        guard offset > start else { throw invalid("expected a number") }
        needsComma = true
        return String(decoding: input[start..<offset], as: UTF8.self)
    }

    // MARK: Errors and tokens

    /// An error at the place that was read last.
    public func invalid(_ message: String) -> ProtobufError {
        ProtobufError(.invalidJSON, message, fieldPath: fieldPath)
    }

    /// With the names of the .proto file, whichever of the two was given, as in what services refuse.
    var fieldPath: String? {
        var text = ""
        func append(_ name: String) { text += text.isEmpty ? name : ".\(name)" }
        for step in path {
            switch step {
            case .index(let index): text += "[\(max(index, 0))]"
            // Between an object's brace and its first name.
            case .field(""), .key(""): break
            case .field(let name): append(Self.snakeCase(name))
            case .key(let name): append(name)
            }
        }
        return text.isEmpty ? nil : text
    }

    private mutating func open(_ bracket: Unicode.Scalar, as kind: String, _ step: PathStep) throws {
        guard try peek() == UInt8(ascii: bracket) else { throw invalid("expected \(kind)") }
        guard path.count < ProtobufLimits.maxNestingDepth else {
            throw ProtobufError(.tooDeep, "nested deeper than \(ProtobufLimits.maxNestingDepth)", fieldPath: nil)
        }
        offset += 1
        path.append(step)
        if options.refusesUnknownFields { names.append([]) }
        needsComma = false
    }

    /// Steps to the next entry; false once the closing bracket is passed.
    private mutating func advance(closing bracket: Unicode.Scalar) throws -> Bool {
        var next = try peek()
        if next == UInt8(ascii: bracket) {
            offset += 1
            path.removeLast()
            if options.refusesUnknownFields { names.removeLast() }
            needsComma = true
            return false
        }
        if needsComma {
            guard next == UInt8(ascii: ",") else { throw invalid("expected a comma or the end") }
            offset += 1
            next = try peek()
            guard next != UInt8(ascii: bracket) else { throw invalid("expected a value after the comma") }
        }
        needsComma = false
        return true
    }

    private mutating func literal(_ text: StaticString) throws {
        let matches = text.withUTF8Buffer { expected in
            input.count - offset >= expected.count && input[offset..<offset + expected.count].elementsEqual(expected)
        }
        guard matches else { throw invalid("expected \(text)") }
        offset += text.utf8CodeUnitCount
        needsComma = true
    }

    private mutating func peek() throws -> UInt8 {
        skipWhiteSpace()
        guard offset < input.count else { throw invalid("the document ends too early") }
        return input[offset]
    }

    private mutating func skipWhiteSpace() {
        while offset < input.count {
            switch input[offset] {
            case UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"): offset += 1
            default: return
            }
        }
    }

    private func isNumberByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
            UInt8(ascii: "e"), UInt8(ascii: "E"):
            true
        default: false
        }
    }
}
