import Synchronization

/// The one map of the process: readers take it as it is, consumers change it, listeners hear that it changed.
final class LiveMap: Sendable {
    private struct State {
        var map: MapState
        var forecast: Forecast?
        var listeners: [Int: (caller: String, ears: AsyncStream<Void>.Continuation)] = [:]
        var nextListener = 0
        var journal = ChangeJournal()

        mutating func note(_ effect: Effect) {
            journal.note(effect, revision: map.revision) { [map] in map.areas(withAnyOf: $0) }
        }
    }

    /// What one change did to the map.
    struct Effect: Sendable, Hashable {
        /// Codes at zoom 17.
        var cells: Set<UInt64>
        /// What was counted in them.
        var signals: Set<Signal> = []
        /// Areas were redrawn, or there is a new forecast.
        var everythingChanged: Bool
        /// Those that were redrawn.
        var areas: Set<String> = []

        /// Whether everything has changed for who may see these areas; nil for all.
        func isEverything(in permitted: Set<String>?) -> Bool {
            everythingChanged && (areas.isEmpty || permitted.map { !areas.isDisjoint(with: $0) } ?? true)
        }
    }

    private let state: Mutex<State>
    private let changed: @Sendable (Effect) -> Void

    /// - Parameter changed: called after each change, once readers see it.
    init(_ map: MapState, changed: @escaping @Sendable (Effect) -> Void = { _ in }) {
        state = Mutex(State(map: map))
        self.changed = changed
    }

    /// The map as it is now.
    var current: MapState { state.withLock { $0.map } }

    private static let maxIdentifierBytes = 128

    /// One alert, however old, as far as it is kept and somebody may see it who may see these areas.
    ///
    /// - Parameter stored: looks for one that is not among the newest.
    func alert(_ id: String, for permitted: Set<String>?, stored: (String) async throws -> AlertNote?) async rethrows -> AlertNote? {
        guard id.utf8.count <= Self.maxIdentifierBytes else { return nil }
        let map = current
        var found = map.alerts.first { $0.decisionID == id }
        if found == nil { found = try await stored(id) }
        return found.flatMap { map.shows($0, to: permitted) ? $0 : nil }
    }

    /// What is expected; nil while nothing is known of it.
    var forecast: Forecast? { state.withLock { $0.forecast } }

    /// The map that a layer is drawn from.
    func current(for layer: Layer?) -> MapState {
        state.withLock { layer == .forecast ? $0.map.showing($0.forecast) : $0.map }
    }

    func apply(_ change: MapState.Change) {
        guard !change.isEmpty else { return }
        let effect = state.withLock { state in
            let effect = Effect(
                cells: state.map.apply(change), signals: change.signals, everythingChanged: !change.areas.isEmpty,
                areas: Set(change.areas.map(\.id)))
            state.note(effect)
            return effect
        }
        tell(effect)
    }

    /// Puts a new forecast in the place of the last. It comes when the clock says so, whatever has happened, so everybody may hear of it.
    func apply(_ forecast: Forecast?) {
        let effect = Effect(cells: [], everythingChanged: true)
        state.withLock { state in
            state.forecast = forecast
            state.map.touch()
            state.note(effect)
        }
        tell(effect)
    }

    private func tell(_ effect: Effect) {
        changed(effect)
        state.withLock { state in
            for listener in state.listeners.values { listener.ears.yield() }
        }
    }

    /// The map's revision, and what has changed since another; nil for everything, or since too long ago. That areas were redrawn which are
    /// not among the `permitted` is no change.
    func changes(since revision: UInt64?, in permitted: Set<String>? = nil) -> (revision: UInt64, effect: Effect?) {
        state.withLock { ($0.map.revision, $0.journal.effect(since: revision, in: permitted)) }
    }

    var listenerCount: Int { state.withLock { $0.listeners.count } }

