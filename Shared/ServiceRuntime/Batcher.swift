/// Gathers what concurrent calls submit into batches, processes one batch at a time, and gives each caller the outputs of its
/// own items.
///
/// What one source submits is processed in its order. ``run()`` must run, in a task group of the service's main, for
/// anything to be processed.
///
///     let batcher = Batcher<Draft, Receipt>(limits: .init()) { drafts in try await store.insert(drafts) }
///     let receipts = try await batcher.submit(drafts)
public final class Batcher<Item: Sendable, Output: Sendable>: Sendable {
    private struct Submission {
        let items: [Item]
        let complete: @Sendable (Result<[Output], any Error>) -> Void
    }

    private let queue: BatchQueue<Submission>
    private let process: @Sendable ([Item]) async throws -> [Output]

    /// - Parameter process: returns one output for each item, in the items' order. What it throws, every submitter of the
    ///   batch gets.
    public init(limits: BatchLimits = BatchLimits(), process: @escaping @Sendable ([Item]) async throws -> [Output]) {
        queue = BatchQueue(limits: limits)
        self.process = process
    }

    /// How many items wait for the next batch; for metrics.
    public var waitingItems: Int { queue.waitingItems }

    /// Waits until the items have been processed, all of them in one batch.
    ///
    /// - Parameter source: see ``BatchQueue/add(_:from:items:)``.
    /// - Throws: ``BatchError/full`` as the queue's `add` does, ``BatchError/closed`` when ``run()`` has
    ///   ended, and what `process` throws. A cancelled caller still waits: the effect may already be durable.
    public func submit(_ items: [Item], from source: String = "") async throws -> [Output] {
        if items.isEmpty { return [] }
        return try await withCheckedThrowingContinuation { continuation in
            do throws(BatchError) {
                try queue.add(Submission(items: items) { continuation.resume(with: $0) }, from: source, items: items.count)
            } catch {
                continuation.resume(throwing: error)
            }
        }
    }

    /// Submits without waiting for the outputs, but waits for room in the queue; see ``BatchQueue/addInTurn(_:from:items:)``.
    ///
    /// - Parameter complete: called once, from the processor's task.
    public func enqueueInTurn(
        _ items: [Item], from source: String = "", complete: @escaping @Sendable (Result<[Output], any Error>) -> Void
    ) async throws(BatchError) {
        try await queue.addInTurn(Submission(items: items, complete: complete), from: source, items: items.count)
    }

    /// Processes batches until the task is cancelled; then what still waits is refused.
    public func run() async {
        let refused = await queue.forEachBatch { await complete($0) }
        for submission in refused { submission.complete(.failure(BatchError.closed)) }
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
}
