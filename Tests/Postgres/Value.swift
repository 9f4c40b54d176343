import Postgres

extension PostgresPool {
    /// The first column of the first row.
    func value<T: PostgresDecodable>(_ sql: SQL, _ type: T.Type) async throws -> T {
        guard let row = try await query(sql).first else { throw PostgresError(.decoding, "there is no row") }
        return try row.decode(T.self)
    }
}
