public import Postgres
public import RPC

extension PostgresError: RPCErrorConvertible {
    /// The status for a caller when the database failed. It says whether trying again may help, and nothing of the statement. Handlers and
    /// stores throw the error as it is.
    public var rpcError: RPCError {
        switch code {
        case .acquireTimedOut, .tooManyWaiting: RPCError(.resourceExhausted, "the service is overloaded")
        case .unavailable: RPCError(.unavailable, "the database is not available")
        case .poolClosed: RPCError(.unavailable, "the service is stopping")
        case .sql where isSerializationFailure: RPCError(.aborted, "the change collided with another; try again")
        case .sql where isTransient: RPCError(.unavailable, "the database is busy")
        case .invalidParameter: RPCError(.invalidArgument, "a value cannot be stored: \(message)")
        case .sql, .decoding, .migration, .configuration: RPCError(.internal, "the database refused the statement")
        }
    }
}
