import Synchronization

/// Carries a task's cancellation to the connection's thread, which then asks the server to give the statement up.
final class Cancellation: Sendable {
    private let isRequested = Atomic(false)
    private let pipe: WakePipe?

    /// `pipe` is nil for work that must not be cut short, such as a commit.
    init(waking pipe: WakePipe?) {
        self.pipe = pipe
    }

    var isCancelled: Bool { isRequested.load(ordering: .acquiring) }

    func cancel() {
        guard let pipe else { return }
        isRequested.store(true, ordering: .releasing)
        pipe.wake()
    }
}
