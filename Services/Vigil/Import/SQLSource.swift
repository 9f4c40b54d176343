import Datasets
import Foundation
import Postgres

/// The rows of a query, taken by a cursor in a transaction that cannot write, a row a line as JSON.
///
/// They go to a file first: the other database's transaction ends as soon as it has been read, however slowly rows are stored.
struct SQLSource {
    let url: String
    let query: String
    let watermark: String?
    /// Those that the mapping reads.
    var columns: [String] = []

    /// Says which source it is, without what is secret.
    var label: String {
        guard let parts = URLComponents(string: url) else { return "sql" }
        return "\(parts.host ?? "")\(parts.path)"
    }

    var key: String { "sql \(label) \(watermark ?? "") \(query)" }

    /// Writes what lies above the watermark to `path`.
    func spool(to path: String, since: String?) async throws -> SpooledRows {
        var configuration = try PostgresConfiguration(url: url)
        configuration.maxConnections = 1
        configuration.applicationName = "vigil import"
        let writer = try LineWriter(path: path)
        var newest = since
        var count = 0
        do {
            try await withPostgresPool(configuration, logger: SuiteConnection.quiet) { pool in
                try await pool.withTransaction(isolation: .repeatableRead) { transaction in
                    try await transaction.execute("SET TRANSACTION READ ONLY")
                    try await transaction.execute("SET LOCAL statement_timeout = 0")
                    try await transaction.stream(statement(since: since), batchRows: 5_000) { rows in
                        for row in rows {
                            let (line, mark) = try row.decode(String.self, String?.self)
                            if count == 0 { try check(firstRow: line) }
                            try writer.write(Array(line.utf8))
                            newest = mark ?? newest
                            count += 1
                        }
                    }
                }
            }
        } catch let error as PostgresError {
            // The statement that was sent is ours around theirs, and says nothing to them.
            throw SuiteConnection.Problem(description: "\(label): \(error.message)")
        }
        try writer.finish()
        return SpooledRows(
            path: path, label: label, key: key, entry: watermark == nil ? nil : .init(watermark: newest), rows: count, isLines: true)
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
        throw SuiteConnection.Problem(
            description: "the query gives no column `\(name)`, which the mapping reads; it gives \(row.keys.sorted().joined(separator: ", "))")
    }

    func statement(since: String?) -> SQL {
        var select = query.trimmingCharacters(in: .whitespacesAndNewlines)
        while select.hasSuffix(";") { select = String(select.dropLast()) }
        guard let watermark else {
            return """
                SELECT row_to_json(q)::text, NULL::text FROM (\(unsafe: select)) AS q
                """
        }
        // A literal takes the column's own type, which a bound text would not.
        let condition = since.map { " WHERE q.\(Self.quoted(identifier: watermark)) > \(Self.quoted(literal: $0))" } ?? ""
        return """
            SELECT row_to_json(q)::text, q.\(ident: watermark)::text FROM (\(unsafe: select)) AS q\(unsafe: condition)
            ORDER BY q.\(ident: watermark) NULLS FIRST
            """
    }

    private static func quoted(identifier name: String) -> String { "\"" + name.replacing("\"", with: "\"\"") + "\"" }

    private static func quoted(literal text: String) -> String { "'" + text.replacing("'", with: "''") + "'" }
}

/// Lines into a file that only its owner may read.
final class LineWriter {
    private let path: String
    private let handle: FileHandle
    private var buffer: [UInt8] = []

    init(path: String) throws {
        self.path = path
        guard FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600]),
            let handle = FileHandle(forWritingAtPath: path)
        else { throw SuiteConnection.Problem(description: "cannot write to \(path)") }
        self.handle = handle
    }

    func write(_ line: [UInt8]) throws {
        buffer += line
        buffer.append(UInt8(ascii: "\n"))
        if buffer.count >= 1 << 18 { try flush() }
    }

    func finish() throws {
        try flush()
        try handle.close()
    }

    private func flush() throws {
        try orPlainly("write to \(path)") { try handle.write(contentsOf: buffer) }
        buffer.removeAll(keepingCapacity: true)
    }
}
