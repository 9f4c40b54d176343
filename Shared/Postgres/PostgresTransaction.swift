import Synchronization

/// A transaction under way. Valid only inside the closure that ``PostgresPool/withTransaction(isolation:attempts:_:)`` runs.
public final class PostgresTransaction: Sendable {
    /// PostgreSQL's isolation levels; `.serverDefault` is read committed unless the server is configured otherwise.
    public enum Isolation: String, Sendable {
        case serverDefault = "BEGIN"
        case readCommitted = "BEGIN ISOLATION LEVEL READ COMMITTED"
        case repeatableRead = "BEGIN ISOLATION LEVEL REPEATABLE READ"
        case serializable = "BEGIN ISOLATION LEVEL SERIALIZABLE"
    }

    let connection: Connection
    /// BEGIN travels with the first statement and costs no round trip of its own.
    private let id: Connection.TransactionID
    private let isOver = Atomic(false)
    private let lastSavepoint = Atomic(0)

    init(connection: Connection, number: Int, isolation: Isolation) {
        self.connection = connection
        id = Connection.TransactionID(number: number, begin: isolation.rawValue)
    }

    func run<R>(_ body: (PostgresTransaction) async throws -> R) async throws -> R {
        let id = id
        let result: R
        do {
            result = try await body(self)
        } catch {
            isOver.store(true, ordering: .sequentiallyConsistent)
            // If this fails, the session is not idle, and the pool closes it: the server rolls back.
            try? await connection.perform(isCancellable: false) { connection, _ in try connection.end(id, commit: false) }
            throw error
        }
        isOver.store(true, ordering: .sequentiallyConsistent)
        try await connection.perform(isCancellable: false) { connection, _ in try connection.end(id, commit: true) }
        return result
    }

    func perform<R: Sendable>(
        isCancellable: Bool = true, _ work: @Sendable (isolated Connection, Cancellation) throws -> R
    ) async throws -> R {
        guard !isOver.load(ordering: .sequentiallyConsistent) else {
            throw PostgresError(.sql, "the transaction is over", sqlState: "25P01")
        }
        return try await connection.perform(isCancellable: isCancellable, work)
    }

    /// Runs one statement and returns its rows. After an error only a rollback helps, to a savepoint or of the whole.
    public func query(_ sql: SQL) async throws -> PostgresRows {
        try await pipeline([sql])[0]
    }

    /// Runs one statement and returns how many rows it changed.
    @discardableResult
    public func execute(_ sql: SQL) async throws -> Int {
        try await query(sql).affectedRows
    }

    /// Runs several statements in one round trip, and returns the rows of each. Those after a failed one are skipped.
    @discardableResult
    public func pipeline(_ statements: [SQL]) async throws -> [PostgresRows] {
        let id = id
        return try await perform { connection, cancellation in
            try connection.run(statements, in: id, mayCommit: false, cancellation)
        }
    }

    /// Runs a script of several statements without parameters.
    func runScript(_ text: String) async throws {
        try await begin()
        try await perform { connection, cancellation in try connection.runScript(text, cancellation) }
    }

    /// For statements that do not go through `run`, which would send BEGIN.
    func begin() async throws {
        let id = id
        try await perform { connection, cancellation in try connection.begin(id, cancellation) }
    }

    /// Runs `body`; if it throws, undoes what it did and leaves the transaction as it was before, then throws on.
    @discardableResult
    public func withSavepoint<R>(_ body: () async throws -> R) async throws -> R {
        let number = lastSavepoint.add(1, ordering: .relaxed).newValue
        let name = "vigil_\(number)"
        try await execute(SQL(unsafe: "SAVEPOINT \(name)").unprepared())
        do {
            let result = try await body()
            try await execute(SQL(unsafe: "RELEASE SAVEPOINT \(name)").unprepared())
            return result
        } catch {
            let id = id
            let undo = [SQL(unsafe: "ROLLBACK TO SAVEPOINT \(name)").unprepared(), SQL(unsafe: "RELEASE SAVEPOINT \(name)").unprepared()]
            _ = try await perform(isCancellable: false) { connection, cancellation in
                try connection.run(undo, in: id, mayCommit: false, cancellation)
            }
            throw error
        }
    }

    /// Runs a query whose rows are handed to `body` in batches, so that results larger than memory can be read.
    ///
    /// Unlike ``copyOut(_:batchBytes:_:)`` it binds parameters. When `body` throws, the rest is not read.
    public func stream(_ sql: SQL, batchRows: Int = 10_000, _ body: (PostgresRows) async throws -> Void) async throws {
        precondition(batchRows > 0, "a batch holds at least one row")
        let number = lastSavepoint.add(1, ordering: .relaxed).newValue
        let cursor = "vigil_cursor_\(number)"
        let declare: SQL = "DECLARE \(unsafe: cursor) NO SCROLL CURSOR FOR \(sql)"
        let fetch = SQL(unsafe: "FETCH FORWARD \(batchRows) FROM \(cursor)").unprepared()
        var rows = try await pipeline([declare.unprepared(), fetch])[1]
        while !rows.isEmpty {
            try await body(rows)
            guard rows.count == batchRows else { break }
            rows = try await query(fetch)
        }
        try await execute(SQL(unsafe: "CLOSE \(cursor)").unprepared())
    }
}
