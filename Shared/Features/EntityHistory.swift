import Records

/// One payment as an entity's history keeps it: 28 bytes, since it is made of words of four.
struct Event: Sendable {
    private var timeWords: (UInt32, UInt32)
    private var tickWords: (UInt32, UInt32)
    /// The terminal in a customer's history, the customer in a terminal's.
    var counterpart: UInt32
    var label: EventLabel
    /// Amount over what was usual for the customer when it was made; NaN when nothing was known of the customer.
    var toUsual: Float

    init(time: Int64, counterpart: UInt32, label: EventLabel, toUsual: Float) {
        timeWords = Event.words(time)
        tickWords = (0, 0)
        self.counterpart = counterpart
        self.label = label
        self.toUsual = toUsual
    }

    /// Microseconds since 1970.
    @inline(__always)
    var time: Int64 { Event.number(timeWords) }

    /// The sum of this and all earlier amounts of the entity, in ten-thousandths of the major unit. Differences of sums are exact,
    /// whatever the order in which payments arrived; overflow wraps, and differences stay right.
    @inline(__always)
    var cumulativeTicks: Int64 {
        get { Event.number(tickWords) }
        set { tickWords = Event.words(newValue) }
    }

    @inline(__always)
    private static func number(_ words: (UInt32, UInt32)) -> Int64 { Int64(bitPattern: UInt64(words.1) << 32 | UInt64(words.0)) }

    @inline(__always)
    private static func words(_ number: Int64) -> (UInt32, UInt32) {
        (UInt32(truncatingIfNeeded: number), UInt32(truncatingIfNeeded: number >> 32))
    }
}

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
    private(set) var events: ContiguousArray<Event> = []
    /// Of the transactions of `events`, in customers' histories; see `FeatureEngine.fingerprint(of:)`.
    private(set) var fingerprints: ContiguousArray<UInt64> = []
    /// Of `events`, ordered by event time; mostly empty.
    private(set) var frauds: [KnownFraud] = []
    /// `cumulativeTicks` just before the first event.
    private(set) var baseTicks: Int64 = 0
    /// Ticks are ten-thousandths of a currency's major unit: no currency has more decimals.
    static let ticksPerUnit = 10_000.0
    var place: Coordinate?

    init() {}

    /// As a snapshot has it: ordered, with a fingerprint for each event or for none.
    init(events: ContiguousArray<Event>, fingerprints: ContiguousArray<UInt64>, baseTicks: Int64, place: Coordinate?) {
        self.events = events
        self.fingerprints = fingerprints
        self.baseTicks = baseTicks
        self.place = place
        for event in events where event.label.saysFraud {
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
        var event = event
        event.cumulativeTicks = (index == 0 ? baseTicks : events[index - 1].cumulativeTicks) &+ ticks
        if !retention.keepsSpareMemory, events.count == events.capacity { events.reserveCapacity(EntityHistory.capacity(beyond: events.count)) }
        if index == events.count {
            events.append(event)
        } else {
            events.insert(event, at: index)
            for later in (index + 1)..<events.count { events[later].cumulativeTicks &+= ticks }
        }
        if let fingerprint {
            if !retention.keepsSpareMemory, fingerprints.count == fingerprints.capacity {
                fingerprints.reserveCapacity(EntityHistory.capacity(beyond: fingerprints.count))
            }
            if index == fingerprints.count { fingerprints.append(fingerprint) } else { fingerprints.insert(fingerprint, at: index) }
        }
        let horizon = events[events.count - 1].time &- retention.horizonMicroseconds
        if events[0].time <= horizon { dropEvents(before: horizon, retention, dropped) }
    }

    /// A history grows by a sixteenth: there are very many, and what they reserve for later is memory too.
    private static func capacity(beyond count: Int) -> Int { count + max(2, count / 16) }

    /// What is left without the first ones, in no more memory than it needs: a history that once was long would else stay so.
    private static func withoutFirst<Element>(_ count: Int, of all: ContiguousArray<Element>) -> ContiguousArray<Element> {
        var left: ContiguousArray<Element> = []
        left.reserveCapacity(capacity(beyond: all.count - count))
        left.append(contentsOf: all[count...])
        return left
    }

    private mutating func dropEvents(before time: Int64, _ retention: Retention, _ dropped: (UInt64) -> Void) {
        // The first too few, as mostly, are found without a search.
        guard events.count >= 4, events[max(3, (events.count - 1) / retention.leastShare)].time <= time else { return }
        let expired = endIndex(notAfter: time)
        guard expired >= 4, expired * retention.leastShare >= events.count else { return }
        baseTicks = events[expired - 1].cumulativeTicks
        if retention.keepsSpareMemory {
            events.removeFirst(expired)
        } else {
            events = EntityHistory.withoutFirst(expired, of: events)
        }
        frauds.removeAll { $0.time <= time }
        guard !fingerprints.isEmpty else { return }
        for index in 0..<expired { dropped(fingerprints[index]) }
        if retention.keepsSpareMemory {
            fingerprints.removeFirst(expired)
        } else {
            fingerprints = EntityHistory.withoutFirst(expired, of: fingerprints)
        }
    }

    /// Where a transaction is; from the newest, since labels mostly speak of those.
    func index(of fingerprint: UInt64) -> Int? { fingerprints.lastIndex(of: fingerprint) }

    /// Tells one of several payments of the same two entities at the same time: how many came before it.
    func rank(at index: Int) -> Int {
        var rank = 0
        var before = index - 1
        while before >= 0, events[before].time == events[index].time {
            if events[before].counterpart == events[index].counterpart { rank += 1 }
            before -= 1
        }
        return rank
    }

    /// Where the payment with this counterpart is that has so many before it at the same time; nil if it is not (or no longer) here.
    func index(at time: Int64, counterpart: UInt32, rank: Int) -> Int? {
        var left = rank
        var index = endIndex(notAfter: time &- 1)
        while index < events.count, events[index].time == time {
            if events[index].counterpart == counterpart {
                if left == 0 { return index }
                left -= 1
            }
            index += 1
        }
        return nil
    }

    mutating func setLabel(_ label: EventLabel, at index: Int) {
        events[index].label = label
        let time = events[index].time
        guard label.saysFraud || frauds.contains(where: { $0.time == time }) else { return }
        frauds.removeAll { $0.time == time }
        let place = frauds.firstIndex { $0.time > time } ?? frauds.count
        let labelled = events[endIndex(notAfter: time &- 1)..<endIndex(notAfter: time)].filter(\.label.saysFraud)
        frauds.insert(contentsOf: labelled.map { KnownFraud(time: time, label: $0.label, toUsual: $0.toUsual) }, at: place)
    }

    /// Index after the last event at or before `time`.
    @inline(__always)
    func endIndex(notAfter time: Int64) -> Int { events.withUnsafeBufferPointer { $0.endIndex(notAfter: time) } }
}
