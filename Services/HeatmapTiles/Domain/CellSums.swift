// What is asked of a cell's history.
extension CellHistory {
    /// From the first to the last hour of the entries of these kinds; nil when there is none.
    func hours(ofKinds kinds: [Bool]) -> ClosedRange<Int>? {
        read { content in
            var hours: ClosedRange<Int>?
            for number in 0..<content.runCount {
                let run = content.run(number), entries = content.entries(ofRun: number)
                guard kinds[run.kind] else { continue }
                let first = run.firstHour + content.head(entries.lowerBound).hour
                let last = run.firstHour + content.head(entries.upperBound - 1).hour
                hours = min(hours?.lowerBound ?? first, first)...max(hours?.upperBound ?? last, last)
            }
            return hours
        }
    }

    /// Calls `body` with the number of each kind that has entries; again, where a kind has several runs.
    func forEachKind(_ body: (Int) -> Void) {
        read { content in for number in 0..<content.runCount { body(content.run(number).kind) } }
    }

    /// Calls `body` with each entry that a filter lets through, in the order of kinds and hours.
    func forEachEntry(_ filter: CubeFilter.Prepared, _ body: (_ kind: Int, _ hour: Int, _ tally: Tally) -> Void) {
        read { content in
            content.forEachRun(of: filter) { run, entries in
                for place in content.lowerBound(filter.hours.lowerBound - run.firstHour, in: entries)..<entries.upperBound {
                    let hour = run.firstHour + content.head(place).hour
                    if hour >= filter.hours.upperBound { break }
                    if let hours = filter.hoursOfWeek, !hours[hour % 168] { continue }
                    body(run.kind, hour, content.tally(place))
                }
            }
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
        read { content in
            content.forEachRun(of: filter) { run, entries in
                let first = filter.hours.lowerBound - run.firstHour, end = filter.hours.upperBound - run.firstHour
                let earliest = (filter.hoursBefore ?? filter.hours).lowerBound - run.firstHour
                let begin = content.lowerBound(earliest, in: entries, near: hints.part(of: run.kind, in: entries)?.before.lowerBound)
                var middle = begin, place = begin
                if let masks = filter.hourMasks {
                    masks.withUnsafeBufferPointer { masks in
                        let window = Window(run: run, end: entries.upperBound, masks: masks)
                        countBefore += content.count(window, from: &middle, before: first)
                        place = middle
                        now += content.sum(window, from: &place, before: end)
                    }
                } else {
                    middle = content.lowerBound(first, in: begin..<entries.upperBound)
                    place = content.lowerBound(end, in: middle..<entries.upperBound)
                    let sum = content.total(before: middle)
                    if middle > begin { countBefore += sum.count - content.total(before: begin).count }
                    if place > middle {
                        let all = content.total(before: place)
                        now += Tally(count: all.count - sum.count, riskSum: all.riskSum - sum.riskSum)
                    }
                }
                hints.note(before: begin..<middle, now: middle..<place, of: run.kind, in: entries)
            }
        }
        return (now, countBefore)
    }

    /// Reads what `tallies` will read first, to have it near.
    /// - Returns: a number that depends on what was read.
    func touchRuns() -> UInt64 { read { UInt64($0.runCount) &+ ($0.runCount > 4 ? UInt64($0.run(4).start) : 0) } }

    /// Reads what `tallies` will read then.
    /// - Returns: a number that depends on what was read.
    func touchEntries(_ filter: CubeFilter.Prepared, _ hints: SearchHints) -> UInt64 {
        var sum: UInt64 = 0
        read { content in
            content.forEachRun(of: filter) { run, entries in
                guard let part = hints.part(of: run.kind, in: entries) else { return }
                let end = min(part.now.upperBound + Content.nearby, entries.upperBound)
                // One of each 64 bytes, which is what memory brings at a time.
                for place in stride(from: max(entries.lowerBound, part.before.lowerBound - Content.nearby), to: end, by: 16) {
                    sum &+= content.head(place).count
                }
                for place in stride(from: max(entries.lowerBound, part.now.lowerBound - Content.nearby / 2), to: end, by: 8) {
                    sum &+= content.riskBits(place)
                }
            }
        }
        return sum
    }

    /// The entries of a run up to a place, and which hours of the week count.
    fileprivate struct Window {
        let run: Run
        let end: Int
        let masks: UnsafeBufferPointer<UInt64>

        /// All ones for an hour that counts, zero for another.
        @inline(__always)
        func mask(_ head: Head) -> UInt64 { masks[(run.firstHour + head.hour) % 168] }
    }
}

extension CellHistory.Content {
    /// Calls `body` with each run of a filter's kinds.
    @inline(__always)
    fileprivate func forEachRun(of filter: CubeFilter.Prepared, _ body: (_ run: CellHistory.Run, _ entries: Range<Int>) -> Void) {
        for number in 0..<runCount {
            let run = run(number)
            if filter.kinds[run.kind] { body(run, run.start..<start(ofRun: number + 1)) }
        }
    }

    /// Adds up the entries from a place on, up to an hour.
    ///
    /// - Parameter place: where to begin; afterwards where it ended.
    @inline(__always)
    fileprivate func sum(_ window: CellHistory.Window, from place: inout Int, before hour: Int) -> Tally {
        // Two sums that do not wait for each other.
        var count: UInt64 = 0, even = 0.0, odd = 0.0, next = place
        @inline(__always) func add(_ place: Int, to risk: inout Double) {
            let head = head(place), mask = window.mask(head)
            count &+= head.count & mask
            risk += Double(bitPattern: riskBits(place) & mask)
        }
        while next &+ 1 < window.end, head(next &+ 1).hour < hour {
            add(next, to: &even)
            add(next &+ 1, to: &odd)
            next &+= 2
        }
        if next < window.end, head(next).hour < hour {
            add(next, to: &even)
            next &+= 1
        }
        place = next
        return Tally(count: Int(count), riskSum: even + odd)
    }

    /// As `sum`, of the counts alone.
    @inline(__always)
    fileprivate func count(_ window: CellHistory.Window, from place: inout Int, before hour: Int) -> Int {
        var count: UInt64 = 0, next = place
        while next < window.end {
            let head = head(next)
            guard head.hour < hour else { break }
            count &+= head.count & window.mask(head)
            next &+= 1
        }
        place = next
        return Int(count)
    }
}

/// Where a kind's hours lay in the cell before, those before and those of now, as parts of its run. Neighbours have much the same rhythm, and
/// memory that a search does not look at need not come.
struct SearchHints {
    private var parts: [(start: Float, middle: Float, end: Float)] = []

    /// None: every search halves.
    init() {}

    init(kindCount: Int) {
        parts = [(start: Float, middle: Float, end: Float)](repeating: (.nan, .nan, .nan), count: kindCount)
    }

    fileprivate func part(of kind: Int, in entries: Range<Int>) -> (before: Range<Int>, now: Range<Int>)? {
        guard kind < parts.count, parts[kind].start.isFinite else { return nil }
        let count = Float(entries.count)
        func place(_ part: Float) -> Int { entries.lowerBound + Int(part * count) }
        let middle = place(parts[kind].middle)
        return (place(parts[kind].start)..<middle, middle..<place(parts[kind].end))
    }

    fileprivate mutating func note(before: Range<Int>, now: Range<Int>, of kind: Int, in entries: Range<Int>) {
        guard kind < parts.count, !entries.isEmpty else { return }
        let count = Float(entries.count)
        func part(_ place: Int) -> Float { Float(place - entries.lowerBound) / count }
        parts[kind] = (part(before.lowerBound), part(now.lowerBound), part(now.upperBound))
    }
}
