import Datasets
import Foundation

/// The rows that were refused, one line for each fault: row, line in the file, the record's own id, field, column, value, reason, and what
/// the row says as one JSON object; what names a person is masked. The file is made when the first row is refused.
final class RejectsFile {
    static let header = ["row", "line", "id", "field", "column", "value", "reason", "content"]
    /// What the first line of every release's files begins with.
    private static let beginning = Data("row,line,".utf8)

    let path: String
    private var handle: FileHandle?
    private var writer = CSVWriter()
    /// The first faults in words, for whoever looks at the end of an import.
    private(set) var firstFaults: [String] = []
    static let maxFirstFaults = 5
    private static let maxFaultCharacters = 200
    /// What is in the file, counted in bytes.
    private(set) var bytesWritten: Int64 = 0

    /// - Parameter keptBytes: how much of an existing file belongs to this import; the rest is cut off.
    /// - Throws: when what lies there is no rejects file, so that no other file is ever lost to a slip of the pen, or is shorter than
    ///   what this import had written.
    init(path: String, keptBytes: Int64 = 0) throws {
        self.path = path
        if FileManager.default.fileExists(atPath: path) { try Self.requireRejectsFile(path, ofBytes: keptBytes) }
        guard keptBytes > 0 else {
            if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
            return
        }
        guard let handle = FileHandle(forUpdatingAtPath: path) else {
            throw SuiteConnection.Problem(description: "cannot go on writing \(path): it is gone; use --restart to begin anew")
        }
        try handle.truncate(atOffset: UInt64(keptBytes))
        self.handle = handle
        bytesWritten = keptBytes
    }

    private static func requireRejectsFile(_ path: String, ofBytes keptBytes: Int64) throws {
        guard let handle = FileHandle(forReadingAtPath: path), let size = try? handle.seekToEnd() else {
            throw SuiteConnection.Problem(description: "cannot read \(path), where the rejects go; choose another place with --rejects")
        }
        defer { try? handle.close() }
        try handle.seek(toOffset: 0)
        let start = try handle.read(upToCount: Self.beginning.count) ?? Data()
        guard size == 0 || start == Self.beginning else {
            throw SuiteConnection.Problem(description: "\(path) is there and is no file of rejects; choose another place with --rejects")
        }
        guard size >= UInt64(keptBytes) else {
            throw SuiteConnection.Problem(
                description: "\(path) is shorter than when the import stopped, so rejects are missing; use --restart to begin anew")
        }
    }

    deinit { try? handle?.close() }

    var exists: Bool { handle != nil }

    /// - Parameter content: nil where nothing of the row could be read.
    func append(_ position: RowPosition, _ rejections: [Rejection], _ content: RowContent? = nil) {
        if bytesWritten == 0, writer.bytes.isEmpty { writer.row(Self.header) }
        let row = content.map(Self.json) ?? ""
        for rejection in rejections {
            // The gateway names a field and says nothing of its value.
            let value = rejection.value.isEmpty ? content?.values.first { $0.field == rejection.field }?.text ?? "" : rejection.value
            tell(position, rejection, value)
            writer.row([
                "\(position.row)", "\(position.line)", content?.id ?? "", rejection.field, rejection.column, value, rejection.reason, row,
            ])
        }
    }

    private func tell(_ position: RowPosition, _ rejection: Rejection, _ value: String) {
        guard firstFaults.count < Self.maxFirstFaults else { return }
        let plain = String(value.map { $0.isNewline || $0 == "\t" ? " " : $0 }.prefix(60))
        let parts = [rejection.field, value.isEmpty ? "" : "\"\(plain)\"", rejection.reason].filter { !$0.isEmpty }
        firstFaults.append(String("row \(position.row): \(parts.joined(separator: " "))".prefix(Self.maxFaultCharacters)))
    }

    /// With the keys in the mapping's order, which an encoder would not keep.
    private static func json(_ content: RowContent) -> String {
        let members = content.values.map { value in "\(quoted(value.field)):\(quoted(value.text))" }
        return "{" + members.joined(separator: ",") + "}"
    }

    private static func quoted(_ text: String) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return (try? encoder.encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
    }

    /// Writes what has been gathered.
    func flush() throws {
        guard !writer.bytes.isEmpty else { return }
        if handle == nil {
            guard FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600]),
                let made = FileHandle(forWritingAtPath: path)
            else { throw SuiteConnection.Problem(description: "cannot write the rejects to \(path); choose another place with --rejects") }
            handle = made
        }
        let bytes = writer.take()
        try orPlainly("write the rejects to \(path)") { try handle?.write(contentsOf: bytes) }
        bytesWritten += Int64(bytes.count)
    }
}
