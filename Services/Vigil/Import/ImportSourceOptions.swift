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
            "With --sql: a column that only grows. The next run takes what lies above the highest value seen so far.", valueName: "column"))
    var watermark: String?

    @Option(
        help: ArgumentHelp(
            "With a URL: how pages follow one another: link (RFC 8288), page:NAME, or offset:NAME:SIZE. One page unless given.",
            valueName: "paging"))
    var paging: WebSource.Paging?

    @Option(help: ArgumentHelp("With --sql or a URL: begin again so long after each end, until interrupted: 30s, 15m, 1h.", valueName: "time"))
    var every: Interval?

    @Option(help: ArgumentHelp("Where watermarks and ETags are kept; import-state.json in the suite's home unless given.", valueName: "file"))
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

/// What a source has been seen to have, so that the next run takes only what is new. One file for all sources of a home.
struct ImportState: Codable {
    struct Entry: Codable {
        var watermark: String?
        var etag: String?
    }

    var sources: [String: Entry] = [:]

    static func read(from path: String) throws -> ImportState {
        guard let data = FileManager.default.contents(atPath: path) else { return ImportState() }
        do {
            return try JSONDecoder().decode(ImportState.self, from: data)
        } catch {
            throw SuiteConnection.Problem(description: "\(path) is not what an import wrote; move it away to begin anew")
        }
    }

    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let data = try encoder.encode(self)
        try orPlainly("write \(path)") { try data.write(to: URL(fileURLWithPath: path), options: .atomic) }
    }
}

/// A source's rows in a file of this machine, and what to remember once they are in.
struct SpooledRows {
    let path: String
    /// What to call it to people; never with a password.
    let label: String
    /// What the state file knows it by.
    let key: String
    /// Nil where nothing is new.
    var entry: ImportState.Entry?
    var rows: Int
    /// The rows are one JSON object a line, whatever the mapping says of the file.
    var isLines: Bool
}
