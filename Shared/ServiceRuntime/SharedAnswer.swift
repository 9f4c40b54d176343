import Synchronization

/// An answer that costs much, made for many at once: whoever asks while it is being made shares the next one. So it is always as new as the
/// question, and however many ask, it is made one at a time.
public final class SharedAnswer<Value: Sendable>: Sendable {
    private struct State {
        var begun = 0
        var last: (number: Int, value: Value)?
    }

    private let state = Mutex(State())
    private let turnstile = Turnstile()

    public init() {}

    /// - Parameter make: begun after the call, by this caller or by another who came before.
    public func value(_ make: () async throws -> Value) async throws -> Value {
        let begunBefore = state.withLock { $0.begun }
        return try await turnstile.pass {
            try Task.checkCancellation()
            let (number, shared) = state.withLock { state -> (Int, Value?) in
                if let last = state.last, last.number > begunBefore { return (last.number, last.value) }
                state.begun += 1
                return (state.begun, nil)
            }
            if let shared { return shared }
            let value = try await make()
            state.withLock { $0.last = (number, value) }
            return value
        }
    }
}
