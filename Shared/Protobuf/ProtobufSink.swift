/// Where generated code sends a message's fields: either a ``ProtobufCounter``, which only adds up their bytes, or a
/// ``ProtobufWriter``. One generated function serves both, so what is counted and what is written cannot differ.
public protocol ProtobufSink {
    mutating func varint(_ value: UInt64)
    mutating func fixed32(_ value: UInt32)
    mutating func fixed64(_ value: UInt64)
    mutating func raw(_ text: String)
    mutating func raw(_ bytes: [UInt8])
    /// A message with its length before it.
    mutating func lengthDelimited(_ message: some Message)
}

/// Adds up how many bytes fields take in the wire format.
public struct ProtobufCounter: ProtobufSink {
    public var count = 0

    @inlinable
    public init() {}

    @inlinable @inline(__always)
    public mutating func varint(_ value: UInt64) {
        // Seven bits a byte; zero takes one byte too.
        count += (63 - (value | 1).leadingZeroBitCount) / 7 + 1
    }

    @inlinable
    public mutating func fixed32(_ value: UInt32) { count += 4 }

    @inlinable
    public mutating func fixed64(_ value: UInt64) { count += 8 }

    @inlinable
    public mutating func raw(_ text: String) { count += text.utf8.count }

    @inlinable
    public mutating func raw(_ bytes: [UInt8]) { count += bytes.count }

    @inlinable
    public mutating func lengthDelimited(_ message: some Message) {
        let length = message.protobufByteCount
        varint(UInt64(length))
        count += length
    }
}

/// Writes fields in the wire format into memory whose size was counted before. Traps rather than leave that memory.
public struct ProtobufWriter: ProtobufSink {
    @usableFromInline let storage: UnsafeMutableRawBufferPointer
    @usableFromInline var offset = 0
    /// Takes large fields of bytes uncopied.
    @usableFromInline let pieces: MessagePieces?

    /// From here on, a field of bytes may be lent rather than copied.
    @usableFromInline static let lentByteCount = 16 << 10

    /// The caller keeps `storage` alive and untouched while the writer is in use.
    @inlinable
    package init(_ storage: UnsafeMutableRawBufferPointer) {
        self.storage = storage
        pieces = nil
    }

    init(_ storage: UnsafeMutableRawBufferPointer, lendingTo pieces: MessagePieces) {
        self.storage = storage
        self.pieces = pieces
    }

    /// How many bytes were written, those that were lent left out.
    @inlinable
    public var count: Int { offset }

    @inlinable @inline(__always)
    mutating func reserve(_ byteCount: Int) -> UnsafeMutableRawPointer {
        precondition(byteCount <= storage.count - offset, "a message wrote more than it counted")
        defer { offset += byteCount }
        // A non-empty reservation has a base address, since it fits in the storage.
        return storage.baseAddress.unsafelyUnwrapped + offset
    }

    @inlinable @inline(__always)
    public mutating func varint(_ value: UInt64) {
        if value < 0x80 {
            reserve(1).storeBytes(of: UInt8(truncatingIfNeeded: value), as: UInt8.self)
        } else {
            longVarint(value)
        }
    }

    /// Tags, lengths and most numbers take one byte and never come here.
    @usableFromInline
    mutating func longVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            reserve(1).storeBytes(of: UInt8(truncatingIfNeeded: rest) | 0x80, as: UInt8.self)
            rest >>= 7
        }
        reserve(1).storeBytes(of: UInt8(truncatingIfNeeded: rest), as: UInt8.self)
    }

    @inlinable
    public mutating func fixed32(_ value: UInt32) {
        reserve(4).storeBytes(of: value.littleEndian, as: UInt32.self)
    }

    @inlinable
    public mutating func fixed64(_ value: UInt64) {
        reserve(8).storeBytes(of: value.littleEndian, as: UInt64.self)
    }

    @inlinable
    public mutating func raw(_ text: String) {
        let isContiguous: Void? = text.utf8.withContiguousStorageIfAvailable { copy(UnsafeRawBufferPointer($0)) }
        guard isContiguous == nil else { return }
        // Only a string that Objective-C lends has its bytes elsewhere.
        for byte in text.utf8 { reserve(1).storeBytes(of: byte, as: UInt8.self) }
    }

    @inlinable
    public mutating func raw(_ bytes: [UInt8]) {
        if bytes.count >= Self.lentByteCount, let pieces { return pieces.lend(bytes, at: offset) }
        bytes.withUnsafeBytes { copy($0) }
    }

    @inlinable @inline(__always)
    mutating func copy(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        reserve(bytes.count).copyMemory(from: source, byteCount: bytes.count)
    }

    @inlinable
    public mutating func lengthDelimited(_ message: some Message) {
        varint(UInt64(message.protobufByteCount))
        message.writeProtobuf(to: &self)
    }
}

