import ArgumentParser
import Datasets
import Foundation
import Records

enum TableFormat: String, ExpressibleByArgument, CaseIterable {
    case csv, ndjson

    /// As a file's name says it: CSV where it ends in nothing, nil where it promises something else.
    init?(nameOf path: String) {
        switch URL(fileURLWithPath: path).pathExtension.lowercased() {
        case "csv", "": self = .csv
        case "ndjson", "jsonl": self = .ndjson
        default: return nil
        }
    }
}

/// What stands in one place of a table. An empty text, nil and NaN are what nobody knows.
enum TableCell {
    case text(String)
    case time(Timestamp?)
    case flag(Bool?)
    case number(Double)
}

/// Writes a table row by row; it takes its name when it is whole. Not to be shared between tasks.
final class TableFile {
    private let output: OutputFile
    private let rows: any TableRows
    private let width: Int

    /// - Parameter path: `-` for the standard output.
    init(path: String, format: TableFormat, columns: [String]) throws {
        output = try OutputFile(path: path)
        width = columns.count
        rows =
            switch format {
            case .csv: try TableWriter(descriptor: output.descriptor, name: path, header: columns)
            case .ndjson: JSONLines(descriptor: output.descriptor, names: columns)
            }
    }

    /// - Precondition: a cell for each column.
    func write(_ cells: [TableCell]) throws {
        precondition(cells.count == width, "a row has one cell a column")
        try rows.write(cells)
    }

    func close() throws {
        try rows.close()
        try output.keep()
    }
}

private protocol TableRows {
    func write(_ cells: [TableCell]) throws
    func close() throws
}

extension TableWriter: TableRows {
    func write(_ cells: [TableCell]) throws {
        for cell in cells {
            switch cell {
            case .text(let text): self.text(text)
            case .time(let time): if let time { self.time(time) } else { text("") }
            case .flag(let flag): self.flag(flag)
            case .number(let number): withUnsafePointer(to: number) { numbers(UnsafeBufferPointer(start: $0, count: 1)) }
            }
        }
        try endRow()
    }
}

/// An object a line.
private final class JSONLines: TableRows {
    private static let flushBytes = 1 << 20
    private let file: FileHandle
    /// With quotes and colon.
    private let names: [[UInt8]]
    private var bytes: [UInt8] = []

    init(descriptor: Int32, names: [String]) {
        file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
        self.names = names.map { name in
            var bytes: [UInt8] = []
            Self.append(name, to: &bytes)
            return bytes + Array(":".utf8)
        }
    }

    func write(_ cells: [TableCell]) throws {
        for (index, (name, cell)) in zip(names, cells).enumerated() {
            bytes.append(UInt8(ascii: index == 0 ? "{" : ","))
            bytes += name
            switch cell {
            case .text(let text) where !text.isEmpty: Self.append(text, to: &bytes)
            case .time(let time?): Self.append(time.iso8601, to: &bytes)
            case .flag(let flag?): bytes += (flag ? "true" : "false").utf8
            case .number(let number) where number.isFinite:
                withUnsafeTemporaryAllocation(of: UInt8.self, capacity: NumberText.maxBytes) { place in
                    guard let start = place.baseAddress else { return }
                    bytes += UnsafeBufferPointer(start: start, count: NumberText.write(number, to: start) - start)
                }
            case .text, .time, .flag, .number: bytes += "null".utf8
            }
        }
        bytes += "}\n".utf8
        if bytes.count >= Self.flushBytes { try flush() }
    }

    func close() throws {
        try flush()
        try file.close()
    }

    private func flush() throws {
        try file.write(contentsOf: bytes)
        bytes.removeAll(keepingCapacity: true)
    }

    /// A text as JSON has it.
    private static func append(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0..<0x20: bytes += "\\u00\(byte < 0x10 ? "0" : "")\(String(byte, radix: 16))".utf8
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}

/// A file under a temporary name beside its own until it is whole; what is no plain file is written as it is.
private final class OutputFile {
    let descriptor: Int32
    private let path: String
    /// Nil once it has its name, and where it needs none.
    private var temporary: String?
    private var lock: Int32 = -1

    /// - Parameter path: `-` for the standard output.
    init(path: String) throws {
        // A link stays a link.
        self.path = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        guard path != "-" else {
            descriptor = STDOUT_FILENO
            return
        }
        let kind = try? FileManager.default.attributesOfItem(atPath: self.path)[.type] as? FileAttributeType
        let isPlain = kind == nil || kind == .typeRegular
        let partial = self.path + ".partial"
        descriptor = open(isPlain ? partial : self.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw fault() }
        guard isPlain else { return }
        // Held until the file has its name, which is after it was closed.
        lock = dup(descriptor)
        // Two that write one file would write into each other's rows. What somebody who was killed has left is written over.
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, Self.isSame(descriptor, partial) else {
            throw PlaceFault(description: "\(path) cannot be written: another process writes it; wait for it")
        }
        temporary = partial
        guard ftruncate(descriptor, 0) == 0 else { throw fault() }
    }

    deinit {
        if let temporary { unlink(temporary) }
        if lock >= 0 { close(lock) }
    }

    /// Whether a file still has this name: whoever held the lock before may have given it another.
    private static func isSame(_ descriptor: Int32, _ path: String) -> Bool {
        var (opened, named) = (stat(), stat())
        return fstat(descriptor, &opened) == 0 && stat(path, &named) == 0 && opened.st_ino == named.st_ino && opened.st_dev == named.st_dev
    }

    func keep() throws {
        guard let temporary else { return }
        guard rename(temporary, path) == 0 else { throw fault() }
        self.temporary = nil
    }

    private func fault() -> PlaceFault { PlaceFault(description: "\(path) cannot be written: \(String(cString: strerror(errno)).lowercased())") }
}
