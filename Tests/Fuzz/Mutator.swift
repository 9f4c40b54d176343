import SeededRandom

/// Makes input that is nearly right out of input that is: what is all wrong is refused at the door and tests little.
struct Mutator {
    var generator: SplitMix64
    let corpus: [[UInt8]]

    /// Values at which lengths, counts and signs go wrong.
    private static let edges: [UInt8] = [0, 1, 0x7F, 0x80, 0xFF, 0xFE, 0x20, 0x22, 0x30, 0x3A, 0x5B, 0x7B]

    mutating func next() -> [UInt8] {
        var bytes = corpus.randomElement(using: &generator) ?? []
        for _ in 0..<Int.random(in: 0...6, using: &generator) { mutate(&bytes) }
        return bytes
    }

    private mutating func mutate(_ bytes: inout [UInt8]) {
        let place = bytes.isEmpty ? 0 : Int.random(in: 0..<bytes.count, using: &generator)
        switch Int.random(in: 0..<9, using: &generator) {
        case 0 where !bytes.isEmpty: bytes[place] = .random(in: 0...255, using: &generator)
        case 1 where !bytes.isEmpty: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 2 where !bytes.isEmpty: bytes[place] = Self.edges.randomElement(using: &generator) ?? 0
        case 3 where !bytes.isEmpty: bytes.removeSubrange(place..<min(bytes.count, place + length()))
        case 4: bytes.insert(contentsOf: (0..<length()).map { _ in UInt8.random(in: 0...255, using: &generator) }, at: place)
        case 5 where bytes.count < 1 << 16: bytes.insert(contentsOf: bytes[place...].prefix(length()), at: place)
        case 6: bytes.removeLast(min(bytes.count, length()))
        case 7:
            // Part of another right input.
            let other = corpus.randomElement(using: &generator) ?? []
            guard !other.isEmpty, bytes.count < 1 << 16 else { return }
            let start = Int.random(in: 0..<other.count, using: &generator)
            bytes.insert(contentsOf: other[start...].prefix(4 * length()), at: place)
        default:
            guard bytes.count >= 4 else { return }
            // A length of four bytes, as frames and messages have them.
            let start = Int.random(in: 0...bytes.count - 4, using: &generator)
            let values: [UInt32] = [0, 1, 5, 0x4000, 0x7FFF_FFFF, 0xFFFF_FFFF, UInt32(bytes.count)]
            let value = values.randomElement(using: &generator) ?? 0
            withUnsafeBytes(of: value.bigEndian) { bytes.replaceSubrange(start..<start + 4, with: $0) }
        }
    }

    /// Mostly short.
    private mutating func length() -> Int { 1 << Int.random(in: 0...5, using: &generator) }
}
