import Datasets
import Foundation
import Postgres
import Records
import TestSupport
import Testing

@testable import Vigil

@Suite struct SourceTests {
    /// What a source has to give; nil where that is nothing.
    private func rows(_ source: some RowSource, since entry: ImportState.Entry? = nil) async throws -> SpooledRows? {
        guard case .rows(let rows) = try await source.spool(since: entry) else { return nil }
        return rows
    }

    private func lines(_ rows: SpooledRows) throws -> [String] {
        let handle = try #require(FileHandle(forReadingAtPath: rows.file.path))
        return String(decoding: try handle.readToEnd() ?? Data(), as: UTF8.self).split(separator: "\n").map(String.init)
    }

    private static let mapping = """
        record: transactions
        format: {type: ndjson}
        fields: {transaction_id: id, event_time: made_at, customer_id: customer, amount: amount, currency: currency}
        """

    @Test func aQueriesRowsAreReadAndTheNextRunTakesOnlyWhatIsNew() async throws {
        try await TemporaryPostgres.withDatabase { configuration in
            try await withPostgresPool(configuration, logger: testLogger) { pool in
                try await pool.execute(
                    "CREATE TABLE payments (id bigint, made_at timestamptz, customer text, amount numeric, currency text)")
                try await pool.execute(
                    """
                    INSERT INTO payments SELECT g, timestamptz '2026-01-01 10:00:00+05:30' + g * interval '1 minute', 'O''Hara "' || g, 1.10 * g, 'INR'
                    FROM generate_series(1, 12000) g
                    """)
                let source = try SQLSource(url: configuration.url, query: "SELECT * FROM payments; \n;", watermark: "id")
                let first = try #require(try await self.rows(source))
                #expect(first.entry?.watermark == "12000")
                let rows = try Dataset.transactions(file: first.file.path, mapping: Mapping(parsing: Self.mapping, name: "test"))
                #expect(rows.count == 12_000)
                #expect(rows[99].transaction.amount == Money(minorUnits: 11_000, currency: .inr))
                #expect(rows[99].transaction.customerID == "O'Hara \"100")
                #expect(rows[0].transaction.eventTime == Timestamp(iso8601: "2026-01-01T04:31:00Z"))
                try await pool.execute("INSERT INTO payments VALUES (12001, now(), 'new', 5, 'INR'), (7, now(), 'old', 5, 'INR')")
                let next = try #require(try await self.rows(source, since: first.entry))
                #expect(try lines(next).count == 1 && next.entry?.watermark == "12001")
                guard case .nothing(let why) = try await source.spool(since: next.entry) else { throw Unexpected() }
                #expect(why.hasSuffix(": nothing new since id 12001"))
            }
        }
    }

    @Test func rowsThatCameLaterAtTheHighestWatermarkAreTakenToo() async throws {
        try await TemporaryPostgres.withDatabase { configuration in
            try await withPostgresPool(configuration, logger: testLogger) { pool in
                try await pool.execute("CREATE TABLE tie (id text, day date)")
                try await pool.execute("INSERT INTO tie VALUES ('a', '2026-11-01'), ('b', '2026-11-02')")
                let source = try SQLSource(url: configuration.url, query: "SELECT id, day FROM tie; ; -- a note", watermark: "day")
                var entry = try #require(try await self.rows(source)).entry
                for name in ["c", "d"] {
                    // Two equal rows are two.
                    try await pool.execute("INSERT INTO tie VALUES (\(name), '2026-11-02'), (\(name), '2026-11-02')")
                    let next = try #require(try await self.rows(source, since: entry))
                    #expect(try lines(next).count == 2 && lines(next).allSatisfy { $0.contains(name) })
                    entry = next.entry
                }
                guard case .nothing = try await source.spool(since: entry) else { throw Unexpected() }
                // What an earlier version kept does not say which they were.
                #expect(try lines(#require(try await self.rows(source, since: .init(watermark: "2026-11-02")))).count == 5)
            }
        }
    }

