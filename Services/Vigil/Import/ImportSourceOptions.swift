import ArgumentParser
import Foundation

/// Where rows come from when not from a file of this machine.
struct ImportSourceOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Take the rows of a PostgreSQL database.", valueName: "postgresql://…"))
    var sql: String?

    @Option(help: ArgumentHelp("With --sql: the SELECT whose rows are taken; the mapping names its columns.", valueName: "select"))
    var query: String?

    @Option(
        help: ArgumentHelp(
            "With --sql: a column that only grows. The next run takes what lies above the highest value seen so far, and what is new at it.",
            valueName: "column"))
    var watermark: String?

    @Option(
        help: ArgumentHelp(
            """
            With a URL of JSON: how pages follow one another: link (RFC 8288), page:NAME, or offset:NAME, from the number that the URL \
            has there, or else from page 1; 10000 pages at most. One page unless given.
            """,
            valueName: "paging"))
    var paging: WebSource.Paging?

    @Option(help: ArgumentHelp("With --sql or a URL: begin again so long after each end, until interrupted: 30s, 15m, 1h.", valueName: "time"))
    var every: Interval?

    @Option(help: ArgumentHelp("Where it is kept what sources had; import-state.json in the suite's home unless given.", valueName: "file"))
    var state: String?

    func validate() throws {
        guard (sql == nil) == (query == nil) else { throw ValidationError("--sql and --query go together.") }
        if watermark != nil, sql == nil { throw ValidationError("--watermark is for --sql.") }
    }

    /// A length of time in words.
    struct Interval: ExpressibleByArgument {
        let seconds: Int

        init?(argument: String) {
            let units: [Character: Int] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
            guard let unit = argument.last.flatMap({ units[$0] }), let count = Int(argument.dropLast()), (1...100_000).contains(count)
            else { return nil }
            seconds = count * unit
        }
    }
}