/// One field each: its tag and its value. Whether a default is left out is the caller's choice.
extension ProtobufSink {
    /// Inlined, because a tag is a constant where it is written, and so is how many bytes it takes.
    @inlinable @inline(__always)
    public mutating func tag(_ field: Int, wireType: Int) { varint(UInt64(field << 3 | wireType)) }

    @inlinable
    public mutating func uint64(_ field: Int, _ value: UInt64) { tag(field, wireType: 0); varint(value) }

    @inlinable
    public mutating func int64(_ field: Int, _ value: Int64) { uint64(field, UInt64(bitPattern: value)) }

    /// Negative numbers are sign-extended to 64 bits, as the format demands.
    @inlinable
    public mutating func int32(_ field: Int, _ value: Int32) { int64(field, Int64(value)) }

    @inlinable
    public mutating func uint32(_ field: Int, _ value: UInt32) { uint64(field, UInt64(value)) }

    @inlinable
    public mutating func sint32(_ field: Int, _ value: Int32) { uint32(field, zigZag(value)) }

    @inlinable
    public mutating func sint64(_ field: Int, _ value: Int64) { uint64(field, zigZag(value)) }

    @inlinable
    public mutating func bool(_ field: Int, _ value: Bool) { uint64(field, value ? 1 : 0) }

    @inlinable
    public mutating func enumeration(_ field: Int, _ value: some ProtobufEnum) { int32(field, value.rawValue) }

    @inlinable
    public mutating func fixed32(_ field: Int, _ value: UInt32) { tag(field, wireType: 5); fixed32(value) }

    @inlinable
    public mutating func sfixed32(_ field: Int, _ value: Int32) { fixed32(field, UInt32(bitPattern: value)) }

    @inlinable
    public mutating func float(_ field: Int, _ value: Float) { fixed32(field, value.bitPattern) }

    @inlinable
    public mutating func fixed64(_ field: Int, _ value: UInt64) { tag(field, wireType: 1); fixed64(value) }

    @inlinable
    public mutating func sfixed64(_ field: Int, _ value: Int64) { fixed64(field, UInt64(bitPattern: value)) }

    @inlinable
    public mutating func double(_ field: Int, _ value: Double) { fixed64(field, value.bitPattern) }

    @inlinable
    public mutating func string(_ field: Int, _ value: String) {
        begin(field, byteCount: value.utf8.count)
        raw(value)
    }

    @inlinable
    public mutating func bytes(_ field: Int, _ value: [UInt8]) {
        begin(field, byteCount: value.count)
        raw(value)
    }

    @inlinable
    public mutating func message(_ field: Int, _ value: some Message) {
        tag(field, wireType: 2)
        lengthDelimited(value)
    }

    /// Announces a field of `byteCount` bytes, which the caller sends next.
    @inlinable
    public mutating func begin(_ field: Int, byteCount: Int) {
        tag(field, wireType: 2)
        varint(UInt64(byteCount))
    }
}

/// Repeated numbers, packed: one length, then the values alone. An empty list takes no bytes.
extension ProtobufSink {
    @inlinable
    public mutating func packedVarints<T>(_ field: Int, _ values: [T], _ encode: (T) -> UInt64) {
        guard !values.isEmpty else { return }
        var counter = ProtobufCounter()
        for value in values { counter.varint(encode(value)) }
        begin(field, byteCount: counter.count)
        for value in values { varint(encode(value)) }
    }

    @inlinable
    public mutating func packedFixed32<T>(_ field: Int, _ values: [T], _ encode: (T) -> UInt32) {
        guard !values.isEmpty else { return }
        begin(field, byteCount: 4 * values.count)
        for value in values { fixed32(encode(value)) }
    }

    @inlinable
    public mutating func packedFixed64<T>(_ field: Int, _ values: [T], _ encode: (T) -> UInt64) {
        guard !values.isEmpty else { return }
        begin(field, byteCount: 8 * values.count)
        for value in values { fixed64(encode(value)) }
    }
}

/// Signed numbers of small magnitude as small unsigned ones: 0, -1, 1, -2 … become 0, 1, 2, 3 …
@inlinable
public func zigZag(_ value: Int32) -> UInt32 { UInt32(bitPattern: (value << 1) ^ (value >> 31)) }

/// Signed numbers of small magnitude as small unsigned ones.
@inlinable
public func zigZag(_ value: Int64) -> UInt64 { UInt64(bitPattern: (value << 1) ^ (value >> 63)) }
