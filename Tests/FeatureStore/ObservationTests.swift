import Contracts
import EventLog
import Features
import Postgres
import RPC
import RecordCoding
import Records
import TestSupport
import Testing

@testable import FeatureStore

@Suite struct ObservationTests {
    private static let start = Timestamp(CivilTime(year: 2026, month: 3, day: 1))

    private func transaction(_ number: Int, terminal: String = "T1") -> Transaction {
        Transaction(
            key: TransactionKey(bankID: "bank", transactionID: "t-\(number)"), eventTime: Self.start + .hours(number),
            customerID: "C\(number % 3)", terminalID: terminal, channel: .pos,
            amount: Money(minorUnits: Int64(1_000 + 37 * number), currency: .inr))
    }

    private func withDatabase(_ body: (FeatureStoreDatabase) async throws -> Void) async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: FeatureStoreDatabase.migrations)
            try await body(FeatureStoreDatabase(pool: pool))
        }
    }

    private func writer(_ database: FeatureStoreDatabase) async throws -> ObservationWriter {
        let writer = ObservationWriter(database: database, featureSet: .payments)
        _ = try await writer.rebuild()
        return writer
    }

    /// A batch of a log, as the consumer hands it over.
    private func take(_ changes: [FeatureChange], into writer: ObservationWriter) async throws {
        let batch = LogConsumer.Batch<FeatureChange?>(following: .start, events: [])
        try await writer.take(batch) { _ in changes }
    }

    @Test func callsAreCheckedAsTheGatewayChecksThem() throws {
        func fields(_ change: (inout Transaction) -> Void) throws -> [String] {
            var changed = transaction(1)
            changed.location = Coordinate(latitude: 17, longitude: 78)
            change(&changed)
            do {
                _ = try FeatureStoreHandlers.accepted([.init(transaction(0)), .init(changed)])
                return []
            } catch {
                #expect(error.code == .invalidArgument)
                return error.fieldViolations.map(\.field)
            }
        }
        #expect(try fields { _ in } == [])
        #expect(try fields { $0.eventTime = Timestamp.now() + .days(1) } == ["transactions[1].event_time"])
        #expect(try fields { $0.eventTime = Timestamp(seconds: 1) } == ["transactions[1].event_time"])
        #expect(try fields { $0.amount.minorUnits = -1 } == ["transactions[1].amount.minor_units"])
        #expect(try fields { $0.amount.minorUnits = .max } == ["transactions[1].amount.minor_units"])
        #expect(try fields { $0.location = Coordinate(latitude: 91, longitude: .nan) } == [
            "transactions[1].location.latitude", "transactions[1].location.longitude",
        ])
        #expect(try fields { $0.cardID = String(repeating: "4", count: 200) } == ["transactions[1].card_id"])
        // Tokens, as the gateway sends them.
        #expect(try fields { $0.details = TransactionDetails(ipAddress: "i.token", email: "e.token", phone: "p.token") } == [])
    }

    @Test func observingAgainReturnsTheFirstFeatures() async throws {
        try await withDatabase { database in
            let writer = try await writer(database)
            let first = try await writer.observe((0..<20).map { transaction($0) })
            let again = try await writer.observe((0..<20).map { transaction($0) })
            #expect(again == first)
            let withinOneCall = try await writer.observe([transaction(20), transaction(20)])
            #expect(withinOneCall.count == 2)
            #expect(withinOneCall[0] == withinOneCall[1])
        }
    }

    @Test func memoryComesBackFromTheLogAsItWas() async throws {
        try await withDatabase { database in
            let lived = try await writer(database)
            try await take(
                [
                    .terminal(Terminal(terminalID: "T1", kind: .pos, location: Coordinate(latitude: 17.2, longitude: 75.3))),
                    .customer(Customer(customerID: "C1", home: Coordinate(latitude: 17.3, longitude: 75.4))),
                ], into: lived)
            _ = try await lived.observe((0..<60).map { transaction($0) })
            let label = Label(key: transaction(7).key, isFraud: true, knownAt: Self.start + .days(2), source: "chargeback")
            try await take([.label(label)], into: lived)

            let reborn = try await writer(database)
            let next = transaction(400)
            let expected = try await lived.observe([next])
            try await database.pool.execute("DELETE FROM observed WHERE bank_transaction_id = 't-400'")
            try await database.pool.execute("DELETE FROM event_log WHERE bank_transaction_ids = ARRAY['t-400']")
            let actual = try await reborn.observe([next])
            #expect(actual == expected)
            #expect(try actual.first?.message().location?.latitude == 17.2)
        }
    }

    @Test func aTransactionTooOldToBeRememberedIsStillObservedOnce() async throws {
        try await withDatabase { database in
            let writer = try await writer(database)
            let old = transaction(0)
            let first = try await writer.observe([old])
            // Of the same customer, so long after that the first is forgotten.
            _ = try await writer.observe((0..<40).map { transaction(24 * 400 + 3 * $0) })
            let again = try await writer.observe([old])
            #expect(again == first)
            // And where the name is used for something new.
            var reused = transaction(24 * 420)
            reused.key = old.key
            #expect(try await writer.observe([reused, transaction(24 * 420 + 1)]).first == first.first)
            try await take([.transaction(reused), .transaction(transaction(24 * 420 + 2))], into: writer)
            #expect(try await database.pool.query("SELECT count(*) FROM observations")[0].decode(Int64.self) == 43)
        }
    }

    @Test func entitiesAreAnsweredWithTheirNewestPayment() async throws {
        try await withDatabase { database in
            let writer = try await writer(database)
            _ = try await writer.observe((0..<6).map { transaction($0) })
            let answers = try await writer.features(
                of: [.customer("C1"), .terminal("T1"), .customer("nobody")], at: Self.start + .hours(10))
            #expect(answers.map { $0?.newest } == [Self.start + .hours(4), Self.start + .hours(5), nil])
            let names = FeatureSet.payments.names
            let count = try #require(names.firstIndex(of: "customer_count_1d"))
            #expect(answers[0]?.values[count] == 2)
            #expect(answers[2] == nil)
        }
    }

    @Test func aFailedCommitEndsTheWriter() async throws {
        try await withDatabase { database in
            let writer = try await writer(database)
            try await database.pool.execute("ALTER TABLE observed ADD CHECK (bank_transaction_id <> 't-1')")
            await #expect(throws: (any Error).self) { try await writer.observe([transaction(1)]) }
            await #expect(throws: (any Error).self) { try await writer.observe([transaction(2)]) }
            await #expect(throws: (any Error).self) { try await writer.waitForBreakage() }
        }
    }

    @Test func historyHasOnlyTheLabelsKnownInTime() async throws {
        try await withDatabase { database in
            let writer = try await writer(database)
            _ = try await writer.observe((0..<10).map { transaction($0) })
            let labels = [3: 1, 4: 5].map { number, days in
                FeatureChange.label(
                    Label(key: transaction(number).key, isFraud: true, knownAt: Self.start + .days(days), source: "chargeback"))
            }
            try await take(labels, into: writer)
            var rows: [HistoricalEntry] = []
            try await database.forEachHistoricalBatch(
                from: Self.start + .hours(2), to: Self.start + .hours(8), knownBy: Self.start + .days(2), batchRows: 4
            ) { rows += $0 }
            #expect(rows.count == 6)
            #expect(rows.compactMap(\.label?.key.transactionID) == ["t-3"])
        }
    }

    @Test func historyHasWhatWasKnownByThenOfALabelThatWasCorrectedLater() async throws {
        try await withDatabase { database in
            let writer = try await writer(database)
            _ = try await writer.observe([transaction(0)])
            for (isFraud, days) in [(true, 1), (false, 5), (true, 5)] {
                let label = Label(key: transaction(0).key, isFraud: isFraud, knownAt: Self.start + .days(days), source: "investigation")
                try await take([.label(label)], into: writer)
            }
            func known(by hours: Int?) async throws -> Bool? {
                var rows: [HistoricalEntry] = []
                try await database.forEachHistoricalBatch(from: nil, to: nil, knownBy: hours.map { Self.start + .hours($0) }, batchRows: 4) {
                    rows += $0
                }
                #expect(rows.count == 1)
                return rows.first?.label?.isFraud
            }
            #expect(try await known(by: 12) == nil)
            #expect(try await known(by: 48) == true)
            // The last word of one time replaces the one before.
            #expect(try await known(by: 120) == true)
            try await take(
                [.label(Label(key: transaction(0).key, isFraud: false, knownAt: Self.start + .days(6), source: "investigation"))], into: writer)
            #expect(try await known(by: 120) == true)
            #expect(try await known(by: nil) == false)
        }
    }
}
