import Synchronization

/// Gathers what concurrent calls submit into batches and processes one batch at a time: while one is under way the next
/// fills. With one caller a batch holds that caller's items and nothing waits; under load, one commit serves hundreds.
///
/// Items are processed in the order of submission. ``run()`` must run, in a task group of the service's main, for
/// anything to be processed.
///
///     let batcher = Batcher<Draft, Receipt>(limits: .init()) { drafts in try await store.insert(drafts) }
///     let receipts = try await batcher.submit(drafts)
public final class Batcher<Item: Sendable, Output: Sendable>: Sendable {
    private struct Submission {
        let items: [Item]
        let complete: @Sendable (Result<[Output], any Error>) -> Void
    }

    private struct State {
        var waiting: [Submission] = []
        var waitingItems = 0
        var worker: CheckedContinuation<Void, Never>?
        /// Those that are held back until the next batch is taken.
        var held: [CheckedContinuation<Void, Never>] = []
        var isClosed = false
    }

    private let limits: BatchLimits
    private let process: @Sendable ([Item]) async throws -> [Output]
    private let state = Mutex(State())

    /// - Parameter process: returns one output for each item, in the items' order. What it throws, every submitter of the
    ///   batch gets.
    public init(limits: BatchLimits = BatchLimits(), process: @escaping @Sendable ([Item]) async throws -> [Output]) {
        self.limits = limits
        self.process = process
    }

    /// How many items wait for the next batch; for metrics.
    public var waitingItems: Int { state.withLock { $0.waitingItems } }

    /// Waits until the items have been processed, all of them in one batch.
    ///
    /// - Throws: ``BatchError/full`` when more than `maxQueuedItems` wait already, ``BatchError/closed`` when ``run()`` has
    ///   ended, and what `process` throws. A cancelled caller still waits: the effect may already be durable.
    public func submit(_ items: [Item]) async throws -> [Output] {
        if items.isEmpty { return [] }
        return try await withCheckedThrowingContinuation { continuation in
            do throws(BatchError) {
                try enqueue(items) { continuation.resume(with: $0) }
            } catch {
                continuation.resume(throwing: error)
            }
        }
    }

    /// As ``submit(_:)``, without waiting: callers that submit one after another keep their order.
    ///
    /// - Parameter complete: called once, from the processor's task.
    public func enqueue(_ items: [Item], complete: @escaping @Sendable (Result<[Output], any Error>) -> Void) throws(BatchError) {
        let (refusal, worker) = state.withLock { state -> (BatchError?, CheckedContinuation<Void, Never>?) in
            if state.isClosed { return (.closed, nil) }
            if state.waitingItems > 0, state.waitingItems + items.count > limits.maxQueuedItems { return (.full, nil) }
            state.waiting.append(Submission(items: items, complete: complete))
            state.waitingItems += items.count
            defer { state.worker = nil }
            return (nil, state.worker)
        }
        if let refusal { throw refusal }
        worker?.resume()
    }

    /// As ``enqueue(_:complete:)``, but where too much waits already, the caller waits too: so a fast source is held back to
    /// the pace of the processing, instead of being refused. A cancelled caller still waits for its turn.
    ///
    /// - Throws: ``BatchError/closed``.
    public func enqueueInTurn(
        _ items: [Item], complete: @escaping @Sendable (Result<[Output], any Error>) -> Void
    ) async throws(BatchError) {
        while true {
            do throws(BatchError) {
                return try enqueue(items, complete: complete)
            } catch {
                guard error == .full else { throw error }
            }
            await withCheckedContinuation { continuation in
                let isHeld = state.withLock { state in
                    guard !state.isClosed, state.waitingItems > 0, state.waitingItems + items.count > limits.maxQueuedItems else { return false }
                    state.held.append(continuation)
                    return true
                }
                if !isHeld { continuation.resume() }
            }
        }
    }

    /// Processes batches until the task is cancelled; then what still waits is refused.
    public func run() async {
        await withTaskCancellationHandler {
            while let batch = await nextBatch() {
                await complete(batch)
            }
        } onCancel: {
            close()
        }
        close()
    }

    private func complete(_ batch: [Submission]) async {
        do {
            let outputs = try await process(batch.flatMap(\.items))
            var offset = 0
            for submission in batch {
                guard offset + submission.items.count <= outputs.count else {
                    submission.complete(.failure(BatchError.incomplete))
                    continue
                }
                submission.complete(.success(Array(outputs[offset..<offset + submission.items.count])))
                offset += submission.items.count
            }
        } catch {
            for submission in batch { submission.complete(.failure(error)) }
        }
    }

    private func nextBatch() async -> [Submission]? {
        while true {
            let (batch, released) = state.withLock { state -> ([Submission]?, [CheckedContinuation<Void, Never>]) in
                if state.isClosed { return (nil, []) }
                var items = 0
                var count = 0
                for submission in state.waiting {
                    if count > 0, items + submission.items.count > limits.maxBatchItems { break }
                    items += submission.items.count
                    count += 1
                }
                let batch = Array(state.waiting.prefix(count))
                state.waiting.removeFirst(count)
                state.waitingItems -= items
                defer { state.held = [] }
                return (batch, state.held)
            }
            for held in released { held.resume() }
            guard let batch else { return nil }
            if !batch.isEmpty { return batch }
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    if state.isClosed || !state.waiting.isEmpty { return true }
                    state.worker = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        }
    }

    private func close() {
        let (refused, worker, held) = state.withLock { state in
            state.isClosed = true
            defer {
                state.waiting = []
                state.waitingItems = 0
                state.worker = nil
                state.held = []
            }
            return (state.waiting, state.worker, state.held)
        }
        worker?.resume()
        for held in held { held.resume() }
        for submission in refused { submission.complete(.failure(BatchError.closed)) }
    }
}

/// How much a ``Batcher`` takes at once and holds.
public struct BatchLimits: Sendable, Hashable {
    /// A batch ends before it would hold more, unless one submission alone does.
    public var maxBatchItems: Int
    /// Submissions beyond this are refused, so that a queue never grows without end.
    public var maxQueuedItems: Int

    public init(maxBatchItems: Int = 1_000, maxQueuedItems: Int = 20_000) {
        self.maxBatchItems = maxBatchItems
        self.maxQueuedItems = maxQueuedItems
    }
}

/// Why a ``Batcher`` did not process what was submitted.
public enum BatchError: Error, Sendable, Hashable {
    /// Too much waits already; try again later.
    case full
    /// The service is ending.
    case closed
    /// The processor returned fewer outputs than it was given items.
    case incomplete
}
