/// What happened in one cell: for each kind and hour, running sums, in columns.
///
/// Keys are kind × 2²⁰ + hour in rising order, so a kind's hours lie together; sums run within a kind. The sum over a span of
/// hours is then the difference of two entries, found by two binary searches.
struct CellHistory: Sendable {
    private var keys: [UInt32] = []
    private var counts: [UInt32] = []
    private var riskSums: [Double] = []

    /// The number of (kind, hour) entries.
    var entryCount: Int { keys.count }

    static let bytesPerEntry = MemoryLayout<UInt32>.stride * 2 + MemoryLayout<Double>.stride

    init() {}

    /// An empty history with room for so many entries.
    init(capacity: Int) {
        keys.reserveCapacity(capacity)
        counts.reserveCapacity(capacity)
        riskSums.reserveCapacity(capacity)
    }

    static func key(kind: Int, hour: Int) -> UInt32 { UInt32(kind) << 20 | UInt32(hour) }
    static func parts(ofKey key: UInt32) -> (kind: Int, hour: Int) { (Int(key >> 20), Int(key & 0xF_FFFF)) }

    /// Adds to one entry. The newest hour is the cheap case; an older one moves the sums after it.
    mutating func add(kind: Int, hour: Int, _ tally: Tally) {
        let key = Self.key(kind: kind, hour: hour)
        let start = lowerBound(key, from: 0)
        if start == keys.count || keys[start] != key {
            let before = sums(before: start, kind: kind)
            makeRoom()
            keys.insert(key, at: start)
            counts.insert(UInt32(clamping: before.count), at: start)
            riskSums.insert(before.riskSum, at: start)
        }
        var index = start
        while index < keys.count && Int(keys[index] >> 20) == kind {
            counts[index] = UInt32(clamping: Int(counts[index]) + tally.count)
            riskSums[index] += tally.riskSum
            index += 1
        }
    }

    /// Adds an entry whose kind and hour come after all others': how a cube is rebuilt.
    mutating func append(kind: Int, hour: Int, _ tally: Tally) {
        let before = sums(before: keys.count, kind: kind)
        makeRoom()
        keys.append(Self.key(kind: kind, hour: hour))
        counts.append(UInt32(clamping: before.count + tally.count))
        riskSums.append(before.riskSum + tally.riskSum)
    }

    /// Arrays that double would leave a quarter of the cube's memory empty; these grow by an eighth.
    private mutating func makeRoom() {
        guard keys.count == keys.capacity else { return }
        let capacity = keys.count + max(2, keys.count / 8)
        keys.reserveCapacity(capacity)
        counts.reserveCapacity(capacity)
        riskSums.reserveCapacity(capacity)
    }

    /// From the first to the last hour of the entries of these kinds; nil when there is none.
    func hours(ofKinds kinds: [Bool]) -> ClosedRange<Int>? {
        var hours: ClosedRange<Int>?
        for key in keys where kinds[Int(key >> 20)] {
            let hour = Int(key & 0xF_FFFF)
            hours = min(hours?.lowerBound ?? hour, hour)...max(hours?.upperBound ?? hour, hour)
        }
        return hours
    }

    /// Calls `body` with the number of each kind that has entries.
    func forEachKind(_ body: (Int) -> Void) {
        var index = 0
        while index < keys.count {
            let kind = Int(keys[index] >> 20)
            body(kind)
            index = lowerBound(UInt32(kind + 1) << 20, from: index)
        }
    }

    /// The sum of what a filter lets through.
    func tally(_ filter: CubeFilter.Prepared) -> Tally {
        var filter = filter
        filter.hoursBefore = nil
        return tallies(filter).now
    }

