public import Foundation

/// A PostgreSQL server of its own with the settings that Debian ships: every commit waits for the disk. In a temporary folder, which
/// goes with it.
public final class DatabaseServer {
    public let folder: String
    private let process: Process
    private let commands = Pipe()
    private let binaries: String

    public init() throws {
        folder = NSTemporaryDirectory() + "vigil-bench-pg-" + UUID().uuidString.prefix(8).lowercased()
        binaries = try DatabaseServer.binaries()
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", Self.script, "bench-postgres", folder, binaries]
        process.standardInput = commands
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.runWithSignals()
        try start()
    }

    /// Starts the server, again after ``kill()``; returns when it takes connections.
    public func start() throws {
        try? FileManager.default.removeItem(atPath: folder + "/ready")
        try commands.fileHandleForWriting.write(contentsOf: Data("start\n".utf8))
        // Making the data folder takes a second on an idle machine, and minutes beside builds.
        let deadline = Date() + 300
        while !FileManager.default.fileExists(atPath: folder + "/ready") {
            guard process.isRunning, Date() < deadline else { throw BenchmarkProblem("PostgreSQL did not start; see \(folder)/log") }
            usleep(20_000)
        }
    }

    /// User and system CPU time, in seconds, that the server and the sessions now open have used.
    public var cpuSeconds: Double {
        guard let postmaster else { return 0 }
        let children = (try? String(contentsOfFile: "/proc/\(postmaster)/task/\(postmaster)/children", encoding: .utf8)) ?? ""
        return children.split(separator: " ").compactMap { pid_t($0) }.reduce(0) { $0 + (processorSeconds(of: $1) ?? 0) }
    }

    private var postmaster: pid_t? {
        let text = try? String(contentsOfFile: folder + "/data/postmaster.pid", encoding: .utf8)
        return text?.split(separator: "\n").first.flatMap { pid_t($0) }
    }

    /// Kills the server as a crash would. Its sessions end at once.
    public func kill() {
        if let postmaster { Foundation.kill(postmaster, SIGKILL) }
    }

    /// As what services and libpq take.
    public var url: String { "postgresql://postgres@/postgres?host=\(folder)&sslmode=disable" }

    /// Runs one of PostgreSQL's programs against this server and returns its standard output.
    public func run(_ program: String, _ arguments: [String]) throws -> String {
        try output(of: "\(binaries)/\(program)", ["-h", folder, "-U", "postgres"] + arguments)
    }

    public func psql(_ sql: String) throws -> String { try run("psql", ["-qAt", "-v", "ON_ERROR_STOP=1", "-c", sql]) }

    public func end() {
        commands.fileHandleForWriting.closeFile()
        process.waitUntilExit()
    }

    private static func binaries() throws -> String {
        let versions = try FileManager.default.contentsOfDirectory(atPath: "/usr/lib/postgresql").compactMap { Int($0) }
        guard let newest = versions.max() else { throw BenchmarkProblem("PostgreSQL is not installed") }
        return "/usr/lib/postgresql/\(newest)/bin"
    }

    /// Ends with its input. `initdb` and `postgres` refuse to run as root, so root runs them as `postgres`.
    private static let script = """
        folder=$1; bin=$2; as=
        mkdir -m 755 "$folder" || exit 1
        : > "$folder/log"
        if [ "$(id -u)" = 0 ]; then
            as='setpriv --reuid=postgres --regid=postgres --clear-groups --'
            chown -R postgres "$folder"
        fi
        cd "$folder"
        $as "$bin/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >> "$folder/log" 2>&1
        launch() {
            for attempt in 1 2 3 4 5 6 7 8 9 10; do
                rm -f "$folder"/.s.PGSQL.*
                $as "$bin/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= < /dev/null >> "$folder/log" 2>&1 &
                pid=$!
                # The sessions of a killed server may hold its shared memory a moment longer; then this attempt ends at once.
                while kill -0 "$pid" 2>/dev/null && ! "$bin/pg_isready" -q -h "$folder"; do sleep 0.05; done
                if kill -0 "$pid" 2>/dev/null; then : > "$folder/ready"; return; fi
                sleep 0.2
            done
            exit 1
        }
        pid=
        while read -r command; do
            if [ -n "$pid" ]; then wait "$pid"; fi
            launch
        done
        kill -QUIT "$pid"; wait "$pid"
        cd /; rm -rf "$folder"
        """
}

/// What went wrong, for the person who runs the benchmark.
public struct BenchmarkProblem: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}

/// Runs a program to its end and returns its standard output.
public func output(of program: String, _ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.runWithSignals()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let text = String(decoding: data, as: UTF8.self)
    guard process.terminationStatus == 0 else { throw BenchmarkProblem("\(program) failed: \(text.suffix(400))") }
    return text
}

extension Process {
    /// As `run()`. Threads of Swift's pool block all signals, which a child inherits: pgbench would never see the alarm that ends it,
    /// nor a server the request to end.
    public func runWithSignals() throws {
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_UNBLOCK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try run()
    }
}

/// An executable of the suite as its own process, so that its processor time can be told. It ends with this process.
public final class ServiceProcess {
    public let name: String
    private let process = Process()

    /// - Parameters:
    ///   - environment: beside which only PATH is passed on.
    ///   - ended: called when the process is over.
    public init(_ name: String, environment: [String: String], ended: @escaping @Sendable () -> Void = {}) throws {
        self.name = name
        process.terminationHandler = { _ in ended() }
        let own = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        process.executableURL = own.appending(path: name)
        var variables = environment
        variables["PATH"] = ProcessInfo.processInfo.environment["PATH"]
        variables["VIGIL_EXIT_WITH_STDIN"] = "1"
        variables["VIGIL_LOG_LEVEL"] = "error"
        process.environment = variables
        process.standardInput = Pipe()
        if ProcessInfo.processInfo.environment["BENCH_VERBOSE"] == nil {
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
        }
        try process.runWithSignals()
    }

    public func onEnd(_ body: @escaping @Sendable () -> Void) { process.terminationHandler = { _ in body() } }

    public var pid: Int32 { process.processIdentifier }
    public var isRunning: Bool { process.isRunning }
    public var cpuSeconds: Double { processorSeconds(of: pid) ?? 0 }

    public func kill() {
        Foundation.kill(pid, SIGKILL)
        process.waitUntilExit()
    }

    public func end() {
        process.terminate()
        process.waitUntilExit()
    }
}

/// A port of the loopback address that was free a moment ago.
public func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
        }
    }
    guard isBound else { throw BenchmarkProblem("there is no free port") }
    return Int(UInt16(bigEndian: address.sin_port))
}
