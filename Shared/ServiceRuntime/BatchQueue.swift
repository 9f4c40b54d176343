public import Synchronization

/// A bounded queue between those who add one thing at a time and one task that takes what has gathered: while one batch is
/// processed the next fills. Under little load nothing waits; under much, one commit serves thousands.
///
///     let queue = BatchQueue<Draft>(limits: .init())
///     try queue.add(draft)                                     // or `addInTurn`, to be held back instead of refused
///     let refused = await queue.forEachBatch { drafts in await store.insert(drafts) }
public final class BatchQueue<Element: Sendable>: Sendable {
    @usableFromInline struct State {
        @usableFromInline var waiting: [Element] = []
        /// What each counts for.
        @usableFromInline var items: [Int] = []
        @usableFromInline var waitingItems = 0
        @usableFromInline var worker: CheckedContinuation<Void, Never>?
        /// Those that are held back until the next batch is taken.
        @usableFromInline var held: [CheckedContinuation<Void, Never>] = []
        @usableFromInline var isClosed = false

        @usableFromInline init() {}

        @inlinable func hasRoom(for items: Int, _ limits: BatchLimits) -> Bool { waitingItems == 0 || waitingItems + items <= limits.maxQueuedItems }
    }

    @usableFromInline let limits: BatchLimits
    @usableFromInline let state = Mutex(State())

    public init(limits: BatchLimits = BatchLimits()) {
        self.limits = limits
    }

    /// How many items wait for the next batch; for metrics.
    public var waitingItems: Int { state.withLock { $0.waitingItems } }

    /// Adds an element behind all others. Callers that add one after another keep their order.
    ///
    /// - Parameter items: what it counts for against the limits.
    /// - Throws: ``BatchError/full`` when more than `maxQueuedItems` would wait, ``BatchError/closed`` when processing has ended.
    @inlinable public func add(_ element: Element, items: Int = 1) throws(BatchError) {
        let (refusal, worker) = state.withLock { state -> (BatchError?, CheckedContinuation<Void, Never>?) in
            if state.isClosed { return (.closed, nil) }
            if !state.hasRoom(for: items, limits) { return (.full, nil) }
            state.waiting.append(element)
            state.items.append(items)
            state.waitingItems += items
            defer { state.worker = nil }
            return (nil, state.worker)
        }
        if let refusal { throw refusal }
        worker?.resume()
    }

    /// As ``add(_:items:)``, but where too much waits already, the caller waits too: so a fast source is held back to the pace
    /// of the processing, instead of being refused. A cancelled caller still waits for its turn.
    ///
    /// - Throws: ``BatchError/closed``.
    @inlinable public func addInTurn(_ element: Element, items: Int = 1) async throws(BatchError) {
        while true {
            do throws(BatchError) {
                return try add(element, items: items)
            } catch {
                guard error == .full else { throw error }
            }
            await withCheckedContinuation { continuation in
                let isHeld = state.withLock { state in
                    guard !state.isClosed, !state.hasRoom(for: items, limits) else { return false }
                    state.held.append(continuation)
                    return true
                }
                if !isHeld { continuation.resume() }
            }
        }
    }

    /// Processes batches, one at a time, until the task is cancelled.
    ///
    /// - Returns: what still waited then.
    public func forEachBatch(_ process: ([Element]) async -> Void) async -> [Element] {
        await withTaskCancellationHandler {
            while let batch = await next() { await process(batch) }
        } onCancel: {
            wake { $0.isClosed = true }
        }
        var left: [Element] = []
        wake { state in
            state.isClosed = true
            left = state.waiting
            (state.waiting, state.items) = ([], [])
            state.waitingItems = 0
        }
        return left
    }

    /// Changes the state, and wakes all who wait for a change.
    private func wake(_ change: (inout State) -> Void) {
        let waiters = state.withLock { state in
            change(&state)
            defer { (state.worker, state.held) = (nil, []) }
            return state.held + (state.worker.map { [$0] } ?? [])
        }
        for waiter in waiters { waiter.resume() }
    }

    private func next() async -> [Element]? {
        while true {
            let (batch, released) = state.withLock { state -> ([Element]?, [CheckedContinuation<Void, Never>]) in
                if state.isClosed { return (nil, []) }
                defer { state.held = [] }
                return (take(&state), state.held)
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

    private func take(_ state: inout State) -> [Element] {
        if state.waitingItems <= limits.maxBatchItems {
            defer { (state.waiting, state.items, state.waitingItems) = ([], [], 0) }
            return state.waiting
        }
        var items = 0
        var count = 0
        for next in state.items {
            if count > 0, items + next > limits.maxBatchItems { break }
            items += next
            count += 1
        }
        let batch = Array(state.waiting[..<count])
        state.waiting.removeFirst(count)
        state.items.removeFirst(count)
        state.waitingItems -= items
        return batch
    }
}

/// How much a ``BatchQueue`` gives out at once and holds.
public struct BatchLimits: Sendable, Hashable {
    /// A batch ends before it would hold more, unless one element alone does.
    public var maxBatchItems: Int
    /// What comes beyond this is refused or held back, so that a queue never grows without end.
    public var maxQueuedItems: Int

    public init(maxBatchItems: Int = 1_000, maxQueuedItems: Int = 20_000) {
        self.maxBatchItems = maxBatchItems
        self.maxQueuedItems = maxQueuedItems
    }
}

/// Why something was not processed.
public enum BatchError: Error, Sendable, Hashable {
    /// Too much waits already; try again later.
    case full
    /// The service is ending.
    case closed
    /// The processor returned fewer outputs than it was given items.
    case incomplete
}