    @Test(arguments: [
        ("SELECT * FROM p ORDER BY id LIMIT 500", true), ("SELECT * FROM p fetch first 5 rows only", true), ("SELECT * FROM p OFFSET 1", true),
        ("SELECT * FROM (SELECT * FROM p LIMIT 5) q", false), ("SELECT 'no limit' AS \"limit\", credit_limit FROM p -- limit", false),
        ("SELECT $$limit$$ AS a FROM p /* offset */", false),
    ])
    func aQueryThatCutsItsResultHasNoWatermark(query: String, isRefused: Bool) throws {
        let url = "postgresql://localhost/db"
        _ = try SQLSource(url: url, query: query, watermark: nil)
        let error = Result { try SQLSource(url: url, query: query, watermark: "id") }
        switch error {
        case .success: #expect(!isRefused)
        case .failure(let error): #expect(isRefused && error is ImportMistake)
        }
    }

    private struct Unexpected: Error {}

    @Test func rowsOfOtherTypesAreRefusedOneByOne() async throws {
        try await TemporaryPostgres.withDatabase { configuration in
            let query = """
                SELECT * FROM (VALUES (1, now() - interval '1 day', 'c', '12.50', 'INR'), (2, now(), NULL, 'NaN', 'INR'),
                    (3, NULL, 'c', '1e400', 'rupees')) AS t (id, made_at, customer, amount, currency)
                """
            let spooled = try #require(try await self.rows(SQLSource(url: configuration.url, query: query, watermark: nil)))
            #expect(spooled.entry == nil)
            var refused: [[String]] = []
            let rows = try Dataset.transactions(file: spooled.file.path, mapping: Mapping(parsing: Self.mapping, name: "test")) {
                refused.append($0.rejections.map(\.field).sorted())
            }
            #expect(rows.count == 1)
            #expect(refused.count == 2)
            #expect(refused[0].contains("transaction.amount.minor_units") && refused[0].contains("transaction.customer_id"))
            #expect(refused[1].contains("transaction.amount.currency") && refused[1].contains("transaction.event_time"))
        }
    }

