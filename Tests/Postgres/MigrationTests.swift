import Postgres
import Testing
import TestSupport

@Suite struct MigrationTests {
    private let first = Migration(name: "0001_tables", sql: "CREATE TABLE t (id bigint);\nINSERT INTO t VALUES (1), (2);")
    private let second = Migration(name: "0002_more", sql: "ALTER TABLE t ADD COLUMN name text; CREATE INDEX ON t (name);")

    @Test func eachStepIsAppliedOnceInTheConfiguredSchema() async throws {
        try await TemporaryPostgres.withPool(schema: "ingestion") { pool in
            try await migrate(pool, migrations: [first])
            try await migrate(pool, migrations: [first, second])
            try await migrate(pool, migrations: [first, second])
            let rows = try await pool.value("SELECT count(*) FROM ingestion.t WHERE name IS NULL", Int.self)
            #expect(rows == 2)
            let names = try await pool.query("SELECT name FROM schema_migrations ORDER BY name").decode(String.self)
            #expect(names == [first.name, second.name])
        }
    }

    @Test func aChangedStepIsRefused() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: [first])
            let changed = Migration(name: first.name, sql: first.sql + " ")
            let error = try await #require(throws: PostgresError.self) { try await migrate(pool, migrations: [changed, second]) }
            #expect(error.code == .migration && error.message.contains("0001_tables"))
        }
    }

    @Test func aStepBeforeAnAppliedOneIsRefused() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: [first])
            let earlier = Migration(name: "0000_forgotten", sql: "SELECT 1")
            let error = try await #require(throws: PostgresError.self) { try await migrate(pool, migrations: [earlier, first]) }
            #expect(error.code == .migration)
        }
    }

    @Test func anOlderReleaseRunsBesideANewerOne() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: [first, second])
            try await migrate(pool, migrations: [first])
        }
    }

    @Test func aFailingStepLeavesNothingBehind() async throws {
        try await TemporaryPostgres.withPool { pool in
            let broken = Migration(name: "0002_broken", sql: "CREATE TABLE half (id int); SELECT 1 / 0;")
            let error = try await #require(throws: PostgresError.self) { try await migrate(pool, migrations: [first, broken]) }
            #expect(error.sqlState == "22012")
            let table = try await pool.value("SELECT to_regclass('half')::text", String?.self)
            #expect(table == nil)
            try await migrate(pool, migrations: [first, second])
        }
    }

    @Test func migratorsAtTheSameTimeTakeTurns() async throws {
        try await TemporaryPostgres.withPool(schema: "shared") { pool in
            let slow = Migration(name: "0003_slow", sql: "CREATE TABLE once (id int); SELECT pg_sleep(0.2);")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<6 { group.addTask { try await migrate(pool, migrations: [first, second, slow]) } }
                try await group.waitForAll()
            }
            let steps = try await pool.value("SELECT count(*) FROM schema_migrations", Int.self)
            #expect(steps == 3)
        }
    }
}
