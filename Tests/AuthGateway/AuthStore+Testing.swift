import Postgres

@testable import AuthGateway

extension AuthStore {
    /// A store on a schema that is up to date.
    static func migrated(_ pool: PostgresPool) async throws -> AuthStore {
        try await migrate(pool, migrations: migrations)
        return AuthStore(pool: pool)
    }
}
