import CLibPQ

/// One result of libpq, freed with its last reference.
///
/// `@unchecked Sendable`: libpq never changes a `PGresult` after handing it out, its accessors only read (libpq's documentation, "Behavior
/// in Threaded Programs"), and `deinit` runs once, after all reads.
final class StatementResult: @unchecked Sendable {
    private let result: OpaquePointer
    let rowCount: Int
    let columnCount: Int
    private let types: [PostgresType]

    init(_ result: OpaquePointer) {
        self.result = result
        rowCount = Int(PQntuples(result))
        columnCount = Int(PQnfields(result))
        types = (0..<PQnfields(result)).map { PostgresType(PQftype(result, $0)) }
    }

    deinit {
        PQclear(result)
    }

    var status: ExecStatusType { PQresultStatus(result) }

    var affectedRows: Int { Int(String(cString: PQcmdTuples(result))) ?? 0 }

    /// What the server says it did: `INSERT 0 3`, `COMMIT`.
    var commandTag: String { String(cString: PQcmdStatus(result)) }

    var columnTypes: [PostgresType] { types }

    var columnNames: [String] { (0..<Int32(columnCount)).map { String(cString: PQfname(result, $0)) } }

    func columnIndex(of name: String) -> Int? { columnNames.firstIndex(of: name) }

    func withField<R>(
        row: Int, column: Int, _ body: (PostgresField) throws(PostgresError) -> R
    ) throws(PostgresError) -> R {
        let (row, index) = (Int32(row), Int32(column))
        guard PQgetisnull(result, row, index) == 0 else {
            return try body(PostgresField(type: types[column], bytes: nil, column: column))
        }
        let bytes = UnsafeRawBufferPointer(start: PQgetvalue(result, row, index), count: Int(PQgetlength(result, row, index)))
        return try body(PostgresField(type: types[column], bytes: bytes, column: column))
    }

    /// The error that the server reported in this result.
    func error(statement: String?) -> PostgresError {
        func field(_ code: Character) -> String? {
            guard let ascii = code.asciiValue, let text = PQresultErrorField(result, Int32(ascii)) else { return nil }
            return String(cString: text)
        }
        // The letters are those of the protocol's ErrorResponse: C is SQLSTATE, M the message, H the hint, n, t, c names, R the routine.
        guard let state = field("C") else {
            // libpq made the error itself: the connection is gone.
            return PostgresError(.unavailable, trimmed(PQresultErrorMessage(result)), statement: statement)
        }
        var error = PostgresError(
            PostgresError.code(forSQLState: state), PostgresError.masked(field("M") ?? "", sqlState: state), sqlState: state,
            statement: statement)
        error.hint = field("H")
        error.constraint = field("n")
        error.table = field("t")
        error.column = field("c")
        error.sourceFunction = field("R")
        return error
    }
}

/// A message of libpq on one line.
func trimmed(_ message: UnsafePointer<CChar>?) -> String {
    guard let message else { return "" }
    return String(cString: message).split(whereSeparator: \.isWhitespace).joined(separator: " ")
}
