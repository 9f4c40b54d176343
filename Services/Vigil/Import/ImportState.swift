import Datasets
import Foundation

/// What sources have been seen to have, so that a later run takes only what is new. One file for all imports of a home.
struct ImportState: Codable {
    struct Entry: Codable, Hashable {
        /// The highest value in the watermark's column.
        var watermark: String?
        /// Of the rows with that value, by `Watermark.Taken`; nil where they are too many, and in what earlier versions kept.
        var taken: [String]?
        /// Of a source that is one answer.
        var etag: String?
        /// Of the rows of one that is many.
        var digest: String?
    }

    private(set) var sources: [String: Entry] = [:]

    /// What an import is known by: all that makes it another one. The same rows by a corrected mapping, as another kind or into another
    /// suite have not been taken yet.
    static func key(_ source: some RowSource, mapping: Mapping, as identity: SuiteConnection.Identity, home: String) -> String {
        "\(source.key) as \(mapping.kind.rawValue) of the \(identity.rawValue) by mapping \(mapping.fingerprint) into \(home)"
    }

    static func read(from path: String) throws -> ImportState {
        guard let data = FileManager.default.contents(atPath: path) else { return ImportState() }
        do {
            var state = try JSONDecoder().decode(ImportState.self, from: data)
            // Earlier versions kept an address with its password.
            let named = state.sources.map { ($0.key.hasPrefix("http ") ? withoutPassword($0.key) : $0.key, $0.value) }
            state.sources = Dictionary(named) { first, _ in first }
            return state
        } catch {
            throw ImportMistake(description: "\(path) is not what an import wrote; move it away to begin anew")
        }
    }

    /// Keeps an entry beside what other imports have written since.
    static func keep(_ entry: Entry, of key: String, in path: String) throws {
        let lock = try ImportLock(path: path, waits: true)
        defer { lock.release() }
        var state = try read(from: path)
        state.sources[key] = entry
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let bytes = Array(try encoder.encode(state)) + [10]
        try orPlainly("write \(path)") { try SuiteHome.write(bytes, to: path) }
    }
}

/// What no later try mends, because the command itself is wrong.
struct ImportMistake: Error, CustomStringConvertible {
    let description: String
}

/// Where rows come from when not from a file of this machine.
protocol RowSource {
    /// What to call it to people; never with a password.
    var label: String { get }
    /// Which rows of which source it is, for the state file.
    var key: String { get }
    /// What earlier versions kept it by: neither for a kind of record nor for a mapping.
    var formerKey: String { get }

    /// Takes what is new since an earlier run.
    func spool(since entry: ImportState.Entry?) async throws -> Spooling
}

/// What a source had.
enum Spooling {
    case rows(SpooledRows)
    /// Nothing to import, and why, in words.
    case nothing(String)
}

/// A source's rows, and what to remember once they are in.
struct SpooledRows {
    let file: SpoolFile
    /// Nil where nothing tells the next run what is new.
    var entry: ImportState.Entry?
    /// The rows are one JSON object a line, whatever the mapping says of the file.
    var areLines: Bool
}
