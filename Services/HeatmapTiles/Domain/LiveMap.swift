import Synchronization

/// The one map of the process: readers take it as it is, consumers change it, listeners hear that it changed.
final class LiveMap: Sendable {
    private struct State {
        var map: MapState
        var listeners: [Int: AsyncStream<Void>.Continuation] = [:]
        var nextListener = 0
    }

    /// What one change did to the map.
    struct Effect: Sendable {
        /// Codes at zoom 17.
        var cells: Set<UInt64>
        var areasChanged: Bool
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

    func apply(_ change: MapState.Change) {
        guard !change.isEmpty else { return }
        let cells = state.withLock { $0.map.apply(change) }
        changed(Effect(cells: cells, areasChanged: !change.areas.isEmpty))
        state.withLock { state in
            for listener in state.listeners.values { listener.yield() }
        }
    }

    var listenerCount: Int { state.withLock { $0.listeners.count } }

    /// A listener's ears.
    struct Subscription: Sendable {
        /// Yields once at first and again after changes; those that come while the listener is busy are told once.
        let wakes: AsyncStream<Void>
        /// Wakes the listener without a change.
        let nudge: @Sendable () -> Void
    }

    /// - Returns: nil when there are `limit` listeners already.
    func subscribe(limit: Int) -> Subscription? {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let number: Int? = state.withLock { state in
            guard state.listeners.count < limit else { return nil }
            state.nextListener += 1
            state.listeners[state.nextListener] = continuation
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
