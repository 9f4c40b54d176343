import Postgres
import Testing
import TestSupport

@Suite struct StatementTests {
    @Test func interpolatedTextIsBoundAndNeverRun() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await pool.execute("CREATE TABLE t (name text)")
            let hostile = "x'); DROP TABLE t; --"
            try await pool.execute("INSERT INTO t (name) VALUES (\(hostile))")
            let names = try await pool.query("SELECT name FROM t WHERE name = \(hostile) OR name = \("' OR '1'='1")").decode(String.self)
            #expect(names == [hostile])
        }
    }

    @Test func identifiersAreQuoted() async throws {
        try await TemporaryPostgres.withPool { pool in
            let name = "odd \"name\"; --"
            try await pool.execute("CREATE TABLE \(ident: name) (id int)")
            #expect(try await pool.query("SELECT * FROM \(ident: name)").isEmpty)
        }
    }

    @Test func partsKeepTheirOwnValues() async throws {
        try await TemporaryPostgres.withPool { pool in
            let low: SQL = "n > \(2)"
            let part: SQL = "\(low) AND n < \(5)"
            let rows = try await pool.query("SELECT n::bigint FROM generate_series(1, \(100)) n WHERE \(part) ORDER BY n")
            #expect(try rows.decode(Int.self) == [3, 4])
        }
    }

    @Test func aNULInAStringIsRefusedBeforeItIsSent() async throws {
        try await TemporaryPostgres.withPool { pool in
            let refused: [SQL] = [
                "SELECT \("a\0b")", "SELECT \(["fine", "a\0b"])", "SELECT \(PostgresJSON("\"\0\""))", SQL(unsafe: "SELECT 1\0"),
            ]
            for sql in refused {
                let error = try await #require(throws: PostgresError.self) { try await pool.query(sql) }
                #expect(error.code == .invalidParameter)
            }
            #expect(try await pool.value("SELECT \([UInt8](arrayLiteral: 0))", [UInt8].self) == [0])
        }
    }

    @Test func errorsNameTheStateAndTheConstraintButNoValue() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await pool.execute("CREATE TABLE t (id bigint PRIMARY KEY, secret text CHECK (length(secret) < 12))")
            try await pool.execute("INSERT INTO t VALUES (\(4711), \("s3cret"))")
            let duplicate = try await #require(throws: PostgresError.self) {
                try await pool.execute("INSERT INTO t VALUES (\(4711), \("s3cret"))")
            }
            #expect(duplicate.isUniqueViolation && duplicate.constraint == "t_pkey" && duplicate.table == "t")
            let check = try await #require(throws: PostgresError.self) {
                try await pool.execute("INSERT INTO t VALUES (\(4712), \("s3cret s3cret"))")
            }
            #expect(check.sqlState == "23514")
            let input = try await #require(throws: PostgresError.self) { try await pool.query("SELECT \("s3cret")::uuid") }
            #expect(input.sqlState == "22P02")
            for error in [duplicate, check, input] {
                #expect(!"\(error)".contains("s3cret") && !"\(error)".contains("4711"))
                #expect("\(error)".contains("$1"))
            }
        }
    }

    @Test func severalStatementsInOneRoundTripTakeEffectTogether() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await pool.execute("CREATE TABLE t (id bigint PRIMARY KEY)")
            let results = try await pool.pipeline((1...50).map { "INSERT INTO t VALUES (\($0)) RETURNING id * 2" })
            #expect(try results.map { try $0[0].decode(Int.self) } == (1...50).map { $0 * 2 })
            let error = try await #require(throws: PostgresError.self) {
                try await pool.pipeline(["INSERT INTO t VALUES (\(51))", "INSERT INTO t VALUES (\(1))", "INSERT INTO t VALUES (\(52))"])
            }
            #expect(error.isUniqueViolation)
            #expect(try await pool.value("SELECT count(*) FROM t", Int.self) == 50)
        }
    }

    @Test func aPipelineLargerThanTheSocketsBuffersDoesNotStall() async throws {
        try await TemporaryPostgres.withPool { pool in
            let block = [UInt8](repeating: 7, count: 200_000)
            let results = try await pool.pipeline((0..<60).map { _ in "SELECT \(block), \(block)" })
            #expect(try results.allSatisfy { try $0[0].decode([UInt8].self, [UInt8].self) == (block, block) })
        }
    }

    @Test func aSessionHoldsABoundedNumberOfPreparedStatements() async throws {
        try await TemporaryPostgres.withPool(maxConnections: 1) { pool in
            for number in 0..<1200 {
                let answer = try await pool.value("SELECT \(unsafe: "\(number)"), \(1)", Int.self)
                #expect(answer == number)
            }
            let kept = try await pool.value("SELECT count(*) FROM pg_prepared_statements", Int.self)
            #expect(kept <= 501)
        }
    }

    @Test func aStatementSurvivesAChangeOfItsTable() async throws {
        try await TemporaryPostgres.withPool(maxConnections: 1) { pool in
            try await pool.execute("CREATE TABLE t (a bigint)")
            #expect(try await pool.query("SELECT * FROM t").columnNames == ["a"])
            try await pool.execute("ALTER TABLE t ADD COLUMN b text")
            #expect(try await pool.query("SELECT * FROM t").columnNames == ["a", "b"])
        }
    }

    @Test func aCancelledTaskStopsItsStatementAtTheServer() async throws {
        try await TemporaryPostgres.withPool(maxConnections: 2) { pool in
            try await pool.execute("CREATE TABLE t (id bigint)")
            await withTaskGroup(of: Bool.self) { group in
                group.addTask {
                    do {
                        try await pool.execute("SELECT pg_sleep(600) /* the long one */")
                        return false
                    } catch {
                        return error is CancellationError
                    }
                }
                while (try? await activeCount(pool)) != 1 { await Task.yield() }
                group.cancelAll()
                #expect(await group.next() == true)
            }
            #expect(try await activeCount(pool) == 0)
            #expect(pool.usage.open <= 2)
        }
    }

    private func activeCount(_ pool: PostgresPool) async throws -> Int {
        try await pool.query(
            """
            SELECT count(*) FROM pg_stat_activity
            WHERE query LIKE '%the long one%' AND state = 'active' AND pid <> pg_backend_pid() AND datname = current_database()
            """)[0].decode(Int.self)
    }

    @Test func aStatementBeyondItsTimeLimitFails() async throws {
        try await TemporaryPostgres.withDatabase { configuration in
            var configuration = configuration
            configuration.statementTimeoutSeconds = 0.05
            try await withPostgresPool(configuration) { pool in
                let error = try await #require(throws: PostgresError.self) { try await pool.execute("SELECT pg_sleep(600)") }
                #expect(error.sqlState == "57014")
            }
        }
    }

    @Test func copyIsRefusedOutsideItsOwnCalls() async throws {
        try await TemporaryPostgres.withPool { pool in
            let error = try await #require(throws: PostgresError.self) { try await pool.execute("COPY pg_class TO STDOUT") }
            #expect(error.sqlState == "0A000")
            #expect(try await pool.value("SELECT 1", Int.self) == 1)
        }
    }
}
