/// One payment as an entity's history keeps it.
struct Event: Sendable {
    /// Microseconds since 1970.
    var time: Int64
    /// The sum of this and all earlier amounts of the entity, in ten-thousandths of the major unit. Differences of sums are exact,
    /// whatever the order in which payments arrived; overflow wraps, and differences of less than 2^64 stay right.
    var cumulativeTicks: Int64 = 0
    /// The terminal in a customer's history, the customer in a terminal's.
    var counterpart: UInt32
    var label: EventLabel
    /// Amount over what was usual for the customer when it was made; NaN when nothing was known of the customer.
    var toUsual: Float
}

/// Payments of one entity, ordered by event time, equal times in the order they came: what there is to say of a list whose words are the
/// list of the same number in `WordLists`.
///
/// There are very many, so they are packed: 20 bytes each while times lie whole seconds or milliseconds apart and amounts are whole
/// hundredths, 24 with times in microseconds, 28 where one of a list does not fit that. What is read is what was written, to the bit.
/// Fingerprints, where there are any, lie at the back of the list, the first as the last.
struct EventList: Sendable {
    enum Form: UInt8, Sendable, CaseIterable {
        case seconds, milliseconds, microseconds, wide

        /// How many words of four bytes a time takes: one is a number of units from the list's base, two are microseconds since 1970.
        @inline(__always)
        var timeWords: Int { self == .seconds || self == .milliseconds ? 1 : 2 }

        /// And a sum: one is hundredths of the major unit from the list's base.
        @inline(__always)
        var tickWords: Int { self == .wide ? 2 : 1 }

        /// Words of an event: time, sum, counterpart, label, amount to usual.
        @inline(__always)
        var stride: Int { timeWords &+ tickWords &+ 3 }

        /// Microseconds of a unit of time.
        @inline(__always)
        var unit: Int64 { self == .seconds ? 1_000_000 : 1_000 }
    }

    /// Of sums, when they are packed: a hundredth of the major unit.
    private static let packedTicks: Int64 = 100
    private static let fingerprintWords = 2
    /// So many of the largest amounts come to less than 2^64 ticks.
    private static let eventsADifference = Int(UInt64.max / UInt64(FeatureEngine.maxTicks))

    /// What packed times count from.
    private var baseTime: Int64 = 0
    /// `cumulativeTicks` just before the first event; packed sums count from it.
    private(set) var baseTicks: Int64 = 0
    private var eventCount: UInt32 = 0
    private(set) var form = Form.seconds
    /// Whether each event has a fingerprint; as the first has.
    private(set) var isFingerprinted = false
    /// Whether all amounts together may come to 2^64 ticks or more. Stays so once they did.
    private var isBeyondDifferences = false

    var count: Int { Int(eventCount) }
    var isEmpty: Bool { eventCount == 0 }

    /// Words of each event at the back.
    private var backStride: Int { isFingerprinted ? EventList.fingerprintWords : 0 }

    /// - Parameter number: of the list.
    @inline(__always)
    func view(_ number: Int, in lists: WordLists) -> View {
        View(self, in: lists.room(of: number))
    }

    /// - Parameters:
    ///   - index: where it belongs by its time.
    ///   - ticks: its amount; its sum is made here, and the later ones are raised.
    ///   - fingerprint: always or never given to the same list.
    ///   - number: of the list.
    ///   - keepsSpareMemory: whether the list may grow by more than it needs.
    mutating func insert(
        _ event: Event, ticks: Int64, fingerprint: UInt64? = nil, at index: Int, _ number: Int, in lists: inout WordLists,
        keepsSpareMemory: Bool = false
    ) {
        if isEmpty {
            baseTime = event.time
            isFingerprinted = fingerprint != nil
        }
        var event = event
        let view = view(number, in: lists)
        event.cumulativeTicks = (index == 0 ? baseTicks : view.cumulativeTicks(index - 1)) &+ ticks
        if form == .wide { noteSum(of: view.sum(of: 0..<count), and: ticks) }
        if fits(event, form), raises(view, by: ticks) {
            makeRoom(number, in: &lists, keepsSpareMemory: keepsSpareMemory)
            let room = lists.mutableRoom(of: number)
            if index < count { moveLater(from: index, raisedBy: ticks, in: room) }
            place(event, at: index, in: room)
        } else {
            var events = (0..<count).map { view[$0] }
            events.insert(event, at: index)
            for later in (index + 1)..<max(events.count, index + 1) { events[later].cumulativeTicks &+= ticks }
            pack(events, number, in: &lists)
        }
        if let fingerprint { insert(fingerprint, at: index, in: lists.mutableRoom(of: number)) }
        eventCount += 1
    }

