/// Writes one JSON value, piece by piece, in the proto3 JSON mapping: 64-bit integers as strings, bytes in base64.
///
/// ```swift
/// var writer = JSONWriter()
/// writer.beginObject()
/// writer.field("code")
/// writer.write("not_found")
/// writer.endObject()              // {"code":"not_found"}
/// ```
public struct JSONWriter: Sendable {
    /// What was written so far.
    public private(set) var bytes: [UInt8] = []
    private var needsComma = false
    /// How many `google.protobuf.Any` are open around this.
    var anyDepth = 0

    public init(reservingBytes: Int = 0) {
        bytes.reserveCapacity(reservingBytes)
    }

    public mutating func beginObject() { open("{") }
    public mutating func endObject() { close("}") }
    public mutating func beginArray() { open("[") }
    public mutating func endArray() { close("]") }

    /// The name of the next value in an object; it must need no escaping.
    public mutating func field(_ name: StaticString) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        name.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// The name of the next value in an object, escaped where needed.
    public mutating func key(_ name: String) {
        write(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    public mutating func write(_ value: Bool) { literal(value ? "true" : "false") }
    public mutating func writeNull() { literal("null") }
    public mutating func write(_ value: Int32) { literal(String(value)) }
    public mutating func write(_ value: UInt32) { literal(String(value)) }
    public mutating func write(_ value: Int64) { quoted(String(value)) }
    public mutating func write(_ value: UInt64) { quoted(String(value)) }

    /// The shortest digits that read back as the same number; `"NaN"`, `"Infinity"`, `"-Infinity"` as strings.
    public mutating func write(_ value: Double) {
        value.isFinite ? literal(value.description) : quoted(nonFinite(value.isNaN, value < 0))
    }

    /// The shortest digits that read back as the same number; `"NaN"`, `"Infinity"`, `"-Infinity"` as strings.
    public mutating func write(_ value: Float) {
        value.isFinite ? literal(value.description) : quoted(nonFinite(value.isNaN, value < 0))
    }

    public mutating func write(_ value: String) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        var value = value
        value.withUTF8 { appendEscaped($0) }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Bytes, in base64 with padding.
    public mutating func write(_ value: [UInt8]) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        Base64.encode(value, into: &bytes)
        bytes.append(UInt8(ascii: "\""))
    }

    /// The value's name; its number where the name is not known.
    public mutating func write(_ value: some ProtobufEnum) {
        if let name = value.name { quoted(name) } else { write(value.rawValue) }
    }

    public mutating func write(_ value: some Message) { value.writeJSON(to: &self) }

    /// Writes the members of an object that was written apart. Any other value, or one that shall not stand in place,
    /// becomes a member `value`.
    mutating func appendMembers(of other: JSONWriter, inPlace: Bool) {
        let splices = inPlace && other.bytes.first == UInt8(ascii: "{")
        let text = splices ? other.bytes.dropFirst().dropLast() : other.bytes[...]
        guard !text.isEmpty else { return }
        if splices { separate() } else { field("value") }
        bytes.append(contentsOf: text)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func open(_ bracket: Unicode.Scalar) {
        separate()
        bytes.append(UInt8(ascii: bracket))
        needsComma = false
    }

    private mutating func close(_ bracket: Unicode.Scalar) {
        bytes.append(UInt8(ascii: bracket))
        needsComma = true
    }

    private mutating func literal(_ text: String) {
        separate()
        bytes.append(contentsOf: text.utf8)
    }

    /// Text that needs no escaping.
    mutating func quoted(_ text: String) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        bytes.append(contentsOf: text.utf8)
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func appendEscaped(_ text: UnsafeBufferPointer<UInt8>) {
        var copied = 0
        for index in text.indices where text[index] < 0x20 || text[index] == UInt8(ascii: "\"") || text[index] == UInt8(ascii: "\\") {
            bytes.append(contentsOf: text[copied..<index])
            copied = index + 1
            bytes.append(UInt8(ascii: "\\"))
            switch text[index] {
            case UInt8(ascii: "\n"): bytes.append(UInt8(ascii: "n"))
            case UInt8(ascii: "\r"): bytes.append(UInt8(ascii: "r"))
            case UInt8(ascii: "\t"): bytes.append(UInt8(ascii: "t"))
            case let byte where byte >= 0x20: bytes.append(byte)
            case let byte:
                bytes.append(contentsOf: "u00".utf8)
                bytes.append(hexDigit(byte >> 4))
                bytes.append(hexDigit(byte & 15))
            }
        }
        bytes.append(contentsOf: text[copied...])
    }

    private func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    private func nonFinite(_ isNaN: Bool, _ isNegative: Bool) -> String {
        isNaN ? "NaN" : isNegative ? "-Infinity" : "Infinity"
    }
}
