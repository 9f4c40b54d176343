import Records

/// What is known of an event, and since when, in 32 bits: whole seconds from the event (rounded up), the highest bit for fraud.
struct EventLabel: Sendable, Hashable {
    let bits: UInt32

    static let unknown = EventLabel(bits: 0x7fff_ffff)

    init(bits: UInt32) { self.bits = bits }

    init(isFraud: Bool, eventTime: Int64, knownAt: Int64) {
        let (delay, overflow) = knownAt.subtractingReportingOverflow(eventTime)
        let seconds = overflow ? 0x7fff_fffe : min(max((delay / 1_000_000) + (delay % 1_000_000 > 0 ? 1 : 0), 0), 0x7fff_fffe)
        bits = UInt32(seconds) | (isFraud ? 0x8000_0000 : 0)
    }

    /// Whether it says fraud, known by now or not.
    var saysFraud: Bool { bits >> 31 == 1 }

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
    var label: EventLabel
    var toUsual: Float

    @inline(__always)
    func isKnown(by time: Int64) -> Bool { label.isFraud(eventTime: self.time, knownBy: time) == true }
}

/// How much history an entity keeps.
struct Retention: Sendable {
    /// Behind the newest event.
    var horizonMicroseconds: Int64
    /// What is older goes once it is so large a share of all, so that the cost of moving the rest is spread over many insertions.
    var leastShare: Int
    /// Whether arrays may hold memory in reserve.
    var keepsSpareMemory: Bool
}

/// Payments of one entity, ordered by event time, equal times in the order they came.
struct EntityHistory: Sendable {
    private(set) var events = EventList()
    /// Of the transactions of `events`, in customers' histories that find them by it; see `FeatureEngine.fingerprint(of:)`.
    private(set) var fingerprints: ContiguousArray<UInt64> = []
    /// Of `events`, ordered by event time; mostly empty.
    private(set) var frauds: [KnownFraud] = []
    /// Ticks are ten-thousandths of a currency's major unit: no currency has more decimals.
    static let ticksPerUnit = 10_000.0
    var place: Coordinate?
    /// No event is dropped while the horizon lies before this time: so the old end of a long history, which lies far away in memory, is
    /// seldom looked at.
    private var nothingDropsBefore: Int64 = .min

    init() {}

    /// As a snapshot has it: ordered, with a fingerprint for each event or for none.
    init(events: EventList, fingerprints: ContiguousArray<UInt64>, place: Coordinate?) {
        self.events = events
        self.fingerprints = fingerprints
        self.place = place
        for event in (0..<events.count).lazy.map({ events[$0] }) where event.label.saysFraud {
            frauds.append(KnownFraud(time: event.time, label: event.label, toUsual: event.toUsual))
        }
    }

    /// - Parameters:
    ///   - fingerprint: always or never given to the same history.
    ///   - dropped: gets the fingerprints of what is too old now.
    mutating func insert(
        _ event: Event, ticks: Int64, fingerprint: UInt64? = nil, retention: Retention, dropped: (UInt64) -> Void = { _ in }
    ) {
        let index = endIndex(notAfter: event.time)
        events.insert(event, ticks: ticks, at: index, keepsSpareMemory: retention.keepsSpareMemory)
        if let fingerprint {
            if !retention.keepsSpareMemory, fingerprints.count == fingerprints.capacity {
                fingerprints.reserveCapacity(EventList.capacity(beyond: fingerprints.count))
            }
            if index == fingerprints.count { fingerprints.append(fingerprint) } else { fingerprints.insert(fingerprint, at: index) }
        }
        let horizon = events.time(at: events.count - 1) &- retention.horizonMicroseconds
        if index < events.count - 1 { nothingDropsBefore = .min }
        if horizon >= nothingDropsBefore { dropEvents(before: horizon, retention, dropped) }
    }

    private mutating func dropEvents(before time: Int64, _ retention: Retention, _ dropped: (UInt64) -> Void) {
        guard events.count >= 4 else { return }
        // The last of the fewest that may go. As later ones are appended it comes to be a later one.
        let needed = events.time(at: max(3, (events.count - 1) / retention.leastShare))
        guard needed <= time else {
            nothingDropsBefore = needed
            return
        }
        let expired = endIndex(notAfter: time)
        guard expired >= 4, expired * retention.leastShare >= events.count else { return }
        events.removeFirst(expired, keepsSpareMemory: retention.keepsSpareMemory)
        frauds.removeAll { $0.time <= time }
        guard !fingerprints.isEmpty else { return }
        for index in 0..<expired { dropped(fingerprints[index]) }
        fingerprints.removeFirst(expired, keepsSpareMemory: retention.keepsSpareMemory)
    }

    /// Where a transaction is; from the newest, since labels mostly speak of those.
    func index(of fingerprint: UInt64) -> Int? { fingerprints.lastIndex(of: fingerprint) }

    /// Tells one of several payments of the same two entities at the same time: how many came before it.
    func rank(at index: Int) -> Int {
        var rank = 0
        var before = index - 1
        while before >= 0, events.time(at: before) == events.time(at: index) {
            if events.counterpart(at: before) == events.counterpart(at: index) { rank += 1 }
            before -= 1
        }
        return rank
    }

    /// Where the payment with this counterpart is that has so many before it at the same time; nil if it is not (or no longer) here.
    func index(at time: Int64, counterpart: UInt32, rank: Int) -> Int? {
        var left = rank
        var index = endIndex(notAfter: time &- 1)
        while index < events.count, events.time(at: index) == time {
            if events.counterpart(at: index) == counterpart {
                if left == 0 { return index }
                left -= 1
            }
            index += 1
        }
        return nil
    }

    mutating func setLabel(_ label: EventLabel, at index: Int) {
        events.setLabel(label, at: index)
        let time = events.time(at: index)
        guard label.saysFraud || frauds.contains(where: { $0.time == time }) else { return }
        frauds.removeAll { $0.time == time }
        let place = frauds.firstIndex { $0.time > time } ?? frauds.count
        let labelled = (endIndex(notAfter: time &- 1)..<endIndex(notAfter: time)).map { events[$0] }.filter(\.label.saysFraud)
        frauds.insert(contentsOf: labelled.map { KnownFraud(time: time, label: $0.label, toUsual: $0.toUsual) }, at: place)
    }

    /// Of the last event, in microseconds since 1970.
    var newestTime: Int64? { events.isEmpty ? nil : events.time(at: events.count - 1) }

    func newestTime(notAfter time: Int64) -> Int64? {
        let end = endIndex(notAfter: time)
        return end == 0 ? nil : events.time(at: end - 1)
    }

    /// Index after the last event at or before `time`.
    @inline(__always)
    func endIndex(notAfter time: Int64) -> Int { events.view.endIndex(notAfter: time) }
}
