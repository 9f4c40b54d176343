import Datasets
import Foundation

/// The rows that were refused, one line for each fault: row, line in the file, field, column, value (masked where personal), reason.
/// The file is made when the first row is refused.
final class RejectsFile {
    static let header = ["row", "line", "field", "column", "value", "reason"]

    let path: String
    private var handle: FileHandle?
    private var writer = CSVWriter()
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
        var header = CSVWriter()
        header.row(Self.header)
        let expected = header.take()
        try handle.seek(toOffset: 0)
        let start = try handle.read(upToCount: expected.count) ?? Data()
        guard size == 0 || start.elementsEqual(expected) else {
            throw SuiteConnection.Problem(description: "\(path) is there and is no file of rejects; choose another place with --rejects")
        }
        guard size >= UInt64(keptBytes) else {
            throw SuiteConnection.Problem(
                description: "\(path) is shorter than when the import stopped, so rejects are missing; use --restart to begin anew")
        }
    }

    deinit { try? handle?.close() }

    var exists: Bool { handle != nil }

    func append(_ position: RowPosition, _ rejections: [Rejection]) {
        if bytesWritten == 0, writer.bytes.isEmpty { writer.row(Self.header) }
        for rejection in rejections {
            writer.row([
                "\(position.row)", "\(position.line)", rejection.field, rejection.column, rejection.value, rejection.reason,
            ])
        }
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
        try handle?.write(contentsOf: bytes)
        bytesWritten += Int64(bytes.count)
    }
}
