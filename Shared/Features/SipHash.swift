/// SipHash: a keyed hash of 64 bits; whoever does not know the key cannot choose what collides.
/// Source: Aumasson, Bernstein, "SipHash: a fast short-input PRF", 2012.
struct SipHash: Sendable, Hashable {
    var key0: UInt64
    var key1: UInt64

    static func random() -> SipHash {
        var random = SystemRandomNumberGenerator()
        return SipHash(key0: random.next(), key1: random.next())
    }

    /// - Parameters:
    ///   - compression: rounds for every eight bytes; the paper's name for (1, 3) is SipHash-1-3.
    func hash(_ bytes: UnsafeRawBufferPointer, compression: Int = 1, finalization: Int = 3) -> UInt64 {
        var state = State(key0, key1)
        let whole = bytes.count & ~7
        var offset = 0
        while offset < whole {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            state.absorb(word, rounds: compression)
            offset += 8
        }
        var last = UInt64(truncatingIfNeeded: bytes.count) << 56
        for index in whole..<bytes.count { last |= UInt64(bytes[index]) << UInt64(8 * (index - whole)) }
        state.absorb(last, rounds: compression)
        state.v2 ^= 0xff
        for _ in 0..<finalization { state.round() }
        return state.v0 ^ state.v1 ^ state.v2 ^ state.v3
    }

    func hash(_ text: String) -> UInt64 {
        text.utf8.withContiguousStorageIfAvailable { hash(UnsafeRawBufferPointer($0)) } ?? Array(text.utf8).withUnsafeBytes { hash($0) }
    }

    private struct State {
        var v0: UInt64
        var v1: UInt64
        var v2: UInt64
        var v3: UInt64

        init(_ key0: UInt64, _ key1: UInt64) {
            v0 = key0 ^ 0x736f_6d65_7073_6575
            v1 = key1 ^ 0x646f_7261_6e64_6f6d
            v2 = key0 ^ 0x6c79_6765_6e65_7261
            v3 = key1 ^ 0x7465_6462_7974_6573
        }

        @inline(__always)
        mutating func absorb(_ word: UInt64, rounds: Int) {
            v3 ^= word
            for _ in 0..<rounds { round() }
            v0 ^= word
        }

        @inline(__always)
        mutating func round() {
            v0 &+= v1
            v1 = State.rotate(v1, 13) ^ v0
            v0 = State.rotate(v0, 32)
            v2 &+= v3
            v3 = State.rotate(v3, 16) ^ v2
            v0 &+= v3
            v3 = State.rotate(v3, 21) ^ v0
            v2 &+= v1
            v1 = State.rotate(v1, 17) ^ v2
            v2 = State.rotate(v2, 32)
        }

        @inline(__always)
        private static func rotate(_ word: UInt64, _ bits: UInt64) -> UInt64 { word << bits | word >> (64 - bits) }
    }
}
