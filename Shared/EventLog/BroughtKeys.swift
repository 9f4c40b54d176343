import Synchronization

/// What calls have brought lately and a log will bring again, so that its reader can pass over it.
///
/// Holds what is stored already, never what is about to be. It may forget: what is not in it must be looked up in the store.
public final class BroughtKeys<Key: Hashable & Sendable>: Sendable {
    private struct Generations {
        var young: Set<Key> = []
        var old: Set<Key> = []
    }

    private let generations = Mutex(Generations())
    private let maxKeys: Int

    /// - Parameter maxKeys: from the newest half of them on, none is forgotten before the log has brought it.
    public init(maxKeys: Int = 400_000) {
        self.maxKeys = maxKeys
    }

    /// To be called when they are stored.
    public func insert(_ keys: some Sequence<Key>) {
        generations.withLock { generations in
            generations.young.formUnion(keys)
            if generations.young.count >= maxKeys / 2 {
                generations.old = generations.young
                generations.young = []
            }
        }
    }

    /// Those of a log's keys that no call has brought. What the log has just been written is left to the calls for a moment: they bring it at
    /// about the same time, and whoever comes second works in vain. A log brings each key once: those found are forgotten.
    ///
    /// - Parameter age: of the youngest entry.
    public func missing(_ keys: [Key], age: Duration, clock: any Clock<Duration> = ContinuousClock()) async throws -> Set<Key> {
        let missing = withoutBrought(keys)
        guard !missing.isEmpty, age < Self.grace else { return Set(missing) }
        try await clock.sleep(for: Self.grace - max(age, .zero))
        return Set(withoutBrought(missing))
    }

    private static var grace: Duration { .milliseconds(500) }

    private func withoutBrought(_ keys: [Key]) -> [Key] {
        generations.withLock { generations in
            keys.filter { generations.young.remove($0) == nil && generations.old.remove($0) == nil }
        }
    }
}