    /// Makes the list anew, as a snapshot has it.
    ///
    /// - Parameters:
    ///   - events: ordered, with their sums.
    ///   - fingerprints: of each event, or none.
    mutating func restore(
        _ events: [Event], fingerprints: [UInt64], baseTicks: Int64, _ number: Int, in lists: inout WordLists
    ) {
        self = EventList()
        self.baseTicks = baseTicks
        isFingerprinted = !fingerprints.isEmpty
        pack(events, number, in: &lists)
        var (last, sum) = (baseTicks, Int64(0))
        for event in events {
            noteSum(of: UInt64(bitPattern: sum), and: event.cumulativeTicks &- last)
            (last, sum) = (event.cumulativeTicks, event.cumulativeTicks &- baseTicks)
        }
        let room = lists.mutableRoom(of: number)
        for (index, fingerprint) in fingerprints.enumerated() { place(fingerprint, at: index, in: room) }
        eventCount = UInt32(events.count)
    }

    mutating func setLabel(_ label: EventLabel, at index: Int, _ number: Int, in lists: inout WordLists) {
        lists.mutableRoom(of: number)[index * form.stride + form.stride - 2] = label.bits
    }

    mutating func removeFirst(_ removed: Int, _ number: Int, in lists: inout WordLists, keepsSpareMemory: Bool = false) {
        let base = view(number, in: lists).cumulativeTicks(removed - 1)
        let left = count - removed
        let room = lists.mutableRoom(of: number)
        if let start = room.baseAddress {
            start.update(from: start + removed * form.stride, count: left * form.stride)
            (start + room.count - left * backStride).update(from: start + room.count - count * backStride, count: left * backStride)
        }
        eventCount = UInt32(left)
        if form != .wide {
            let passed = packed(ticks: base &- baseTicks)
            for index in 0..<left { room[index * form.stride + form.timeWords] -= passed }
        }
        baseTicks = base
        if keepsSpareMemory { return }
        // Not for a little, which is needed again soon.
        let words = (left + left / 16) * (form.stride + backStride)
        if WordLists.capacity(for: words) < room.count - room.count / 8 {
            lists.resize(number, to: words, keepingFront: left * form.stride, back: left * backStride)
        }
    }

    /// Notes that one difference cannot tell the sum of all amounts, where these two come to more than it can.
    private mutating func noteSum(of sum: UInt64, and ticks: Int64) {
        if sum.addingReportingOverflow(UInt64(bitPattern: ticks)).overflow { isBeyondDifferences = true }
    }

    // MARK: Packing

    private func fits(_ event: Event, _ form: Form) -> Bool {
        (form.timeWords == 2 || EventList.isWhole(event.time, since: baseTime, form.unit))
            && (form.tickWords == 2 || EventList.isWhole(event.cumulativeTicks, since: baseTicks, EventList.packedTicks))
    }

    /// Whether the sums of the list can be raised by so much and fit still.
    private func raises(_ view: View, by ticks: Int64) -> Bool {
        if form == .wide || isEmpty { return true }
        let (sum, overflow) = view.cumulativeTicks(count - 1).addingReportingOverflow(ticks)
        return ticks >= 0 && !overflow && EventList.isWhole(sum, since: baseTicks, EventList.packedTicks)
    }

    /// Whether a number is so many whole units above a base that they fit a word.
    private static func isWhole(_ number: Int64, since base: Int64, _ unit: Int64) -> Bool {
        let (span, overflow) = number.subtractingReportingOverflow(base)
        return !overflow && span % unit == 0 && UInt32(exactly: span / unit) != nil
    }

