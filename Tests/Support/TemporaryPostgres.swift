import Foundation
import Logging
public import Postgres
import Synchronization

/// A real PostgreSQL for tests: one cluster for the whole test process, started when the first test asks for it, with a fresh database
/// for each caller. Nothing of it is left when the process ends, however it ends.
public enum TemporaryPostgres {
    private static let shared = Result { try TemporaryPostgresServer() }
    private static let lastDatabase = Atomic(0)

    /// Runs `body` with a new, empty database, which is dropped afterwards.
    public static func withDatabase<R>(_ body: (PostgresConfiguration) async throws -> R) async throws -> R {
        try await shared.get().withDatabase(body)
    }

    /// Runs `body` with a pool on a new database. `schema` is what its names mean; `migrate` creates it.
    public static func withPool<R>(
        schema: String? = nil, maxConnections: Int = 8, _ body: (PostgresPool) async throws -> R
    ) async throws -> R {
        try await withDatabase { configuration in
            var configuration = configuration
            configuration.schema = schema
            configuration.maxConnections = maxConnections
            return try await withPostgresPool(configuration, logger: quietLogger, body)
        }
    }

    /// Runs `body` with a server of its own, which it may kill and start again.
    public static func withServer<R>(_ body: (TemporaryPostgresServer) async throws -> R) async throws -> R {
        let server = try TemporaryPostgresServer()
        defer { server.end() }
        return try await body(server)
    }

    fileprivate static func newDatabaseName() -> String {
        "test_\(lastDatabase.add(1, ordering: .relaxed).newValue)"
    }
}

/// A server that is still starting is no news.
private let quietLogger = Logger(label: "temporary-postgres") { _ in SwiftLogNoOpLogHandler() }

/// One PostgreSQL server in a temporary folder, reached over a Unix socket there.
///
/// A shell watches over it and reads a pipe whose other end only this process holds: when this process dies, of whatever cause, the
/// pipe ends, and the shell stops the server and removes the folder.
public final class TemporaryPostgresServer: Sendable {
    private let folder: String
    private let process: Process
    private let commands: FileHandle

    public init() throws {
        folder = NSTemporaryDirectory() + "vigil-pg-" + UUID().uuidString.prefix(8).lowercased()
        var descriptors: [Int32] = [-1, -1]
        guard pipe(&descriptors) == 0 else { throw PostgresError(.unavailable, "no pipe for the test server") }
        // Another child that inherited the writing end would keep the server alive after this process.
        for descriptor in descriptors { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        commands = FileHandle(fileDescriptor: descriptors[1], closeOnDealloc: true)
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", Self.script, "temporary-postgres", folder]
        process.standardInput = FileHandle(fileDescriptor: descriptors[0], closeOnDealloc: true)
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        start()
    }

    /// How to reach the server's database `postgres` as its superuser.
    public var configuration: PostgresConfiguration {
        var configuration = PostgresConfiguration()
        configuration.host = folder
        configuration.user = "postgres"
        configuration.tlsMode = .disable
        configuration.maxBackoffSeconds = 0.1
        // Many tests share the machine; a test of the timeout sets its own.
        configuration.acquireTimeoutSeconds = 60
        return configuration
    }

    public func withDatabase<R>(_ body: (PostgresConfiguration) async throws -> R) async throws -> R {
        let name = TemporaryPostgres.newDatabaseName()
        var administrator = configuration
        administrator.maxConnections = 1
        // The first caller waits here until the server has started.
        administrator.acquireTimeoutSeconds = 60
        do {
            try await withPostgresPool(administrator, logger: quietLogger) { pool in
                try await pool.execute("CREATE DATABASE \(ident: name)")
            }
        } catch let error as PostgresError where error.code == .unavailable {
            throw PostgresError(.unavailable, "\(error.message); the server's log ends: \(log.suffix(2000))")
        }
        var configuration = configuration
        configuration.database = name
        let result: Result<R, any Error>
        do {
            result = .success(try await body(configuration))
        } catch {
            result = .failure(error)
        }
        // A server that the test has killed takes its databases with it.
        try? await withPostgresPool(administrator, logger: quietLogger) { pool in
            if process.isRunning { try await pool.execute("DROP DATABASE IF EXISTS \(ident: name) WITH (FORCE)") }
        }
        return try result.get()
    }

    private var log: String { (try? String(contentsOfFile: folder + "/log", encoding: .utf8)) ?? "there is none" }

    /// Kills the server as a crash would. Its sessions are gone at once.
    public func kill() {
        guard let text = try? String(contentsOfFile: folder + "/data/postmaster.pid", encoding: .utf8),
            let line = text.split(separator: "\n").first, let pid = pid_t(line)
        else { return }
        _ = Foundation.kill(pid, SIGKILL)
    }

    /// Starts the server again after ``kill()``. Returns before it takes connections; a pool waits for it.
    public func start() {
        try? commands.write(contentsOf: Data("start\n".utf8))
    }

    /// Stops the server and removes its folder.
    public func end() {
        try? commands.close()
        process.waitUntilExit()
    }

    /// Reads "start" from its input, and ends with it. `initdb` and `postgres` refuse to run as root, so root runs them as `postgres`.
    private static let script = """
        trap '' INT HUP TERM
        folder=$1; data=$folder/data; log=$folder/log; pid=
        bin=$(ls -d /usr/lib/postgresql/*/bin /opt/homebrew/opt/postgresql*/bin 2>/dev/null | sort -V | tail -n 1)
        [ -n "$bin" ] || bin=$(dirname "$(command -v postgres)")
        as=
        mkdir -m 700 "$folder" || exit 1
        : > "$log"
        if [ "$(id -u)" = 0 ]; then
            as='setpriv --reuid=postgres --regid=postgres --clear-groups --'
            chown -R postgres "$folder"
        fi
        cd "$folder"
        $as "$bin/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >> "$log" 2>&1
        launch() {
            for attempt in 1 2 3 4 5 6 7 8 9 10; do
                rm -f "$folder"/.s.PGSQL.*
                $as "$bin/postgres" -D "$data" -k "$folder" -c listen_addresses= -c fsync=off -c full_page_writes=off \\
                    -c max_connections=400 -c shared_buffers=64MB -c log_min_messages=warning < /dev/null >> "$log" 2>&1 &
                pid=$!
                # The sessions of a killed server may hold its shared memory a moment longer; then this attempt ends at once.
                while [ ! -S "$folder/.s.PGSQL.5432" ] && kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
                kill -0 "$pid" 2>/dev/null && return
                sleep 0.1
            done
        }
        while read -r command; do
            if [ -n "$pid" ]; then wait "$pid"; fi
            launch
        done
        # One that has only begun may miss the signal.
        (while kill -QUIT "$pid"; do sleep 1; done) 2>/dev/null &
        wait "$pid" 2>/dev/null
        kill "$!" 2>/dev/null
        cd /; rm -rf "$folder"
        """
}

extension PostgresConfiguration {
    /// The same as a URL, for programs that are told by one.
    public var url: String { "postgresql://\(user)@/\(database)?host=\(host)&port=\(port)&sslmode=\(tlsMode.rawValue)" }
}
