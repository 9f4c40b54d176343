/// What happened in one cell: for each kind and hour, running sums.
///
/// Keys are kind × 2²⁰ + hour in rising order, so a kind's hours lie together; sums run within a kind. The sum over a span of
/// hours is then the difference of two entries, found by two binary searches. An entry's parts lie beside each other: a tile reads a
/// little of thousands of cells, which takes as long as memory takes to bring it.
struct CellHistory: Sendable {
    private struct Entry {
        var key: UInt32
        var count: UInt32
        var riskSum: Double
    }

    private var entries: [Entry] = []

    /// The number of (kind, hour) entries.
    var entryCount: Int { entries.count }

    static let bytesPerEntry = MemoryLayout<Entry>.stride

    init() {}

    /// An empty history with room for so many entries.
    init(capacity: Int) {
        entries.reserveCapacity(capacity)
    }

    static func key(kind: Int, hour: Int) -> UInt32 { UInt32(kind) << 20 | UInt32(hour) }
    static func parts(ofKey key: UInt32) -> (kind: Int, hour: Int) { (Int(key >> 20), Int(key & 0xF_FFFF)) }

    /// Adds to one entry. The newest hour is the cheap case; an older one moves the sums after it.
    mutating func add(kind: Int, hour: Int, _ tally: Tally) {
        let key = Self.key(kind: kind, hour: hour)
        let start = lowerBound(key, from: 0)
        if start == entries.count || entries[start].key != key {
            let before = sums(before: start, kind: kind)
            makeRoom()
            entries.insert(Entry(key: key, count: UInt32(clamping: before.count), riskSum: before.riskSum), at: start)
        }
        var index = start
        while index < entries.count && Int(entries[index].key >> 20) == kind {
            entries[index].count = UInt32(clamping: Int(entries[index].count) + tally.count)
            entries[index].riskSum += tally.riskSum
            index += 1
        }
    }

    /// Adds an entry whose kind and hour come after all others': how a cube is rebuilt.
    mutating func append(kind: Int, hour: Int, _ tally: Tally) {
        let before = sums(before: entries.count, kind: kind)
        makeRoom()
        entries.append(
            Entry(
                key: Self.key(kind: kind, hour: hour), count: UInt32(clamping: before.count + tally.count),
                riskSum: before.riskSum + tally.riskSum))
    }

    /// An array that doubles would leave a quarter of the cube's memory empty; this one grows by an eighth.
    private mutating func makeRoom() {
        guard entries.count == entries.capacity else { return }
        entries.reserveCapacity(entries.count + max(2, entries.count / 8))
    }

    /// From the first to the last hour of the entries of these kinds; nil when there is none.
    func hours(ofKinds kinds: [Bool]) -> ClosedRange<Int>? {
        var hours: ClosedRange<Int>?
        for entry in entries where kinds[Int(entry.key >> 20)] {
            let hour = Int(entry.key & 0xF_FFFF)
            hours = min(hours?.lowerBound ?? hour, hour)...max(hours?.upperBound ?? hour, hour)
        }
        return hours
    }

    /// Calls `body` with the number of each kind that has entries.
    func forEachKind(_ body: (Int) -> Void) {
        var index = 0
        while index < entries.count {
            let kind = Int(entries[index].key >> 20)
            body(kind)
            index = lowerBound(UInt32(kind + 1) << 20, from: index)
        }
    }

    /// The sum of what a filter lets through.
    func tally(_ filter: CubeFilter.Prepared) -> Tally {
        var filter = filter
        filter.hoursBefore = nil
        var hints = SearchHints()
        return tallies(filter, &hints).now
    }

