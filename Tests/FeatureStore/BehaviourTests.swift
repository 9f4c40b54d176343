import Contracts
import EventLog
import Features
import Foundation
import Postgres
import RPC
import RecordCoding
import Records
import TestSupport
import Testing

@testable import FeatureStore

@Suite struct BehaviourKeeperTests {
    private static let start = Transaction.madeUpStart
    private static let payments = (0..<300).map { Transaction.madeUp($0, each: .seconds(40), lateness: .seconds(3_000)) }

    /// What is served live, what is read again from the log, and what the history says: the same, to the bit.
    @Test(.timeLimit(.minutes(2))) func onlineEqualsBackfillEqualsHistory() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: FeatureStoreDatabase.migrations)
            let database = FeatureStoreDatabase(pool: pool)
            let writer = ObservationWriter(database: database, featureSet: .payments)
            let keeper = BehaviourKeeper(database: database, set: .standard)
            let anybody = BehaviourKey(.account, "A")
            #expect(await keeper.behaviour(of: [anybody], at: Self.start).allSatisfy { if case .unread = $0 { true } else { false } })

            var online: [TransactionKey: [[UInt64]]] = [:]
            for payment in Self.payments {
                let keys = BehaviourEngine.keys(of: payment)
                // Another test's transaction may still hide the last entries.
                while await keeper.entriesTaken < online.count { try await keeper.catchUp() }
                try await keeper.catchUp()
                online[payment.key] = await keeper.behaviour(of: keys, at: payment.eventTime).map { $0.bits ?? [] }
                _ = try await writer.observe([payment])
            }

            var offline = 0
            var engine = BehaviourEngine(set: .standard)
            try await database.forEachLoggedBatch(knownBy: nil, batchRows: 64) { batch in
                for item in batch {
                    let transaction = try Transaction(observation: try FeaturesV1.Observation(entry: item.payload))
                    let history = engine.observe(transaction)
                    let live = try #require(online[transaction.key])
                    #expect(history.count == live.count)
                    for (history, live) in zip(history, live) where !live.isEmpty { #expect(history.values.map(\.bitPattern) == live) }
                    offline += 1
                }
            }
            #expect(offline == Self.payments.count)

            // A view declared anew is filled from the log, whatever is served meanwhile.
            let again = BehaviourKeeper(database: database, set: .standard)
            while await again.entriesTaken < Self.payments.count { try await again.catchUp() }
            while await keeper.entriesTaken < Self.payments.count { try await keeper.catchUp() }
            let keys = Array(Set(Self.payments.flatMap(BehaviourEngine.keys)))
            let end = Self.start + .days(2)
            let first = await keeper.behaviour(of: keys, at: end)
            #expect(first.map(\.bits) == (await again.behaviour(of: keys, at: end)).map(\.bits))
            #expect(first.allSatisfy { if case .known(_, .some) = $0 { true } else { false } })
        }
    }

    /// A start reads what is behind the snapshot only; where the snapshot is damaged, all.
    @Test(.timeLimit(.minutes(2))) func aSnapshotSparesAStartTheLogBeforeIt() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: FeatureStoreDatabase.migrations)
            let database = FeatureStoreDatabase(pool: pool)
            let writer = ObservationWriter(database: database, featureSet: .payments)
            let keys = Array(Set(Self.payments.flatMap(BehaviourEngine.keys)))
            let end = Self.start + .days(2)
            func answers(_ keeper: BehaviourKeeper, entries: Int) async throws -> [[UInt64]?] {
                // Another test's transaction may still hide the last entries.
                while await keeper.entriesTaken < entries { try await keeper.catchUp() }
                return await keeper.behaviour(of: keys, at: end).map(\.bits)
            }

            let lived = BehaviourKeeper(database: database, set: .standard)
            _ = try await writer.observe(Array(Self.payments.prefix(200)))
            _ = try await answers(lived, entries: 200)
            let snapshot = try await SnapshotSchedule(memory: lived, database: database, intervalSeconds: 600).take()
            // Those of the features are another series: neither sweeps the other away.
            for _ in 0...FeatureStoreDatabase.maxSnapshots {
                try await SnapshotSchedule(memory: writer, database: database, intervalSeconds: 600).take()
            }
            #expect(await lived.newEntries == 0)
            _ = try await writer.observe(Array(Self.payments.dropFirst(200)))
            let expected = try await answers(lived, entries: Self.payments.count)

            let restored = BehaviourKeeper(database: database, set: .standard)
            #expect(try await answers(restored, entries: Self.payments.count - 200) == expected)
            #expect(await restored.entriesTaken == Self.payments.count - 200)

            try await pool.execute(
                """
                UPDATE snapshot_chunks SET payload = set_byte(payload, 40, 255 - get_byte(payload, 40))
                WHERE snapshot = \(snapshot.number) AND chunk = 1
                """)
            let replayed = BehaviourKeeper(database: database, set: .standard)
            #expect(try await answers(replayed, entries: Self.payments.count) == expected)
            #expect(await replayed.entriesTaken == Self.payments.count)
        }
    }

    /// Payments that this process has just observed are taken from memory, others from the log: it makes no difference.
    @Test(.timeLimit(.minutes(2))) func followingTheLogByKeysTellsWhatTheLogTells() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: FeatureStoreDatabase.migrations)
            let database = FeatureStoreDatabase(pool: pool)
            let writer = ObservationWriter(database: database, featureSet: .payments)
            let keys = Array(Set(Self.payments.flatMap(BehaviourEngine.keys)))
            let replayed = BehaviourKeeper(database: database, set: .standard)
            let keepers = [
                BehaviourKeeper(database: database, set: .standard, latest: writer.latestPayments), BehaviourKeeper(database: database, set: .standard),
            ]
            try await withThrowingTaskGroup(of: Void.self) { group in
                for keeper in keepers { group.addTask { try await keeper.follow() } }
                for start in stride(from: 0, to: Self.payments.count, by: 50) {
                    _ = try await writer.observe(Array(Self.payments[start..<min(start + 50, Self.payments.count)]))
                }
                for keeper in keepers {
                    while await keeper.entriesTaken < Self.payments.count { await Task.yield() }
                }
                group.cancelAll()
            }
            while await replayed.entriesTaken < Self.payments.count { try await replayed.catchUp() }
            let end = Self.start + .days(2)
            let expected = await replayed.behaviour(of: keys, at: end).map(\.bits)
            #expect(!expected.contains(nil))
            for keeper in keepers { #expect(await keeper.behaviour(of: keys, at: end).map(\.bits) == expected) }
        }
    }

    @Test(.timeLimit(.minutes(2))) func theHealthOfViewsIsToldAgainstAReference() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: FeatureStoreDatabase.migrations)
            let database = FeatureStoreDatabase(pool: pool)
            let writer = ObservationWriter(database: database, featureSet: .payments)
            _ = try await writer.observe(Self.payments)
            let keeper = BehaviourKeeper(database: database, set: .standard)
            while await keeper.entriesTaken < Self.payments.count { try await keeper.catchUp() }
            let health = BehaviourHealth(behaviour: keeper, database: database)
            let before = try await health.now()
            #expect(before.map(\.name) == BehaviourEntity.allCases.flatMap { BehaviourSet.standard.views(of: $0).map(\.name) })
            #expect(before.allSatisfy { $0.stabilityIndex.isNaN })
            try await health.setReference(from: nil, to: nil)
            let after = try await health.now()
            let count = try #require(after.first { $0.name == "device_count_10m" })
            #expect(count.stabilityIndex == 0, "the same payments")
            #expect(count.nullRate == count.referenceNullRate)
        }
    }

    @Test(.timeLimit(.minutes(2))) func healthTellsOfAnIdentifierThatIsMissingAndNothingOfWhatFoundNoRoom() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: FeatureStoreDatabase.migrations)
            let database = FeatureStoreDatabase(pool: pool)
            let writer = ObservationWriter(database: database, featureSet: .payments)
            var payments = Self.payments
            for place in payments.indices where place >= payments.count / 2 { payments[place].deviceID = nil }
            _ = try await writer.observe(payments)
            func health(maxBytes: Int) async throws -> [String: FeatureHealth] {
                let keeper = BehaviourKeeper(database: database, set: .standard, maxBytes: maxBytes)
                while await keeper.entriesTaken < payments.count { try await keeper.catchUp() }
                let features = try await BehaviourHealth(behaviour: keeper, database: database).now()
                return Dictionary(uniqueKeysWithValues: features.map { ($0.name, $0) })
            }
            let all = try await health(maxBytes: .max)
            let device = try #require(all["device_count_10m"]), account = try #require(all["account_out_count_1h"])
            #expect(abs(device.nullRate - 0.5) < 0.05 && account.nullRate < 0.1, "\(device.nullRate) \(account.nullRate)")
            let cramped = try #require(try await health(maxBytes: 2_000)["account_out_count_1h"])
            #expect(cramped.observations < account.observations && cramped.observations > 0)
        }
    }

    @Test(.timeLimit(.minutes(2))) func theHealthOfViewsIsToldAfterAStartAsBefore() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: FeatureStoreDatabase.migrations)
            let database = FeatureStoreDatabase(pool: pool)
            let writer = ObservationWriter(database: database, featureSet: .payments)
            // None just as long before another as a window is.
            let payments = (0..<300).map { Transaction.madeUp($0, each: .seconds(41), lateness: .seconds(0)) }
            _ = try await writer.observe(payments)
            let lived = BehaviourKeeper(database: database, set: .standard)
            while await lived.entriesTaken < payments.count { try await lived.catchUp() }
            try await SnapshotSchedule(memory: lived, database: database, intervalSeconds: 600).take()
            let restored = BehaviourKeeper(database: database, set: .standard)
            try await restored.catchUp()
            #expect(await restored.entriesTaken == 0, "all comes out of the snapshot")

            let before = try await BehaviourHealth(behaviour: lived, database: database).now()
            let after = try await BehaviourHealth(behaviour: restored, database: database).now()
            #expect(before.contains { $0.observations > 0 })
            #expect(after.map(\.observations) == before.map(\.observations))
            #expect(after.map(\.newest) == before.map(\.newest))
            for (after, before) in zip(after, before) {
                #expect(after.nullRate == before.nullRate || after.nullRate.isNaN && before.nullRate.isNaN, "\(after.name)")
                #expect(abs(after.mean - before.mean) < 1e-3 || after.mean.isNaN && before.mean.isNaN, "\(after.name)")
            }
        }
    }

    @Test func aKeyThatNamesNoEntityIsToldByItsField() {
        let good: [FeaturesV1.EntityKey.Entity] = [.customerID("C"), .cell("12302130213021"), .pair(.init(accountID: "A", counterpartyAccountID: "B"))]
        #expect(throws: Never.self) { try FeatureStoreHandlers.check(good.map { .init(entity: $0) }) }
        for (entity, field) in [
            (.cell("hello"), "entities[1].cell"), (.cardID(""), "entities[1].card_id"), (nil, "entities[1]"),
            (.pair(.init(accountID: "A")), "entities[1].pair.counterparty_account_id"),
        ] as [(FeaturesV1.EntityKey.Entity?, String)] {
            let error = #expect(throws: RPCError.self) { try FeatureStoreHandlers.check([.init(entity: good[0]), .init(entity: entity)]) }
            #expect(error?.fieldViolations.map(\.field) == [field])
        }
    }
}

extension BehaviourKeeper.Behaviour {
    /// The values; nil where none are known.
    fileprivate var bits: [UInt64]? { if case .known(let values, _) = self { values.map(\.bitPattern) } else { nil } }
}
