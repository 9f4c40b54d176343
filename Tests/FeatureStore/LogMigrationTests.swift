import Contracts
import EventLog
import Features
import Postgres
import RecordCoding
import Records
import TestSupport
import Testing

@testable import FeatureStore

@Suite struct LogMigrationTests {
    /// The migrations before the log was in blocks.
    private static let rowByRow = 6

    private func payment(_ number: Int) -> Transaction {
        Transaction(
            key: TransactionKey(bankID: "bank", transactionID: "t-\(number)"),
            eventTime: Timestamp(CivilTime(year: 2026, month: 3, day: 1)) + .hours(number), customerID: "C\(number % 3)", terminalID: "T1",
            channel: .pos, amount: Money(minorUnits: Int64(1_000 + 37 * number), currency: .inr))
    }

    /// A log as it was: each entry a row, in two transactions, a label last.
    private func writeOldLog(_ pool: PostgresPool) async throws -> [FeaturesV1.Observation] {
        var memory = ObservationMemory(featureSet: .payments)
        var observations: [FeaturesV1.Observation] = []
        for part in 0..<2 {
            try await pool.withTransaction { transaction in
                for number in part * 20..<part * 20 + 20 {
                    let payment = payment(number)
                    let message = FeaturesV1.Observation(memory.observe(payment), version: FeatureSet.payments.version)
                    observations.append(message)
                    let entry = Payload.encode(FeaturesV1.FeatureEvent(event: .observed(message)))
                    let time = PostgresTimestamp(microsecondsSince1970: payment.eventTime.microseconds)
                    try await transaction.execute(
                        """
                        INSERT INTO event_log (payload, bank_id, bank_transaction_id, event_time)
                        VALUES (\(entry), \(payment.key.bankID), \(payment.key.transactionID), \(time))
                        """)
                }
            }
        }
        let label = Label(key: payment(7).key, isFraud: true, knownAt: payment(30).eventTime, source: "chargeback")
        try await pool.execute(
            "INSERT INTO event_log (payload) VALUES (\(Payload.encode(FeaturesV1.FeatureEvent(event: .labelled(.init(label))))))")
        return observations
    }

    /// All events of a log, once they have been handed over: another test's transaction may hold them back a moment.
    private func events(of log: EventLog, count: Int) async throws -> [LoggedEvent] {
        var events: [LoggedEvent] = []
        for try await more in log.tail(after: .start, batchLimit: 37, pollMilliseconds: 10) {
            events += more
            if events.count >= count { break }
        }
        return events
    }

    @Test func aLogOfRowsIsReadOnFromItsPositions() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: Array(FeatureStoreDatabase.migrations.prefix(Self.rowByRow)))
            let first = try await writeOldLog(pool)
            let before = try await pool.query("SELECT transaction_id, sequence FROM event_log ORDER BY transaction_id, sequence")
                .decode(PostgresTransactionID.self, Int64.self)
            try await migrate(pool, migrations: FeatureStoreDatabase.migrations)

            let database = FeatureStoreDatabase(pool: pool)
            let entries = try await events(of: database.log, count: 41)
            #expect(entries.map(\.position) == before.map { LogPosition(transactionID: $0.0.value, sequence: $0.1) })
            let behind = try await database.log.read(after: entries[20].position, limit: 100)
            #expect(behind == Array(entries.dropFirst(21)))

            let writer = ObservationWriter(database: database, featureSet: .payments)
            #expect(try await writer.rebuild().entries == 41)
            #expect(try await writer.observe((0..<40).map(payment)).map { try $0.message().encoded } == first.map(\.encoded))

            // And it goes on behind them, in rows of many.
            let new = try await writer.observe((40..<340).map(payment))
            #expect(try await pool.query("SELECT count(*) FROM event_log")[0].decode(Int64.self) == 41 + 3)
            let read = try await events(of: database.log, count: 341)
            #expect(read.count == 341 && Array(read.prefix(41)) == entries)
            #expect(read.dropFirst(41).map { try? EncodedObservation(entry: $0.payload).message().key?.transactionID } == (40..<340).map { "t-\($0)" })
            #expect(new.map(\.position) == read.dropFirst(41).map(\.position))
            // Of the block that the position lies in, the rest.
            let runs = try await database.log.runs(after: read[99].position, limit: 1_000)
            let told = runs.map(\.run).flatMap { run in run.sequences.map { LogPosition(transactionID: run.transactionID, sequence: $0) } }
            #expect(told == read.dropFirst(100).map(\.position) && runs.allSatisfy { $0.naming == .all })
            let part = try await database.log.runs(after: read[40].position, limit: 130)
            #expect(part.map(\.run.count) == [128, 128], "about as many as are asked for")
            let old = try await database.log.runs(after: .start, limit: 1_000)
            #expect(old.prefix(41).map(\.naming) == [LoggedRun.Naming](repeating: .all, count: 40) + [.none])
            #expect(old.map(\.run.count) == [Int](repeating: 1, count: 41) + [128, 128, 44])
            #expect(try await database.log.end() == read.last?.position)
            #expect(try await database.lastPosition() == read.last?.position)
            let latest = try await database.lastObservations(upTo: read[49].position, limit: 5)
            #expect(latest == read[45..<50].map(\.payload))
        }
    }
}