    /// The sum of what a filter lets through, and how many events it lets through in the hours before. Every cell of a tile is asked for
    /// this, so it goes once over the entries and looks at nothing else.
    func tallies(_ filter: CubeFilter.Prepared, _ hints: inout SearchHints) -> (now: Tally, countBefore: Int) {
        var now = Tally(), countBefore = 0
        let earliest = UInt32(filter.hoursBefore?.lowerBound ?? filter.hours.lowerBound)
        let first = UInt32(filter.hours.lowerBound), end = UInt32(filter.hours.upperBound)
        entries.withUnsafeBufferPointer { entries in
            var index = 0
            for kind in filter.kinds.indices where filter.kinds[kind] {
                let base = UInt32(kind) << 20
                index = Self.lowerBound(base + earliest, in: entries, from: index, near: hints.run(of: kind, among: entries.count)?.lowerBound)
                let begin = index
                defer { hints.note(begin..<index, of: kind, among: entries.count) }
                guard index < entries.count, entries[index].key < base + end else { continue }
                var last = Entry(key: 0, count: 0, riskSum: 0)
                if index > 0, entries[index - 1].key >= base { last = entries[index - 1] }
                if let masks = filter.hourMasks {
                    masks.withUnsafeBufferPointer { masks in
                        countBefore += Self.count(entries, masks, from: &index, before: base + first, after: &last)
                        now += Self.sum(entries, masks, from: &index, before: base + end, after: &last)
                    }
                } else {
                    let start = Self.lowerBound(base + first, in: entries, from: index)
                    let after = Self.lowerBound(base + end, in: entries, from: start)
                    if start > index {
                        countBefore += Int(entries[start - 1].count) - Int(last.count)
                        last = entries[start - 1]
                    }
                    if after > start {
                        now.count += Int(entries[after - 1].count) - Int(last.count)
                        now.riskSum += entries[after - 1].riskSum - last.riskSum
                    }
                    index = after
                }
            }
        }
        return (now, countBefore)
    }

    /// Reads what `tallies` will read, to have it near.
    /// - Returns: a number that depends on what was read.
    func touch(_ filter: CubeFilter.Prepared, _ hints: SearchHints) -> UInt32 {
        entries.withUnsafeBufferPointer { entries in
            guard let last = entries.last else { return 0 }
            var sum = last.key
            for kind in filter.kinds.indices where filter.kinds[kind] {
                guard let run = hints.run(of: kind, among: entries.count) else { continue }
                // One of each 64 bytes, which is what memory brings at a time.
                for place in Swift.stride(from: run.lowerBound, to: min(run.upperBound + 4, entries.count), by: 4) { sum &+= entries[place].key }
            }
            return sum
        }
    }

    /// Adds up the entries from an index on, up to a key, in the hours of the week that the masks let through.
    ///
    /// - Parameters:
    ///   - index: where to begin; afterwards where it ended.
    ///   - last: the entry before the index; afterwards the one before where it ended.
    @inline(__always)
    private static func sum(
        _ entries: UnsafeBufferPointer<Entry>, _ masks: UnsafeBufferPointer<UInt64>, from index: inout Int, before key: UInt32,
        after last: inout Entry
    ) -> Tally {
        // Two sums that do not wait for each other.
        var count: UInt64 = 0, even = 0.0, odd = 0.0, place = index, previous = last
        @inline(__always) func add(_ entry: Entry, to risk: inout Double) {
            let mask = masks[Int((entry.key & 0xF_FFFF) % 168)]
            count &+= UInt64(entry.count &- previous.count) & mask
            risk += Double(bitPattern: (entry.riskSum - previous.riskSum).bitPattern & mask)
            previous = entry
        }
        while place + 1 < entries.count, entries[place + 1].key < key {
            add(entries[place], to: &even)
            add(entries[place + 1], to: &odd)
            place += 2
        }
        if place < entries.count, entries[place].key < key {
            add(entries[place], to: &even)
            place += 1
        }
        index = place
        last = previous
        return Tally(count: Int(truncatingIfNeeded: count), riskSum: even + odd)
    }

    /// As `sum`, of the counts alone.
    @inline(__always)
    private static func count(
        _ entries: UnsafeBufferPointer<Entry>, _ masks: UnsafeBufferPointer<UInt64>, from index: inout Int, before key: UInt32,
        after last: inout Entry
    ) -> Int {
        var count: UInt64 = 0, place = index, previous = last.count
        while place < entries.count, entries[place].key < key {
            let entry = entries[place]
            count &+= UInt64(entry.count &- previous) & masks[Int((entry.key & 0xF_FFFF) % 168)]
            previous = entry.count
            place += 1
        }
        if place > index { last = entries[place - 1] }
        index = place
        return Int(truncatingIfNeeded: count)
    }

