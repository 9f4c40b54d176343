/// What went wrong between this process and PostgreSQL.
///
/// It never holds the value of a parameter or of a column, so it may be logged: the server's DETAIL and CONTEXT, which quote rows,
/// are left out, and quoted words are masked in the messages of data exceptions (class 22).
public struct PostgresError: Error, Sendable, Hashable {
    public enum Code: Sendable, Hashable {
        /// The server cannot be reached, is shutting down, or the connection broke. Trying again later may succeed.
        case unavailable
        /// The server refused the statement; `sqlState` says why.
        case sql
        /// No connection became free within the pool's acquire timeout.
        case acquireTimedOut
        /// As many callers wait for a connection as the pool allows.
        case tooManyWaiting
        /// The pool's scope has ended.
        case poolClosed
        /// A value that PostgreSQL cannot hold (a NUL in a string, too many parameters, too large); nothing was sent.
        case invalidParameter
        /// A column does not hold what the caller asked for.
        case decoding
        /// An applied migration differs from the one at hand, or migrations are out of order.
        case migration
        /// The configuration cannot be used.
        case configuration
    }

    public var code: Code
    /// The five characters of SQLSTATE (PostgreSQL's appendix A), where the server answered.
    public var sqlState: String?
    public var message: String
    public var hint: String?
    public var constraint: String?
    public var table: String?
    public var column: String?
    /// The statement's text, with `$1` in place of each value.
    public var statement: String?
    /// The connection was lost while a commit was under way: it may or may not have happened.
    public var outcomeIsUnknown = false
    /// The server function that raised the error; tells a stale plan from other unsupported features.
    var sourceFunction: String?

    public init(_ code: Code, _ message: String, sqlState: String? = nil, statement: String? = nil) {
        self.code = code
        self.message = message
        self.sqlState = sqlState
        self.statement = statement
    }

    /// SQLSTATE 23505.
    public var isUniqueViolation: Bool { sqlState == "23505" }
    /// SQLSTATE 23503.
    public var isForeignKeyViolation: Bool { sqlState == "23503" }
    /// A serialization failure or a deadlock (40001, 40P01): the whole transaction may be run again.
    public var isSerializationFailure: Bool { sqlState == "40001" || sqlState == "40P01" }
    /// Whether the same work may succeed later without any change: the server was away, busy, or undid the transaction.
    public var isTransient: Bool {
        switch code {
        case .unavailable, .acquireTimedOut, .tooManyWaiting: true
        // A lock that was not to be had, and class 53: no disk, no memory.
        case .sql: isSerializationFailure || sqlState == "55P03" || sqlState?.hasPrefix("53") == true
        case .poolClosed, .invalidParameter, .decoding, .migration, .configuration: false
        }
    }

    /// A plan kept in the session whose table has changed shape since, or which something else has dropped. Nothing has run.
    var isStalePlan: Bool { sqlState == "26000" || sourceFunction == "RevalidateCachedQuery" }

    /// Class 08 (connection), 57P01…57P03 (shutdown, crash, start-up) and 53300 (too many connections) mean "not now".
    static func code(forSQLState state: String) -> Code {
        let isAway = state.hasPrefix("08") || state == "57P01" || state == "57P02" || state == "57P03" || state == "53300"
        return isAway ? .unavailable : .sql
    }

    /// Messages of class 22 quote the offending input: `invalid input syntax for type uuid: "…"`.
    static func masked(_ message: String, sqlState: String) -> String {
        guard sqlState.hasPrefix("22"), let first = message.firstIndex(of: "\""), let last = message.lastIndex(of: "\""), first < last
        else { return message }
        return message[...first] + "…" + message[last...]
    }
}

extension PostgresError: CustomStringConvertible {
    public var description: String {
        var text = "\(code)"
        if let sqlState { text += " [\(sqlState)]" }
        text += ": \(message)"
        if let constraint { text += "; constraint \(constraint)" }
        if let hint { text += "; hint: \(hint)" }
        if outcomeIsUnknown { text += "; the commit's outcome is unknown" }
        if let statement { text += "; statement: \(statement.prefix(500))" }
        return text
    }
}
