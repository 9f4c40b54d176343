import Synchronization

/// Which entries of a log are known already, because a call has brought them, so that whoever reads the log can pass over them.
///
/// Holds what is stored already, never what is about to be. It may forget: what is not in it must be looked up.
public final class KnownRuns: Sendable {
    private struct Generations {
        var young: [UInt64: RangeSet<Int64>] = [:]
        var old: [UInt64: RangeSet<Int64>] = [:]
        var newestInsertion: ContinuousClock.Instant?
    }

    private let generations = Mutex(Generations())
    private let maxTransactions: Int

    /// - Parameter maxTransactions: of the log; what lies in the newest half of so many is not forgotten.
    public init(maxTransactions: Int = 100_000) {
        self.maxTransactions = maxTransactions
    }

    /// To be called when they are stored. Runs with gaps are not taken in: nobody knows which of their sequences are meant.
    public func insert(_ runs: [LogRun]) {
        guard !runs.isEmpty else { return }
        generations.withLock { generations in
            generations.newestInsertion = .now
            for run in runs where run.sequences.count == run.count {
                generations.young[run.transactionID, default: RangeSet()].insert(contentsOf: Range(run.sequences))
            }
            if generations.young.count >= maxTransactions / 2 {
                generations.old = generations.young
                generations.young = [:]
            }
        }
    }

    /// Whether all entries of the run are.
    public func holds(_ run: LogRun) -> Bool {
        generations.withLock { generations in
            var known = generations.young[run.transactionID] ?? RangeSet()
            if let old = generations.old[run.transactionID] { known.formUnion(old) }
            let within = known.intersection(RangeSet(Range(run.sequences)))
            return within.ranges.reduce(0) { $0 + $1.count } == run.count
        }
    }

    public func holds(_ position: LogPosition) -> Bool {
        holds(LogRun(transactionID: position.transactionID, sequences: position.sequence...position.sequence, count: 1))
    }

    /// Whether all entries of all runs are. What the log has just been written is left to the calls for a moment, and for longer while they
    /// bring others: they bring it at about the same time or are on their way to it, and whoever comes second works in vain.
    ///
    /// - Parameter age: of the youngest entry.
    public func holdAll(_ runs: [LogRun], age: Duration, clock: any Clock<Duration> = ContinuousClock()) async throws -> Bool {
        var age = max(age, .zero)
        while !runs.allSatisfy(holds) {
            guard age < (isBeingBrought ? Self.patience : Self.grace) else { return false }
            try await clock.sleep(for: Self.pause)
            age += Self.pause
        }
        return true
    }

    /// Whether an entry is left to the calls although one before it was not: while they bring others, and it is young.
    public func isLeftToCalls(age: Duration) -> Bool { isBeingBrought && age < Self.patience }

    private var isBeingBrought: Bool {
        generations.withLock { generations in generations.newestInsertion.map { $0.duration(to: .now) < Self.grace } ?? false }
    }

    private static var pause: Duration { .milliseconds(100) }
    private static var grace: Duration { .milliseconds(500) }
    /// Thousands of payments that wait for their turn take a second or two.
    private static var patience: Duration { .seconds(5) }
}
