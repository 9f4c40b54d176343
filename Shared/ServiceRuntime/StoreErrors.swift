public import Postgres
public import RPC

extension RPCError {
    /// The status for a caller when the database failed. It says whether trying again may help, and nothing of the statement.
    public init(_ error: PostgresError) {
        switch error.code {
        case .acquireTimedOut, .tooManyWaiting: self.init(.resourceExhausted, "the service is overloaded")
        case .unavailable: self.init(.unavailable, "the database is not available")
        case .poolClosed: self.init(.unavailable, "the service is stopping")
        case .sql where error.isSerializationFailure: self.init(.aborted, "the change collided with another; try again")
        case .sql where error.isTransient: self.init(.unavailable, "the database is busy")
        case .invalidParameter: self.init(.invalidArgument, "a value cannot be stored: \(error.message)")
        case .sql, .decoding, .migration, .configuration: self.init(.internal, "the database refused the statement")
        }
    }
}

/// Runs a handler's body; what the database's failures mean for the caller is told as a status, so that handlers need not
/// know the database.
public func answeringStoreErrors<R>(_ body: () async throws -> R) async throws -> R {
    do {
        return try await body()
    } catch let error as PostgresError {
        throw RPCError(error)
    }
}
