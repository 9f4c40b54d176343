import Contracts
import EventLog
import Features
import Postgres
import Records
import Simulation
import TestSupport
import Testing

@testable import FeatureStore

@Suite struct SnapshotTests {
    private static let world = World(
        WorldConfiguration(start: Timestamp(CivilTime(year: 2026, month: 1, day: 5)), days: 12, customers: 40))

    private func withDatabase(_ body: (FeatureStoreDatabase) async throws -> Void) async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: FeatureStoreDatabase.migrations)
            try await body(FeatureStoreDatabase(pool: pool))
        }
    }

    private func schedule(_ writer: ObservationWriter, _ database: FeatureStoreDatabase) -> SnapshotSchedule {
        SnapshotSchedule(memory: writer, database: database, intervalSeconds: 600)
    }

    /// Lives through a part of the world: payments and labels.
    private func live(_ writer: ObservationWriter, part: Int) async throws {
        if part == 0 {
            try await take(Self.world.terminals.map { .terminal($0) } + Self.world.customers.map { .customer($0) }, into: writer)
        }
        let size = Self.world.transactions.count / 4
        _ = try await writer.observe(Array(Self.world.transactions[part * size..<(part + 1) * size]))
        let labels = Self.world.labels[(part * 50)..<(part * 50 + 200)]
        try await take(labels.map { .label($0) }, into: writer)
    }

    private func take(_ changes: [FeatureChange], into writer: ObservationWriter) async throws {
        try await writer.take(LogConsumer.Batch<FeatureChange?>(following: .start, events: [])) { _ in changes }
    }

    /// All that memory answers about everybody, bit by bit.
    private func answers(_ writer: ObservationWriter) async throws -> [[UInt64]] {
        let entities = Self.world.customers.map { ObservedEntity.customer($0.customerID) }
            + Self.world.terminals.map { .terminal($0.terminalID) }
        var answers: [[UInt64]] = []
        for days in [3, 11, 14] {
            let time = Self.world.transactions[0].eventTime + .days(days)
            answers += try await writer.features(of: entities, at: time).map { $0?.values.map(\.bitPattern) ?? [] }
        }
        return answers
    }

    private func reborn(
        _ database: FeatureStoreDatabase, set: FeatureSet = .payments
    ) async throws -> (ObservationWriter, StoredSnapshot?, Int) {
        let writer = ObservationWriter(database: database, featureSet: set)
        let rebuilt = try await writer.rebuild()
        return (writer, rebuilt.snapshot, rebuilt.entries)
    }

    @Test func aSnapshotAndTheLogBehindItEqualAReplayFromNothing() async throws {
        try await withDatabase { database in
            let (lived, none, _) = try await reborn(database)
            #expect(none == nil)
            try await live(lived, part: 0)
            try await live(lived, part: 1)
            let taken = try await schedule(lived, database).take()
            let left = await lived.newEntries
            #expect(left == 0)
            try await live(lived, part: 2)

            let (restored, snapshot, entries) = try await reborn(database)
            #expect(snapshot == taken)
            #expect(entries == Self.world.transactions.count / 4 + 200)
            let expected = try await answers(lived)
            let window = await lived.latest()
            let restoredWindow = await restored.latest()
            let afterRestore = try await answers(restored)
            #expect(afterRestore == expected)
            #expect(restoredWindow.count == window.count && restoredWindow.newest == window.newest)

            try await database.pool.execute("DELETE FROM snapshots")
            let (replayed, nothing, all) = try await reborn(database)
            #expect(nothing == nil && all > entries)
            let afterReplay = try await answers(replayed)
            #expect(afterReplay == expected)

            // And all three go on alike.
            try await database.pool.execute("CREATE TABLE kept AS TABLE event_log")
            var goneOn: [[[UInt64]]] = []
            for writer in [lived, restored, replayed] {
                try await database.pool.execute(
                    "DELETE FROM event_log WHERE (transaction_id, sequence) NOT IN (SELECT transaction_id, sequence FROM kept)")
                try await database.pool.execute("DELETE FROM observed WHERE sequence NOT IN (SELECT sequence FROM kept)")
                try await live(writer, part: 3)
                goneOn.append(try await answers(writer))
            }
            #expect(goneOn[0] != expected)
            #expect(goneOn[1] == goneOn[0] && goneOn[2] == goneOn[0])
        }
    }

    @Test func observingGoesOnWhileASnapshotIsWritten() async throws {
        try await withDatabase { database in
            let (lived, _, _) = try await reborn(database)
            try await live(lived, part: 0)
            var (memory, position, _) = try await lived.snapshot()
            let before = memory
            try await live(lived, part: 1)
            _ = try await database.store(before, in: lived.series, at: position)
            let chunk = memory.next()
            #expect(chunk != nil)
            let (restored, snapshot, _) = try await reborn(database)
            #expect(snapshot?.position == position)
            let expected = try await answers(lived)
            let actual = try await answers(restored)
            #expect(actual == expected)
        }
    }

    @Test func aKillInTheMiddleOfWritingLeavesTheSnapshotBefore() async throws {
        try await withDatabase { database in
            let (lived, _, _) = try await reborn(database)
            try await live(lived, part: 0)
            let whole = try await schedule(lived, database).take()
            try await live(lived, part: 1)
            // Chunks without the row that makes them a snapshot.
            var (memory, _, _) = try await lived.snapshot()
            let chunk = memory.next()
            let first = try #require(chunk)
            try await database.pool.execute(
                "INSERT INTO snapshot_chunks (snapshot, chunk, payload) VALUES (nextval('snapshot_numbers'), \(Int32(0)), \(first))")
            let (restored, snapshot, _) = try await reborn(database)
            #expect(snapshot == whole)
            let expected = try await answers(lived)
            let actual = try await answers(restored)
            #expect(actual == expected)
            // The next one sweeps up.
            try await schedule(restored, database).take()
            let orphans = try await database.pool.query(
                "SELECT count(*) FROM snapshot_chunks WHERE snapshot NOT IN (SELECT snapshot FROM snapshots)")
            let count = try orphans[0].decode(Int64.self)
            #expect(count == 0)
        }
    }

    @Test func aDamagedSnapshotIsPassedOver() async throws {
        try await withDatabase { database in
            let (lived, _, _) = try await reborn(database)
            try await live(lived, part: 0)
            let older = try await schedule(lived, database).take()
            try await live(lived, part: 1)
            let newer = try await schedule(lived, database).take()
            try await database.pool.execute(
                """
                UPDATE snapshot_chunks SET payload = set_byte(payload, 40, 255 - get_byte(payload, 40))
                WHERE snapshot = \(newer.number) AND chunk = 1
                """)
            let (restored, snapshot, _) = try await reborn(database)
            #expect(snapshot == older)
            let expected = try await answers(lived)
            let actual = try await answers(restored)
            #expect(actual == expected)
            try await database.pool.execute("DELETE FROM snapshot_chunks WHERE snapshot = \(older.number) AND chunk = 2")
            let (_, none, _) = try await reborn(database)
            #expect(none == nil)
        }
    }

    @Test func aSnapshotOfOtherFeaturesIsPassedOver() async throws {
        try await withDatabase { database in
            let (lived, _, _) = try await reborn(database)
            try await live(lived, part: 0)
            try await schedule(lived, database).take()
            let (_, snapshot, entries) = try await reborn(database, set: .payments(labelDelay: .days(3)))
            #expect(snapshot == nil && entries > 0)
        }
    }

    @Test func onlyTheNewestSnapshotsAreKept() async throws {
        try await withDatabase { database in
            let (lived, _, _) = try await reborn(database)
            try await live(lived, part: 0)
            for _ in 0..<4 { try await schedule(lived, database).take() }
            let counts = try await database.pool.query(
                "SELECT count(*), (SELECT count(DISTINCT snapshot) FROM snapshot_chunks) FROM snapshots")
            let (snapshots, withChunks) = try counts[0].decode(Int64.self, Int64.self)
            #expect(snapshots == Int64(FeatureStoreDatabase.maxSnapshots) && withChunks == snapshots)
        }
    }
}
