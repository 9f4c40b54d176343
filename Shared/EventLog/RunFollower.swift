/// Follows another service's log of which calls bring most, and takes in the rest.
///
/// It reads the log by runs and passes over those that are known. Where one is not, it reads on from there whole, a large batch at a time
/// and beyond what the runs told: so the further it is behind, the less an event costs.
///
/// ```swift
/// try await consumer.follow(
///     from: { position, deliver in try await follower.follow(after: position, deliver: deliver) },
///     handle: { batch in … })
/// ```
public struct RunFollower<Event: Sendable>: Sendable {
    /// What the log tells at a position: an event, or a run in place of the events that end there.
    public struct Entry: Sendable {
        public let position: LogPosition
        public let event: Event?
        public let run: LogRun?
        public let recordedAt: ContinuousClock.Instant

        /// - Parameter age: by two clocks, so what is negative counts as none.
        public init(position: LogPosition, age: Duration, event: Event? = nil, run: LogRun? = nil) {
            self.position = position
            self.event = event
            self.run = run
            recordedAt = .now - max(age, .zero)
        }

        /// How long ago it was written.
        public var age: Duration { recordedAt.duration(to: .now) }
    }

    /// The log ended where it had told of more.
    private struct Ended: Error {}

    /// Hands the log after a position to a closure, by runs and without end.
    public typealias Runs = @Sendable (_ after: LogPosition, _ body: ([Entry]) async throws -> Void) async throws -> Void
    /// The next entries after a position, whole; waits for one.
    public typealias Batch = @Sendable (_ after: LogPosition) async throws -> [Entry]

    private static var positionAge: Duration { .seconds(1) }

    let brought: KnownRuns
    let runs: Runs
    let batch: Batch
    let behind: @Sendable (ContinuousClock.Instant?) -> Void

    /// - Parameters:
    ///   - brought: what calls have.
    ///   - behind: is told when what is to be taken in next was written, and nil once all that the log has told of is.
    public init(
        brought: KnownRuns, runs: @escaping Runs, batch: @escaping Batch, behind: @escaping @Sendable (ContinuousClock.Instant?) -> Void
    ) {
        self.brought = brought
        self.runs = runs
        self.batch = batch
        self.behind = behind
    }

    /// Delivers what the log tells after a position, with nil for what calls have brought. A position alone, without an event, is
    /// delivered once a second at most: it may be read again.
    public func follow(after start: LogPosition, deliver: ([LogConsumer.Positioned<Event?>]) async throws -> Void) async throws {
        var position = start
        var deliveredAt = ContinuousClock.now
        try await runs(start) { told in
            // Often there already: these runs were on their way while the log was read whole.
            if let first = told.first(where: { $0.position > position }) { behind(first.recordedAt) }
            while let end = told.last, position < end.position {
                let entries = try await next(told.drop { $0.position <= position }, to: end, after: position)
                guard let first = entries.first, let last = entries.last else { throw Ended() }
                behind(first.recordedAt)
                position = last.position
                let events = entries.map { (position: $0.position, event: $0.event == nil || brought.holds($0.position) ? nil : $0.event) }
                if events.contains(where: { $0.event != nil }) || deliveredAt.duration(to: .now) > Self.positionAge {
                    try await deliver(events)
                    deliveredAt = .now
                }
            }
            behind(nil)
        }
    }

    /// - Parameter told: what the runs tell after the position, to the end.
    private func next(_ told: ArraySlice<Entry>, to end: Entry, after position: LogPosition) async throws -> ArraySlice<Entry> {
        if try await brought.holdAll(told.compactMap(\.run), age: end.age) { return told }
        // What lies behind the end only as far as it is not left to calls.
        return try await batch(position).prefix { $0.position <= end.position || !brought.isLeftToCalls(age: $0.age) }
    }
}
