/// Why a snapshot cannot be read.
public enum SnapshotError: Error, Sendable, Hashable {
    /// A chunk is cut short, has another checksum, or is not the one that comes next.
    case damaged(chunk: Int)
    /// Another format, or of a feature set with another version.
    case other
}

/// A memory as a row of chunks, each with its checksum.
public protocol SnapshotChunks: Sendable {
    /// Raised whenever chunks are written otherwise.
    static var format: Int { get }
    /// The next chunk; nil after the last.
    mutating func next() -> [UInt8]?
}

/// A chunk in the making. Numbers are little-endian or LEB128.
struct SnapshotEncoder {
    /// The kind, its first byte, of a snapshot's first chunk and of no other.
    static let headKind: UInt8 = 1

    private(set) var bytes: [UInt8] = []

    init(capacity: Int) { bytes.reserveCapacity(capacity) }

    var count: Int { bytes.count }

    mutating func byte(_ value: UInt8) { bytes.append(value) }

    mutating func word(_ value: UInt64) { withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) } }

    mutating func halfWord(_ value: UInt32) { withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) } }

    mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    /// Near zero in few bytes, whatever the sign.
    mutating func signed(_ value: Int64) { varint(UInt64(bitPattern: value << 1 ^ value >> 63)) }

    mutating func text(_ text: String) {
        varint(UInt64(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    /// The chunk with its checksum, which depends on its place too.
    mutating func sealed(number: Int) -> [UInt8] {
        word(bytes.withUnsafeBytes { SnapshotEncoder.checksum(number).hash($0) })
        return bytes
    }

    static func checksum(_ number: Int) -> SipHash { SipHash(key0: 0x7669_6769_6c73, key1: UInt64(number)) }
}

/// Reads a chunk; never beyond its end. Must not outlive the bytes.
struct SnapshotDecoder {
    private let bytes: UnsafeRawBufferPointer
    private var offset = 0
    private let number: Int

    /// - Throws: ``SnapshotError/damaged(chunk:)`` if the checksum is another.
    init(_ bytes: UnsafeRawBufferPointer, number: Int) throws(SnapshotError) {
        self.number = number
        guard bytes.count >= 8 else { throw .damaged(chunk: number) }
        self.bytes = UnsafeRawBufferPointer(rebasing: bytes.dropLast(8))
        let checksum = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: bytes.count - 8, as: UInt64.self))
        guard SnapshotEncoder.checksum(number).hash(self.bytes) == checksum else { throw .damaged(chunk: number) }
    }

    var isAtEnd: Bool { offset == bytes.count }

    mutating func byte() throws(SnapshotError) -> UInt8 {
        guard offset < bytes.count else { throw .damaged(chunk: number) }
        defer { offset += 1 }
        return bytes[offset]
    }

    mutating func word() throws(SnapshotError) -> UInt64 { UInt64(littleEndian: try load()) }

    mutating func halfWord() throws(SnapshotError) -> UInt32 { UInt32(littleEndian: try load()) }

    private mutating func load<T: FixedWidthInteger & BitwiseCopyable>() throws(SnapshotError) -> T {
        let size = MemoryLayout<T>.size
        guard bytes.count - offset >= size else { throw .damaged(chunk: number) }
        defer { offset += size }
        return bytes.loadUnaligned(fromByteOffset: offset, as: T.self)
    }

    mutating func varint() throws(SnapshotError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while shift < 64 {
            let byte = try byte()
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw .damaged(chunk: number)
    }

    /// A number of things that take at least a byte each, so that a wrong one cannot ask for more memory than there are bytes.
    mutating func count() throws(SnapshotError) -> Int {
        guard let count = Int(exactly: try varint()), count <= bytes.count - offset else { throw .damaged(chunk: number) }
        return count
    }

    mutating func signed() throws(SnapshotError) -> Int64 {
        let value = try varint()
        return Int64(bitPattern: value >> 1) ^ -Int64(value & 1)
    }

    mutating func text() throws(SnapshotError) -> String {
        let count = try count()
        defer { offset += count }
        return String(decoding: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count]), as: UTF8.self)
    }

    func damaged() -> SnapshotError { .damaged(chunk: number) }
}
