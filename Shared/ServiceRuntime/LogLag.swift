import Synchronization

/// How far a follower is behind a log, as of whenever it is asked: so it also tells of a follower that stands still.
public final class LogLag: Sendable {
    private enum State {
        case caughtUp
        case behind(since: ContinuousClock.Instant)
        case refused
    }

    private let state = Mutex(State.caughtUp)

    public init() {}

    /// - Parameter recordedAt: when the entry that is to be taken in next was written; nil where there is none.
    public func set(behindSince recordedAt: ContinuousClock.Instant?) {
        state.withLock { $0 = recordedAt.map { .behind(since: $0) } ?? .caughtUp }
    }

    /// While an entry is taken in that was written then; where that fails, it stays to be taken in.
    public func whileTaking(since recordedAt: ContinuousClock.Instant, _ body: () async throws -> Void) async rethrows {
        set(behindSince: recordedAt)
        try await body()
        set(behindSince: nil)
    }

    /// The log does not know the position, which only an operator can mend.
    public func refuse() { state.withLock { $0 = .refused } }

    public var seconds: Double {
        switch state.withLock({ $0 }) {
        case .caughtUp: 0
        case .behind(let since): since.duration(to: .now) / .seconds(1)
        case .refused: .infinity
        }
    }
}
