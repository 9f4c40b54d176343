import Geo
public import Records

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// One entity by name.
public struct BehaviourKey: Sendable, Hashable {
    public let entity: BehaviourEntity
    /// Token, or quadkey of a cell.
    public let id: String
    /// The account that is paid, of a pair; else empty.
    public let counterparty: String

    public init(_ entity: BehaviourEntity, _ id: String, paying counterparty: String = "") {
        self.entity = entity
        self.id = id
        self.counterparty = counterparty
    }
}

/// Computes what entities other than customers and terminals are like, from the payments that touch them. The same engine answers online
/// and builds tables offline: the same payments in the same order give the same values to the bit.
///
/// Times are those of the events: a late payment sees what was before it, and lands in the right windows of what comes after. Of times
/// further behind an entity's newest payment than ``maxLateness``, windows that reach beyond what is kept are NaN. Amounts of one entity
/// are compared and added as numbers, so they should be in one currency.
public struct BehaviourEngine: Sendable {
    public static let cellZoom = 14
    /// How far behind an entity's newest payment one may come and still find the history it needs.
    public static let maxLateness = TimeSpan.days(3)

    public let set: BehaviourSet
    private let views: [BehaviourEntity: [BehaviourView]]
    /// How much is kept of each kind of entity, in microseconds.
    private let horizons: [BehaviourEntity: Int64]
    typealias Histories = [BehaviourKey: BehaviourHistory]
    private(set) var histories: Histories = [:]
    /// What an entity takes beside its payments, with its name, and what one payment takes.
    static let bytesAnEntity = 200
    static let bytesAPayment = 24
    private(set) var room: Room
    /// About what the histories take.
    public private(set) var bytes = 0

    /// How much may be kept, and what was done to keep to it.
    struct Room: Sendable {
        var maxBytes: Int
        /// Event time of the newest payment, in microseconds.
        var newest = Int64.min
        var bytesAfterSweep = 0
        var refusedCount = 0

        init(maxBytes: Int) { self.maxBytes = maxBytes }
    }

    /// Payments of entities that found no room. From the first on, an entity that is not here is one that nobody here knows.
    public var refusedCount: Int { room.refusedCount }

    /// - Parameter maxBytes: of memory, about. What is too old to count makes room first; then no new entity is taken in, and those here
    ///   go on.
    public init(set: BehaviourSet, maxBytes: Int = .max) {
        self.set = set
        room = Room(maxBytes: maxBytes)
        views = Dictionary(grouping: set.views, by: \.entity)
        horizons = views.mapValues { views in (views.map { $0.aggregation.reach($0.window) }.max() ?? 0) + Self.maxLateness.microseconds }
    }

    public var entityCount: Int { histories.count }

    /// The entities that a payment touches.
    public static func keys(of transaction: Transaction) -> [BehaviourKey] { touches(of: transaction).map(\.key) }

    /// The values of all entities that a payment touches as they were just before it; then remembers it.
    public mutating func observe(_ transaction: Transaction) -> [(key: BehaviourKey, values: [Double])] {
        let known = known(of: transaction)
        remember(transaction)
        return known
    }

    /// The values of all entities that a payment touches, just before it.
    public func known(of transaction: Transaction) -> [(key: BehaviourKey, values: [Double])] {
        Self.touches(of: transaction).map {
            ($0.key, values(of: $0.key, at: transaction.eventTime) ?? Self.unknown(views[$0.key.entity]))
        }
    }

    /// The kinds of which a payment names none, each with values that say so.
    public func unnamed(by transaction: Transaction) -> [(entity: BehaviourEntity, values: [Double])] {
        let named = Set(Self.touches(of: transaction).map(\.key.entity))
        return BehaviourEntity.allCases.filter { !named.contains($0) }.map { ($0, Array(repeating: .nan, count: views[$0]?.count ?? 0)) }
    }

    /// Whether something is known of an entity.
    public func holds(_ key: BehaviourKey) -> Bool { histories[key] != nil }

    /// Remembers a payment, as ``observe(_:)`` does.
    /// - Parameter isKept: which of the entities that it touches are remembered here; all unless told otherwise.
    public mutating func remember(_ transaction: Transaction, where isKept: (BehaviourKey) -> Bool = { _ in true }) {
        for touch in Self.touches(of: transaction) where isKept(touch.key) { remember(touch, transaction) }
    }

    /// An entity's values at a time, in the order of its views; nil if it was never seen.
    public func values(of key: BehaviourKey, at time: Timestamp) -> [Double]? {
        guard let history = histories[key] else { return nil }
        let reach = history.reach(at: time.microseconds, horizon: horizons[key.entity] ?? 0)
        return (views[key.entity] ?? []).map { view in
            // Of some payments that it rests on, nobody here knows any more.
            view.aggregation.reach(view.window) > reach ? .nan : history.value(view, at: time.microseconds)
        }
    }

