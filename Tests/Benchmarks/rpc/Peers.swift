import Foundation

/// Tells the parent process a number; unbuffered, because the parent waits for it.
func announce(_ number: Int) {
    FileHandle.standardOutput.write(Data("\(number)\n".utf8))
}

/// The programs that are measured or that make the load, each a process of its own.
enum Peers {
    /// Where setup.sh puts what it builds.
    static let folder = ".build/bench-rpc/"
    static let certificate = folder + "server.crt"
    static let key = folder + "server.key"

    static var ourselves: String { CommandLine.arguments[0] }

    /// A server that prints its port and ends with its standard input.
    final class Server {
        let process = Process()
        let port: Int
        private let input = Pipe()
        /// Our services have jemalloc for their allocator, so the peers get it too: what is compared is not glibc's.
        private static let allocator: [String: String] = {
            let maps = (try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8)) ?? ""
            let path = maps.split(separator: "\n").compactMap { $0.split(separator: " ").last }.first { $0.contains("/libjemalloc.so") }
            return path.map { ["LD_PRELOAD": String($0)] } ?? [:]
        }()

        init(_ program: String, _ arguments: [String]) throws {
            let output = Pipe()
            process.executableURL = URL(filePath: program)
            process.arguments = arguments
            process.environment = ProcessInfo.processInfo.environment.merging(Self.allocator) { own, _ in own }
            process.standardInput = input
            process.standardOutput = output
            try process.run()
            var text = ""
            while !text.contains("\n") {
                let data = output.fileHandleForReading.availableData
                guard !data.isEmpty else { throw BenchmarkError("\(program) \(arguments) ended without a port") }
                text += String(decoding: data, as: UTF8.self)
            }
            guard let port = Int(text.prefix { $0 != "\n" }) else { throw BenchmarkError("\(program) printed no port: \(text)") }
            self.port = port
        }

        var processID: Int32 { process.processIdentifier }

        func stop() {
            try? input.fileHandleForWriting.close()
            process.waitUntilExit()
        }
    }

    static func ours(usesTLS: Bool, threads: Int = 1) throws -> Server {
        try Server(ourselves, ["serve", usesTLS ? "tls" : "plain", String(threads)])
    }

    /// - Parameter kind: `async` or `callback`.
    static func theirs(_ kind: String, usesTLS: Bool) throws -> Server {
        try Server(folder + "peer", [kind, usesTLS ? certificate : "-", usesTLS ? key : "-"])
    }

    /// Runs a program to its end and gives what it printed.
    static func run(_ program: String, _ arguments: [String]) throws -> String {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.standardOutput = output
        process.standardError = FileHandle.standardError
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw BenchmarkError("\(program) \(arguments) failed") }
        return String(decoding: data, as: UTF8.self)
    }

    static func figure(_ program: String, _ arguments: [String]) throws -> Double {
        try figures(program, arguments, count: 1)[0]
    }

    /// The numbers that a program prints.
    static func figures(_ program: String, _ arguments: [String], count: Int) throws -> [Double] {
        let text = try run(program, arguments)
        let figures = text.split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
        guard figures.count == count else { throw BenchmarkError("\(program) \(arguments) printed no \(count) figures: \(text)") }
        return figures
    }
}

/// nghttpd with a file of 100 bytes: what HTTP/2 alone costs.
final class FileServer {
    let process = Process()
    let port: Int
    private let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "bench-rpc-\(ProcessInfo.processInfo.processIdentifier)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data(repeating: 0x78, count: 100).write(to: folder.appending(path: "file"))
        port = try Self.freePort()
        // Debian has it in /usr/sbin or /usr/bin, by its version.
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.environment = ["PATH": "/usr/sbin:/usr/bin"]
        process.arguments = ["nghttpd", "--no-tls", "-n1", "-a", "127.0.0.1", "-d", folder.path, String(port)]
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        for _ in 0..<200 {
            if Self.accepts(port) { return }
            usleep(10_000)
        }
        throw BenchmarkError("nghttpd does not listen")
    }

    func stop() {
        process.terminate()
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: folder)
    }

    private static func withSocket<R>(port: Int, _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) throws -> R) rethrows -> R {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = UInt16(port).bigEndian
        return try withUnsafePointer(to: &address) {
            try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { try body(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }

    private static func accepts(_ port: Int) -> Bool {
        withSocket(port: port) { connect($0, $1, $2) == 0 }
    }

    private static func freePort() throws -> Int {
        try withSocket(port: 0) { socket, address, count in
            guard bind(socket, address, count) == 0 else { throw BenchmarkError("no port is free") }
            var bound = sockaddr_in()
            var size = count
            _ = withUnsafeMutablePointer(to: &bound) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &size) }
            }
            return Int(UInt16(bigEndian: bound.sin_port))
        }
    }
}