    /// A listener's ears.
    struct Subscription: Sendable {
        /// Yields once at first and again after changes; those that come while the listener is busy are told once.
        let wakes: AsyncStream<Void>
        /// Wakes the listener without a change.
        let nudge: @Sendable () -> Void
    }

    /// - Returns: nil when there are `limit` listeners already, or `limitOfCaller` of this caller.
    func subscribe(_ caller: String, limit: Int, limitOfCaller: Int = .max) -> Subscription? {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let number: Int? = state.withLock { state in
            guard state.listeners.count < limit, state.listeners.values.count(where: { $0.caller == caller }) < limitOfCaller else { return nil }
            state.nextListener += 1
            state.listeners[state.nextListener] = (caller, continuation)
            return state.nextListener
        }
        guard let number else { return nil }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.listeners.removeValue(forKey: number) }
        }
        continuation.yield()
        return Subscription(wakes: stream, nudge: { continuation.yield() })
    }
}

/// What the last changes touched, so that a listener can be told what it has missed. Older changes are forgotten.
struct ChangeJournal: Sendable {
    static let maxCells = 20_000
    static let maxChanges = 4096

    private var changes: [(revision: UInt64, effect: LiveMap.Effect)] = []
    private var cellCount = 0
    /// Nothing is known of changes up to this revision.
    private var beginning: UInt64?
    /// Changes up to this revision are not known one by one any more.
    private var forgotten: UInt64 = 0
    /// The last of those in each area, by its identifier.
    private var forgottenInArea: [String: UInt64] = [:]
    private var forgottenEverywhere: UInt64 = 0

    /// - Parameter areas: gives the identifiers of the areas that one of some cells lies in, by the cells' codes; asked when changes are forgotten.
    mutating func note(_ effect: LiveMap.Effect, revision: UInt64, areas: (Set<UInt64>) -> Set<String>) {
        if beginning == nil { (beginning, forgotten) = (revision - 1, revision - 1) }
        changes.append((revision, effect))
        cellCount += effect.cells.count
        guard cellCount > Self.maxCells || changes.count > Self.maxChanges else { return }
        // Half at once, so that forgetting costs little each time.
        var dropped = 0
        while dropped < changes.count, cellCount > Self.maxCells / 2 || changes.count - dropped > Self.maxChanges / 2 {
            cellCount -= changes[dropped].effect.cells.count
            forgotten = changes[dropped].revision
            dropped += 1
        }
        for (revision, effect) in changes[..<dropped] where effect.everythingChanged {
            for id in effect.areas { forgottenInArea[id] = revision }
            if effect.areas.isEmpty { forgottenEverywhere = revision }
        }
        // All of them count as the last: who has seen some of them is told once more.
        for id in areas(changes[..<dropped].reduce(into: Set<UInt64>()) { $0.formUnion($1.effect.cells) }) { forgottenInArea[id] = forgotten }
        changes.removeFirst(dropped)
    }

    /// Whether changes after a revision are not known one by one any more that somebody may see who may see these areas; nil for all.
    private func hasForgotten(since revision: UInt64, in permitted: Set<String>?) -> Bool {
        guard revision < forgotten, let permitted else { return revision < forgotten }
        return revision < forgottenEverywhere || permitted.contains { revision < forgottenInArea[$0] ?? 0 }
    }

    /// What the changes since then did together; nil when that is not known any more, or when everything has changed. With `permitted`, what
    /// was forgotten counts as far as it lay in these areas; of what was not, the cells elsewhere are there too.
    func effect(since revision: UInt64?, in permitted: Set<String>? = nil) -> LiveMap.Effect? {
        guard let revision, let beginning, revision >= beginning, !hasForgotten(since: revision, in: permitted) else { return nil }
        var effect = LiveMap.Effect(cells: [], everythingChanged: false)
        for change in changes.reversed() {
            if change.revision <= revision { break }
            if change.effect.isEverything(in: permitted) { return nil }
            effect.cells.formUnion(change.effect.cells)
            effect.signals.formUnion(change.effect.signals)
        }
        return effect
    }
}
