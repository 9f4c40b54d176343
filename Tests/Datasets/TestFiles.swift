import Datasets
import Foundation
import Records

/// A folder that goes with the test.
final class TemporaryFolder {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("vigil-datasets-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func file(_ name: String, _ text: String) throws -> String { try file(name, Array(text.utf8)) }

    func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        let file = url.appendingPathComponent(name)
        try Data(bytes).write(to: file)
        return file.path
    }

    /// Compressed by the system's gzip, beside the original.
    func gzip(_ path: String) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/gzip")
        process.arguments = ["-k", "-f", path]
        try process.run()
        process.waitUntilExit()
        return path + ".gz"
    }
}

/// A file of its own for as long as the body runs.
func withFile<R>(_ text: String, _ body: (String) throws -> R) throws -> R {
    let folder = try TemporaryFolder()
    return try withExtendedLifetime(folder) { try body(folder.file("proposal", text)) }
}

func proposal(_ text: String, _ kind: RecordKind = .transactions) throws -> MappingProposal {
    try withFile(text) { try MappingProposal(file: $0, kind: kind) }
}

/// Public data beside the repository; nil where it is absent.
func publicData(_ name: String) -> String? {
    let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    let path = root.deletingLastPathComponent().appendingPathComponent("shared/data/\(name)").path
    return FileManager.default.fileExists(atPath: path) ? path : nil
}

/// Every row of a file as positions, records and rejections.
func readAll(_ file: String, _ mapping: Mapping, now: String = "2024-01-01") throws -> [DatasetItem] {
    let reader = try DatasetReader(file: file, mapping: mapping, options: ReadOptions(now: Timestamp(iso8601: now)!))
    var items: [DatasetItem] = []
    while let item = try reader.next() { items.append(item) }
    return items
}

extension DatasetItem {
    var isRecord: Bool { if case .record = outcome { true } else { false } }
    var transaction: Transaction? { if case .record(.transaction(let row)) = outcome { row.transaction } else { nil } }
    var customerID: String? { if case .record(.customer(let customer)) = outcome { customer.customerID } else { nil } }
    var rejections: [Rejection] { if case .rejected(let rejections) = outcome { rejections } else { [] } }
}

/// Rows with one column, `id`.
func customers(format: String = "") throws -> Mapping {
    try Mapping(parsing: "record: customers\n\(format)\nfields: {customer_id: id}", name: "test")
}
