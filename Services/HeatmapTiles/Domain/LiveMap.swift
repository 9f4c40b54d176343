import Synchronization

/// The one map of the process: readers take it as it is, consumers change it, listeners hear that it changed.
final class LiveMap: Sendable {
    private struct State {
        var map: MapState
        var forecast: Forecast?
        var listeners: [Int: (caller: String, ears: AsyncStream<Void>.Continuation)] = [:]
        var nextListener = 0
        var journal = ChangeJournal()
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
            state.journal.note(effect, revision: state.map.revision)
            return effect
        }
        tell(effect)
    }

    /// Puts a new forecast in the place of the last.
    func apply(_ forecast: Forecast?) {
        let effect = Effect(cells: [], everythingChanged: true)
        state.withLock { state in
            state.forecast = forecast
            state.map.touch()
            state.journal.note(effect, revision: state.map.revision)
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
    /// Changes up to this revision are not known (any more).
    private var forgotten: UInt64?

    mutating func note(_ effect: LiveMap.Effect, revision: UInt64) {
        if forgotten == nil { forgotten = revision - 1 }
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
        changes.removeFirst(dropped)
    }

    /// What the changes since then did together; nil when that is not known any more, or when everything has changed.
    func effect(since revision: UInt64?, in permitted: Set<String>? = nil) -> LiveMap.Effect? {
        guard let revision, let forgotten, revision >= forgotten else { return nil }
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
