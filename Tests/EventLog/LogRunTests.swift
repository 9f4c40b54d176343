import EventLog
import Postgres
import TestSupport
import Testing

@Suite struct LogRunTests {
    private func run(_ transaction: UInt64, _ sequences: ClosedRange<Int64>, count: Int? = nil) -> LogRun {
        LogRun(transactionID: transaction, sequences: sequences, count: count ?? sequences.count)
    }

    @Test func positionsThatFollowOneAnotherAreOneRun() {
        let positions = [(7, 1), (7, 2), (7, 3), (7, 5), (8, 6), (8, 7)].map { LogPosition(transactionID: $0, sequence: $1) }
        #expect([LogRun](positions) == [run(7, 1...3), run(7, 5...5), run(8, 6...7)])
        #expect([LogRun]([LogPosition]()).isEmpty)
    }

    @Test func aRunIsKnownWhenAllOfItIs() {
        let known = KnownRuns()
        known.insert([run(7, 1...10), run(7, 21...30)])
        known.insert([run(7, 5...15)])
        for held in [run(7, 1...15), run(7, 21...30), run(7, 12...14), run(7, 1...30, count: 25)] { #expect(known.holds(held), "\(held)") }
        for other in [run(7, 1...16), run(8, 1...1), run(7, 16...20), run(7, 1...30), run(7, 31...31)] { #expect(!known.holds(other), "\(other)") }
        #expect(known.holds(LogPosition(transactionID: 7, sequence: 15)) && !known.holds(LogPosition(transactionID: 7, sequence: 16)))
    }

    @Test func aRunWithGapsMakesNothingKnown() {
        let known = KnownRuns()
        known.insert([run(7, 1...10, count: 9)])
        #expect(!(1...10).contains { known.holds(LogPosition(transactionID: 7, sequence: $0)) })
    }

    @Test func whatIsOldIsForgottenAndWhatIsYoungIsNot() {
        let known = KnownRuns(maxTransactions: 10)
        for transaction in 1...12 as ClosedRange<UInt64> { known.insert([run(transaction, 1...2)]) }
        #expect(!known.holds(run(1, 1...2)))
        for transaction in 8...12 as ClosedRange<UInt64> { #expect(known.holds(run(transaction, 1...2))) }
    }

    @Test func whatCallsBringInAMomentIsWaitedFor() async throws {
        let known = KnownRuns()
        let wanted = [run(7, 1...2)]
        #expect(try await !known.holdAll(wanted, age: .seconds(1), clock: BringingClock { known.insert(wanted) }), "old entries are not")
        #expect(try await known.holdAll(wanted, age: .milliseconds(10), clock: BringingClock { known.insert(wanted) }))
    }

    @Test func whileCallsBringOthersTheyAreWaitedForLonger() async throws {
        let known = KnownRuns()
        let wanted = [run(7, 1...2)]
        known.insert([run(6, 1...2)])
        #expect(try await known.holdAll(wanted, age: .seconds(1), clock: BringingClock { known.insert(wanted) }))
        let busy = BringingClock { known.insert([run(8, 1...2)]) }
        #expect(try await !known.holdAll([run(9, 1...2)], age: .zero, clock: busy), "nobody is waited for for ever")
    }

    @Test func whatCallsHaveNotBroughtIsNoReasonToTakeYoungOnesFromThem() {
        let known = KnownRuns()
        #expect(!known.isLeftToCalls(age: .zero), "there are none")
        known.insert([run(7, 1...2)])
        #expect(known.isLeftToCalls(age: .seconds(1)) && !known.isLeftToCalls(age: .seconds(60)))
    }

    /// A clock on which something happens while somebody sleeps.
    private struct BringingClock: Clock {
        let bring: @Sendable () -> Void
        var now: ContinuousClock.Instant { .now }
        var minimumResolution: Duration { .zero }
        func sleep(until deadline: ContinuousClock.Instant, tolerance: Duration?) async throws { bring() }
    }

    @Test func runsOfALogTellWhereEachTransactionsEventsLie() async throws {
        try await TemporaryPostgres.withPool { pool in
            let ddl = EventLog.tableDDL() + "ALTER TABLE event_log ADD COLUMN name text;"
            try await migrate(pool, migrations: [Migration(name: "0001", sql: ddl)])
            let log = EventLog(pool: pool, nameColumn: "name")
            for names in [["a", "b", "c"], [nil, nil], ["d", nil]] {
                try await pool.execute("INSERT INTO event_log (payload, name) SELECT '', name FROM unnest(\(names)) AS name")
            }
            let events = try await log.everything(7)
            let runs = try await log.runs(after: .start, limit: 100)
            #expect(runs.map(\.run.count) == [3, 2, 2])
            #expect(runs.map(\.naming) == [.all, .none, .some])
            #expect(runs.map(\.run.end) == [events[2].position, events[4].position, events[6].position])
            #expect(runs.map(\.recordedAtMicroseconds) == [2, 4, 6].map { events[$0].recordedAtMicroseconds })
            // From within a transaction, and to within one.
            let part = try await log.runs(after: events[0].position, limit: 3)
            #expect(part.map(\.run.count) == [2, 1] && part.last?.run.end == events[3].position)
            #expect(try await log.runs(after: events[6].position, limit: 3).isEmpty)
            for try await tailed in log.tailRuns(after: events[2].position) {
                #expect(tailed == Array(runs.dropFirst()))
                break
            }
        }
    }
}
