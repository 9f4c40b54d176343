import Crypto
import Foundation
import Postgres

/// A query's column that only grows, so that what lies above the highest value seen so far is what is new, and so is what came later at that
/// value.
struct Watermark {
    let column: String

    /// Types whose values come in the order in which they are given out. Text does not: '10' lies before '9', and how words lie to one
    /// another is the other database's collation.
    private static let types: Set = [
        "smallint", "integer", "bigint", "numeric", "real", "double precision", "date", "timestamp without time zone",
        "timestamp with time zone", "xid8", "pg_lsn",
    ]
    /// Of these one value lies below all others, and would never be new. Numeric has one since PostgreSQL 14.
    private static let typesWithInfinity: Set = ["real", "double precision", "date", "timestamp without time zone", "timestamp with time zone"]
    private static let firstVersionOfNumericInfinity = 140_000

    private var quoted: String { "\"" + column.replacing("\"", with: "\"\"") + "\"" }

    /// Whether its type has a value below all others. Its type is known also where the query has no rows.
    func hasLowest(in select: String, _ transaction: PostgresTransaction) async throws -> Bool {
        let rows = try await transaction.query(
            """
            SELECT pg_typeof((SELECT q.\(ident: column) FROM (\(unsafe: select)) AS q LIMIT 0))::text,
                current_setting('server_version_num')::integer
            """)
        let (type, version) = try rows[0].decode(String.self, Int32.self)
        guard Self.types.contains(type) else {
            throw ImportMistake(
                description: "the watermark column `\(column)` is of type \(type), whose order does not say what is new; "
                    + "take a number or a time, or make it one in the query")
        }
        return Self.typesWithInfinity.contains(type) || type == "numeric" && version >= Self.firstVersionOfNumericInfinity
    }

    /// The rows at and above a value, the lowest first; before them those whose value says nothing, so that they are met and told.
    func rows(of select: String, since: String?, hasLowest: Bool) -> SQL {
        var condition = ""
        if let since {
            // A literal takes the column's own type, which a bound text would not.
            condition = " WHERE q.\(quoted) >= '\(since.replacing("'", with: "''"))' OR q.\(quoted) IS NULL"
            if hasLowest { condition += " OR q.\(quoted) = '-infinity'" }
        }
        return """
            SELECT row_to_json(q)::text, q.\(ident: column)::text FROM (\(unsafe: select)) AS q\(unsafe: condition)
            ORDER BY q.\(ident: column) NULLS FIRST
            """
    }

    /// The rows of the highest value that have been taken, so that others that come to have it, of the same day or moment, are told from them.
    struct Taken {
        /// More are not remembered: then all of that value come again, and the gateway knows them.
        private static let maxRows = 10_000
        private var value: String?
        /// What an earlier run took of the value that was the highest then.
        private let earlier: Set<String>
        private var digests: Set<String>

        init(_ entry: ImportState.Entry?) {
            value = entry?.watermark
            earlier = Set(entry?.taken ?? [])
            digests = earlier
        }

        /// - Returns: false for a row that an earlier run took. Equal rows of one run may be two payments, for the mapping to tell.
        mutating func take(_ row: String, of value: String?) -> Bool {
            guard let value else { return true }
            if value != self.value { (self.value, digests) = (value, []) }
            guard digests.count <= Self.maxRows || !earlier.isEmpty else { return true }
            let digest = Data(SHA256.hash(data: Data(row.utf8)).prefix(12)).base64EncodedString()
            if digests.count <= Self.maxRows { digests.insert(digest) }
            return !earlier.contains(digest)
        }

        var entry: ImportState.Entry { .init(watermark: value, taken: digests.count > Self.maxRows ? nil : digests.sorted()) }
    }

    /// What a row's value is, where nothing can be new after it or it never would be.
    static func fault(_ mark: String?) -> String? {
        guard let mark else { return "NULL" }
        return ["infinity", "-infinity", "nan"].contains(mark.lowercased()) ? mark : nil
    }
}
