import Records

/// An entity's history as an evaluation reads it: bare memory, so that looking at it counts no references. Valid only inside
/// `EntityHistory.withView`.
struct HistoryView {
    /// Ordered by event time.
    let events: UnsafeBufferPointer<Event>
    /// Of `events`, ordered by event time.
    let frauds: UnsafeBufferPointer<KnownFraud>
    /// `cumulativeTicks` just before the first event.
    let baseTicks: Int64
    let place: Coordinate?

    /// Of an entity that nothing is known of.
    static var empty: HistoryView {
        HistoryView(
            events: UnsafeBufferPointer(start: nil, count: 0), frauds: UnsafeBufferPointer(start: nil, count: 0), baseTicks: 0, place: nil)
    }

    /// The sum of all amounts before an event.
    @inline(__always)
    func ticks(before index: Int) -> Int64 { index == 0 ? baseTicks : events[index - 1].cumulativeTicks }

    /// The sum of amounts of a range of events, in ten-thousandths of the major unit.
    @inline(__always)
    func ticks(in range: Range<Int>) -> Int64 {
        guard !range.isEmpty else { return 0 }
        return events[range.upperBound - 1].cumulativeTicks &- ticks(before: range.lowerBound)
    }

    /// Events walked over one by one from a younger age to the next, before a search by halves takes over.
    private static let maxSteps = 64

    /// For each age, from the youngest: the index after the last event that was so old or older at `time`.
    ///
    /// Most histories are short, and what is asked of them goes over the same events anyway: to walk through them in their order costs less
    /// than to leap about in them, which nothing can foresee.
    @inline(__always)
    func find(_ ages: UnsafeBufferPointer<Int64>, at time: Int64, into cuts: UnsafeMutableBufferPointer<Int>) {
        var index = events.count
        for (place, age) in ages.enumerated() {
            let limit = time &- age
            let leastIndex = max(0, index &- HistoryView.maxSteps)
            while index > leastIndex, events[index &- 1].time > limit { index &-= 1 }
            if index == leastIndex, index > 0 {
                index = UnsafeBufferPointer(rebasing: events[..<index]).endIndex(notAfter: limit)
            }
            cuts[place] = index
        }
    }
}

extension UnsafeBufferPointer<Event> {
    /// Index after the last event at or before `time`.
    @inline(__always)
    func endIndex(notAfter time: Int64) -> Int {
        // Requests mostly ask about now: the end, or close to it.
        if isEmpty || self[count - 1].time <= time { return count }
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle].time <= time { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension EntityHistory {
    @inline(__always)
    func withView<Result>(_ body: (HistoryView) -> Result) -> Result {
        events.withUnsafeBufferPointer { events in
            frauds.withUnsafeBufferPointer { frauds in
                body(HistoryView(events: events, frauds: frauds, baseTicks: baseTicks, place: place))
            }
        }
    }
}
