import EventLog
import Logging
import Postgres
import Synchronization
import TestSupport
import Testing

@Suite struct RestoredLogTests {
    private static let migrations = [Migration(name: "0001", sql: EventLog.tableDDL() + LogConsumer.tableDDL())]
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// A log of one event, at a position that a new cluster comes to much later.
    private func withOldLog(_ body: (PostgresConfiguration, PostgresPool) async throws -> Void) async throws {
        try await TemporaryPostgres.withServer { server in
            try await server.withDatabase { configuration in
                try await withPostgresPool(configuration) { pool in
                    try await migrate(pool, migrations: Self.migrations)
                    try await pool.execute(
                        "DO $$ BEGIN FOR number IN 1..20000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$")
                    try await append(1, to: EventLog(pool: pool), over: pool)
                    try await body(configuration, pool)
                }
            }
        }
    }

    /// The database in a cluster of its own, as it is right after it has been restored.
    private func withRestored(_ database: PostgresConfiguration, _ body: (PostgresPool) async throws -> Void) async throws {
        try await TemporaryPostgres.withServer { server in
            try await server.withDatabase { empty in
                try restore(database, into: empty)
                try await withPostgresPool(empty, body)
            }
        }
    }

    private func append(_ number: UInt8, to log: EventLog, over pool: PostgresPool) async throws {
        try await pool.withTransaction { try await log.append([[number]], in: $0) }
    }

    /// Reads on from where the consumer has come to, until there is nothing more.
    private func consume(_ log: EventLog, by consumer: LogConsumer, over pool: PostgresPool) async throws -> [UInt8] {
        let position = try await consumer.position()
        try await log.check(position)
        let events = try await log.read(after: position, limit: 100).map { (position: $0.position, event: $0) }
        return try await pool.withTransaction { transaction in
            try await consumer.claim(.init(following: position, events: events), in: transaction).map { $0.event.payload[0] }
        }
    }

