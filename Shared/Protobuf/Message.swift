/// A protobuf message as a plain Swift value. Generated code conforms to it; nobody else needs to.
///
/// A message is read from and written to two forms: the protobuf wire format and proto3 JSON.
///
/// ```swift
/// let stamp = try GoogleProtobuf.Timestamp(protobuf: bytes)
/// let json = stamp.jsonBytes()    // "2026-01-31T08:00:00Z"
/// ```
///
/// Fields this version of the contract does not know are dropped when a message is read.
public protocol Message: Sendable, Hashable {
    /// The name with its package, as in `vigil.records.v1.Transaction`.
    static var fullName: String { get }

    /// A message with every field at its default.
    init()

    /// Reads the wire format. The bytes are not kept.
    ///
    /// - Throws: `ProtobufError` where the bytes are no such message, a string is not valid UTF-8 or contains NUL, or
    ///   the message nests or expands beyond the limits of ``ProtobufLimits``.
    init(protobuf bytes: UnsafeRawBufferPointer) throws

    /// How many bytes the wire format takes.
    var protobufByteCount: Int { get }

    /// Writes the wire format, exactly ``protobufByteCount`` bytes of it. Map entries are sorted by key, so that equal
    /// messages always give equal bytes.
    func writeProtobuf(to writer: inout ProtobufWriter)

    /// Writes the message as one JSON value, in the proto3 JSON form: defaults left out, `lowerCamelCase` names.
    func writeJSON(to writer: inout JSONWriter)

    /// Reads the message from the next JSON value, in the proto3 JSON form; the names of the .proto file are accepted
    /// beside the `lowerCamelCase` ones.
    ///
    /// - Throws: `ProtobufError` that names the field's path.
    init(json reader: inout JSONReader) throws
}

/// The bounds that hold whatever a peer sends. The size of the message itself is bounded by who receives it.
public enum ProtobufLimits {
    /// Messages (or JSON values) inside one another.
    public static let maxNestingDepth = 64
    /// What decoding may take in memory for each byte received, beyond the first ``freeArenaBytes``. A list of short strings
    /// takes about 16.
    public static let maxExpansionFactor = 32
    /// What decoding may take in memory whatever was received, in bytes.
    public static let freeArenaBytes = 1 << 20
    /// What decoding may take in memory at all, in bytes.
    public static let maxArenaBytes = 256 << 20
}

extension Message {
    /// Reads the wire format.
    public init(protobuf bytes: [UInt8]) throws {
        self = try bytes.withUnsafeBytes { try Self(protobuf: $0) }
    }

    /// The wire format.
    public func protobufBytes() -> [UInt8] {
        makeBytes(protobufByteCount) { encodeProtobuf(into: $0) }
    }

    /// Appends the wire format to `buffer`.
    public func encodeProtobuf(into buffer: inout [UInt8]) {
        if buffer.isEmpty { buffer = protobufBytes() } else { buffer += protobufBytes() }
    }

    /// Writes the wire format to the beginning of `storage`, which must hold at least ``protobufByteCount`` bytes.
    ///
    /// - Returns: how many bytes were written.
    @discardableResult
    public func encodeProtobuf(into storage: UnsafeMutableRawBufferPointer) -> Int {
        var writer = ProtobufWriter(storage)
        writeProtobuf(to: &writer)
        return writer.count
    }

    /// Reads proto3 JSON from one whole document.
    public init(
        jsonBytes bytes: UnsafeRawBufferPointer, options: JSONReader.Options = JSONReader.Options()
    ) throws {
        var reader = JSONReader(bytes, options: options)
        try self.init(json: &reader)
        try reader.finish()
    }

    /// Reads proto3 JSON from one whole document.
    public init(jsonBytes bytes: [UInt8], options: JSONReader.Options = JSONReader.Options()) throws {
        self = try bytes.withUnsafeBytes { try Self(jsonBytes: $0, options: options) }
    }

    /// The message as proto3 JSON, without white space.
    public func jsonBytes() -> [UInt8] {
        var writer = JSONWriter()
        writeJSON(to: &writer)
        return writer.bytes
    }
}

/// As many bytes as `fill` says it has written. Not generic, so that nothing about arrays is looked up for each message.
@inline(never)
private func makeBytes(_ capacity: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: capacity) { storage, initialized in
        initialized = fill(UnsafeMutableRawBufferPointer(storage))
    }
}

/// A protobuf enumeration. A number that this version of the contract does not know is kept, as `unrecognized`.
public protocol ProtobufEnum: Sendable, Hashable {
    /// The name with its package.
    static var fullName: String { get }
    /// Every value this version of the contract knows, in the order of the .proto file.
    static var allKnown: [Self] { get }

    /// The value of number 0.
    init()
    init(rawValue: Int32)
    /// The value of that name in the .proto file, aliases included.
    init?(name: String)

    var rawValue: Int32 { get }
    /// The name in the .proto file; nil for a number that is not known.
    var name: String? { get }
}

/// Why bytes or JSON are no message.
public struct ProtobufError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        case malformed, invalidUTF8, nulInString, tooLarge, tooDeep, invalidJSON
    }

    public var code: Code
    /// What is wrong, for the peer's eyes; it quotes no value.
    public var message: String
    /// Where: `transaction.amount.currency` in JSON, `vigil.records.v1.Money.currency` in the wire format; nil where
    /// it cannot be told.
    public var fieldPath: String?

    public init(_ code: Code, _ message: String, fieldPath: String? = nil) {
        self.code = code
        self.message = message
        self.fieldPath = fieldPath
    }

    public var description: String {
        fieldPath.map { "\($0): \(message)" } ?? message
    }
}
