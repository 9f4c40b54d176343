internal import DequeModule
internal import NIOCore

/// The tasks in which one event loop's handlers run: each takes the next handler when it is done with one. Making a task
/// costs more than most handlers do.
///
/// Confined to the loop.
final class HandlerWorkers {
    private var waiting: Deque<ServerCall> = []
    private var idle: [HandlerWorker] = []
    private var hasEnded = false

    /// Those that wait for work beyond this number end.
    private static let maxIdle = 256

    func add(_ call: ServerCall) { waiting.append(call) }

    /// Gets a worker going if handlers wait; false where none do. One is enough: it runs them one after another, and when
    /// one of them suspends, this is asked again.
    func wakeOne(_ loop: LoopExecutor) -> Bool {
        guard !waiting.isEmpty else { return false }
        if let worker = idle.popLast() { worker.resume() } else { HandlerWorker(loop).start() }
        return true
    }

    fileprivate func next() -> ServerCall? { waiting.popFirst() }

    /// Keeps a worker that has nothing to do; false where it is to end.
    fileprivate func keep(_ worker: HandlerWorker) -> Bool {
        guard !hasEnded, idle.count < Self.maxIdle else { return false }
        idle.append(worker)
        return true
    }

    /// Lets the workers end: the loop will stop.
    func end() {
        hasEnded = true
        for worker in exchange(&idle, with: []) { worker.resume() }
    }
}

/// One task that runs handlers.
///
/// `@unchecked Sendable`: confined to the loop, as its task is, which prefers it.
final class HandlerWorker: @unchecked Sendable {
    private let loop: LoopExecutor
    private var task: Task<Void, Never>?
    private var isCancelled = false
    private var wakeUp: UnsafeContinuation<Void, Never>?

    fileprivate init(_ loop: LoopExecutor) {
        self.loop = loop
    }

    fileprivate func start() {
        task = Task(executorPreference: loop) { [self] in await work() }
    }

    fileprivate func resume() { wakeUp.take()?.resume() }

    /// Cancels the handler that runs. A task stays cancelled, so the worker ends with that handler.
    func cancel() {
        isCancelled = true
        task?.cancel()
    }

    private func work() async {
        // One list for all calls.
        var finishers: [CallFinisher] = []
        repeat {
            while let call = loop.workers.next() {
                guard !call.isAnswered else {
                    // It ended while it waited for a worker.
                    call.connection.handlerEnded()
                    continue
                }
                call.worker = self
                let result = await call.handle(&finishers)
                if !loop.isCurrent { await comeBack() }
                call.ended(result, finishers)
                finishers.removeAll(keepingCapacity: true)
                // What waits gets another worker.
                guard !isCancelled else { return }
            }
            guard loop.workers.keep(self) else { return }
            await withUnsafeContinuation { wakeUp = $0 }
        } while true
    }

    /// A handler may return on a thread of its own choice.
    private func comeBack() async {
        await withUnsafeContinuation { continuation in
            loop.eventLoop.execute { continuation.resume() }
        }
    }
}
