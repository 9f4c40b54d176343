import Geo

/// All that the map shows. A value, as the cube in it is: a reader's copy stays as it is.
struct MapState: Sendable {
    private(set) var cube = Cube()
    private(set) var sites = SiteIndex()
    private(set) var areas: [String: Area] = [:]
    /// Goes up when an area is added or redrawn.
    private(set) var areasRevision = 0
    /// The newest alerts, newest decision first, at most ``maxAlerts``.
    private(set) var alerts: [AlertNote] = []
    /// The newest complaints, last reported first, at most ``maxComplaints``.
    private(set) var complaints: [ComplaintNote] = []
    /// What happened at terminals whose place is not known yet; at the terminal with the empty name, what has neither a place nor a terminal.
    private(set) var unplaced: [String: [Slot: Tally]] = [:]
    /// All of that together: what has happened and is nowhere on the map.
    private(set) var nowhere: [Slot: Tally] = [:]
    /// From the first to the last hour of that; nil where there is none.
    var nowhereHours: ClosedRange<Int>? {
        let hours = nowhere.keys.lazy.map(\.hour)
        return hours.min().flatMap { first in hours.max().map { first...$0 } }
    }
    /// Goes up with every change, over restarts too.
    private(set) var revision: UInt64
    /// When the cube tells what is to come: the moment that it was forecast at, in microseconds since 1970.
    private(set) var forecastAt: Int64?

    static let maxAlerts = 500
    static let maxComplaints = 500
    static let maxTerminalBytes = 128

    /// - Parameter revision: higher than any before; the wall clock's microseconds at the start will do.
    init(revision: UInt64 = 1) {
        self.revision = revision
    }

    /// When and what, without where.
    struct Slot: Sendable, Hashable {
        var hour: Int
        var kind: Kind
    }

    /// A cell (a tile's code at zoom 17) and a slot in it.
    struct Place: Sendable, Hashable {
        var cell: UInt64
        var slot: Slot
    }

    /// A terminal without a known place (empty for none at all), and a slot there.
    struct UnknownPlace: Sendable, Hashable {
        var terminalID: String
        var slot: Slot
    }

    /// A place, and the hour in which became known what happened there before that hour.
    struct LatePlace: Sendable, Hashable {
        var place: Place
        var knownHour: Int
    }

    /// What one batch of events changes.
    struct Change: Sendable {
        var placed: [Place: Tally] = [:]
        /// The part of `placed` that became known in a later hour than it happened in.
        var late: [LatePlace: Tally] = [:]
        /// The last hour in which one of the events became known; 0 without events.
        var knownHour = 0
        var unplaced: [UnknownPlace: Tally] = [:]
        var alerts: [AlertNote] = []
        var complaints: [ComplaintNote] = []
        var sites: [Site] = []
        var areas: [Area] = []

        var isEmpty: Bool {
            placed.isEmpty && unplaced.isEmpty && alerts.isEmpty && complaints.isEmpty && sites.isEmpty && areas.isEmpty
        }

        /// What may be counted elsewhere than before; all that waits for a place where terminals have found theirs.
        var signals: Set<Signal> {
            sites.isEmpty ? Set(placed.keys.map(\.slot.kind.signal) + unplaced.keys.map(\.slot.kind.signal)) : Set(Signal.allCases)
        }

        /// Counts at a place.
        fileprivate mutating func count(_ tally: Tally, at place: Place, knownHour: Int) {
            placed[place, default: Tally()] += tally
            if knownHour > place.slot.hour { late[LatePlace(place: place, knownHour: knownHour), default: Tally()] += tally }
        }

        /// The hour in which something became known; what happened then when that is not told.
        fileprivate mutating func note(known: Int64?, hour: Int) -> Int {
            let known = known.flatMap { CubeHour.containing(microsecondsSince1970: $0) } ?? hour
            knownHour = max(knownHour, known)
            return known
        }
    }

