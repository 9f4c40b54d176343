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

    /// Those of earlier runs, the newest first, where their rows do not come again.
    private(set) var earlier: [String] = []

    /// - Parameters:
    ///   - keptBytes: how much of an existing file belongs to this import; the rest is cut off.
    ///   - keepsEarlier: whether what an earlier run refused stays, under a name with its time as soon as this run refuses a row.
    /// - Throws: when what lies there is no rejects file, so that no other file is ever lost to a slip of the pen, or is shorter than
    ///   what this import had written.
    init(path: String, keptBytes: Int64 = 0, keepsEarlier: Bool = false) throws {
        self.path = path
        if FileManager.default.fileExists(atPath: path) { try Self.requireRejectsFile(path, ofBytes: keptBytes) }
        if keepsEarlier {
            earlier = Self.earlier(than: path)
            return
        }
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
            tell(position, rejection, id: content?.id ?? "")
            writer.row([
                "\(position.row)", "\(position.line)", content?.id ?? "", rejection.field, rejection.column, rejection.value, rejection.reason, row,
            ])
        }
    }

    private func tell(_ position: RowPosition, _ rejection: Rejection, id: String) {
        guard firstFaults.count < Self.maxFirstFaults else { return }
        let plain = String(rejection.value.map { $0.isNewline || $0 == "\t" ? " " : $0 }.prefix(60))
        let parts = [rejection.field, plain.isEmpty ? "" : "\"\(plain)\"", rejection.reason].filter { !$0.isEmpty }
        // Where no field is to blame, the row itself is what to look for.
        let name = rejection.field.isEmpty && !id.isEmpty ? " with id \(id)" : ""
        firstFaults.append(String("row \(position.row)\(name): \(parts.joined(separator: " "))".prefix(Self.maxFaultCharacters)))
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
            if earlier.first == path { earlier[0] = try Self.setAside(path) }
            guard FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600]),
                let made = FileHandle(forWritingAtPath: path)
            else { throw SuiteConnection.Problem(description: "cannot write the rejects to \(path); choose another place with --rejects") }
            handle = made
        }
        let bytes = writer.take()
        try orPlainly("write the rejects to \(path)") { try handle?.write(contentsOf: bytes) }
        bytesWritten += Int64(bytes.count)
    }

    // MARK: Of earlier runs

    private static let suffix = ".rejects.csv"

    /// What a file's names begin with, and its folder.
    private static func stem(of path: String) -> (folder: URL, name: String) {
        let url = URL(fileURLWithPath: path)
        let name = url.lastPathComponent
        return (url.deletingLastPathComponent(), name.hasSuffix(suffix) ? String(name.dropLast(suffix.count)) : name)
    }

    private static func earlier(than path: String) -> [String] {
        let (folder, stem) = stem(of: path)
        let aside = #/\.\d{8}T\d{6}Z(?:-\d+)?/#
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter { name in
            name.hasPrefix(stem) && name.hasSuffix(suffix) && name.dropFirst(stem.count).dropLast(suffix.count).wholeMatch(of: aside) != nil
        }
        let latest = FileManager.default.fileExists(atPath: path) ? [path] : []
        return latest + names.sorted(by: >).map { folder.appending(path: $0).path }
    }

    /// Gives an earlier run's file a name with the time at which it was written.
    private static func setAside(_ path: String) throws -> String {
        let (folder, stem) = stem(of: path)
        let written = try FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date ?? .now
        let time = written.formatted(.iso8601.dateSeparator(.omitted).timeSeparator(.omitted))
        var name = "\(stem).\(time)\(suffix)"
        var number = 2
        while FileManager.default.fileExists(atPath: folder.appending(path: name).path) {
            name = "\(stem).\(time)-\(number)\(suffix)"
            number += 1
        }
        let target = folder.appending(path: name).path
        try orPlainly("keep the earlier rejects in \(target)") { try FileManager.default.moveItem(atPath: path, toPath: target) }
        return target
    }
}
