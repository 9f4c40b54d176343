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

    /// Whether another became known later.
    func isOlder(than other: EventLabel) -> Bool {
        other != .unknown && bits & EventLabel.unknown.bits < other.bits & EventLabel.unknown.bits
    }

    /// Nil until the label is known.
    @inline(__always)
    func isFraud(eventTime: Int64, knownBy time: Int64) -> Bool? {
        let seconds = bits & 0x7fff_ffff
        if seconds == 0x7fff_ffff || eventTime &+ Int64(seconds) &* 1_000_000 > time { return nil }
        return bits >> 31 == 1
    }
}

/// A payment that an entity's history also keeps apart, among its frauds or among those of unusual amounts: so that few are looked at where
/// only such count, and no flood of others hides them.
struct NotedPayment: Sendable {
    var time: Int64
    var label: EventLabel
    var toUsual: Float

    init(_ event: Event) { (time, label, toUsual) = (event.time, event.label, event.toUsual) }

    @inline(__always)
    func isKnownFraud(by time: Int64) -> Bool { label.isFraud(eventTime: self.time, knownBy: time) == true }
}

extension RandomAccessCollection<NotedPayment> where Index == Int {
    /// Index after the last one at or before `time`, of payments ordered by time.
    @inline(__always)
    func endIndex(notAfter time: Int64) -> Int {
        // Most are asked about what is new.
        if isEmpty || self[endIndex - 1].time <= time { return endIndex }
        var (low, high) = (startIndex, endIndex)
        while low < high {
            let middle = (low + high) / 2
            if self[middle].time <= time { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension [NotedPayment] {
    /// Puts `payments`, all of that time, in the place of those that are here.
    fileprivate mutating func replace(at time: Int64, with payments: some Collection<NotedPayment>) {
        replaceSubrange(endIndex(notAfter: time &- 1)..<endIndex(notAfter: time), with: payments)
    }
}

/// How much history an entity keeps.
struct Retention: Sendable {
    /// What is too old goes once it is so large a share of all, so that the cost of moving the rest is spread over many insertions.
    static let leastShare = 16

    /// Behind the newest event.
    var horizonMicroseconds: Int64
    /// Whether arrays may hold memory in reserve.
    var keepsSpareMemory: Bool
}

/// What is remembered of the customers, or of the terminals, each by a number from 0.
struct Histories: Sendable {
    /// Of one entity.
    fileprivate struct Head: Sendable {
        var events = EventList()
        /// Of `events`, ordered by event time, those that a label calls fraud, known by now or not; mostly empty.
        var frauds: [NotedPayment] = []
        /// And those of an unusual amount.
        var unusual: [NotedPayment] = []
        var place: Coordinate?
        /// No event is dropped while the horizon lies before this time: so the old end of a long history, which lies far away in memory, is
        /// seldom looked at.
        var nothingDropsBefore: Int64 = .min
    }

    /// Ticks are ten-thousandths of a currency's major unit: no currency has more decimals.
    static let ticksPerUnit = 10_000.0

    private var heads: ContiguousArray<Head> = []
    /// Of the events.
    private var lists = WordLists()

    var count: Int { heads.count }

    /// Of the last event of all; looks at every history.
    var newestTime: Int64? { (0..<UInt32(count)).lazy.compactMap { self[$0].newestTime }.max() }

    /// Adds an entity that nothing is known of.
    mutating func append() {
        // An array that doubles would be half empty at worst, and there are millions.
        if heads.count == heads.capacity { heads.reserveCapacity(heads.count + max(64, heads.count / 8)) }
        heads.append(Head())
        lists.append()
    }

    /// Bare memory, valid until any history is changed or let go.
    subscript(number: UInt32) -> HistoryView {
        @inline(__always)
        get {
            // By its address: an element of the array itself would be copied, and its references counted.
            heads.withUnsafeBufferPointer { heads in
                precondition(Int(number) < heads.count, "a number of a history")
                let head = heads.baseAddress! + Int(number)
                return HistoryView(
                    events: head.pointee.events.view(Int(number), in: lists), frauds: head.pointee.frauds.withUnsafeBufferPointer { $0 },
                    unusual: head.pointee.unusual.withUnsafeBufferPointer { $0 }, place: head.pointee.place)
            }
        }
    }

    /// Reads where a history lies.
    /// - Returns: a number that depends on what was read.
    @inline(__always)
    func touch(_ number: UInt32) -> UInt64 {
        heads.withUnsafeBufferPointer { heads in
            UInt64(heads[Int(number)].events.count) &+ (heads[Int(number)].place == nil ? 0 : 1) &+ UInt64(lists.capacity(of: Int(number)))
        }
    }

    mutating func place(_ number: UInt32, at place: Coordinate?) { heads[Int(number)].place = place }

    /// - Parameters:
    ///   - fingerprint: always or never given to the same history.
    ///   - dropped: gets the fingerprints of what is too old now.
    mutating func insert(
        _ event: Event, ticks: Int64, fingerprint: UInt64? = nil, into number: UInt32, retention: Retention,
        dropped: (UInt64) -> Void = { _ in }
    ) {
        let number = Int(number)
        let index = heads[number].events.view(number, in: lists).endIndex(notAfter: event.time)
        heads[number].events.insert(
            event, ticks: ticks, fingerprint: fingerprint, at: index, number, in: &lists, keepsSpareMemory: retention.keepsSpareMemory)
        if event.isUnusual {
            heads[number].unusual.insert(NotedPayment(event), at: heads[number].unusual.endIndex(notAfter: event.time))
        }
        let view = heads[number].events.view(number, in: lists)
        let horizon = view.time(view.count - 1) &- retention.horizonMicroseconds
        if index < view.count - 1 { heads[number].nothingDropsBefore = .min }
        if horizon >= heads[number].nothingDropsBefore { dropEvents(before: horizon, of: number, view, retention, dropped) }
    }

    private mutating func dropEvents(
        before time: Int64, of number: Int, _ view: EventList.View, _ retention: Retention, _ dropped: (UInt64) -> Void
    ) {
        guard view.count >= 4 else { return }
        // The last of the fewest that may go. As later ones are appended it comes to be a later one.
        let needed = view.time(max(3, (view.count - 1) / Retention.leastShare))
        guard needed <= time else {
            heads[number].nothingDropsBefore = needed
            return
        }
        let expired = view.endIndex(notAfter: time)
        guard expired >= 4, expired * Retention.leastShare >= view.count else { return }
        for fingerprint in view.fingerprints.prefix(expired) { dropped(fingerprint) }
        heads[number].events.removeFirst(expired, number, in: &lists, keepsSpareMemory: retention.keepsSpareMemory)
        heads[number].frauds.removeFirst(heads[number].frauds.endIndex(notAfter: time))
        heads[number].unusual.removeFirst(heads[number].unusual.endIndex(notAfter: time))
    }

    mutating func setLabel(_ label: EventLabel, at index: Int, of number: UInt32) {
        let number = Int(number)
        heads[number].events.setLabel(label, at: index, number, in: &lists)
        let events = heads[number].events.view(number, in: lists)
        let time = events.time(index)
        let ofThatTime = (events.endIndex(notAfter: time &- 1)..<events.endIndex(notAfter: time)).map { events[$0] }
        heads[number].frauds.replace(at: time, with: ofThatTime.filter(\.label.saysFraud).map(NotedPayment.init))
        heads[number].unusual.replace(at: time, with: ofThatTime.filter(\.isUnusual).map(NotedPayment.init))
    }

    /// Makes an entity's history as a snapshot has it.
    ///
    /// - Parameters:
    ///   - events: ordered, with their sums.
    ///   - fingerprints: of each event, or none.
    mutating func restore(_ events: [Event], fingerprints: [UInt64], baseTicks: Int64, place: Coordinate?, to number: UInt32) {
        var head = Head()
        head.events.restore(events, fingerprints: fingerprints, baseTicks: baseTicks, Int(number), in: &lists)
        head.frauds = events.filter(\.label.saysFraud).map(NotedPayment.init)
        head.unusual = events.filter(\.isUnusual).map(NotedPayment.init)
        head.place = place
        heads[Int(number)] = head
    }
}
