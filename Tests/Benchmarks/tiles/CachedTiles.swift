import BenchmarkSupport
import Foundation

/// A file server beside the tile service: nghttpd over TLS with one file, as large as a tile.
final class FileServer {
    private let process = Process()
    private let folder: URL
    let port: Int

    init(bytes: [UInt8], certificate: String, key: String) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "bench-tiles-\(ProcessInfo.processInfo.processIdentifier)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data(bytes).write(to: folder.appending(path: "tile"))
        port = try freePort()
        // Debian keeps it among the servers.
        guard let program = ["/usr/sbin/nghttpd", "/usr/bin/nghttpd"].first(where: FileManager.default.isExecutableFile) else {
            throw BenchmarkProblem("nghttpd is not installed")
        }
        process.executableURL = URL(filePath: program)
        process.arguments = ["-n2", "-a", "127.0.0.1", "-d", folder.path, "\(port)", key, certificate]
        process.standardOutput = FileHandle.nullDevice
        try process.run()
    }

    var cpuSeconds: Double { processorSeconds(of: process.processIdentifier) ?? 0 }

    func stop() {
        // It inherits the signals that a task's thread blocks, so it would not hear a polite one.
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: folder)
    }
}

/// h2load's requests to one address, each of which must succeed.
struct Load {
    let url: String
    var headers: [String] = []

    static let connections = 8
    static let streams = 25

    func run(_ requests: Int) throws {
        let arguments = ["-t1", "-c\(Self.connections)", "-m\(Self.streams)", "-n\(requests)"] + headers.flatMap { ["-H", $0] } + [url]
        let text = try output(of: "/usr/bin/h2load", arguments)
        guard text.contains("\(requests) succeeded, 0 failed") else { throw BenchmarkProblem("requests to \(url) failed: \(text)") }
    }

    /// Requests a second of processor time that `cpuSeconds` tells.
    func perProcessorSecond(_ requests: Int, _ cpuSeconds: () -> Double) throws -> Double {
        let before = cpuSeconds()
        try run(requests)
        return Double(requests) / (cpuSeconds() - before)
    }
}