    /// Adds up events. Those that the cube cannot hold (before 1970, after 2089) change nothing.
    ///
    /// - Parameter former: the versions that were counted last of complaints among the events.
    func change(for events: some Sequence<MapEvent>, former: [ComplaintNote.Key: ComplaintNote] = [:]) -> Change {
        var former = former
        var change = Change()
        var sites: [String: Site] = [:]
        var kinds = cube.kinds
        for event in events {
            switch event {
            case .decision(let transaction): add(transaction, to: &change, sites: sites, kinds: &kinds)
            case .complaint(let complaint):
                guard let hour = CubeHour.containing(microsecondsSince1970: complaint.eventMicroseconds) else { continue }
                let known = change.note(known: complaint.knownMicroseconds, hour: hour)
                if let key = complaint.key {
                    if let before = former.updateValue(complaint, forKey: key) {
                        Self.count(before, -1, in: &change, knownHour: known, kinds: &kinds)
                    }
                    change.complaints.append(complaint)
                }
                Self.count(complaint, 1, in: &change, knownHour: known, kinds: &kinds)
            case .site(let site): sites[site.terminalID] = site
            case .area(let area): change.areas.append(area)
            }
        }
        change.sites = sites.values.sorted { $0.terminalID < $1.terminalID }
        return change
    }

    /// Counts a complaint, or takes it away again.
    private static func count(_ complaint: ComplaintNote, _ count: Int, in change: inout Change, knownHour: Int, kinds: inout KindTable) {
        guard let hour = CubeHour.containing(microsecondsSince1970: complaint.eventMicroseconds) else { return }
        let slot = Slot(hour: hour, kind: kinds.settled(Kind(signal: .complaint, type: complaint.crimeType)))
        if let position = complaint.position {
            change.count(Tally(count: count), at: Place(cell: cell(position), slot: slot), knownHour: knownHour)
        } else {
            change.unplaced[UnknownPlace(terminalID: "", slot: slot), default: Tally()] += Tally(count: count)
        }
    }

    private func add(_ transaction: ScoredTransaction, to change: inout Change, sites: [String: Site], kinds: inout KindTable) {
        guard let hour = CubeHour.containing(microsecondsSince1970: transaction.eventMicroseconds) else { return }
        let position = transaction.position ?? sites[transaction.terminalID]?.position ?? self.sites[transaction.terminalID]?.position
        let known = change.note(known: transaction.knownMicroseconds, hour: hour)
        var signals: [Signal] = [.transaction]
        if transaction.isFraud { signals.append(.fraud) }
        if transaction.alert != nil { signals.append(.alert) }
        for signal in signals {
            let slot = Slot(hour: hour, kind: kinds.settled(Kind(signal: signal, type: transaction.channel)))
            let tally = Tally(count: 1, riskSum: transaction.risk)
            if let position {
                change.count(tally, at: Place(cell: Self.cell(position), slot: slot), knownHour: known)
            } else {
                let terminal = transaction.terminalID.utf8.count <= Self.maxTerminalBytes ? transaction.terminalID : ""
                change.unplaced[UnknownPlace(terminalID: terminal, slot: slot), default: Tally()] += tally
            }
        }
        if var alert = transaction.alert {
            alert.position = alert.position ?? position
            change.alerts.append(alert)
        }
    }

    /// - Returns: the cells (codes at zoom 17) that look different now.
    @discardableResult
    mutating func apply(_ change: Change) -> Set<UInt64> {
        guard !change.isEmpty else { return [] }
        revision += 1
        var touched = Set(change.sites.map { Self.cell($0.position) })
        for site in change.sites { if let before = sites[site.terminalID] { touched.insert(Self.cell(before.position)) } }
        sites.update(change.sites)
        for (place, tally) in change.unplaced { note(tally, at: place) }
        var placed = change.placed
        for terminalID in Set(change.sites.map(\.terminalID)).union(change.unplaced.keys.map(\.terminalID)) {
            guard let site = sites[terminalID], let slots = unplaced.removeValue(forKey: terminalID) else { continue }
            for (slot, tally) in slots {
                placed[Place(cell: Self.cell(site.position), slot: slot), default: Tally()] += tally
                nowhere[slot]?.count -= tally.count
                nowhere[slot]?.riskSum -= tally.riskSum
                if nowhere[slot]?.count == 0 { nowhere[slot] = nil }
            }
        }
        var increments: [Cube.Increment] = []
        for (place, tally) in placed {
            touched.insert(place.cell)
            increments.append(.init(cell: place.cell, hour: place.slot.hour, kind: cube.number(for: place.slot.kind), tally: tally))
        }
        cube.apply(increments)
        if !change.areas.isEmpty {
            areasRevision += 1
            for area in change.areas { areas[area.id] = area }
        }
        add(change.alerts)
        add(change.complaints)
        return touched
    }

