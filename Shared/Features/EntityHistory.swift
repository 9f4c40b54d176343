import Records

/// One payment as an entity's history keeps it: 40 bytes.
struct Event: Sendable {
    /// Microseconds since 1970.
    var time: Int64
    /// The sum of this and all earlier amounts of the entity, in ten-thousandths of the major unit. Differences of sums are exact,
    /// whatever the order in which payments arrived; overflow wraps, and differences stay right.
    var cumulativeTicks: Int64
    /// Tells the transaction; see `FeatureEngine.fingerprint(of:)`.
    var fingerprint: UInt64
    /// The terminal in a customer's history, the customer in a terminal's.
    var counterpart: UInt32
    var label: EventLabel
    /// Amount over what was usual for the customer when it was made; NaN when nothing was known of the customer.
    var toUsual: Float
}

/// What is known of an event, and since when, in 32 bits: whole seconds from the event (rounded up), the highest bit for fraud.
struct EventLabel: Sendable, Hashable {
    private var bits: UInt32

    static let unknown = EventLabel(bits: 0x7fff_ffff)

    private init(bits: UInt32) { self.bits = bits }

    init(isFraud: Bool, eventTime: Int64, knownAt: Int64) {
        let (delay, overflow) = knownAt.subtractingReportingOverflow(eventTime)
        let seconds = overflow ? 0x7fff_fffe : min(max((delay / 1_000_000) + (delay % 1_000_000 > 0 ? 1 : 0), 0), 0x7fff_fffe)
        bits = UInt32(seconds) | (isFraud ? 0x8000_0000 : 0)
    }

    /// Nil until the label is known.
    @inline(__always)
    func isFraud(eventTime: Int64, knownBy time: Int64) -> Bool? {
        let seconds = bits & 0x7fff_ffff
        if seconds == 0x7fff_ffff || eventTime &+ Int64(seconds) &* 1_000_000 > time { return nil }
        return bits >> 31 == 1
    }
}

/// A known fraud in an entity's history.
struct KnownFraud: Sendable {
    var time: Int64
    var fingerprint: UInt64
    var label: EventLabel
    var toUsual: Float

    @inline(__always)
    func isKnown(by time: Int64) -> Bool { label.isFraud(eventTime: self.time, knownBy: time) == true }
}

/// Payments of one customer or at one terminal, ordered by event time, equal times in the order they came.
struct EntityHistory: Sendable {
    private(set) var events: ContiguousArray<Event> = []
    /// Of `events`, ordered by event time; mostly empty.
    private(set) var frauds: [KnownFraud] = []
    /// `cumulativeTicks` just before the first event.
    private var baseTicks: Int64 = 0
    /// Ticks are ten-thousandths of a currency's major unit: no currency has more decimals.
    static let ticksPerUnit = 10_000.0
    var place: Coordinate?

    /// - Returns: events dropped because they are older than `horizon` before the newest.
    mutating func insert(_ event: Event, ticks: Int64, horizonMicroseconds: Int64, dropped: (Event) -> Void) {
        let index = endIndex(notAfter: event.time)
        var event = event
        event.cumulativeTicks = (index == 0 ? baseTicks : events[index - 1].cumulativeTicks) &+ ticks
        if index == events.count {
            events.append(event)
        } else {
            events.insert(event, at: index)
            for later in (index + 1)..<events.count { events[later].cumulativeTicks &+= ticks }
        }
        dropEvents(before: events[events.count - 1].time &- horizonMicroseconds, dropped: dropped)
    }

    /// Drops in batches, so that the cost of moving the rest is spread over many insertions.
    private mutating func dropEvents(before time: Int64, dropped: (Event) -> Void) {
        guard events[0].time <= time else { return }
        let expired = endIndex(notAfter: time)
        guard expired >= 8, expired * 4 >= events.count else { return }
        for index in 0..<expired { dropped(events[index]) }
        baseTicks = events[expired - 1].cumulativeTicks
        events.removeSubrange(0..<expired)
        frauds.removeAll { $0.time <= time }
    }

    /// - Returns: false if the event is not (or no longer) here.
    mutating func setLabel(_ label: EventLabel, fingerprint: UInt64, time: Int64, isFraud: Bool) -> Bool {
        var index = endIndex(notAfter: time)
        while index > 0, events[index - 1].time == time, events[index - 1].fingerprint != fingerprint { index -= 1 }
        guard index > 0, events[index - 1].time == time else { return false }
        events[index - 1].label = label
        frauds.removeAll { $0.fingerprint == fingerprint }
        if isFraud {
            let fraud = KnownFraud(time: time, fingerprint: fingerprint, label: label, toUsual: events[index - 1].toUsual)
            frauds.insert(fraud, at: frauds.firstIndex { $0.time > time } ?? frauds.count)
        }
        return true
    }

    /// Index after the last event at or before `time`.
    @inline(__always)
    func endIndex(notAfter time: Int64) -> Int {
        // Requests mostly ask about now: the end, or close to it.
        if events.isEmpty || events[events.count - 1].time <= time { return events.count }
        var low = 0
        var high = events.count
        while low < high {
            let middle = (low + high) / 2
            if events[middle].time <= time { low = middle + 1 } else { high = middle }
        }
        return low
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

    /// Events in (end − window, end].
    @inline(__always)
    func range(endingAt end: Int64, window: Int64) -> Range<Int> {
        let upper = endIndex(notAfter: end)
        let start = end &- window
        var low = 0
        var high = upper
        while low < high {
            let middle = (low + high) / 2
            if events[middle].time <= start { low = middle + 1 } else { high = middle }
        }
        return low..<upper
    }
}
