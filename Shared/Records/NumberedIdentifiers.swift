/// Identifiers as numbers, in the order in which they were first met: what is asked a million times about few names should compare none.
public struct NumberedIdentifiers: Sendable {
    private var bytes: [UInt8] = []
    /// Where each identifier ends in `bytes`.
    private var ends: [Int] = []
    /// Of each identifier its bytes and, above them, their number, if they fit together; else zero. Most are short, and compared so.
    private var words: [UInt64] = []
    /// Open addressing with linear probing: the hash's upper half, then the number plus one; zero for an empty slot.
    private var slots: [UInt64] = [UInt64](repeating: 0, count: 64)
    /// Secret, so that nobody can choose identifiers that collide.
    private let seed = UInt64.random(in: .min ... .max)

    public init() {}

    public var count: Int { ends.count }

    /// The identifier of a number.
    public subscript(_ number: Int) -> String {
        bytes.withUnsafeBufferPointer { String(decoding: UnsafeBufferPointer(rebasing: $0[range(number)]), as: UTF8.self) }
    }

    /// The number of an identifier, which is a new one if it was not met before.
    public mutating func number(of identifier: UnsafeBufferPointer<UInt8>) -> UInt32 {
        let word = NumberedIdentifiers.word(identifier)
        let hash = hash(identifier, word)
        let found = find(identifier, word, hash)
        if let number = found.number { return number }
        let number = UInt32(ends.count)
        bytes.append(contentsOf: identifier)
        ends.append(bytes.count)
        words.append(word)
        slots[found.slot] = (hash >> 32) << 32 | UInt64(number &+ 1)
        if ends.count * 2 > slots.count { grow() }
        return number
    }

    /// As `number(of:)`.
    public mutating func number(of identifier: String) -> UInt32 {
        var identifier = identifier
        return identifier.withUTF8 { number(of: $0) }
    }

    /// Nil for an identifier that was not met.
    public func existingNumber(of identifier: String) -> UInt32? {
        var identifier = identifier
        return identifier.withUTF8 { existingNumber(of: $0) }
    }

    /// As above.
    public func existingNumber(of identifier: UnsafeBufferPointer<UInt8>) -> UInt32? {
        let word = NumberedIdentifiers.word(identifier)
        return find(identifier, word, hash(identifier, word)).number
    }

    private func range(_ number: Int) -> Range<Int> { (number == 0 ? 0 : ends[number - 1])..<ends[number] }

    private func find(_ identifier: UnsafeBufferPointer<UInt8>, _ word: UInt64, _ hash: UInt64) -> (number: UInt32?, slot: Int) {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hash >> 32) & mask
        while slots[slot] != 0 {
            if slots[slot] >> 32 == hash >> 32 {
                let number = UInt32(truncatingIfNeeded: slots[slot]) &- 1
                if words[Int(number)] == word, word != 0 || holds(identifier, at: Int(number)) { return (number, slot) }
            }
            slot = (slot + 1) & mask
        }
        return (nil, slot)
    }

    private func holds(_ identifier: UnsafeBufferPointer<UInt8>, at number: Int) -> Bool {
        let range = range(number)
        guard range.count == identifier.count else { return false }
        var index = range.lowerBound
        for byte in identifier {
            if bytes[index] != byte { return false }
            index += 1
        }
        return true
    }

    private mutating func grow() {
        let old = slots
        slots = [UInt64](repeating: 0, count: old.count * 2)
        let mask = slots.count - 1
        for entry in old where entry != 0 {
            var slot = Int(truncatingIfNeeded: entry >> 32) & mask
            while slots[slot] != 0 { slot = (slot + 1) & mask }
            slots[slot] = entry
        }
    }

    private static func word(_ identifier: UnsafeBufferPointer<UInt8>) -> UInt64 {
        let raw = UnsafeRawBufferPointer(identifier)
        let size = UInt64(truncatingIfNeeded: raw.count) << 56
        switch raw.count {
        case 4...7:
            // Two halves that may overlap, the second where its bytes belong.
            let first = UInt64(raw.loadUnaligned(fromByteOffset: 0, as: UInt32.self).littleEndian)
            let last = UInt64(raw.loadUnaligned(fromByteOffset: raw.count - 4, as: UInt32.self).littleEndian)
            return size | first | last << UInt64(8 * (raw.count - 4))
        case 1...3:
            return size | UInt64(raw[0]) | UInt64(raw[raw.count / 2]) << 8 | UInt64(raw[raw.count - 1]) << 16
        default: return 0
        }
    }

    /// Folded multiplications of eight bytes at a time.
    private func hash(_ identifier: UnsafeBufferPointer<UInt8>, _ word: UInt64) -> UInt64 {
        if word != 0 { return NumberedIdentifiers.mixed(NumberedIdentifiers.mixed(seed, word), seed) }
        let raw = UnsafeRawBufferPointer(identifier)
        var state = seed ^ UInt64(truncatingIfNeeded: raw.count) &* 0x9e37_79b9_7f4a_7c15
        var offset = 0
        while offset + 8 <= raw.count {
            state = NumberedIdentifiers.mixed(state, raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        var last: UInt64 = 0
        while offset < raw.count {
            last = last << 8 | UInt64(raw[offset])
            offset += 1
        }
        return NumberedIdentifiers.mixed(NumberedIdentifiers.mixed(state, last), seed)
    }

    @inline(__always)
    private static func mixed(_ state: UInt64, _ word: UInt64) -> UInt64 {
        let (high, low) = (state ^ word).multipliedFullWidth(by: 0xd6e8_feb8_6659_fd93)
        return high ^ low
    }
}