    /// The event time of an entity's newest payment at or before `time`; for freshness.
    public func newestEventTime(of key: BehaviourKey, at time: Timestamp) -> Timestamp? {
        histories[key]?.newest(notAfter: time.microseconds).map { Timestamp(microseconds: $0) }
    }

    // MARK: Inside

    private struct Touch {
        let key: BehaviourKey
        let direction: BehaviourDirection
        /// Who or what is on the other side, where that is known and asked for.
        let other: String?
    }

    private static func touches(of transaction: Transaction) -> [Touch] {
        var touches: [Touch] = []
        let (payer, payee, place) = (transaction.accountID, transaction.counterpartyAccountID, transaction.terminalID)
        // Money that an account pays itself does not go anywhere.
        if payer == nil || payer != payee {
            if let payer { touches.append(Touch(key: .init(.account, payer), direction: .out, other: payee ?? place)) }
            if let payee { touches.append(Touch(key: .init(.account, payee), direction: .in, other: payer ?? transaction.customerID)) }
            if let payer, let payee { touches.append(Touch(key: .init(.pair, payer, paying: payee), direction: .out, other: nil)) }
        }
        if let card = transaction.cardID { touches.append(Touch(key: .init(.card, card), direction: .out, other: place)) }
        if let device = transaction.deviceID {
            touches.append(Touch(key: .init(.device, device), direction: .out, other: transaction.customerID))
        }
        if let merchant = transaction.merchantID {
            touches.append(Touch(key: .init(.merchant, merchant), direction: .out, other: transaction.customerID))
        }
        if let location = transaction.location {
            let position = Position(latitude: location.latitude, longitude: location.longitude)
            let cell = Tile(containing: position, zoom: cellZoom).quadkey
            touches.append(Touch(key: .init(.cell, cell), direction: .out, other: transaction.customerID))
        }
        return touches
    }

    private mutating func remember(_ touch: Touch, _ transaction: Transaction) {
        guard let horizon = horizons[touch.key.entity] else { return }
        let event = BehaviourHistory.Event(
            time: transaction.eventTime.microseconds, ticks: FeatureEngine.ticks(transaction.amount), other: touch.other,
            direction: touch.direction)
        room.newest = max(room.newest, event.time)
        if bytes >= room.maxBytes, refusedCount == 0 { makeRoom() }
        if let index = histories.index(forKey: touch.key) {
            let before = histories.values[index].count
            histories.values[index].insert(event, horizon: horizon)
            bytes += (histories.values[index].count - before) * Self.bytesAPayment
        } else if bytes >= room.maxBytes || refusedCount > 0 {
            // Once one has been left out, one that comes anew may be it, and would be a part of itself.
            room.refusedCount += 1
        } else {
            var history = BehaviourHistory()
            history.insert(event, horizon: horizon)
            histories[touch.key] = history
            bytes += Self.bytesAnEntity + Self.bytesAPayment
        }
    }

    /// Drops entities whose last payment no window reaches, not even of one that comes late: they answer as if never seen. Looks at all of
    /// them, so not again before a hundredth more has come.
    private mutating func makeRoom() {
        guard bytes - room.bytesAfterSweep >= room.maxBytes / 100 else { return }
        for (key, history) in histories {
            guard let horizon = horizons[key.entity], let last = history.newest, last <= room.newest &- horizon else { continue }
            histories[key] = nil
            bytes -= Self.bytesAnEntity + history.count * Self.bytesAPayment
        }
        room.bytesAfterSweep = bytes
    }

    /// Begins as the engine that a snapshot is of, within the room that there is now.
    mutating func begin(_ room: Room) {
        let maxBytes = self.room.maxBytes
        self.room = room
        self.room.maxBytes = maxBytes
    }

    /// Takes an entity over from a snapshot.
    mutating func restore(_ key: BehaviourKey, _ history: BehaviourHistory) {
        histories[key] = history
        bytes += Self.bytesAnEntity + history.count * Self.bytesAPayment
    }

    private static func unknown(_ views: [BehaviourView]?) -> [Double] {
        let nothing = BehaviourHistory()
        return (views ?? []).map { nothing.value($0, at: 0) }
    }
}

/// Payments that touch one entity, ordered by event time, equal times in the order they came.
struct BehaviourHistory: Sendable {
    struct Event: Sendable {
        let time: Int64
        let ticks: Int64
        /// A hash of the other side, zero where that is unknown; its lowest bit says which way the money went.
        let otherAndDirection: UInt64