    private mutating func add(_ added: [ComplaintNote]) {
        guard !added.isEmpty else { return }
        // The last version of each.
        let newest = Dictionary(added.map { ($0.key, $0) }) { $1 }
        let others = complaints.filter { newest[$0.key] == nil }
        complaints = Array((newest.values + others).sorted { $0.place < $1.place }.prefix(Self.maxComplaints))
    }

    private mutating func add(_ added: [AlertNote]) {
        guard !added.isEmpty else { return }
        alerts = Array((alerts + added).sorted { $0.place < $1.place }.prefix(Self.maxAlerts))
    }

    private mutating func note(_ tally: Tally, at place: UnknownPlace) {
        unplaced[place.terminalID, default: [:]][place.slot, default: Tally()] += tally
        nowhere[place.slot, default: Tally()] += tally
        if unplaced[place.terminalID]?[place.slot]?.count == 0 { unplaced[place.terminalID]?[place.slot] = nil }
        if unplaced[place.terminalID]?.isEmpty == true { unplaced[place.terminalID] = nil }
        if nowhere[place.slot]?.count == 0 { nowhere[place.slot] = nil }
    }

    /// Puts back what was stored, before anything else is applied.
    mutating func restore(
        cube: Cube, unplaced: [UnknownPlace: Tally], alerts: [AlertNote], complaints: [ComplaintNote], sites: [Site], areas: [Area]
    ) {
        self.cube = cube
        for (place, tally) in unplaced { note(tally, at: place) }
        self.sites.update(sites)
        for area in areas { self.areas[area.id] = area }
        add(alerts)
        add(complaints)
    }

    /// The same map with other counts, of what has a place.
    func with(_ cube: Cube) -> MapState {
        var state = self
        state.cube = cube
        state.nowhere = [:]
        return state
    }

    /// The same map with what is to come in place of what has happened; nothing where there is no forecast.
    func showing(_ forecast: Forecast?) -> MapState {
        var state = with(forecast?.cube ?? Cube())
        state.forecastAt = forecast?.madeMicroseconds ?? 0
        return state
    }

    /// Something other than the counts has changed.
    mutating func touch() { revision += 1 }

    /// Whether a position lies in one of the areas with these ids.
    func isPosition(_ position: Position, inAnyOf ids: Set<String>) -> Bool {
        ids.contains { areas[$0]?.contains(position) ?? false }
    }

    /// The identifiers of the areas that the middle of one of these cells (codes at zoom 17) lies in.
    func areas(withAnyOf cells: Set<UInt64>) -> Set<String> {
        let middles = cells.compactMap { Tile(zoom: Cube.cellZoom, code: $0)?.centre }
        return Set(areas.values.lazy.filter { area in middles.contains { area.contains($0) } }.map(\.id))
    }

    /// Where an alert's payment was made; its terminal may have become known only after the decision.
    func position(of alert: AlertNote) -> Position? { alert.position ?? sites[alert.terminalID]?.position }

    /// Whether somebody may see an alert who may see what lies in these areas; nil for everything.
    func shows(_ alert: AlertNote, to permitted: Set<String>?) -> Bool {
        guard let permitted else { return true }
        return position(of: alert).map { isPosition($0, inAnyOf: permitted) } ?? false
    }

    /// How many of the events that a filter lets through have no place on the map; nil where that cannot be said: what has no place lies in
    /// no jurisdiction, and in no cell whose mean risk could be asked for, and what of it was known at an earlier moment is not kept.
    func countWithoutPlace(_ filter: CubeFilter) -> Int? {
        guard filter.jurisdictions == nil, filter.knownBefore == nil, filter.minimumRisk <= 0, forecastAt == nil else { return nil }
        let hoursOfWeek = filter.prepared(kinds: cube.kinds, cells: nil).hoursOfWeek
        return nowhere.reduce(0) { sum, entry in
            let (slot, tally) = entry
            guard slot.kind.signal == filter.layer.signal, filter.types?.contains(slot.kind.type) != false, filter.hours.contains(slot.hour),
                hoursOfWeek?[slot.hour % 168] != false
            else { return sum }
            return sum + tally.count
        }
    }

    static func cell(_ position: Position) -> UInt64 { Tile(containing: position, zoom: Cube.cellZoom).code }
}

extension KindTable {
    /// The kind itself while there is room for it, else its signal's "other".
    mutating func settled(_ kind: Kind) -> Kind {
        add(kind) != nil ? kind : Kind(signal: kind.signal, type: Kind.otherType)
    }
}
