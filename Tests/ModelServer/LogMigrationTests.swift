import Contracts
import EventLog
import Foundation
import Postgres
import RecordCoding
import Records
import TestSupport
import Testing

@testable import ModelServer

@Suite struct LogMigrationTests {
    /// The migrations before the log was in blocks.
    private static let rowByRow = 5

    private func entry(_ number: Int) -> [UInt8] {
        let key = RecordsV1.TransactionKey(bankID: "bank", transactionID: "t\(number)")
        return Payload.encode(ModelsV1.LoggedDecision(decision: .init(key: key, riskScore: Double(number) / 100, modelVersion: "m")))
    }

    private func name(_ number: Int) -> UUID { DecisionName(of: TransactionKey(bankID: "bank", transactionID: "t\(number)")).bytes }

    private func batch(_ numbers: Range<Int>) -> StoredDecisions {
        StoredDecisions(
            modelVersion: "m", decidedAt: Timestamp(CivilTime(year: 2026, month: 3, day: 2)),
            decisions: numbers.map {
                StoredDecision(
                    name: name($0), riskScore: Double($0) / 100, isAlert: $0 % 10 == 0, observation: [UInt8($0 % 256)], logEntry: entry($0))
            })
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
            try await migrate(pool, migrations: Array(ModelServerDatabase.migrations.prefix(Self.rowByRow)))
            for number in 0..<30 {
                try await pool.execute(
                    """
                    INSERT INTO event_log (
                        payload, decision_id, bank_id, bank_transaction_id, model_version, risk_score, is_alert, decided_at, observation)
                    VALUES (\(entry(number)), \(name(number)), 'bank', \("t\(number)"), 'm', \(Double(number) / 100), \(number % 10 == 0),
                        now(), \([UInt8(number)]))
                    """)
            }
            let before = try await pool.query("SELECT transaction_id, sequence FROM event_log ORDER BY transaction_id, sequence")
                .decode(PostgresTransactionID.self, Int64.self)
            try await migrate(pool, migrations: ModelServerDatabase.migrations)

            let database = ModelServerDatabase(pool: pool)
            let entries = try await events(of: database.log, count: 30)
            #expect(entries.map(\.position) == before.map { LogPosition(transactionID: $0.0.value, sequence: $0.1) })
            #expect(entries.map(\.payload) == (0..<30).map(entry))

            // What is decided on stays so; the rest goes into rows of many.
            #expect(try await database.append(batch(20..<320)) == Set((20..<30).map(name)))
            #expect(try await database.append(batch(300..<310)) == Set((300..<310).map(name)))
            #expect(try await pool.query("SELECT count(*) FROM event_log")[0].decode(Int64.self) == 30 + 3)
            let read = try await events(of: database.log, count: 320)
            #expect(read.map(\.payload) == (0..<320).map(entry))
            #expect(Set(read.map(\.position)).count == 320)
            let statistics = try await database.statistics()
            #expect(statistics.decisions == 320 && statistics.alerts == 32)
            let found = try await database.decisions(named: [3, 29, 150, 319, 400].map(name))
            #expect(Set(found.map(\.name)) == Set([3, 29, 150, 319].map(name)))
            #expect(found.allSatisfy { found in [3, 29, 150, 319].contains { entry($0) == found.logEntry && found.observation == [UInt8($0 % 256)] } })
        }
    }
}
