import EventLog
import Postgres
import Synchronization
import Testing
import TestSupport

@Suite struct EventLogTests {
    private func withLog<R>(_ body: (EventLog, PostgresPool) async throws -> R) async throws -> R {
        try await TemporaryPostgres.withPool(maxConnections: 16) { pool in
            try await migrate(pool, migrations: [Migration(name: "0001", sql: EventLog.tableDDL())])
            return try await body(EventLog(pool: pool), pool)
        }
    }

    @Test func eventsAreReadInTheOrderTheyWereAppended() async throws {
        try await withLog { log, pool in
            let payloads = (0..<500).map { [UInt8($0 % 256), UInt8($0 / 256)] }
            try await pool.withTransaction { transaction in
                try await log.append(Array(payloads[..<300]), in: transaction)
                try await log.append([], in: transaction)
                try await log.append(Array(payloads[300...]), in: transaction)
            }
            _ = try await log.everything(500)
            let first = try await log.read(after: .start, limit: 200)
            let rest = try await log.read(after: #require(first.last).position, limit: 1000)
            #expect((first + rest).map(\.payload) == payloads)
            #expect(first.count == 200)
            let end = try await log.end()
            #expect(end == rest.last?.position)
            #expect(try await log.read(after: end, limit: 10).isEmpty)
        }
    }

    @Test func anEventIsHeldBackWhileAnEarlierTransactionRuns() async throws {
        try await withLog { log, pool in
            try await pool.withTransaction { early in
                // Takes its number now, and its place in the sequence only after the other.
                try await early.execute("SELECT pg_current_xact_id()")
                try await pool.withTransaction { try await log.append([[2]], in: $0) }
                #expect(try await log.read(after: .start, limit: 10).isEmpty)
                try await log.append([[1]], in: early)
            }
            let events = try await log.everything(2)
            #expect(events.map(\.payload) == [[1], [2]])
            #expect(events[0].position.sequence > events[1].position.sequence)
        }
    }

    @Test func aRolledBackEventIsNeverSeen() async throws {
        struct Refusal: Error {}
        try await withLog { log, pool in
            await #expect(throws: Refusal.self) {
                try await pool.withTransaction { transaction in
                    try await log.append([[1]], in: transaction)
                    throw Refusal()
                }
            }
            try await pool.withTransaction { try await log.append([[2]], in: $0) }
            #expect(try await log.everything(1).map(\.payload) == [[2]])
        }
    }

    /// Writers that overlap as they like, and a reader beside them: it misses nothing, repeats nothing, and never steps back.
    @Test func aTailMissesNothingWhileWritersOverlap() async throws {
        try await withLog { log, pool in
            let (writers, rounds) = (8, 40)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<writers {
                    group.addTask {
                        for round in 0..<rounds {
                            try await pool.withTransaction { transaction in
                                try await log.append([[UInt8(writer), UInt8(round), 0]], in: transaction)
                                // Others begin, append and commit meanwhile.
                                try await transaction.execute("SELECT pg_sleep(\(Double((writer * 7 + round * 3) % 5) / 1000))")
                                try await log.append([[UInt8(writer), UInt8(round), 1]], in: transaction)
                            }
                            log.notifyCommitted()
                        }
                    }
                }
                group.addTask {
                    var seen: Set<[UInt8]> = []
                    var last = LogPosition.start
                    for try await events in log.tail(after: .start, batchLimit: 7, pollMilliseconds: 20) {
                        for event in events {
                            #expect(event.position > last)
                            #expect(seen.insert(event.payload).inserted)
                            last = event.position
                        }
                        if seen.count == writers * rounds * 2 { break }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func aTailWakesAtOnceWhenItsProcessCommits() async throws {
        try await withLog { log, pool in
            let clock = ContinuousClock()
            let began = clock.now
            try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
                group.addTask {
                    // Alone, this tail would look again after an hour.
                    for try await events in log.tail(after: .start, pollMilliseconds: 3_600_000) { return events.first?.payload }
                    return nil
                }
                try await pool.withTransaction { try await log.append([[7]], in: $0) }
                log.notifyCommitted()
                #expect(try await group.next() == [7])
            }
            #expect(clock.now - began < .seconds(60))
        }
    }

    @Test func aTailFindsWhatAnotherProcessWrote() async throws {
        try await withLog { log, pool in
            // A log of its own does not hear the other's commits.
            let other = EventLog(pool: pool)
            try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
                group.addTask {
                    for try await events in log.tail(after: .start, pollMilliseconds: 10) { return events.first?.payload }
                    return nil
                }
                try await pool.withTransaction { try await other.append([[7]], in: $0) }
                #expect(try await group.next() == [7])
            }
        }
    }

    @Test func aTailEndsWithItsTask() async throws {
        try await withLog { log, _ in
            await withTaskGroup(of: Bool.self) { group in
                group.addTask {
                    do {
                        for try await _ in log.tail(after: .start, pollMilliseconds: 3_600_000) {}
                        return false
                    } catch {
                        return error is CancellationError
                    }
                }
                group.cancelAll()
                #expect(await group.next() == true)
            }
        }
    }
}