    @Test func whatIsWrittenAfterARestoreIntoANewClusterReachesWhoHasReadTheLog() async throws {
        try await withOldLog { old, pool in
            let consumer = LogConsumer(name: "reader", pool: pool)
            #expect(try await consume(EventLog(pool: pool), by: consumer, over: pool) == [1])
            try await withRestored(old) { pool in
                let log = EventLog(pool: pool)
                let consumer = LogConsumer(name: "reader", pool: pool)
                // As services do when they start, all at once.
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<3 { group.addTask { try await log.continueNumbers(logger: logger) } }
                    try await group.waitForAll()
                }
                try await append(2, to: log, over: pool)
                #expect(try await consume(log, by: consumer, over: pool) == [2])
                #expect(try await log.read(after: .start, limit: 10).map(\.payload) == [[1], [2]])
            }
        }
    }

    @Test func aCrashRightAfterwardsDoesNotBringTheNumbersBack() async throws {
        try await withOldLog { old, _ in
            try await TemporaryPostgres.withServer { server in
                try await server.withDatabase { empty in
                    try restore(old, into: empty)
                    let last = try await withPostgresPool(empty) { pool in
                        let log = EventLog(pool: pool)
                        try await log.continueNumbers(logger: logger)
                        return try await log.end()
                    }
                    server.kill()
                    server.start()
                    try await withPostgresPool(empty) { pool in
                        let log = EventLog(pool: pool)
                        try await append(2, to: log, over: pool)
                        #expect(try await log.end() > last)
                    }
                }
            }
        }
    }

    @Test func aLogTooFarAheadIsRefusedWithWhatToDo() async throws {
        try await withOldLog { old, _ in
            try await withRestored(old) { pool in
                let log = EventLog(pool: pool)
                let error = await #expect(throws: NumbersTooLow.self) {
                    try await log.continueNumbers(logger: logger, maxInVain: 10_000)
                }
                #expect(error?.description.contains("pg_resetwal --epoch=1`") == true)
            }
        }
    }

    @Test func aLogThatGoesOnInItsClusterIsLeftAsItIs() async throws {
        try await withOldLog { _, pool in
            let log = EventLog(pool: pool)
            let number: SQL = "SELECT pg_snapshot_xmax(pg_current_snapshot())"
            let before = try await pool.query(number).first?.decode(PostgresTransactionID.self).value
            try await log.continueNumbers(logger: logger)
            #expect(try await pool.query(number).first?.decode(PostgresTransactionID.self).value == before)
        }
    }

    /// The reader's position is refused at once, and also when the log has come as far again.
    @Test func aReaderOfMoreThanARestoredLogHoldsIsRefused() async throws {
        try await withOldLog { old, pool in
            try await withRestored(old) { restored in
                // After the dump.
                try await append(9, to: EventLog(pool: pool), over: pool)
                let read = try await EventLog(pool: pool).end()
                let log = EventLog(pool: restored)
                try await log.continueNumbers(logger: logger)
                await #expect(throws: UnknownPosition.self) { try await log.check(read) }
                while try await log.end() < read { try await append(2, to: log, over: restored) }
                await #expect(throws: UnknownPosition.self) { try await log.check(read) }
                try await log.check(log.end())
                try await log.check(.start)
            }
        }
    }

    @Test func aPositionWithinABlockIsKnownAndOneBehindItIsNot() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await pool.execute(
                """
                CREATE TABLE event_log (transaction_id xid8, sequence bigint, recorded_at timestamptz DEFAULT now(), payloads bytea[],
                    PRIMARY KEY (transaction_id, sequence))
                """)
            try await pool.execute("INSERT INTO event_log VALUES ('300', 128, now(), ARRAY['a', 'b', 'c']::bytea[])")
            let log = EventLog(pool: pool, isInBlocks: true)
            for sequence in 128...130 as ClosedRange<Int64> { try await log.check(.init(transactionID: 300, sequence: sequence)) }
            // What lies before the first may have been dropped for its age.
            try await log.check(.init(transactionID: 299, sequence: 1))
            for (transaction, sequence) in [(300, 131), (301, 129)] as [(UInt64, Int64)] {
                await #expect(throws: UnknownPosition.self) {
                    try await log.check(.init(transactionID: transaction, sequence: sequence))
                }
            }
        }
    }

    @Test func anEmptyLogKnowsWhatItsClusterHasComeTo() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: Self.migrations)
            let log = EventLog(pool: pool)
            try await log.check(.init(transactionID: 5, sequence: 1))
            await #expect(throws: UnknownPosition.self) { try await log.check(.init(transactionID: 1 << 40, sequence: 1)) }
        }
    }

    @Test func aRefusedReaderIsToldOnceAndAloud() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: Self.migrations)
            let levels = Levels()
            let refusals = Mutex(0)
            let consumer = LogConsumer(
                name: "reader", pool: pool, logger: Logger(label: "test") { _ in levels },
                backoff: .init(firstSeconds: 0.001, maxSeconds: 0.001), isRefusal: { $0 is UnknownPosition },
                refused: { refusals.withLock { $0 += 1 } })
            await #expect(throws: CancellationError.self) {
                try await consumer.run(
                    from: { (_: LogPosition, _: ([LogConsumer.Positioned<LoggedEvent>]) async throws -> Void) in
                        if refusals.withLock({ $0 }) == 3 { withUnsafeCurrentTask { $0?.cancel() } }
                        try await EventLog(pool: pool).check(.init(transactionID: 1 << 40, sequence: 1))
                    }, apply: { _, _ in })
            }
            #expect(levels.told.withLock { $0 } == [.error])
        }
    }
}

/// Remembers how grave what was told is.
private final class Levels: LogHandler {
    let told = Mutex<[Logger.Level]>([])
    var metadata: Logger.Metadata { get { [:] } set {} }
    var logLevel: Logger.Level { get { .info } set {} }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? { get { nil } set {} }

    func log(event: LogEvent) { told.withLock { $0.append(event.level) } }
}