        /// The hash must be the same in every process, so its key is no secret; what is hashed are tokens, which nobody can choose.
        private static let hash = SipHash(key0: 0x7669_6769_6c20_6265, key1: 0x6861_7669_6f75_7273)

        init(time: Int64, ticks: Int64, other: String?, direction: BehaviourDirection) {
            self.time = time
            self.ticks = ticks
            otherAndDirection = (other.map { Event.hash.hash($0) } ?? 0) & ~1 | (direction == .in ? 1 : 0)
        }

        init(time: Int64, ticks: Int64, otherAndDirection: UInt64) {
            self.time = time
            self.ticks = ticks
            self.otherAndDirection = otherAndDirection
        }

        var other: UInt64 { otherAndDirection & ~1 }
        var direction: BehaviourDirection { otherAndDirection & 1 == 1 ? .in : .out }
        var amount: Double { Double(ticks) / Histories.ticksPerUnit }
    }

    private(set) var events: ContiguousArray<Event> = []

    var newest: Int64? { events.last?.time }

    func newest(notAfter time: Int64) -> Int64? {
        let end = endIndex(notAfter: time)
        return end == 0 ? nil : events[end - 1].time
    }
    var count: Int { events.count }

    /// How long before a time all events are kept still; see `HistoryView.reach(at:horizon:)`.
    func reach(at time: Int64, horizon: Int64) -> Int64 {
        guard let newest else { return .max }
        let lateness = newest &- time
        return lateness <= BehaviourEngine.maxLateness.microseconds ? .max : horizon &- lateness
    }

    mutating func insert(_ event: Event, horizon: Int64) {
        events.insert(event, at: endIndex(notAfter: event.time))
        let expired = endIndex(notAfter: events[events.count - 1].time &- horizon)
        // In one go once it is a quarter of all, so that the cost of moving the rest is spread over many insertions.
        guard expired * 4 >= events.count, expired > 0 else { return }
        events = ContiguousArray(events[expired...])
    }

    private func endIndex(notAfter time: Int64) -> Int {
        if events.isEmpty || events[events.count - 1].time <= time { return events.count }
        var low = 0
        var high = events.count
        while low < high {
            let middle = (low + high) / 2
            if events[middle].time <= time { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func value(_ view: BehaviourView, at time: Int64) -> Double {
        let window = view.window.microseconds
        switch view.aggregation {
        case .count(let direction): return Double(events(direction, window, time).reduce(0) { count, _ in count + 1 })
        case .sum(let direction): return sum(direction, window, time)
        case .mean(let direction):
            let count = events(direction, window, time).reduce(0) { count, _ in count + 1 }
            return count == 0 ? .nan : sum(direction, window, time) / Double(count)
        case .max(let direction): return events(direction, window, time).map(\.amount).max() ?? .nan
        case .distinct(let direction): return distinct(direction, window, time)
        case .decayed(let direction):
            return events(direction, 4 * window, time).reduce(0) { $0 + $1.amount * exp2(-Double(time &- $1.time) / Double(window)) }
        case .share(let direction, let longer):
            let all = sum(direction, longer.microseconds, time)
            return all == 0 ? .nan : sum(direction, window, time) / all
        case .secondsSince(let direction):
            return events(direction, window, time).last.map { Double(time &- $0.time) / 1_000_000 } ?? .nan
        case .passThrough:
            let (incoming, outgoing) = (sum(.in, window, time), sum(.out, window, time))
            let larger = Swift.max(incoming, outgoing)
            return larger == 0 ? .nan : Swift.min(incoming, outgoing) / larger
        }
    }

    /// Those in (time − window, time].
    private func events(_ direction: BehaviourDirection, _ window: Int64, _ time: Int64) -> LazyFilterSequence<ArraySlice<Event>> {
        slice(window, time).lazy.filter { $0.direction == direction }
    }

    private func slice(_ window: Int64, _ time: Int64) -> ArraySlice<Event> {
        let end = endIndex(notAfter: time)
        return events[Swift.min(end, endIndex(notAfter: time &- window))..<end]
    }

    /// Exact, since it is of whole numbers, and they fit.
    private func sum(_ direction: BehaviourDirection, _ window: Int64, _ time: Int64) -> Double {
        Double(events(direction, window, time).reduce(UInt128(0)) { $0 + UInt128(clamping: $1.ticks) }) / Histories.ticksPerUnit
    }

    private func distinct(_ direction: BehaviourDirection, _ window: Int64, _ time: Int64) -> Double {
        DistinctCount.count(of: events(direction, window, time).lazy.map(\.other).filter { $0 != 0 }, among: slice(window, time).count)
    }
}
