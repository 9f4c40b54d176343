import Contracts
import EventLog
import Postgres
import RecordCoding
import Records
import TestSupport
import Testing

@testable import IngestionGateway

@Suite struct LogPartitionTests {
    private struct TransactionRow: WritableTransaction {
        let key: TransactionKey
        let logEntry: [UInt8]
    }

    private func withDatabase(_ body: (IngestionDatabase) async throws -> Void) async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: IngestionDatabase.migrations)
            try await body(IngestionDatabase(pool: pool))
        }
    }

    private func rows(_ numbers: some Sequence<Int>, of bank: String = "b") -> [TransactionRow] {
        numbers.map { TransactionRow(key: TransactionKey(bankID: bank, transactionID: "t-\($0)"), logEntry: [UInt8($0 % 251)]) }
    }

    /// As the pipeline writes: all at once where all are new.
    private func write(_ rows: [TransactionRow], to database: IngestionDatabase) async throws -> Set<TransactionKey> {
        if try await database.insertNew(rows, sealed: [], now: quiet) != nil { return [] }
        return try await notNew(rows, in: database, now: quiet)
    }

    /// Writes what is new.
    ///
    /// - Returns: the keys of what is not.
    private func notNew(_ rows: [TransactionRow], in database: IngestionDatabase, now: Timestamp) async throws -> Set<TransactionKey> {
        let written = try await database.insert(rows, sealed: [], now: now)
        return Set(rows.map(\.key)).subtracting(written.keys)
    }

    /// The middle of a partition, and a moment before one's end.
    private let quiet = Timestamp(seconds: 31 * 86_400 * 600 + 86_400 * 10)
    private let boundary = Timestamp(seconds: 31 * 86_400 * 601 - 30)

    @Test(arguments: [5, 200]) func whatIsNewIsWrittenInOrderAndWhatIsNotIsLeftOut(count: Int) async throws {
        try await withDatabase { database in
            let first = try await write(rows(0..<count), to: database)
            #expect(first.isEmpty)
            let second = try await write(rows(count - 2..<count + 60), to: database)
            #expect(second == Set(rows(count - 2..<count).map(\.key)))
            // A tail, for a transaction of another test may still hide the last of them.
            var logged: [LoggedEvent] = []
            for try await events in database.log.tail(after: .start) {
                logged += events
                if logged.count >= count + 60 { break }
            }
            #expect(logged.map(\.payload) == rows(0..<count + 60).map(\.logEntry))
            let found = try await database.entries(of: rows(0..<3).map(\.key))
            #expect(found.count == 3)
        }
    }

    /// Where each holds names that the other waits for, the server undoes one.
    @Test(arguments: [true, false]) func writersOfTheSameNamesInOtherOrdersWriteEachOnce(oneThinksThatAllAreNew: Bool) async throws {
        struct Undone: Error {}
        try await withDatabase { database in
            let names = rows(0..<101)
            let taken = try await withThrowingTaskGroup(of: Set<TransactionKey>.self) { group in
                // Whoever has got as far as the name in the middle waits there until both do.
                try? await database.pool.withTransaction { transaction in
                    try await transaction.execute(
                        "INSERT INTO event_log (payload, bank_id, bank_transaction_id) VALUES ('', 'b', 't-50')")
                    group.addTask { try await oneThinksThatAllAreNew ? write(names, to: database) : notNew(names, in: database, now: quiet) }
                    group.addTask { try await notNew(names.reversed(), in: database, now: quiet) }
                    var waiting: Int64 = 0
                    while waiting < 2 {
                        waiting = try await database.pool.query(
                            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
                        ).first?.decode(Int64.self) ?? 0
                    }
                    throw Undone()
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(taken.map(\.count).sorted() == [0, 101])
            #expect(try await database.entries(of: names.map(\.key)).count == 101)
        }
    }

    @Test func aNameFromThePartitionBeforeIsStillTaken() async throws {
        try await withDatabase { database in
            try await database.pool.execute("SELECT create_log_partition(now() - interval '31 days')")
            _ = try await write(rows(0..<100), to: database)
            try await database.pool.execute("UPDATE event_log SET recorded_at = recorded_at - interval '31 days'")
            for count in [1, 3, 50] {
                let taken = try await write(rows(100 - count..<100 + count), to: database)
                #expect(taken == Set(rows(100 - count..<100).map(\.key)))
                let alone = try await notNew(rows(99..<100), in: database, now: quiet)
                #expect(alone.count == 1, "one by itself is found there too")
                let new = try await notNew(rows(200..<201), in: database, now: quiet)
                let again = try await notNew(rows(200..<201), in: database, now: quiet)
                #expect(new.isEmpty && again.count == 1)
                try await database.pool.execute("DELETE FROM event_log WHERE recorded_at > now() - interval '1 hour'")
            }
            let old = try await database.entries(of: rows(0..<100).map(\.key))
            #expect(old.count == 100)
        }
    }

    @Test func whatLiesBetweenNamesOfThePartitionBeforeIsNew() async throws {
        try await withDatabase { database in
            try await database.pool.execute("SELECT create_log_partition(now() - interval '31 days')")
            _ = try await write(rows(stride(from: 0, to: 200, by: 2)), to: database)
            try await database.pool.execute("UPDATE event_log SET recorded_at = recorded_at - interval '31 days'")
            let between = try await database.insertNew(rows(stride(from: 1, to: 199, by: 2)), sealed: [], now: quiet)
            #expect(between != nil)
            let ofOthers = try await database.insertNew(rows(0..<60, of: "a") + rows(0..<60, of: "c"), sealed: [], now: quiet)
            #expect(ofOthers != nil, "names are a bank's own")
            let oneTaken = try await database.insertNew(rows(60..<120, of: "a") + rows([100]), sealed: [], now: quiet)
            let stored = try await database.counts().transactions(of: nil)
            #expect(oneTaken == nil && stored == 100 + 99 + 120)
        }
    }

    @Test func aRangeOfNamesGoesByTheirBytes() {
        // Where a language's rules would have the small letter first, and "é" as one character sort with the letters.
        let names = ["b", "B", "b1", "\u{65}\u{301}", "\u{E9}"]
        let rows = names.map { TransactionRow(key: TransactionKey(bankID: "b", transactionID: $0), logEntry: []) } + rows([7], of: "c")
        let ranges = NameRange.ranges(of: rows + self.rows([6, 70], of: "c"))
        #expect(ranges == [NameRange(bankID: "b", first: "B", last: "\u{E9}"), NameRange(bankID: "c", first: "t-6", last: "t-70")])
        #expect(Array(ranges[0].last.utf8) == [0xC3, 0xA9])
        // Two banks to the server, though one to Swift.
        #expect(NameRange.ranges(of: self.rows([1], of: "\u{E9}") + self.rows([1], of: "e\u{301}")).count == 2)
    }

    /// One by itself, a few, many: whoever passes transactions on says where they lie.
    @Test(arguments: [1, 5, 200]) func whoWritesIsToldWhereItLies(count: Int) async throws {
        try await withDatabase { database in
            let all = rows(0..<count)
            let told: [LogPosition]
            if let first = try await database.insertNew(all, sealed: [], now: quiet) {
                told = (0..<count).map { first.advanced(by: $0) }
            } else {
                let written = try await database.insert(all, sealed: [], now: quiet)
                told = all.compactMap { written[$0.key] }
            }
            var logged: [LoggedEvent] = []
            for try await events in database.log.tail(after: .start, pollMilliseconds: 10) {
                logged += events
                if logged.count >= count { break }
            }
            #expect(logged.map(\.position) == told)
        }
    }

    @Test func aKeyThatComesTwiceIsNotWrittenAtOnce() async throws {
        try await withDatabase { database in
            let twice = try await database.insertNew(rows(0..<40) + rows(39..<41), sealed: [], now: quiet)
            let nearBoundary = try await database.insertNew(rows(0..<40), sealed: [], now: boundary)
            let before = try await database.counts().transactions(of: nil)
            #expect(twice == nil && nearBoundary == nil && before == 0)
            let isNew = try await database.insertNew(rows(0..<40), sealed: [], now: quiet)
            let after = try await database.counts().transactions(of: nil)
            #expect(isNew != nil && after == 40)
        }
    }

    @Test func nearAPartitionsEndBothSidesAreLookedAt() async throws {
        #expect(IngestionDatabase.isNearBoundary(boundary) && !IngestionDatabase.isNearBoundary(quiet))
        try await withDatabase { database in
            _ = try await database.insert(rows(0..<40), sealed: [], now: boundary)
            // As another writer's clock may have put them.
            try await database.pool.execute("UPDATE event_log SET recorded_at = recorded_at + interval '31 days'")
            let taken = try await notNew(rows(0..<41), in: database, now: boundary)
            #expect(taken == Set(rows(0..<40).map(\.key)))
        }
    }

    @Test func whatTheFirstReleaseStoredIsFoundUnderItsName() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: Array(IngestionDatabase.migrations.prefix(1)))
            let messages = [12_550, 7, 99_999_999].enumerated().map { index, units in
                RecordsV1.Transaction(
                    key: .init(bankID: "bank-\(index)", transactionID: "t-\(index)"), customerID: String(repeating: "x", count: 60 * index + 1),
                    amount: .init(minorUnits: Int64(units), currency: "INR"))
            }
            for message in messages {
                let bank = message.key?.bankID ?? ""
                let entry = Payload.encode(IngestionV1.IngestionEvent(event: .transactionAccepted(message), senderID: bank))
                try await pool.execute("INSERT INTO event_log (payload) VALUES (\(entry))")
                try await pool.execute(
                    """
                    INSERT INTO transactions (bank_id, transaction_id, event_time, message)
                    VALUES (\(bank), \(message.key?.transactionID ?? ""), now(), \(Payload.encode(message)))
                    """)
            }
            try await migrate(pool, migrations: IngestionDatabase.migrations)
            let database = IngestionDatabase(pool: pool)
            let keys = messages.compactMap { $0.key.map { TransactionKey($0) } }
            let found = try await database.entries(of: keys)
            #expect(Set(found.keys) == Set(keys))
            let taken = try await notNew(keys.map { TransactionRow(key: $0, logEntry: [1]) }, in: database, now: quiet)
            #expect(taken == Set(keys))
        }
    }
}