    /// Room for one more.
    @inline(__always)
    private func makeRoom(_ number: Int, in lists: inout WordLists, keepsSpareMemory: Bool) {
        guard (count + 1) * (form.stride + backStride) > lists.capacity(of: number) else { return }
        let events = keepsSpareMemory ? 2 * count + 1 : count + 1
        lists.resize(number, to: events * (form.stride + backStride), keepingFront: count * form.stride, back: count * backStride)
    }

    /// Writes these events in the smallest form that all of them fit; of the fingerprints there are already, each stays.
    private mutating func pack(_ events: [Event], _ number: Int, in lists: inout WordLists) {
        baseTime = events.first?.time ?? 0
        form = Form.allCases.first { form in events.allSatisfy { fits($0, form) } } ?? .wide
        lists.resize(number, to: events.count * (form.stride + backStride), keepingFront: 0, back: count * backStride)
        let room = lists.mutableRoom(of: number)
        for (index, event) in events.enumerated() { place(event, at: index, in: room) }
    }

    private func moveLater(from index: Int, raisedBy ticks: Int64, in room: UnsafeMutableBufferPointer<UInt32>) {
        guard let first = room.baseAddress.map({ $0 + index * form.stride }) else { return }
        (first + form.stride).update(from: first, count: (count - index) * form.stride)
        for place in (index + 1)...count { raise(place, by: ticks, in: room) }
    }

    private func insert(_ fingerprint: UInt64, at index: Int, in room: UnsafeMutableBufferPointer<UInt32>) {
        if index < count, let end = room.baseAddress.map({ $0 + room.count }) {
            let newest = end - count * EventList.fingerprintWords
            (newest - EventList.fingerprintWords).update(from: newest, count: (count - index) * EventList.fingerprintWords)
        }
        place(fingerprint, at: index, in: room)
    }

    private func place(_ fingerprint: UInt64, at index: Int, in room: UnsafeMutableBufferPointer<UInt32>) {
        let place = room.count - (index + 1) * EventList.fingerprintWords
        room[place] = UInt32(truncatingIfNeeded: fingerprint)
        room[place + 1] = UInt32(truncatingIfNeeded: fingerprint >> 32)
    }

    @inline(__always)
    private func place(_ event: Event, at index: Int, in room: UnsafeMutableBufferPointer<UInt32>) {
        var place = index &* form.stride
        func put(_ word: UInt32) {
            room[place] = word
            place &+= 1
        }
        func put(_ number: Int64) {
            put(UInt32(truncatingIfNeeded: number))
            put(UInt32(truncatingIfNeeded: number >> 32))
        }
        if form.timeWords == 1 { put(packed(time: event.time)) } else { put(event.time) }
        if form.tickWords == 1 { put(packed(ticks: event.cumulativeTicks &- baseTicks)) } else { put(event.cumulativeTicks) }
        put(event.counterpart)
        put(event.label.bits)
        put(event.toUsual.bitPattern)
    }

    private func raise(_ index: Int, by ticks: Int64, in room: UnsafeMutableBufferPointer<UInt32>) {
        let place = index * form.stride + form.timeWords
        if form == .wide {
            let sum = Int64(bitPattern: UInt64(room[place + 1]) << 32 | UInt64(room[place])) &+ ticks
            (room[place], room[place + 1]) = (UInt32(truncatingIfNeeded: sum), UInt32(truncatingIfNeeded: sum >> 32))
        } else {
            room[place] += packed(ticks: ticks)
        }
    }

    private func packed(time: Int64) -> UInt32 { UInt32((time &- baseTime) / form.unit) }
    private func packed(ticks: Int64) -> UInt32 { UInt32(ticks / EventList.packedTicks) }

    /// A list for reading many events: bare memory.
    struct View {
        /// The list's whole room.
        fileprivate let room: UnsafeBufferPointer<UInt32>
        let count: Int
        fileprivate let isFingerprinted: Bool
        fileprivate let form: Form
        fileprivate let stride: Int
        fileprivate let baseTime: Int64
        /// `cumulativeTicks` just before the first event.
        let baseTicks: Int64
        fileprivate let isBeyondDifferences: Bool

        static var empty: View { View(EventList(), in: UnsafeBufferPointer(start: nil, count: 0)) }

