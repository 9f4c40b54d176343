public import Contracts

/// Feature values in fewer bytes, bit for bit. Most are counts, zeros or unknown, whose last bytes are zero.
///
/// The number of values in two bytes, the least first; for each value how many of its eight bytes are kept, in four bits, two values to a byte
/// and the first of them in the lower bits; then what is kept of each value, the sign's byte first.
public enum PackedValues {
    public static let maxCount = Int(UInt16.max)
    private static let headerBytes = 2

    public enum Failure: Error, Hashable {
        /// It says that it holds more, or less, than there is.
        case wrongLength
        /// More than eight bytes for a value, or a value behind the last.
        case wrongWidth
        /// Values both packed and not.
        case twice
    }

    /// - Parameter values: at most ``maxCount``.
    public static func pack(_ values: [Double]) -> [UInt8] {
        precondition(values.count <= maxCount, "more values than two bytes can count")
        let widthsEnd = headerBytes + (values.count + 1) / 2
        return [UInt8](unsafeUninitializedCapacity: widthsEnd + values.count * 8) { storage, initialized in
            let bytes = UnsafeMutableRawBufferPointer(storage)
            bytes.storeBytes(of: UInt16(values.count).littleEndian, as: UInt16.self)
            for place in headerBytes..<widthsEnd { bytes[place] = 0 }
            var end = widthsEnd
            for (index, value) in values.enumerated() {
                let bits = value.bitPattern
                let width = bits == 0 ? 0 : 8 - bits.trailingZeroBitCount / 8
                bytes[headerBytes + index / 2] |= UInt8(width) << (index % 2 * 4)
                // All eight: the next value overwrites those that are not kept.
                bytes.storeBytes(of: bits.bigEndian, toByteOffset: end, as: UInt64.self)
                end += width
            }
            initialized = end
        }
    }

    public static func unpack(_ packed: [UInt8]) throws(Failure) -> [Double] {
        guard packed.count >= headerBytes else { throw .wrongLength }
        let count = Int(packed[0]) | Int(packed[1]) << 8
        var start = headerBytes + (count + 1) / 2
        guard packed.count >= start else { throw .wrongLength }
        guard count % 2 == 0 || packed[start - 1] >> 4 == 0 else { throw .wrongWidth }
        var values: [Double] = []
        values.reserveCapacity(count)
        for index in 0..<count {
            let width = Int(packed[headerBytes + index / 2] >> (index % 2 * 4) & 0xF)
            guard width <= 8 else { throw .wrongWidth }
            guard start + width <= packed.count else { throw .wrongLength }
            values.append(Double(bitPattern: bits(packed, at: start, width: width)))
            start += width
        }
        guard start == packed.count else { throw .wrongLength }
        return values
    }

    /// The first bytes of a value; its others are zero.
    private static func bits(_ packed: [UInt8], at start: Int, width: Int) -> UInt64 {
        // Swift shifts all bits out where 64 are asked for.
        let unused = 64 - 8 * width
        guard start + 8 <= packed.count else {
            return packed[start..<start + width].reduce(0) { $0 << 8 | UInt64($1) } << unused
        }
        let all = packed.withUnsafeBytes { UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: start, as: UInt64.self)) }
        return (all >> unused) << unused
    }
}

extension FeaturesV1.Observation {
    /// - Parameter encoded: ``encoded``, or as observations were stored before their values were packed.
    public init(encoded: [UInt8]) throws {
        self = try Payload.decode(Self.self, encoded)
        try unpack()
    }

    /// As it is stored and passed on.
    public var encoded: [UInt8] {
        // No feature set has so many; somebody may send them all the same.
        guard values.count <= PackedValues.maxCount else { return Payload.encode(self) }
        var packed = self
        packed.packedValues = PackedValues.pack(values)
        packed.values = []
        return Payload.encode(packed)
    }

    /// From the form in which it is stored to that in which it is read.
    public mutating func unpack() throws(PackedValues.Failure) {
        guard !packedValues.isEmpty else { return }
        guard values.isEmpty else { throw .twice }
        values = try PackedValues.unpack(packedValues)
        packedValues = []
    }
}
