import Foundation

/// A source's rows on their way in: a file without a name, so that nobody else reads it and nothing stays of it, however the import ends.
final class SpoolFile {
    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private static let bufferBytes = 1 << 18

    init() throws {
        var template = Array((FileManager.default.temporaryDirectory.path + "/vigil-import-XXXXXX").utf8CString)
        // Made with mode 0600.
        descriptor = mkstemp(&template)
        guard descriptor >= 0 else {
            let folder = FileManager.default.temporaryDirectory.path
            throw SuiteConnection.Problem(description: "cannot make a file in \(folder): \(String(cString: strerror(errno)))")
        }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        unlink(template)
    }

    deinit { close(descriptor) }

    /// Where it can be opened while this object lives.
    var path: String { "/dev/fd/\(descriptor)" }

    func write(line: [UInt8]) throws {
        buffer += line
        buffer.append(UInt8(ascii: "\n"))
        if buffer.count >= Self.bufferBytes { try flush() }
    }

    func write(_ bytes: some Sequence<UInt8>) throws {
        buffer += bytes
        try flush()
    }

    /// Makes it ready to be read from its start.
    func finish() throws {
        try flush()
        // Some systems give whoever opens the path this same descriptor.
        lseek(descriptor, 0, SEEK_SET)
    }

    private func flush() throws {
        try orPlainly("write what is taken to a temporary file") {
            try FileHandle(fileDescriptor: descriptor).write(contentsOf: buffer)
        }
        buffer.removeAll(keepingCapacity: true)
    }
}
