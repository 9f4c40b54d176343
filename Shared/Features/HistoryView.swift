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

    /// For each age: the index after the last event that was so old or older at `time`.
    @inline(__always)
    func find(_ ages: UnsafeBufferPointer<Int64>, at time: Int64, into cuts: UnsafeMutableBufferPointer<Int>) {
        for (index, age) in ages.enumerated() { cuts[index] = events.endIndex(notAfter: time &- age) }
    }
}

extension UnsafeBufferPointer<Event> {
    /// Index after the last event at or before `time`.
    @inline(__always)
    func endIndex(notAfter time: Int64) -> Int {
        // Requests mostly ask about now: the end.
        guard let start = baseAddress, count > 0 else { return 0 }
        if start[count - 1].time <= time { return count }
        // Without a branch that depends on a time, which nothing could predict: searches of several times overlap in the processor.
        var low = 0
        var left = count
        while left > 1 {
            let half = left >> 1
            low &+= half & (start[low &+ half &- 1].time <= time ? -1 : 0)
            left &-= half
        }
        return low &+ (start[low].time <= time ? 1 : 0)
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
