import Postgres
import Testing
import TestSupport

@Suite struct TransactionTests {
    private struct Refusal: Error, Equatable {}

    @Test func whatABodyDidIsUndoneWhenItThrows() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await pool.execute("CREATE TABLE t (id bigint)")
            await #expect(throws: Refusal.self) {
                try await pool.withTransaction { transaction in
                    try await transaction.execute("INSERT INTO t VALUES (\(1))")
                    throw Refusal()
                }
            }
            try await pool.withTransaction { try await $0.execute("INSERT INTO t VALUES (\(2))") }
            #expect(try await pool.query("SELECT id FROM t").decode(Int.self) == [2])
        }
    }

    @Test func aSwallowedErrorDoesNotLookLikeACommit() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await pool.execute("CREATE TABLE t (id bigint PRIMARY KEY)")
            let error = try await #require(throws: PostgresError.self) {
                try await pool.withTransaction { transaction in
                    try await transaction.execute("INSERT INTO t VALUES (\(1))")
                    _ = try? await transaction.execute("INSERT INTO t VALUES (\(1))")
                }
            }
            #expect(error.sqlState == "25P02")
            let count = try await pool.value("SELECT count(*) FROM t", Int.self)
            #expect(count == 0)
        }
    }

    @Test func aSavepointUndoesAPartOnly() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await pool.execute("CREATE TABLE t (id bigint PRIMARY KEY)")
            try await pool.withTransaction { transaction in
                try await transaction.execute("INSERT INTO t VALUES (\(1))")
                await #expect(throws: PostgresError.self) {
                    try await transaction.withSavepoint {
                        try await transaction.execute("INSERT INTO t VALUES (\(2))")
                        try await transaction.execute("INSERT INTO t VALUES (\(1))")
                    }
                }
                try await transaction.withSavepoint { try await transaction.execute("INSERT INTO t VALUES (\(3))") }
            }
            #expect(try await pool.query("SELECT id FROM t ORDER BY id").decode(Int.self) == [1, 3])
        }
    }

    @Test func aTransactionUndoneByTheServerIsRunAgainWhenAsked() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await pool.execute("CREATE TABLE t (n bigint)")
            try await pool.execute("INSERT INTO t VALUES (\(0))")
            var runs = 0
            try await pool.withTransaction(isolation: .repeatableRead, attempts: 3) { transaction in
                runs += 1
                _ = try await transaction.query("SELECT n FROM t")
                if runs == 1 { try await pool.execute("UPDATE t SET n = n + 10") }
                try await transaction.execute("UPDATE t SET n = n + 1")
            }
            let sum = try await pool.value("SELECT n FROM t", Int.self)
            #expect(runs == 2 && sum == 11)
        }
    }

    @Test func aTransactionIsUselessAfterItsScope() async throws {
        try await TemporaryPostgres.withPool { pool in
            let escaped = try await pool.withTransaction { $0 }
            await #expect(throws: PostgresError.self) { try await escaped.execute("SELECT 1") }
        }
    }

    @Test func aCancelledTransactionIsRolledBackAndTheConnectionUsedAgain() async throws {
        try await TemporaryPostgres.withPool(maxConnections: 1) { pool in
            try await pool.execute("CREATE TABLE t (id bigint)")
            let (started, signal) = AsyncStream.makeStream(of: Void.self)
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    try? await pool.withTransaction { transaction in
                        try await transaction.execute("INSERT INTO t VALUES (\(1))")
                        signal.yield()
                        try await transaction.execute("SELECT pg_sleep(600)")
                    }
                }
                for await _ in started { break }
                group.cancelAll()
            }
            let count = try await pool.value("SELECT count(*) FROM t", Int.self)
            #expect(count == 0 && pool.usage.open == 1)
        }
    }

    @Test func aStreamedQueryGivesEveryRowInBatches() async throws {
        try await TemporaryPostgres.withPool { pool in
            var batches: [Int] = []
            var sum = 0
            try await pool.withTransaction { transaction in
                try await transaction.stream("SELECT n::bigint FROM generate_series(1, \(2500)) n", batchRows: 1000) { rows in
                    batches.append(rows.count)
                    sum += try rows.decode(Int.self).reduce(0, +)
                }
                // A second cursor of another shape in the same session.
                try await transaction.stream("SELECT 'a', \("b")") { rows in
                    let pair = try rows[0].decode(String.self, String.self)
                    #expect(pair == ("a", "b"))
                }
            }
            #expect(batches == [1000, 1000, 500] && sum == 2500 * 2501 / 2)
        }
    }
}
