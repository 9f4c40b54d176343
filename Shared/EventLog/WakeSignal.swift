import Synchronization

/// Counts what there is to do, commits for example, and wakes those who wait for more.
///
/// A waiter reads `count` before it looks for work and waits beyond that: what comes between is not missed.
public final class WakeSignal: Sendable {
    private struct State {
        var count: UInt64 = 0
        var lastWaiter = 0
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
    }

    private let state = Mutex(State())

    public init() {}

    public var count: UInt64 { state.withLock { $0.count } }

    public func notify() {
        let waiters = state.withLock { state in
            state.count += 1
            defer { state.waiters = [:] }
            return state.waiters.values
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Returns true when there is more than `count`, false when the time is over or the task is cancelled.
    public func wait(beyond count: UInt64, atMost duration: Duration) async -> Bool {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.next(beyond: count) }
            group.addTask { try? await Task.sleep(for: duration) }
            await group.next()
            group.cancelAll()
        }
        return self.count > count
    }

    private func next(beyond count: UInt64) async {
        let waiter = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // Looked at under the lock, after the cancellation handler is in place: neither a signal nor a cancellation is missed.
                let isOver = state.withLock { state in
                    if state.count > count || Task.isCancelled { return true }
                    state.waiters[waiter] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: waiter) }?.resume()
        }
    }
}