    /// The sum of what a filter lets through, and how many events it lets through in the hours before. Every cell of a tile is asked for
    /// this, so it goes once over the entries and looks at nothing else.
    func tallies(_ filter: CubeFilter.Prepared) -> (now: Tally, countBefore: Int) {
        var now = Tally(), countBefore = 0
        let earliest = UInt32(filter.hoursBefore?.lowerBound ?? filter.hours.lowerBound)
        let first = UInt32(filter.hours.lowerBound), end = UInt32(filter.hours.upperBound)
        withColumns { columns in
            var index = 0
            for kind in filter.kinds.indices where filter.kinds[kind] {
                let base = UInt32(kind) << 20
                index = Self.lowerBound(base + earliest, in: columns.keys, from: index)
                guard index < columns.keys.count, columns.keys[index] < base + end else { continue }
                let isFirst = index == 0 || columns.keys[index - 1] < base
                var sum = Tally()
                if !isFirst { sum = Tally(count: Int(columns.counts[index - 1]), riskSum: columns.riskSums[index - 1]) }
                if let masks = filter.hourMasks {
                    masks.withUnsafeBufferPointer { masks in
                        let before = columns.sum(masks, from: &index, before: base + first, after: &sum)
                        let during = columns.sum(masks, from: &index, before: base + end, after: &sum)
                        countBefore += before.count
                        now += during
                    }
                } else {
                    let start = Self.lowerBound(base + first, in: columns.keys, from: index)
                    let after = Self.lowerBound(base + end, in: columns.keys, from: start)
                    if start > index {
                        countBefore += Int(columns.counts[start - 1]) - sum.count
                        sum = Tally(count: Int(columns.counts[start - 1]), riskSum: columns.riskSums[start - 1])
                    }
                    if after > start {
                        now.count += Int(columns.counts[after - 1]) - sum.count
                        now.riskSum += columns.riskSums[after - 1] - sum.riskSum
                    }
                    index = after
                }
            }
        }
        return (now, countBefore)
    }

    /// The columns where they lie.
    private struct Columns {
        let keys: UnsafeBufferPointer<UInt32>
        let counts: UnsafeBufferPointer<UInt32>
        let riskSums: UnsafeBufferPointer<Double>

        /// Adds up the entries from an index on, up to a key, in the hours of the week that the masks let through.
        ///
        /// - Parameters:
        ///   - index: where to begin; afterwards where it ended.
        ///   - sum: the running sums before the index; afterwards those before where it ended.
        @inline(__always)
        func sum(_ masks: UnsafeBufferPointer<UInt64>, from index: inout Int, before key: UInt32, after sum: inout Tally) -> Tally {
            var count: UInt64 = 0, risk = 0.0, entry = index
            var lastCount = UInt32(truncatingIfNeeded: sum.count), lastRisk = sum.riskSum
            while entry < keys.count, keys[entry] < key {
                let mask = masks[Int((keys[entry] & 0xF_FFFF) % 168)], nextCount = counts[entry], nextRisk = riskSums[entry]
                count &+= UInt64(nextCount &- lastCount) & mask
                risk += Double(bitPattern: (nextRisk - lastRisk).bitPattern & mask)
                (lastCount, lastRisk) = (nextCount, nextRisk)
                entry += 1
            }
            index = entry
            sum = Tally(count: Int(lastCount), riskSum: lastRisk)
            return Tally(count: Int(truncatingIfNeeded: count), riskSum: risk)
        }
    }

    private func withColumns(_ body: (Columns) -> Void) {
        keys.withUnsafeBufferPointer { keys in
            counts.withUnsafeBufferPointer { counts in
                riskSums.withUnsafeBufferPointer { body(Columns(keys: keys, counts: counts, riskSums: $0)) }
            }
        }
    }

    /// Calls `body` with each entry that a filter lets through.
    func forEachEntry(_ filter: CubeFilter.Prepared, _ body: (_ kind: Int, _ hour: Int, _ tally: Tally) -> Void) {
        forEachRun(filter, filter.hours) { kind, run in
            for index in run {
                let hour = Int(keys[index] & 0xF_FFFF)
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
        while index < keys.count {
            let kind = Int(keys[index] >> 20)
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
        return Tally(count: Int(counts[index]) - before.count, riskSum: riskSums[index] - before.riskSum)
    }

    /// The running sums of the kind just before an index.
    private func sums(before index: Int, kind: Int) -> Tally {
        guard index > 0, Int(keys[index - 1] >> 20) == kind else { return Tally() }
        return Tally(count: Int(counts[index - 1]), riskSum: riskSums[index - 1])
    }

    /// The first index from `from` on whose key is not below `key`.
    private func lowerBound(_ key: UInt32, from: Int) -> Int {
        keys.withUnsafeBufferPointer { Self.lowerBound(key, in: $0, from: from) }
    }

    private static func lowerBound(_ key: UInt32, in keys: UnsafeBufferPointer<UInt32>, from: Int) -> Int {
        // Most searches ask for the newest hours: look at the end before halving.
        if keys.isEmpty || keys[keys.count - 1] < key { return keys.count }
        var low = from, high = keys.count
        while low < high {
            let middle = (low + high) / 2
            if keys[middle] < key { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