    /// Calls `body` with each entry that a filter lets through.
    func forEachEntry(_ filter: CubeFilter.Prepared, _ body: (_ kind: Int, _ hour: Int, _ tally: Tally) -> Void) {
        forEachRun(filter, filter.hours) { kind, run in
            for index in run {
                let hour = Int(entries[index].key & 0xF_FFFF)
                if let hours = filter.hoursOfWeek, !hours[hour % 168] { continue }
                body(kind, hour, entry(index, kind: kind))
            }
        }
    }

    /// Calls `body` with each selected kind's entries within the hours; never with an empty run.
    private func forEachRun(
        _ filter: CubeFilter.Prepared, _ hours: Range<Int>, _ body: (_ kind: Int, _ run: Range<Int>) -> Void
    ) {
        var index = 0
        while index < entries.count {
            let kind = Int(entries[index].key >> 20)
            if kind < filter.kinds.count && filter.kinds[kind] {
                let start = lowerBound(Self.key(kind: kind, hour: hours.lowerBound), from: index)
                let end = lowerBound(UInt32(kind) << 20 + UInt32(hours.upperBound), from: start)
                if start < end { body(kind, start..<end) }
                index = end
            }
            index = lowerBound(UInt32(kind + 1) << 20, from: index)
        }
    }

    private func entry(_ index: Int, kind: Int) -> Tally {
        let before = sums(before: index, kind: kind)
        return Tally(count: Int(entries[index].count) - before.count, riskSum: entries[index].riskSum - before.riskSum)
    }

    /// The running sums of the kind just before an index.
    private func sums(before index: Int, kind: Int) -> Tally {
        guard index > 0, Int(entries[index - 1].key >> 20) == kind else { return Tally() }
        return Tally(count: Int(entries[index - 1].count), riskSum: entries[index - 1].riskSum)
    }

    /// The first index from `from` on whose key is not below `key`.
    private func lowerBound(_ key: UInt32, from: Int) -> Int {
        entries.withUnsafeBufferPointer { Self.lowerBound(key, in: $0, from: from) }
    }

    /// - Parameter guess: where it may be: the search goes outwards from there, in steps that double.
    private static func lowerBound(
        _ key: UInt32, in entries: UnsafeBufferPointer<Entry>, from: Int, near guess: Int? = nil
    ) -> Int {
        var low = from, high = entries.count
        if let guess, guess >= low, guess < high {
            var step = 4
            if entries[guess].key < key {
                low = guess + 1
                while low + step < high, entries[low + step].key < key {
                    low += step + 1
                    step *= 2
                }
                high = min(high, low + step)
            } else {
                high = guess
                while high - step > low, entries[high - step].key >= key {
                    high -= step
                    step *= 2
                }
                low = max(low, high - step)
            }
        } else if entries.isEmpty || entries[entries.count - 1].key < key {
            // Most searches ask for the newest hours: look at the end before halving.
            return entries.count
        }
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].key < key { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// Where a kind's hours began in the cell before, as a part of its entries. Neighbours have much the same rhythm, and memory that a search
/// does not look at need not come.
struct SearchHints {
    private var parts: [(start: Float, end: Float)] = []

    /// None: every search halves.
    init() {}

    init(kindCount: Int) {
        parts = [(start: Float, end: Float)](repeating: (.nan, .nan), count: kindCount)
    }

    fileprivate func run(of kind: Int, among count: Int) -> Range<Int>? {
        guard kind < parts.count, parts[kind].start.isFinite else { return nil }
        return Int(parts[kind].start * Float(count))..<Int(parts[kind].end * Float(count))
    }

    fileprivate mutating func note(_ run: Range<Int>, of kind: Int, among count: Int) {
        guard kind < parts.count, count > 0 else { return }
        parts[kind] = (Float(run.lowerBound) / Float(count), Float(run.upperBound) / Float(count))
    }
}