    @Test func aQueryCannotWriteAndABadOneSaysSo() async throws {
        try await TemporaryPostgres.withDatabase { configuration in
            for query in ["SELECT nothing", "SELECT 1) AS q; DROP TABLE x; --", "SELECT set_config('a.b', 'c', false) FROM nowhere"] {
                await #expect(throws: ImportMistake.self) {
                    try await SQLSource(url: configuration.url, query: query, watermark: nil).spool(since: nil)
                }
            }
            try await withPostgresPool(configuration, logger: testLogger) { try await $0.execute("CREATE SEQUENCE numbers") }
            let writing = try SQLSource(url: configuration.url, query: "SELECT nextval('numbers') AS id", watermark: nil)
            await #expect(throws: SuiteConnection.Problem.self) { try await writing.spool(since: nil) }
            let other = try SQLSource(url: configuration.url, query: "SELECT 1 AS id", watermark: nil, columns: ["id", "extra.code"])
            let missing = await #expect(throws: ImportMistake.self) { try await other.spool(since: nil) }
            #expect(missing?.description == "the query gives no column `extra.code`, which the mapping reads; it gives id")
        }
    }

    @Test func aQuoteInAWatermarkStaysText() throws {
        let text = Watermark(column: "at\"x").rows(of: "SELECT 1", since: "2026'; DROP TABLE t; --", hasLowest: true).text
        #expect(text.contains(">= '2026''; DROP TABLE t; --'") && text.contains("q.\"at\"\"x\""))
        let source = try SQLSource(url: "postgresql://reader:secret@core.example/bank", query: "SELECT 1", watermark: "id")
        #expect(!source.key.contains("secret") && source.label == "core.example/bank")
        #expect(try SQLSource(url: "postgresql:///bank?host=/var/run", query: "SELECT 1", watermark: nil).label == "bank")
    }

    @Test(arguments: [
        "NULL::timestamp", "'infinity'::timestamp", "'-infinity'::date", "NULL::numeric", "'NaN'::numeric", "'Infinity'::numeric",
        "'-Infinity'::numeric", "'NaN'::float8", "'Infinity'::float4", "'-Infinity'::float8",
    ])
    func aRowWhoseWatermarkSaysNothingIsNamedBeforeAnyIsImported(value: String) async throws {
        try await TemporaryPostgres.withDatabase { configuration in
            let type = value.split(separator: ":").last.map(String.init) ?? ""
            let good = type == "numeric" || type.hasPrefix("float") ? "7" : "2026-01-01"
            let query = "SELECT * FROM (VALUES ('good', '\(good)'::\(type)), ('bad', \(value))) AS t (id, mark)"
            let source = try SQLSource(url: configuration.url, query: query, watermark: "mark", idColumn: "id")
            for since in [nil, ImportState.Entry(watermark: good)] {
                let refusal = await #expect(throws: SuiteConnection.Problem.self) { try await source.spool(since: since) }
                #expect(refusal?.description.contains("`mark` is ") == true && refusal?.description.contains("with id bad") == true)
            }
        }
    }

    @Test(arguments: ["text", "varchar(9)", "uuid", "boolean"]) func aColumnWithoutASureOrderIsNoWatermark(type: String) async throws {
        try await TemporaryPostgres.withDatabase { configuration in
            let query = "SELECT NULL::\(type) AS mark WHERE false"
            let refusal = await #expect(throws: ImportMistake.self) {
                try await SQLSource(url: configuration.url, query: query, watermark: "mark").spool(since: .init(watermark: "9"))
            }
            #expect(refusal?.description.contains("the watermark column `mark` is of type") == true)
        }
    }

    @Test func rowsOnTheirWayAreInAFileWithoutAName() throws {
        let folder = FileManager.default.temporaryDirectory.path
        let before = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("vigil-import-") }
        let file = try SpoolFile()
        try file.write(line: Array("secret".utf8))
        try file.finish()
        let after = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("vigil-import-") }
        #expect(Set(after).subtracting(before).allSatisfy { !((try? String(contentsOfFile: "\(folder)/\($0)", encoding: .utf8)) ?? "").contains("secret") })
        #expect(try String(contentsOfFile: file.path, encoding: .utf8) == "secret\n")
        var status = stat()
        #expect(stat(file.path, &status) == 0 && status.st_mode & 0o777 == 0o600 && status.st_nlink == 0)
    }

    @Test func pagesFollowAsTheAPISays() throws {
        #expect(WebSource.next(in: "<https://a/x?p=1>; rel=\"prev\", <https://a/x?p=3>; rel=\"next\"") == "https://a/x?p=3")
        #expect(WebSource.next(in: "<https://a/x?box=1,2,3>; title=\"a, b\"; Rel=\"last NEXT\"") == "https://a/x?box=1,2,3")
        #expect(WebSource.next(in: "</x?p=1>; rel=prev, </x?p=3>;rel=next") == "/x?p=3" && WebSource.next(in: "</x>; rev=\"next\"") == nil)
        #expect(WebSource.next(in: "<https://a/x>; rel=\"last\"") == nil && WebSource.next(in: "nonsense") == nil)
        #expect(WebSource.Paging(argument: "link") == .link)
        #expect(WebSource.Paging(argument: "page:p") == .page(parameter: "p"))
        for word in ["offset:$offset", "offset:$offset:1000"] { #expect(WebSource.Paging(argument: word) == .offset(parameter: "$offset")) }
        for wrong in ["", "page", "page:", "offset", "offset:", "offset:a:0", "offset:a:x"] { #expect(WebSource.Paging(argument: wrong) == nil) }
        let url = try #require(URL(string: "https://a.example/x?q=1"))
        let paged = WebSource(url: url, paging: .offset(parameter: "start"), records: [])
        #expect(try paged.address(page: 3, rows: 150).absoluteString == "https://a.example/x?q=1&start=150")
        let counted = WebSource(url: url, paging: .page(parameter: "q"), records: [])
        #expect(try counted.address(page: 0, rows: 0).absoluteString == "https://a.example/x?q=1")
        // Where the URL has a number, it begins there: some count pages from 0.
        let fromZero = WebSource(url: try #require(URL(string: "https://a.example/x?page=0&q=1")), paging: .page(parameter: "page"), records: [])
        #expect(try (0...1).map { try fromZero.address(page: $0, rows: 0).query } == ["q=1&page=0", "q=1&page=1"])
        let later = WebSource(url: try #require(URL(string: "https://a.example/x?start=100")), paging: .offset(parameter: "start"), records: [])
        #expect(try later.address(page: 1, rows: 50).query == "start=150")
    }

    @Test func intervalsAreWords() {
        #expect(ImportSourceOptions.Interval(argument: "15m")?.seconds == 900)
        for wrong in ["", "m", "0s", "-1h", "5", "1w"] { #expect(ImportSourceOptions.Interval(argument: wrong) == nil) }
    }
}
