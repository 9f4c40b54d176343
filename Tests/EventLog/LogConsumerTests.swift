import EventLog
import Postgres
import Synchronization
import Testing
import TestSupport

@Suite struct LogConsumerTests {
    private struct Refusal: Error {}

    private static let migrations = [
        Migration(name: "0001", sql: EventLog.tableDDL() + LogConsumer.tableDDL() + "CREATE TABLE effects (number bigint, by_whom text)")
    ]
    private static let quick = LogConsumer.Backoff(firstSeconds: 0.001, maxSeconds: 0.01)

    private func withLog<R>(_ body: (EventLog, PostgresPool) async throws -> R) async throws -> R {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: Self.migrations)
            return try await body(EventLog(pool: pool), pool)
        }
    }

    private func append(_ numbers: Range<Int>, to log: EventLog, over pool: PostgresPool) async throws {
        for start in stride(from: numbers.lowerBound, to: numbers.upperBound, by: 100) {
            let end = min(start + 100, numbers.upperBound)
            try await pool.withTransaction { try await log.append((start..<end).map { [UInt8($0 >> 8), UInt8($0 & 255)] }, in: $0) }
        }
        log.notifyCommitted()
    }

    private static func save(
        _ events: [LogConsumer.Positioned<LoggedEvent>], by whom: String, in transaction: PostgresTransaction
    ) async throws {
        let numbers = events.map { Int($0.event.payload[0]) << 8 | Int($0.event.payload[1]) }
        try await transaction.execute("INSERT INTO effects SELECT number, \(whom) FROM unnest(\(numbers)) AS number")
    }

    private func effects(_ pool: PostgresPool) async throws -> [Int] {
        try await pool.query("SELECT number FROM effects ORDER BY number").decode(Int.self)
    }

    /// Runs a consumer of a log of `count` events until it has applied, or skipped, all of them.
    private func consumeAll(
        _ consumer: LogConsumer, _ log: EventLog, _ count: Int, batch: Int = 50,
        apply: @escaping @Sendable ([LogConsumer.Positioned<LoggedEvent>], PostgresTransaction) async throws -> Void
    ) async throws {
        guard let end = try await log.everything(count).last?.position else { return }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await consumer.run(
                    from: { position, deliver in
                        var position = position
                        while position < end, case let events = try await log.read(after: position, limit: batch), let last = events.last {
                            try await deliver(events.map { ($0.position, $0) })
                            position = last.position
                        }
                        // Everything has been applied: ends the consumer, which else would follow for ever.
                        withUnsafeCurrentTask { $0?.cancel() }
                    }, apply: apply)
            }
            do {
                try await group.waitForAll()
            } catch is CancellationError {
                return
            }
        }
    }

    @Test func eachEventHasItsEffectOnce() async throws {
        try await withLog { log, pool in
            try await append(0..<1000, to: log, over: pool)
            let consumer = LogConsumer(name: "reader", pool: pool, backoff: Self.quick)
            for _ in 0..<3 {
                try await consumeAll(consumer, log, 1000) { try await Self.save($0, by: "one", in: $1) }
            }
            #expect(try await effects(pool) == Array(0..<1000))
            let stored = try await consumer.position()
            let last = try await log.everything(1000).last
            #expect(stored == last?.position)
        }
    }

    @Test func anEffectThatFailsIsNotSkipped() async throws {
        try await withLog { log, pool in
            try await append(0..<300, to: log, over: pool)
            let consumer = LogConsumer(name: "reader", pool: pool, backoff: Self.quick)
            let calls = Counter()
            await #expect(throws: Refusal.self) {
                try await consumeAll(consumer, log, 300) { events, transaction in
                    try await Self.save(events, by: "one", in: transaction)
                    // Between effect and commit.
                    if calls.next() == 3 { throw Refusal() }
                }
            }
            #expect(try await effects(pool) == Array(0..<100))
            try await consumeAll(consumer, log, 300) { try await Self.save($0, by: "two", in: $1) }
            #expect(try await effects(pool) == Array(0..<300))
        }
    }

    @Test func whatTheServerUndoesIsAppliedAgain() async throws {
        try await withLog { log, pool in
            try await append(0..<300, to: log, over: pool)
            let consumer = LogConsumer(name: "reader", pool: pool, backoff: Self.quick)
            let calls = Counter()
            try await consumeAll(consumer, log, 300) { events, transaction in
                try await Self.save(events, by: "one", in: transaction)
                guard calls.next() % 2 == 0 else { return }
                // Ends this very session between effect and commit.
                try await transaction.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            }
            #expect(try await effects(pool) == Array(0..<300))
        }
    }

    @Test func aServerKilledBetweenEffectAndCommitIsSurvived() async throws {
        try await TemporaryPostgres.withServer { server in
            try await server.withDatabase { configuration in
                var configuration = configuration
                configuration.acquireTimeoutSeconds = 30
                try await withPostgresPool(configuration) { pool in
                    try await migrate(pool, migrations: Self.migrations)
                    let log = EventLog(pool: pool)
                    try await append(0..<300, to: log, over: pool)
                    let consumer = LogConsumer(name: "reader", pool: pool, backoff: Self.quick)
                    let calls = Counter()
                    try await consumeAll(consumer, log, 300) { events, transaction in
                        try await Self.save(events, by: "one", in: transaction)
                        guard calls.next() == 3 else { return }
                        server.kill()
                        server.start()
                    }
                    #expect(try await effects(pool) == Array(0..<300))
                }
            }
        }
    }

    @Test func aSourceThatRepeatsItselfChangesNothing() async throws {
        try await withLog { log, pool in
            try await append(0..<200, to: log, over: pool)
            let consumer = LogConsumer(name: "reader", pool: pool, backoff: Self.quick)
            let all = try await log.everything(200).map { ($0.position, $0) }
            for range in [0..<50, 0..<120, 50..<120, 100..<200, 0..<200] {
                let batch = LogConsumer.Batch(following: .start, events: Array(all[range]))
                try await pool.withTransaction { transaction in
                    let events = try await consumer.claim(batch, in: transaction)
                    try await Self.save(events, by: "one", in: transaction)
                }
            }
            #expect(try await effects(pool) == Array(0..<200))
        }
    }

    @Test func aBatchThatSkipsIsRefused() async throws {
        try await withLog { log, pool in
            try await append(0..<200, to: log, over: pool)
            let consumer = LogConsumer(name: "reader", pool: pool, backoff: Self.quick)
            let all = try await log.everything(200).map { ($0.position, $0) }
            let second = LogConsumer.Batch(following: all[49].0, events: Array(all[50..<100]))
            await #expect(throws: (any Error).self) {
                try await pool.withTransaction { _ = try await consumer.claim(second, in: $0) }
            }
            let stored = try await consumer.position()
            #expect(stored == .start)
        }
    }

    @Test func replicasTakeTurns() async throws {
        try await withLog { log, pool in
            try await append(0..<2000, to: log, over: pool)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for replica in 0..<3 {
                    group.addTask {
                        let consumer = LogConsumer(name: "shared", pool: pool, backoff: Self.quick)
                        // Batches of different sizes, so that the replicas' batches overlap in every way.
                        try await self.consumeAll(consumer, log, 2000, batch: 30 + replica * 7) { events, transaction in
                            try await Self.save(events, by: "\(replica)", in: transaction)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await effects(pool) == Array(0..<2000))
        }
    }

    @Test func aMemoryFollowsTheStoreOrTheConsumerEnds() async throws {
        try await withLog { log, pool in
            try await append(0..<100, to: log, over: pool)
            let all = try await log.everything(100).map { ($0.position, $0) }
            let consumer = LogConsumer(name: "reader", pool: pool, backoff: Self.quick)
            var memory: [Int] = []
            await #expect(throws: PostgresError.self) {
                try await consumer.run(
                    from: { position, deliver in
                        for start in stride(from: 0, to: 100, by: 20) { try await deliver(Array(all[start..<start + 20])) }
                    },
                    apply: { events, transaction in
                        try await Self.save(events, by: "one", in: transaction)
                        return events.map { Int($0.event.payload[1]) }
                    },
                    committed: { numbers in
                        // Of a kind that would bring the batch again, had it not taken effect already.
                        if memory.count == 60 { throw PostgresError(.unavailable, "the memory is gone") }
                        memory += numbers
                    })
            }
            #expect(memory == Array(0..<60))
            #expect(try await effects(pool) == Array(0..<80))
        }
    }

    @Test func aSourceThatIsAwayIsAskedAgain() async throws {
        try await withLog { log, pool in
            try await append(0..<10, to: log, over: pool)
            _ = try await log.everything(10)
            let consumer = LogConsumer(name: "reader", pool: pool, backoff: Self.quick)
            let attempts = Counter()
            await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await consumer.run(
                        from: { position, deliver in
                            if attempts.next() < 4 { throw Refusal() }
                            try await deliver(try await log.read(after: position, limit: 10).map { ($0.position, $0) })
                            withUnsafeCurrentTask { $0?.cancel() }
                        }, apply: { try await Self.save($0, by: "one", in: $1) })
                }
                await #expect(throws: CancellationError.self) { try await group.waitForAll() }
            }
            #expect(try await effects(pool) == Array(0..<10))
            #expect(attempts.next() == 5)
        }
    }
}

private final class Counter: Sendable {
    private let count = Mutex(0)

    func next() -> Int {
        count.withLock { count in
            count += 1
            return count
        }
    }
}
