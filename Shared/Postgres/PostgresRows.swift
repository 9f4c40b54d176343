/// The rows that a statement returned, all in memory, and how many rows it changed.
public struct PostgresRows: RandomAccessCollection, Sendable {
    let result: StatementResult
    /// How many rows the statement inserted, updated, deleted, copied or returned.
    public var affectedRows: Int { result.affectedRows }

    public var startIndex: Int { 0 }
    public var endIndex: Int { result.rowCount }
    /// The columns' names, in order.
    public var columnNames: [String] { result.columnNames }

    public subscript(position: Int) -> PostgresRow {
        precondition(position >= 0 && position < result.rowCount, "row out of range")
        return PostgresRow(result: result, number: position)
    }

    /// The first column of all rows.
    public func decode<T: PostgresDecodable>(_ type: T.Type) throws(PostgresError) -> [T] {
        var values: [T] = []
        values.reserveCapacity(count)
        for row in self {
            values.append(try row[0, as: T.self])
        }
        return values
    }

    /// The rows, each decoded as a tuple.
    public func decode<each T: PostgresDecodable>(_ types: repeat (each T).Type) throws(PostgresError) -> [(repeat each T)] {
        var tuples: [(repeat each T)] = []
        tuples.reserveCapacity(count)
        for row in self {
            tuples.append(try row.decode(repeat (each T).self))
        }
        return tuples
    }
}

/// One row. Columns are numbered from 0.
public struct PostgresRow: Sendable {
    let result: StatementResult
    let number: Int

    /// The first column.
    public func decode<T: PostgresDecodable>(_ type: T.Type) throws(PostgresError) -> T {
        try self[0, as: T.self]
    }

    /// The first columns as a tuple: `let (id, name) = try row.decode(Int64.self, String?.self)`.
    public func decode<each T: PostgresDecodable>(_ types: repeat (each T).Type) throws(PostgresError) -> (repeat each T) {
        var column = 0
        func next<U: PostgresDecodable>(_ type: U.Type) throws(PostgresError) -> U {
            guard column < result.columnCount else {
                throw PostgresError(.decoding, "column \(column) is wanted; the row has \(result.columnCount)")
            }
            defer { column += 1 }
            return try result.withField(row: number, column: column) { field throws(PostgresError) in try U(postgres: field) }
        }
        return (repeat try next((each T).self))
    }

    /// One column by its name.
    public subscript<T: PostgresDecodable>(column name: String, as type: T.Type) -> T {
        get throws(PostgresError) {
            guard let column = result.columnIndex(of: name) else {
                throw PostgresError(.decoding, "there is no column \(name)")
            }
            return try result.withField(row: number, column: column) { field throws(PostgresError) in try T(postgres: field) }
        }
    }

    /// One column by its number, from 0.
    public subscript<T: PostgresDecodable>(_ column: Int, as type: T.Type) -> T {
        get throws(PostgresError) {
            guard column >= 0, column < result.columnCount else {
                throw PostgresError(.decoding, "column \(column) is wanted; the row has \(result.columnCount)")
            }
            return try result.withField(row: number, column: column) { field throws(PostgresError) in try T(postgres: field) }
        }
    }
}
