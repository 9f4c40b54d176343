import Logging

/// One step of a schema: a script that is run once.
public struct Migration: Sendable, Hashable {
    /// Sorts the step: `0001_create_tables`.
    public let name: String
    public let sql: String

    public init(name: String, sql: String) {
        self.name = name
        self.sql = sql
    }
}

/// Brings the schema up to date: runs each migration that has not been applied, in order, each in a transaction of its own.
///
/// Several processes may do so at once; an advisory lock makes them take turns. The configured schema is created if there is none.
/// Applied steps are kept, with a checksum, in `schema_migrations`. Steps in that table which are not at hand are left alone, so that
/// an older release can run beside a newer one.
///
/// Throws `.migration` when an applied step has been changed since, or when a step comes before one that is applied already.
public func migrate(_ pool: PostgresPool, migrations: [Migration]) async throws {
    guard Set(migrations.map(\.name)).count == migrations.count else {
        throw PostgresError(.migration, "two migrations have the same name")
    }
    try await createSchema(pool)
    // Each transaction takes the lock anew: one that is held over all of them would outlive a step that broke the connection.
    for (index, migration) in migrations.enumerated() {
        try await pool.withTransaction { transaction in
            try await lock(transaction)
            try await transaction.execute(
                """
                CREATE TABLE IF NOT EXISTS schema_migrations
                (name text PRIMARY KEY, checksum bytea NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())
                """)
            let applied = try await transaction.query(
                "SELECT checksum = sha256(convert_to(\(migration.sql), 'UTF8')) FROM schema_migrations WHERE name = \(migration.name)")
            if let row = applied.first {
                guard try row.decode(Bool.self) else {
                    throw PostgresError(.migration, "migration \(migration.name) was changed after it had been applied")
                }
                return
            }
            let later = migrations[(index + 1)...].map(\.name)
            let overtaken = try await transaction.query("SELECT name FROM schema_migrations WHERE name = ANY(\(later)) LIMIT 1")
            if let name = try overtaken.first?[0, as: String.self] {
                throw PostgresError(.migration, "migration \(migration.name) comes before \(name), which is applied already")
            }
            pool.logger.info("applying a migration", metadata: ["migration": "\(migration.name)"])
            try await transaction.runScript(migration.sql)
            try await transaction.execute(
                """
                INSERT INTO schema_migrations (name, checksum)
                VALUES (\(migration.name), sha256(convert_to(\(migration.sql), 'UTF8')))
                """)
        }
    }
}

private func createSchema(_ pool: PostgresPool) async throws {
    guard let schema = pool.configuration.schema else { return }
    let exists = try await pool.query("SELECT to_regnamespace(\(SQL.quoted(identifier: schema))) IS NOT NULL")
    guard try exists.first?[0, as: Bool.self] != true else { return }
    try await pool.withTransaction { transaction in
        try await lock(transaction)
        try await transaction.execute("CREATE SCHEMA IF NOT EXISTS \(ident: schema)")
    }
}

/// Held to the end of the transaction; one lock a schema. A long migration, or the wait for another process's, is no runaway statement.
private func lock(_ transaction: PostgresTransaction) async throws {
    try await transaction.execute("SET LOCAL statement_timeout = 0")
    try await transaction.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('vigil.migrations.' || coalesce(current_schema(), ''), 0))")
}
