import Datasets
import Foundation
import Postgres

/// The rows of a query, taken by a cursor in a transaction that cannot write, a row a line as JSON.
///
/// They go to a file first: the other database's transaction ends as soon as it has been read, however slowly rows are stored.
struct SQLSource: RowSource {
    private let select: String
    private let watermark: Watermark?
    /// Those that the mapping reads.
    private let columns: [String]
    /// The one that names a row.
    private let idColumn: String?
    let label: String
    let key: String
    let formerKey: String
    private let configuration: PostgresConfiguration

    init(url: String, query: String, watermark: String?, columns: [String] = [], idColumn: String? = nil) throws {
        var configuration = try PostgresConfiguration(url: url)
        configuration.maxConnections = 1
        configuration.applicationName = "vigil import"
        self.configuration = configuration
        select = Self.withoutEnd(query)
        if watermark != nil, let word = Self.limit(of: select) {
            throw ImportMistake(
                description: "the query has \(word) of its own: with --watermark, what lies beyond it would never be taken. Leave it out; the rows "
                    + "come through a cursor, however many they are")
        }
        self.watermark = watermark.map { Watermark(column: $0) }
        self.columns = columns
        self.idColumn = idColumn
        let parts = URLComponents(string: url)
        let place = parts.map { ($0.host ?? "", $0.path) } ?? ("sql", "")
        // Where a server of this machine is meant, no host stands before the database's name.
        label = place.0.isEmpty ? String(place.1.drop { $0 == "/" }) : place.0 + (parts?.port.map { ":\($0)" } ?? "") + place.1
        let server = "\(configuration.user)@\(configuration.host):\(configuration.port)/\(configuration.database)"
        key = "sql \(server) \(watermark ?? "") \(query)"
        formerKey = "sql \(place.0)\(place.1) \(watermark ?? "") \(query)"
    }

    /// Without the semicolon that ends a statement, of which it becomes a part; a comment at its end ends with its line.
    private static func withoutEnd(_ query: String) -> String {
        guard let end = query.firstMatch(of: /;(?:[;\s]|--[^\n]*)*$/), query[..<end.range.lowerBound].count(where: { $0 == "'" }) % 2 == 0
        else { return query + "\n" }
        return query[..<end.range.lowerBound] + "\n"
    }

    /// LIMIT, OFFSET or FETCH that cut the result itself: not within parentheses, quotes or comments.
    private static func limit(of query: String) -> String? {
        let quoted = /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\1\$|--[^\n]*|\/\*.*?\*\//.dotMatchesNewlines()
        var depth = 0
        var word = ""
        for character in query.replacing(quoted, with: " ") + " " {
            if character == "(" { depth += 1 }
            if character == ")" { depth -= 1 }
            if character.isLetter || character.isNumber || character == "_" {
                word.append(character)
                continue
            }
            if depth == 0, ["LIMIT", "OFFSET", "FETCH"].contains(word.uppercased()) { return word.uppercased() }
            word = ""
        }
        return nil
    }

    /// Takes what lies above the watermark, and what has come to lie at it.
    func spool(since entry: ImportState.Entry?) async throws -> Spooling {
        let since = entry?.watermark
        let file = try SpoolFile()
        var taken = Watermark.Taken(entry)
        var (count, seen) = (0, 0)
        do {
            try await withPostgresPool(configuration, logger: SuiteConnection.quiet) { pool in
                try await pool.withTransaction(isolation: .repeatableRead) { transaction in
                    try await transaction.execute("SET TRANSACTION READ ONLY")
                    try await transaction.execute("SET LOCAL statement_timeout = 0")
                    let statement = try await self.statement(since: since, in: transaction)
                    try await transaction.stream(statement, batchRows: 5_000) { rows in
                        for row in rows {
                            let (line, mark) = try row.decode(String.self, String?.self)
                            if seen == 0 { try check(firstRow: line) }
                            seen += 1
                            if watermark != nil, let fault = Watermark.fault(mark) { throw refusal(of: line, fault) }
                            guard taken.take(line, of: mark) else { continue }
                            try file.write(line: Array(line.utf8))
                            count += 1
                        }
                    }
                }
            }
        } catch let error as PostgresError {
            // The statement that was sent is ours around theirs, and says nothing to them.
            let message = "\(label): \(error.message)"
            // Class 42 is what a statement has wrong: its syntax, or a name that is not there.
            if error.sqlState?.hasPrefix("42") == true { throw ImportMistake(description: message) }
            throw SuiteConnection.Problem(description: message)
        }
        guard count > 0 else {
            let above = since.map { "nothing new since \(watermark?.column ?? "") \($0)" }
            return .nothing("\(label): \(above ?? "the query gives no rows")")
        }
        try file.finish()
        return .rows(SpooledRows(file: file, entry: watermark == nil ? nil : taken.entry, areLines: true))
    }

    /// A column that the query does not give is told once, not for each row.
    private func check(firstRow line: String) throws {
        guard let row = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else { return }
        let missing = columns.filter { column in
            // In JSON a column may be looked into: `extra.code`, `/extra/code`.
            let first = column.split(whereSeparator: { $0 == "." || $0 == "/" }).first.map { String($0) } ?? column
            return row[column] == nil && row[first] == nil
        }
        guard let name = missing.first else { return }
        throw ImportMistake(
            description: "the query gives no column `\(name)`, which the mapping reads; it gives \(row.keys.sorted().joined(separator: ", "))")
    }

    private func statement(since: String?, in transaction: PostgresTransaction) async throws -> SQL {
        guard let watermark else {
            return """
                SELECT row_to_json(q)::text, NULL::text FROM (\(unsafe: select)) AS q
                """
        }
        return watermark.rows(of: select, since: since, hasLowest: try await watermark.hasLowest(in: select, transaction))
    }

    private func refusal(of line: String, _ value: String) -> SuiteConnection.Problem {
        let row = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        let name = idColumn.flatMap { id in row?[id].map { " with \(id) \($0)" } } ?? ""
        return SuiteConnection.Problem(
            description: "\(label): the watermark column `\(watermark?.column ?? "")` is \(value) in the row\(name), which says nothing of what "
                + "is new; nothing was imported. Mend the row, or leave it out in the query")
    }
}