        @inline(__always)
        fileprivate init(_ list: EventList, in room: UnsafeBufferPointer<UInt32>) {
            self.room = room
            (count, isFingerprinted, form, stride) = (list.count, list.isFingerprinted, list.form, list.form.stride)
            (baseTime, baseTicks, isBeyondDifferences) = (list.baseTime, list.baseTicks, list.isBeyondDifferences)
        }

        /// Reads a word each of the list's beginning, of its end, and of the events before and after some indices.
        @inline(__always)
        func touch(_ indices: UnsafeMutableBufferPointer<UInt32>) -> UInt64 {
            guard count > 0 else { return 0 }
            let end = count &* stride
            var sum = UInt64(room[0]) &+ UInt64(room[end &- 1])
            for index in indices {
                let place = min(Int(index), count &- 1) &* stride
                sum &+= UInt64(room[max(0, place &- stride)]) &+ UInt64(room[min(place &+ 2 &* stride, end) &- 1])
            }
            return sum
        }

        @inline(__always)
        func time(_ index: Int) -> Int64 {
            let place = index &* stride
            return form.timeWords == 1 ? baseTime &+ Int64(room[place]) &* form.unit : number(place)
        }

        @inline(__always)
        func cumulativeTicks(_ index: Int) -> Int64 {
            let place = index &* stride &+ form.timeWords
            return form.tickWords == 1 ? baseTicks &+ Int64(room[place]) &* EventList.packedTicks : number(place)
        }

        /// `cumulativeTicks` before an event.
        @inline(__always)
        func ticks(before index: Int) -> Int64 { index == 0 ? baseTicks : cumulativeTicks(index &- 1) }

        /// The sum of amounts of a range of events, up to 2^64.
        @inline(__always)
        fileprivate func sum(of range: Range<Int>) -> UInt64 {
            range.isEmpty ? 0 : UInt64(bitPattern: cumulativeTicks(range.upperBound &- 1) &- ticks(before: range.lowerBound))
        }

        /// The sum of amounts of a range of events, in ten-thousandths of the major unit.
        @inline(__always)
        func ticks(in range: Range<Int>) -> Double {
            isBeyondDifferences ? Double(sumOfParts(of: range)) : Double(sum(of: range))
        }

        /// The same of any size, from parts that are small enough.
        @inline(never)
        private func sumOfParts(of range: Range<Int>) -> UInt128 {
            Swift.stride(from: range.lowerBound, to: range.upperBound, by: EventList.eventsADifference).reduce(0) { total, start in
                total + UInt128(sum(of: start..<min(start + EventList.eventsADifference, range.upperBound)))
            }
        }

        @inline(__always)
        private func number(_ place: Int) -> Int64 { Int64(bitPattern: UInt64(room[place &+ 1]) << 32 | UInt64(room[place])) }

        @inline(__always)
        func counterpart(_ index: Int) -> UInt32 { room[index &* stride &+ stride &- 3] }

        @inline(__always)
        func label(_ index: Int) -> EventLabel { EventLabel(bits: room[index &* stride &+ stride &- 2]) }

        @inline(__always)
        func toUsual(_ index: Int) -> Float { Float(bitPattern: room[index &* stride &+ stride &- 1]) }

        /// Of each event, or none; see `FeatureEngine.fingerprint(of:)`.
        var fingerprints: LazyMapSequence<Range<Int>, UInt64> { (0..<(isFingerprinted ? count : 0)).lazy.map { fingerprint($0) } }

        /// Where a transaction is; from the newest, since labels mostly speak of those.
        func index(of fingerprint: UInt64) -> Int? {
            var index = isFingerprinted ? count : 0
            while index > 0 {
                index &-= 1
                if self.fingerprint(index) == fingerprint { return index }
            }
            return nil
        }

        @inline(__always)
        fileprivate func fingerprint(_ index: Int) -> UInt64 {
            let place = room.count &- (index &+ 1) &* EventList.fingerprintWords
            return UInt64(room[place &+ 1]) << 32 | UInt64(room[place])
        }

        @inline(__always)
        subscript(index: Int) -> Event {
            Event(
                time: time(index), cumulativeTicks: cumulativeTicks(index), counterpart: counterpart(index), label: label(index),
                toUsual: toUsual(index))
        }
    }
}
