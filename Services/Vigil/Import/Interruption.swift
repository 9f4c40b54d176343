import Dispatch
import Foundation
import Synchronization

/// Runs `body`; the first SIGINT or SIGTERM meanwhile calls `stop`, so that the work can end in order, the second ends the process.
func withInterruption<R>(_ stop: @escaping @Sendable () -> Void, _ body: () async throws -> R) async rethrows -> R {
    let queue = DispatchQueue(label: "vigil.interruption")
    let interrupted = InterruptionCount()
    let sources = [SIGINT, SIGTERM].map { number in
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
        source.setEventHandler {
            guard interrupted.increment() == 1 else { _exit(130) }
            stop()
        }
        source.activate()
        return source
    }
    defer {
        for source in sources { source.cancel() }
        for number in [SIGINT, SIGTERM] { signal(number, SIG_DFL) }
    }
    return try await body()
}

private final class InterruptionCount: Sendable {
    private let count = Mutex(0)

    func increment() -> Int {
        count.withLock { count in
            count += 1
            return count
        }
    }
}
