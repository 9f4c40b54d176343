import Crypto
import Datasets
import Foundation

/// Where an import stands, in a file beside the rejects, so that it can go on after an interruption.
struct ImportCheckpoint: Codable, Hashable {
    /// What is imported, and where to. An import that differs in anything begins anew.
    struct Source: Codable, Hashable {
        var kind: String
        var gateway: String
        var mappingHash: String
        var fileBytes: Int64
        /// SHA-256 of the file's first 64 KiB.
        var fileHash: String
    }

    struct Position: Codable, Hashable {
        var row: Int
        var line: Int
        var byteOffset: Int64

        init(_ position: RowPosition) {
            row = position.row
            line = position.line
            byteOffset = position.byteOffset
        }

        var rowPosition: RowPosition { RowPosition(row: row, line: line, byteOffset: byteOffset) }
    }

    var source: Source
    /// The first row that is not done, or the last one that is.
    var position: Position
    var isPositionDone: Bool
    var counts: ImportCounts
    /// Rows up to this one may have reached the gateway.
    var lastSentRow: Int
    /// The rejects file holds so much of what is counted; what follows is written again.
    var rejectsBytes: Int64

    /// Nil when there is none, or none that can be read.
    static func read(from path: String) -> ImportCheckpoint? {
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        return try? JSONDecoder().decode(ImportCheckpoint.self, from: data)
    }

    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        let bytes = Array(try encoder.encode(self)) + [10]
        try orPlainly("write \(path)") { try SuiteHome.write(bytes, to: path) }
    }
}

extension ImportCheckpoint.Source {
    private static let hashedBytes = 64 << 10

    /// Nil for what cannot be read again, such as the standard input.
    init?(kind: RecordKind, file: String, mapping: Mapping, gateway: String) {
        guard file != "-", let handle = FileHandle(forReadingAtPath: file) else { return nil }
        defer { try? handle.close() }
        guard let start = try? handle.read(upToCount: Self.hashedBytes), let size = try? handle.seekToEnd() else { return nil }
        self.kind = kind.rawValue
        self.gateway = gateway
        fileBytes = Int64(size)
        fileHash = hex(SHA256.hash(data: start))
        mappingHash = mapping.fingerprint
    }
}

extension Mapping {
    /// Another one where anything is read differently. What a release adds to the language must make no other one of a mapping that says
    /// nothing of it, or each import would take again what was taken before the upgrade: such a part is left out where it says nothing.
    var fingerprint: String {
        let format = "\(format)".replacing(", count: nil", with: "")
        return hex(SHA256.hash(data: Data("\(kind) \(format) \(described)\(choice.described)".utf8)))
    }

    /// The same for the same mapping, and any change shows in it.
    private var described: String {
        fields.map { field in
            // Dictionaries print in any order.
            var plain = field
            plain.words = [:]
            return "\(plain) \(field.words.sorted { $0.key < $1.key })".replacing(", symbols: []", with: "")
        }.joined(separator: "\n")
    }
}

extension RowChoice {
    fileprivate var described: String {
        [("only", only), ("except", except)].flatMap { word, choices in choices.map { "\n\(word) \($0.column) \($0.words.sorted())" } }.joined()
    }
}

func hex(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
