import Postgres

/// A query's column that only grows, so that what lies above the highest value seen so far is what is new.
struct Watermark {
    let column: String

    /// Types whose values come in the order in which they are given out. Text does not: '10' lies before '9', and how words lie to one
    /// another is the other database's collation.
    private static let types: Set = [
        "smallint", "integer", "bigint", "numeric", "real", "double precision", "date", "timestamp without time zone",
        "timestamp with time zone", "xid8", "pg_lsn",
    ]
    /// Of these one value lies below all others, and would never be new.
    private static let typesWithInfinity: Set = ["real", "double precision", "date", "timestamp without time zone", "timestamp with time zone"]

    private var quoted: String { "\"" + column.replacing("\"", with: "\"\"") + "\"" }

    /// Its type, also where the query has no rows.
    func type(of select: String, in transaction: PostgresTransaction) async throws -> String {
        let rows = try await transaction.query(
            """
            SELECT pg_typeof((SELECT q.\(ident: column) FROM (\(unsafe: select)) AS q LIMIT 0))::text
            """)
        let type = try rows[0].decode(String.self)
        guard Self.types.contains(type) else {
            throw ImportMistake(
                description: "the watermark column `\(column)` is of type \(type), whose order does not say what is new; "
                    + "take a number or a time, or make it one in the query")
        }
        return type
    }

    /// The rows above a value, the lowest first; before them those whose value says nothing, so that they are met and told.
    func rows(of select: String, since: String?, type: String) -> SQL {
        var condition = ""
        if let since {
            // A literal takes the column's own type, which a bound text would not.
            condition = " WHERE q.\(quoted) > '\(since.replacing("'", with: "''"))' OR q.\(quoted) IS NULL"
            if Self.typesWithInfinity.contains(type) { condition += " OR q.\(quoted) = '-infinity'" }
        }
        return """
            SELECT row_to_json(q)::text, q.\(ident: column)::text FROM (\(unsafe: select)) AS q\(unsafe: condition)
            ORDER BY q.\(ident: column) NULLS FIRST
            """
    }

    /// What a row's value is, where nothing can be new after it or it never would be.
    static func fault(_ mark: String?) -> String? {
        guard let mark else { return "NULL" }
        return ["infinity", "-infinity", "nan"].contains(mark.lowercased()) ? mark : nil
    }
}
