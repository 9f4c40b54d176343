/// One payment as an entity's history keeps it.
struct Event: Sendable {
    /// Microseconds since 1970.
    var time: Int64
    /// The sum of this and all earlier amounts of the entity, in ten-thousandths of the major unit. Differences of sums are exact,
    /// whatever the order in which payments arrived; overflow wraps, and differences stay right.
    var cumulativeTicks: Int64 = 0
    /// The terminal in a customer's history, the customer in a terminal's.
    var counterpart: UInt32
    var label: EventLabel
    /// Amount over what was usual for the customer when it was made; NaN when nothing was known of the customer.
    var toUsual: Float
}

/// Payments of one entity, ordered by event time, equal times in the order they came.
///
/// There are very many, so they are packed: 20 bytes each while times lie whole seconds or milliseconds apart and amounts are whole
/// hundredths, 24 with times in microseconds, 28 where one of a list does not fit that. What is read is what was written, to the bit.
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

    private var words: ContiguousArray<UInt32> = []
    private(set) var form = Form.seconds
    private(set) var count = 0
    /// What packed times count from.
    private var baseTime: Int64 = 0
    /// `cumulativeTicks` just before the first event; packed sums count from it.
    private(set) var baseTicks: Int64 = 0

    init() {}

    /// - Parameter events: ordered, with their sums.
    init(_ events: [Event], baseTicks: Int64) {
        self.baseTicks = baseTicks
        baseTime = events.first?.time ?? 0
        form = Form.allCases.first { form in events.allSatisfy { fits($0, form) } } ?? .wide
        words.reserveCapacity(EventList.capacity(beyond: events.count) * form.stride)
        for event in events { place(event, at: count) }
    }

    var isEmpty: Bool { count == 0 }

    subscript(index: Int) -> Event { view[index] }

    @inline(__always)
    func time(at index: Int) -> Int64 { view.time(index) }

    @inline(__always)
    func cumulativeTicks(at index: Int) -> Int64 { view.cumulativeTicks(index) }

    @inline(__always)
    func counterpart(at index: Int) -> UInt32 { view.counterpart(index) }

    /// The words of a list stay where they are until it is changed or let go; a view must not outlive that.
    @inline(__always)
    var view: View {
        words.withUnsafeBufferPointer { words in
            View(words: words, count: count, form: form, stride: form.stride, baseTime: baseTime, baseTicks: baseTicks)
        }
    }

    /// - Parameters:
    ///   - index: where it belongs by its time.
    ///   - ticks: its amount; its sum is made here, and the later ones are raised.
    ///   - keepsSpareMemory: whether the list may grow by more than it needs.
    mutating func insert(_ event: Event, ticks: Int64, at index: Int, keepsSpareMemory: Bool = false) {
        var event = event
        event.cumulativeTicks = (index == 0 ? baseTicks : cumulativeTicks(at: index - 1)) &+ ticks
        if isEmpty { baseTime = event.time }
        if !(fits(event, form) && raises(by: ticks)) { return rebuild(with: event, ticks: ticks, at: index) }
        if !keepsSpareMemory, words.count + form.stride > words.capacity { words.reserveCapacity(EventList.capacity(beyond: count) * form.stride) }
        place(event, at: index)
        for later in (index + 1)..<max(count, index + 1) { raise(later, by: ticks) }
    }

    mutating func setLabel(_ label: EventLabel, at index: Int) { words[index * form.stride + form.stride - 2] = label.bits }

    mutating func removeFirst(_ removed: Int, keepsSpareMemory: Bool = false) {
        let base = cumulativeTicks(at: removed - 1)
        words.removeFirst(removed * form.stride, keepsSpareMemory: keepsSpareMemory)
        count -= removed
        if form != .wide {
            let passed = packed(ticks: base &- baseTicks)
            let (stride, timeWords) = (form.stride, form.timeWords)
            words.withUnsafeMutableBufferPointer { words in
                for place in Swift.stride(from: timeWords, to: words.count, by: stride) { words[place] -= passed }
            }
        }
        baseTicks = base
    }

    /// A list grows by a sixteenth: there are very many, and what they reserve for later is memory too.
    static func capacity(beyond count: Int) -> Int { count + max(2, count / 16) }

    // MARK: Packing

    private func fits(_ event: Event, _ form: Form) -> Bool {
        (form.timeWords == 2 || EventList.isWhole(event.time, since: baseTime, form.unit))
            && (form.tickWords == 2 || EventList.isWhole(event.cumulativeTicks, since: baseTicks, EventList.packedTicks))
    }

    /// Whether the sums of the list can be raised by so much and fit still.
    private func raises(by ticks: Int64) -> Bool {
        if form == .wide || count == 0 { return true }
        let (sum, overflow) = cumulativeTicks(at: count - 1).addingReportingOverflow(ticks)
        return ticks >= 0 && !overflow && EventList.isWhole(sum, since: baseTicks, EventList.packedTicks)
    }

    /// Whether a number is so many whole units above a base that they fit a word.
    private static func isWhole(_ number: Int64, since base: Int64, _ unit: Int64) -> Bool {
        let (span, overflow) = number.subtractingReportingOverflow(base)
        return !overflow && span % unit == 0 && UInt32(exactly: span / unit) != nil
    }

    private mutating func rebuild(with event: Event, ticks: Int64, at index: Int) {
        var events = (0..<count).map { self[$0] }
        events.insert(event, at: index)
        for later in (index + 1)..<max(events.count, index + 1) { events[later].cumulativeTicks &+= ticks }
        self = EventList(events, baseTicks: baseTicks)
    }

    private mutating func place(_ event: Event, at index: Int) {
        if index == count {
            count += 1
            if form.stride == 5 {
                // The common form in one piece.
                return withUnsafeBytes(
                    of: (packed(time: event.time), packed(ticks: event.cumulativeTicks &- baseTicks), event.counterpart, event.label.bits,
                         event.toUsual.bitPattern)
                ) { $0.withMemoryRebound(to: UInt32.self) { words.append(contentsOf: $0) } }
            }
            if form.timeWords == 1 { words.append(packed(time: event.time)) } else { append(event.time) }
            if form.tickWords == 1 { words.append(packed(ticks: event.cumulativeTicks &- baseTicks)) } else { append(event.cumulativeTicks) }
            words.append(event.counterpart)
            words.append(event.label.bits)
            words.append(event.toUsual.bitPattern)
        } else {
            // Late ones are rare: made at the end, and moved.
            let end = words.count
            place(event, at: count)
            let made = Array(words[end...])
            words.removeLast(made.count)
            words.insert(contentsOf: made, at: index * form.stride)
        }
    }

    private mutating func raise(_ index: Int, by ticks: Int64) {
        let place = index * form.stride + form.timeWords
        if form == .wide {
            let sum = cumulativeTicks(at: index) &+ ticks
            (words[place], words[place + 1]) = (UInt32(truncatingIfNeeded: sum), UInt32(truncatingIfNeeded: sum >> 32))
        } else {
            words[place] += packed(ticks: ticks)
        }
    }

    private func packed(time: Int64) -> UInt32 { UInt32((time &- baseTime) / form.unit) }
    private func packed(ticks: Int64) -> UInt32 { UInt32(ticks / EventList.packedTicks) }

    private mutating func append(_ number: Int64) {
        words.append(UInt32(truncatingIfNeeded: number))
        words.append(UInt32(truncatingIfNeeded: number >> 32))
    }

    /// A list for reading many events: bare memory.
    struct View {
        fileprivate let words: UnsafeBufferPointer<UInt32>
        let count: Int
        fileprivate let form: Form
        fileprivate let stride: Int
        fileprivate let baseTime: Int64
        /// `cumulativeTicks` just before the first event.
        let baseTicks: Int64

        /// Reads a word each of the list's beginning, of its end, and of the events before and after some indices.
        @inline(__always)
        func touch(_ indices: UnsafeMutableBufferPointer<UInt32>) -> UInt64 {
            guard count > 0 else { return 0 }
            var sum = UInt64(words[0]) &+ UInt64(words[words.count &- 1])
            for index in indices {
                let place = min(Int(index), count &- 1) &* stride
                sum &+= UInt64(words[max(0, place &- stride)]) &+ UInt64(words[min(place &+ 2 &* stride, words.count) &- 1])
            }
            return sum
        }

        @inline(__always)
        func time(_ index: Int) -> Int64 {
            let place = index &* stride
            return form.timeWords == 1 ? baseTime &+ Int64(words[place]) &* form.unit : number(place)
        }

        @inline(__always)
        func cumulativeTicks(_ index: Int) -> Int64 {
            let place = index &* stride &+ form.timeWords
            return form.tickWords == 1 ? baseTicks &+ Int64(words[place]) &* EventList.packedTicks : number(place)
        }

        @inline(__always)
        private func number(_ place: Int) -> Int64 { Int64(bitPattern: UInt64(words[place &+ 1]) << 32 | UInt64(words[place])) }

        @inline(__always)
        func counterpart(_ index: Int) -> UInt32 { words[index &* stride &+ stride &- 3] }

        @inline(__always)
        func label(_ index: Int) -> EventLabel { EventLabel(bits: words[index &* stride &+ stride &- 2]) }

        @inline(__always)
        func toUsual(_ index: Int) -> Float { Float(bitPattern: words[index &* stride &+ stride &- 1]) }

        @inline(__always)
        subscript(index: Int) -> Event {
            Event(
                time: time(index), cumulativeTicks: cumulativeTicks(index), counterpart: counterpart(index), label: label(index),
                toUsual: toUsual(index))
        }
    }
}

extension ContiguousArray {
    /// - Parameter keepsSpareMemory: else in no more memory than what is left needs: what once was long would stay so.
    mutating func removeFirst(_ removed: Int, keepsSpareMemory: Bool) {
        if keepsSpareMemory { return removeFirst(removed) }
        var left: ContiguousArray = []
        left.reserveCapacity(EventList.capacity(beyond: count - removed))
        left.append(contentsOf: self[removed...])
        self = left
    }
}
