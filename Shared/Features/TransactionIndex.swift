/// Which customer's history holds a transaction: eight bytes a slot, open addressing with linear probing.
///
/// It knows only half of each fingerprint; the other half is the history's to compare. Its segments grow each at its own time, so that
/// nobody waits for all to be moved, and little memory is free at any time.
struct TransactionIndex: Sendable {
    private static let segmentBits = 8
    /// By the fingerprint's highest bits.
    private var segments = ContiguousArray(repeating: Segment(), count: 1 << segmentBits)
    private(set) var count = 0

    /// Makes room, so that about so many entries fit without moving any.
    mutating func reserve(_ entries: Int) {
        for number in segments.indices { segments[number].reserve(entries >> Self.segmentBits) }
    }

    mutating func insert(_ fingerprint: UInt64, customer: UInt32) {
        segments[Self.segment(fingerprint)].insert(Self.entry(fingerprint, customer))
        count += 1
    }

    /// Forgets an entry; nothing happens without it.
    mutating func remove(_ fingerprint: UInt64, customer: UInt32) {
        if segments[Self.segment(fingerprint)].remove(Self.entry(fingerprint, customer)) { count -= 1 }
    }

    /// The first customer with such an entry whose history confirms it.
    func customer(of fingerprint: UInt64, confirmedBy holds: (UInt32) -> Bool) -> UInt32? {
        segments.withUnsafeBufferPointer { $0[Self.segment(fingerprint)].customer(of: fingerprint, confirmedBy: holds) }
    }

    @inline(__always)
    private static func segment(_ fingerprint: UInt64) -> Int { Int(fingerprint >> (64 - segmentBits)) }

    private static func entry(_ fingerprint: UInt64, _ customer: UInt32) -> UInt64 {
        (fingerprint >> 32) << 32 | UInt64(customer &+ 1)
    }

    private struct Segment: Sendable {
        /// The fingerprint's upper half, then the customer plus one; zero for an empty slot.
        private var slots: ContiguousArray<UInt64> = []
        private var count = 0

        mutating func reserve(_ entries: Int) {
            if entries * 5 > slots.count * 4 { grow(to: entries * 5 / 4 + 16) }
        }

        mutating func insert(_ entry: UInt64) {
            if (count + 1) * 5 > slots.count * 4 { grow(to: slots.count + max(8, slots.count / 8)) }
            place(entry)
            count += 1
        }

        /// - Returns: whether it was there.
        mutating func remove(_ entry: UInt64) -> Bool {
            guard !slots.isEmpty else { return false }
            var hole = home(entry)
            while slots[hole] != entry {
                if slots[hole] == 0 { return false }
                hole = next(hole)
            }
            // Entries behind the hole move up, unless that would put them before their home.
            var probe = next(hole)
            while slots[probe] != 0 {
                let home = home(slots[probe])
                let mayMove = hole <= probe ? (home <= hole || home > probe) : (home <= hole && home > probe)
                if mayMove {
                    slots[hole] = slots[probe]
                    hole = probe
                }
                probe = next(probe)
            }
            slots[hole] = 0
            count -= 1
            return true
        }

        @inline(__always)
        func customer(of fingerprint: UInt64, confirmedBy holds: (UInt32) -> Bool) -> UInt32? {
            guard !slots.isEmpty else { return nil }
            let upper = fingerprint >> 32
            var slot = home(fingerprint)
            while slots[slot] != 0 {
                if slots[slot] >> 32 == upper {
                    let customer = UInt32(truncatingIfNeeded: slots[slot]) &- 1
                    if holds(customer) { return customer }
                }
                slot = next(slot)
            }
            return nil
        }

        private mutating func grow(to capacity: Int) {
            let old = slots
            slots = ContiguousArray(repeating: 0, count: capacity)
            for entry in old where entry != 0 { place(entry) }
        }

        private mutating func place(_ entry: UInt64) {
            var slot = home(entry)
            while slots[slot] != 0 { slot = next(slot) }
            slots[slot] = entry
        }

        /// What the segment leaves of the upper half spread over the slots, in its order: growing moves entries front to back.
        @inline(__always)
        private func home(_ entry: UInt64) -> Int {
            let rest = (entry &<< UInt64(segmentBits)) &>> 32
            return Int((rest &* UInt64(slots.count)) >> 32)
        }

        @inline(__always)
        private func next(_ slot: Int) -> Int { slot + 1 == slots.count ? 0 : slot + 1 }
    }
}
