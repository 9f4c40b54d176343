import Records

/// An entity's history as an evaluation reads it: bare memory, so that looking at it counts no references. Valid as long as the history
/// is neither changed nor let go.
struct HistoryView {
    /// Ordered by event time.
    let events: EventList.View
    /// Of `events`, ordered by event time.
    let frauds: UnsafeBufferPointer<NotedPayment>
    /// And these.
    let unusual: UnsafeBufferPointer<NotedPayment>
    let place: Coordinate?

    /// Of an entity that nothing is known of.
    static func empty(at place: Coordinate? = nil) -> HistoryView {
        let none = UnsafeBufferPointer<NotedPayment>(start: nil, count: 0)
        return HistoryView(events: EventList.View.empty, frauds: none, unusual: none, place: place)
    }

    /// How long before a time all events are kept still; as far as windows go, `.max`, unless the time lies further behind the newest event
    /// than what comes late may.
    ///
    /// - Parameter horizon: how far behind the newest event all are kept.
    @inline(__always)
    func reach(at time: Int64, horizon: Int64) -> Int64 {
        guard events.count > 0 else { return .max }
        let lateness = events.time(events.count &- 1) &- time
        return lateness <= FeatureEngine.maxLateness.microseconds ? .max : horizon &- lateness
    }

    /// Of the last event, in microseconds since 1970.
    var newestTime: Int64? { events.count == 0 ? nil : events.time(events.count - 1) }

    /// Of the last event at or before a time.
    func newestTime(notAfter time: Int64) -> Int64? {
        let end = events.endIndex(notAfter: time)
        return end == 0 ? nil : events.time(end - 1)
    }

    /// Of the last event at or before a time, unless it is so old that it may be kept still or not, as others come and go.
    @inline(__always)
    func lastTime(notAfter time: Int64, horizon: Int64) -> Int64? {
        let end = events.endIndex(notAfter: time)
        guard end > 0 else { return nil }
        let last = events.time(end &- 1)
        return end == events.count || last > events.time(events.count &- 1) &- horizon ? last : nil
    }

    /// Tells one of several payments of the same two entities at the same time: how many came before it.
    func rank(at index: Int) -> Int {
        var rank = 0
        var before = index - 1
        while before >= 0, events.time(before) == events.time(index) {
            if events.counterpart(before) == events.counterpart(index) { rank += 1 }
            before -= 1
        }
        return rank
    }

    /// Where the payment with this counterpart is that has so many before it at the same time; nil if it is not (or no longer) here.
    func index(at time: Int64, counterpart: UInt32, rank: Int) -> Int? {
        var left = rank
        var index = events.endIndex(notAfter: time &- 1)
        while index < events.count, events.time(index) == time {
            if events.counterpart(index) == counterpart {
                if left == 0 { return index }
                left -= 1
            }
            index += 1
        }
        return nil
    }

    /// As `find(_:at:into:)`, where it was asked before at an earlier time and little has happened since: each index is looked for from the
    /// one that was found then, which is mostly it or the one before, so that little of a long history is read.
    ///
    /// - Parameter last: what was found then, or anything; what is found now.
    @inline(__always)
    func follow(
        _ ages: UnsafeBufferPointer<Int64>, at time: Int64, from last: UnsafeMutableBufferPointer<UInt32>,
        into cuts: UnsafeMutableBufferPointer<Int>
    ) {
        for (place, age) in ages.enumerated() {
            let limit = time &- age
            var index = min(Int(last[place]), events.count)
            while index < events.count, events.time(index) <= limit { index &+= 1 }
            while index > 0, events.time(index &- 1) > limit { index &-= 1 }
            cuts[place] = index
            last[place] = UInt32(truncatingIfNeeded: index)
        }
    }

    /// So many of the newest events are looked at in one go, and at most so many times.
    private static let chunk = 32
    private static let maxChunks = 4

    /// For each age, from the youngest: the index after the last event that was so old or older at `time`.
    ///
    /// Most histories are short. Their newest times are gathered first, by loads that do not wait for each other, and then searched without
    /// a branch that nothing could predict; what is older is searched where it lies.
    @inline(__always)
    func find(_ ages: UnsafeBufferPointer<Int64>, at time: Int64, into cuts: UnsafeMutableBufferPointer<Int>) {
        guard let oldest = ages.last else { return }
        let count = events.count
        withUnsafeTemporaryAllocation(of: Int64.self, capacity: HistoryView.chunk * HistoryView.maxChunks) { times in
            // From the newest.
            var gathered = 0
            while gathered < count, gathered < times.count, gathered == 0 || times[gathered &- 1] > time &- oldest {
                let end = min(gathered &+ HistoryView.chunk, count)
                while gathered < end {
                    times[gathered] = events.time(count &- 1 &- gathered)
                    gathered &+= 1
                }
            }
            let newest = UnsafeBufferPointer(rebasing: times[..<gathered])
            for (place, age) in ages.enumerated() {
                let limit = time &- age
                let newer = newest.countOfNewest(after: limit)
                cuts[place] = newer < gathered || newer == count
                    ? count &- newer : events.endIndex(notAfter: limit, upTo: count &- newer)
            }
        }
    }
}

extension UnsafeBufferPointer<Int64> {
    /// How many of the times, which begin with the newest, lie after `time`.
    @inline(__always)
    fileprivate func countOfNewest(after time: Int64) -> Int {
        guard let start = baseAddress, count > 0 else { return 0 }
        // The sign of a difference, shifted to the step's place, stands for the comparison, of which the compiler would make a branch. Times
        // lie decades apart, and not the hundred thousands of years at which a difference overflows.
        var found = 0
        var place = UInt64(Int.bitWidth &- 1 &- count.leadingZeroBitCount)
        while true {
            let next = found &+ (1 &<< Int(truncatingIfNeeded: place))
            let isNewer = UInt64(bitPattern: time &- start[Swift.min(next, count) &- 1]) &>> 63
            let fits = UInt64(bitPattern: Int64(next &- count &- 1)) &>> 63
            found &+= Int(truncatingIfNeeded: (isNewer & fits) &<< place)
            if place == 0 { return found }
            place &-= 1
        }
    }
}

extension EventList.View {
    /// Index after the last event at or before `time`.
    @inline(__always)
    func endIndex(notAfter time: Int64) -> Int { endIndex(notAfter: time, upTo: count) }

    /// As `endIndex(notAfter:)`, among so many of the first.
    @inline(__always)
    func endIndex(notAfter limit: Int64, upTo count: Int) -> Int {
        // Requests mostly ask about now: the end, or close to it.
        var high = count
        let near = Swift.max(0, count &- 12)
        while high > near, time(high &- 1) > limit { high &-= 1 }
        if high > near || high == 0 { return high }
        var low = 0
        while low < high {
            let middle = (low + high) / 2
            if time(middle) <= limit { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
