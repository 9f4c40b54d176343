/// The little of protobuf's wire format that a vector tile needs, written into one array in place: a tile has thousands of features of some
/// thirty bytes.
struct ProtobufWriter {
    /// Writes at one place after another; the caller has made sure that there is room.
    struct Cursor {
        fileprivate var next: UnsafeMutablePointer<UInt8>

        @inline(__always)
        mutating func byte(_ value: UInt8) {
            next.pointee = value
            next += 1
        }

        @inline(__always)
        mutating func varint(_ value: UInt64) {
            var rest = value
            while rest >= 0x80 {
                byte(UInt8(truncatingIfNeeded: rest) | 0x80)
                rest >>= 7
            }
            byte(UInt8(truncatingIfNeeded: rest))
        }

        @inline(__always)
        mutating func field(_ number: UInt64, varint value: UInt64) {
            varint(number << 3)
            varint(value)
        }

        @inline(__always)
        mutating func field(_ number: UInt64, length: Int) {
            varint(number << 3 | 2)
            varint(UInt64(length))
        }

        /// Four bytes, the lowest first.
        mutating func field(_ number: UInt64, fixed value: UInt32) {
            varint(number << 3 | 5)
            for shift in Swift.stride(from: UInt32(0), to: 32, by: 8) { byte(UInt8(truncatingIfNeeded: value >> shift)) }
        }
    }

    private var storage: [UInt8]
    private(set) var count = 0

    init(capacity: Int) {
        storage = [UInt8](repeating: 0, count: capacity)
    }

    var bytes: ArraySlice<UInt8> { storage[..<count] }

    /// - Parameter length: at least the bytes that `body` writes.
    @inline(__always)
    mutating func write(atMost length: Int, _ body: (inout Cursor) -> Void) {
        if count + length > storage.count { storage += repeatElement(0, count: max(length, storage.count)) }
        count += storage.withUnsafeMutableBufferPointer { storage in
            guard let start = storage.baseAddress?.advanced(by: count) else { return 0 }
            var cursor = Cursor(next: start)
            body(&cursor)
            return cursor.next - start
        }
    }

    /// - Parameter field: the number of a field.
    mutating func write(_ field: UInt64, string: String) {
        write(atMost: 16 + string.utf8.count) { cursor in
            cursor.field(field, length: string.utf8.count)
            for byte in string.utf8 { cursor.byte(byte) }
        }
    }

    mutating func append(_ other: ProtobufWriter) {
        if count + other.count > storage.count { storage += repeatElement(0, count: max(other.count, storage.count)) }
        storage.replaceSubrange(count..<(count + other.count), with: other.bytes)
        count += other.count
    }
}

extension UInt64 {
    /// Bytes that the number takes as a varint: one for each seven bits.
    var varintLength: Int { (70 - (self | 1).leadingZeroBitCount) / 7 }
}

extension Int {
    /// Small numbers of either sign as small ones without.
    var zigZag: UInt64 { UInt64(bitPattern: Int64(self << 1 ^ self >> 63)) }
}
