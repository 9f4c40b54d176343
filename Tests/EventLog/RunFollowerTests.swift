import EventLog
import Synchronization
import Testing

@Suite struct RunFollowerTests {
    private typealias Follower = RunFollower<String>

    /// A log of transactions, each told in runs on its own and read whole by batches.
    private final class Log: Sendable {
        static let batchLimit = 100
        static let age = Duration.seconds(60)
        let runs: [LogRun]
        /// Of which the log can be read; what lies behind is told in runs and not there.
        let readable: Int
        let reads = Mutex(0)
        let known = KnownRuns()
        let behind = Mutex<[ContinuousClock.Instant?]>([])

        init(_ counts: [Int], readable: Int = .max) {
            runs = counts.enumerated().map { LogRun(transactionID: UInt64($0 + 1), sequences: 1...Int64($1), count: $1) }
            self.readable = readable
        }

        var positions: [LogPosition] {
            runs.flatMap { run in run.sequences.map { LogPosition(transactionID: run.transactionID, sequence: $0) } }
        }

        /// Follows it to its end.
        ///
        /// - Parameters:
        ///   - youngFrom: the first transaction that calls may still be on their way with.
        ///   - whileReading: before each batch.
        func follow(
            after start: LogPosition = .start, youngFrom: UInt64 = .max, whileReading: @escaping @Sendable () -> Void = {},
            deliver: ([LogConsumer.Positioned<String?>]) async throws -> Void
        ) async throws {
            let age = { @Sendable (position: LogPosition) in position.transactionID < youngFrom ? Self.age : .zero }
            let runs = runs
            let follower = Follower(
                brought: known,
                runs: { position, body in
                    for run in runs where run.end > position { try await body([.init(position: run.end, age: age(run.end), run: run)]) }
                },
                batch: { [self] position in
                    whileReading()
                    reads.withLock { $0 += 1 }
                    let left = positions.prefix(readable).filter { $0 > position }.prefix(Self.batchLimit)
                    return left.map { .init(position: $0, age: age($0), event: "\($0)") }
                },
                behind: { [self] since in behind.withLock { $0.append(since) } })
            try await follower.follow(after: start, deliver: deliver)
        }

        func events(after start: LogPosition = .start) async throws -> [String] {
            var taken: [String] = []
            try await follow(after: start) { taken += $0.compactMap(\.event) }
            return taken
        }
    }

    @Test func whatCallsHaveBroughtIsPassedOverUnread() async throws {
        let log = Log([10, 1, 300])
        log.known.insert(log.runs)
        #expect(try await log.events().isEmpty)
        #expect(log.reads.withLock { $0 } == 0)
    }

    @Test func whatCallsHaveNotBroughtIsTakenInOnceInOrder() async throws {
        let log = Log([10, 1, 300, 5])
        log.known.insert([log.runs[1], LogRun(transactionID: 3, sequences: 21...30, count: 10)])
        let expected = log.positions.filter { $0.transactionID != 2 && !($0.transactionID == 3 && (21...30).contains($0.sequence)) }
        #expect(try await log.events() == expected.map(\.description))
        let half = LogPosition(transactionID: 3, sequence: 100)
        #expect(try await log.events(after: half) == expected.filter { $0 > half }.map(\.description))
    }

    @Test func whoIsBehindReadsLargeBatchesHoweverSmallTheRuns() async throws {
        let log = Log([Int](repeating: 1, count: 1_000))
        #expect(try await log.events().count == 1_000)
        #expect(log.reads.withLock { $0 } == 1_000 / Log.batchLimit)
    }

    @Test func whatIsYoungBehindARunIsLeftToCallsWhileTheyBringOthers() async throws {
        let log = Log([1, 3, 3])
        let (known, runs) = (log.known, log.runs)
        var taken: [String] = []
        try await log.follow(youngFrom: 2, whileReading: { known.insert([runs[1]]) }) { events in
            taken += events.compactMap(\.event)
            known.insert([runs[2]])
        }
        #expect(taken == ["1/1"])
    }

    @Test func aBatchThatIsRefusedComesAgainFromWhereItsTakerHasCome() async throws {
        struct Refusal: Error {}
        let log = Log([250])
        var (taken, position) = ([LogPosition](), LogPosition.start)
        await #expect(throws: Refusal.self) {
            try await log.follow { events in
                if !taken.isEmpty { throw Refusal() }
                taken += events.map(\.position)
                position = taken.last ?? position
            }
        }
        #expect(taken.count == Log.batchLimit)
        try await log.follow(after: position) { taken += $0.map(\.position) }
        #expect(taken == log.positions)
    }

    @Test func aLogThatEndsBeforeWhatItHasToldOfIsAskedAgain() async throws {
        let log = Log([5, 5], readable: 7)
        var taken: [String] = []
        await #expect(throws: (any Error).self) { try await log.follow { taken += $0.compactMap(\.event) } }
        #expect(taken == log.positions.prefix(7).map(\.description))
    }

    @Test func whatIsToBeTakenInNextIsToldWhileItIsRefusedAndNothingOnceAllIs() async throws {
        struct Refusal: Error {}
        let log = Log([250])
        await #expect(throws: Refusal.self) { try await log.follow { _ in throw Refusal() } }
        #expect(log.behind.withLock { !$0.isEmpty && $0.allSatisfy { $0.map { $0 <= .now - Log.age } ?? false } })
        _ = try await log.events()
        #expect(log.behind.withLock { $0.last == .some(nil) })
    }
}
