public import Synchronization

/// A bounded queue between those who add one thing at a time and one task that takes what has gathered: while one batch is
/// processed the next fills. Under little load nothing waits; under much, one commit serves thousands.
///
/// What comes from one source keeps its order. Where several sources wait, each has its share of the next batch and room in the queue, so that
/// one that floods the queue makes nobody wait but itself.
///
///     let queue = BatchQueue<Draft>(limits: .init())
///     try queue.add(draft)                                     // or `addInTurn`, to be held back instead of refused
///     let refused = await queue.forEachBatch { drafts in await store.insert(drafts) }
public final class BatchQueue<Element: Sendable>: Sendable {
    /// What waits of one source, in order.
    @usableFromInline struct Line {
        @usableFromInline let source: String
        @usableFromInline var waiting: [Element] = []
        /// What each counts for.
        @usableFromInline var items: [Int] = []
        @usableFromInline var waitingItems = 0

        @inlinable init(source: String) { self.source = source }

        @inlinable mutating func append(_ element: Element, _ count: Int) {
            waiting.append(element)
            items.append(count)
            waitingItems += count
        }

        /// Takes what comes first, up to so many items.
        mutating func take(_ maxItems: Int) -> [Element] {
            if waitingItems <= maxItems {
                defer { (waiting, items, waitingItems) = ([], [], 0) }
                return waiting
            }
            var taken = 0
            var count = 0
            for next in items {
                if taken + next > maxItems { break }
                taken += next
                count += 1
            }
            defer {
                waiting.removeFirst(count)
                items.removeFirst(count)
                waitingItems -= taken
            }
            return Array(waiting[..<count])
        }
    }

    @usableFromInline struct State {
        /// Of the sources of which something waits; where a batch has no place for all of them, in the order of their turns.
        @usableFromInline var lines: [Line] = []
        @usableFromInline var waitingItems = 0
        @usableFromInline var worker: CheckedContinuation<Void, Never>?
        /// Those that are held back until the next batch is taken.
        @usableFromInline var held: [CheckedContinuation<Void, Never>] = []
        @usableFromInline var isClosed = false

        @usableFromInline init() {}

        @inlinable func line(of source: String) -> Int? { lines.firstIndex { $0.source == source } }

        /// Of a source may wait as much as would still be free, so that something is left for whoever comes next: alone it has half, two
        /// that come all the time have a third each, and so on (Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory
        /// packet switches", 1998). What is larger than all of the queue comes alone.
        @inlinable func hasRoom(for items: Int, inLine index: Int?, _ limits: BatchLimits) -> Bool {
            if lines.isEmpty { return true }
            return (index.map { lines[$0].waitingItems } ?? 0) + items <= limits.maxQueuedItems - waitingItems
        }
    }

    @usableFromInline let limits: BatchLimits
    @usableFromInline let state = Mutex(State())

    public init(limits: BatchLimits = BatchLimits()) {
        self.limits = limits
    }

    /// How many items wait for the next batch; for metrics.
    public var waitingItems: Int { state.withLock { $0.waitingItems } }

    /// Adds an element behind all others of its source. Callers that add one after another keep their order.
    ///
    /// - Parameters:
    ///   - source: who must not make other sources wait; there are to be few.
    ///   - items: what it counts for against the limits.
    /// - Throws: ``BatchError/full`` when more would wait of the source than stays free of `maxQueuedItems`, ``BatchError/closed`` when processing
    ///   has ended.
    @inlinable public func add(_ element: Element, from source: String = "", items: Int = 1) throws(BatchError) {
        let (refusal, worker) = state.withLock { state -> (BatchError?, CheckedContinuation<Void, Never>?) in
            if state.isClosed { return (.closed, nil) }
            let known = state.line(of: source)
            if !state.hasRoom(for: items, inLine: known, limits) { return (.full, nil) }
            if known == nil { state.lines.append(Line(source: source)) }
            let index = known ?? state.lines.count - 1
            state.lines[index].append(element, items)
            state.waitingItems += items
            defer { state.worker = nil }
            return (nil, state.worker)
        }
        if let refusal { throw refusal }
        worker?.resume()
    }

    /// As ``add(_:from:items:)``, but where too much waits already, the caller waits too: so a fast source is held back to the pace
    /// of the processing, instead of being refused. A cancelled caller still waits for its turn.
    ///
    /// - Throws: ``BatchError/closed``.
    @inlinable public func addInTurn(_ element: Element, from source: String = "", items: Int = 1) async throws(BatchError) {
        while true {
            do throws(BatchError) {
                return try add(element, from: source, items: items)
            } catch {
                guard error == .full else { throw error }
            }
            await withCheckedContinuation { continuation in
                let isHeld = state.withLock { state in
                    guard !state.isClosed, !state.hasRoom(for: items, inLine: state.line(of: source), limits) else { return false }
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
            left = state.lines.flatMap(\.waiting)
            (state.lines, state.waitingItems) = ([], 0)
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
                    if state.isClosed || !state.lines.isEmpty { return true }
                    state.worker = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        }
    }

    /// Those of which least waits come first: what they leave of their shares is for the others, and what is processed piece by piece is
    /// done with them early.
    private func take(_ state: inout State) -> [Element] {
        var lines: [Line] = []
        swap(&lines, &state.lines)
        if lines.count == 1, state.waitingItems <= limits.maxBatchItems {
            state.waitingItems = 0
            return lines[0].waiting
        }
        // A batch without a place for each of them is for those whose turn it is.
        if lines.count <= limits.maxBatchItems { lines.sort { $0.waitingItems < $1.waitingItems } }
        var batch: [Element] = []
        var left = limits.maxBatchItems
        var served: [Line] = []
        for index in lines.indices {
            let before = lines[index].waitingItems
            let first = lines[index].items[0]
            guard first <= left || batch.isEmpty else {
                state.lines.append(lines[index])
                continue
            }
            batch += lines[index].take(max(first, left / (lines.count - index)))
            left -= before - lines[index].waitingItems
            if lines[index].waitingItems > 0 { served.append(lines[index]) }
        }
        state.lines += served
        state.waitingItems -= limits.maxBatchItems - left
        return batch
    }
}

/// How much a ``BatchQueue`` gives out at once and holds.
public struct BatchLimits: Sendable, Hashable {
    /// A batch ends before it would hold more, unless one element alone does.
    public var maxBatchItems: Int
    /// More never waits, unless one element alone is more: what comes beyond is refused or held back. A source alone may have half of it; while
    /// several wait, each may have as much as is free.
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
