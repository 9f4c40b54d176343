import Contracts
import EventLog
import Features
import Postgres
import RecordCoding
import Records
import Simulation
import TestSupport
import Testing

@testable import FeatureStore

/// The table of the set that is served now, whatever was served when the payments were observed.
@Suite struct FeatureHistoryTests {
    private static let start = Timestamp(CivilTime(year: 2026, month: 1, day: 5))
    private static let another = FeatureSet.payments(labelDelay: .days(3), utcOffsetSeconds: 19_800)

    private struct Row: Hashable {
        var key: TransactionKey
        var version: String
        var values: [UInt64]
        var isFraud: Bool?
        var touched: Int
    }

    /// Some payments, and what is known beside them, in the order in which a store hears of it.
    private static let changes: [FeatureChange] = {
        let world = World(WorldConfiguration(start: start, days: 12, customers: 25))
        let payments = world.transactions.enumerated().map { index, payment in
            var payment = payment
            payment.timeZone = index % 3 == 0 ? "America/New_York" : nil
            return (payment.eventTime, FeatureChange.transaction(payment))
        }
        // Known after two days, so that the delay of labels decides.
        let labels = world.transactions.enumerated().filter { $0.offset % 5 == 0 }.map { index, payment in
            let label = Label(key: payment.key, isFraud: index % 10 == 0, knownAt: payment.eventTime + .days(2), source: "chargeback")
            return (label.knownAt, FeatureChange.label(label))
        }
        return world.terminals.map { .terminal($0) } + world.customers.map { .customer($0) }
            + (payments + labels).enumerated().sorted { ($0.element.0, $0.offset) < ($1.element.0, $1.offset) }.map(\.element.1)
    }()

    private static func observe(_ changes: [FeatureChange], by set: FeatureSet, in database: FeatureStoreDatabase) async throws {
        let writer = ObservationWriter(database: database, featureSet: set)
        _ = try await writer.rebuild()
        try await writer.take(LogConsumer.Batch<FeatureChange?>(following: .start, events: [])) { _ in changes }
    }

    private static func rows(of history: FeatureHistory) async throws -> [Row] {
        var rows: [Row] = []
        try await history.forEachBatch { batch in
            rows += try batch.map { row in
                let observation = try #require(row.observation)
                return Row(
                    key: TransactionKey(try #require(observation.key)), version: observation.featureSetVersion,
                    values: observation.values.map(\.bitPattern), isFraud: row.label?.isFraud, touched: row.behaviours.count)
            }
        }
        return rows
    }

    private static func withDatabase<R>(_ body: (FeatureStoreDatabase) async throws -> R) async throws -> R {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: FeatureStoreDatabase.migrations)
            return try await body(FeatureStoreDatabase(pool: pool))
        }
    }

    @Test func rowsAreThoseOfAStoreThatHadHadThisSetFromTheBeginning() async throws {
        let from = Self.start + .days(2)
        func history(_ database: FeatureStoreDatabase, of set: FeatureSet = Self.another) -> FeatureHistory {
            FeatureHistory(database: database, featureSet: set, from: from, knownBy: Self.start + .days(9))
        }
        let (expected, all) = try await Self.withDatabase { database in
            try await Self.observe(Self.changes, by: Self.another, in: database)
            return (try await Self.rows(of: history(database)), try await Self.rows(of: FeatureHistory(database: database, featureSet: Self.another)))
        }
        try await Self.withDatabase { database in
            let half = Self.changes.count / 2
            try await Self.observe(Array(Self.changes[..<half]), by: .payments, in: database)
            try await Self.observe(Array(Self.changes[half...]), by: Self.another, in: database)
            let rows = try await Self.rows(of: history(database))
            #expect(rows.count > 100 && rows == expected)
            #expect(rows.contains { $0.isFraud == true } && rows.allSatisfy { $0.version == Self.another.version && $0.touched == 0 })
            var touching = history(database)
            touching.withBehaviour = true
            #expect(try await Self.rows(of: touching).map(\.values) == expected.map(\.values))
            // What drift is measured against is all of them.
            var sample = FeatureSample(featureCount: Self.another.count)
            try await FeatureHistory(database: database, featureSet: Self.another).forEachBatch { batch in
                for row in batch { sample.add(row.observation?.values ?? []) }
            }
            #expect(sample.count == all.count)
        }
    }

    @Test func whatIsStoredOfThisSetIsNotComputedAgain() async throws {
        try await Self.withDatabase { database in
            try await Self.observe(Self.changes, by: .payments, in: database)
            let stored = try await Self.rows(of: FeatureHistory(database: database, featureSet: .payments))
            #expect(stored.count == Self.changes.count { if case .transaction = $0 { true } else { false } })
            let other = try await Self.rows(of: FeatureHistory(database: database, featureSet: Self.another))
            #expect(other.map(\.values) != stored.map(\.values))
            let night = try #require(FeatureSet.payments.names.firstIndex(of: "is_night"))
            // A payment's own clock stays its own; that of the set is another now.
            var ownClocks: [TransactionKey: Bool] = [:]
            for case .transaction(let payment) in Self.changes { ownClocks[payment.key] = payment.timeZone != nil }
            let before = Dictionary(uniqueKeysWithValues: stored.map { ($0.key, $0.values[night]) })
            let moved = other.filter { $0.values[night] != before[$0.key] }
            #expect(!moved.isEmpty && moved.allSatisfy { ownClocks[$0.key] == false })
        }
    }
}
