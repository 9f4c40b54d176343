import Foundation

/// The suite's own PostgreSQL: made once, reached over a Unix socket only, and known to nobody else.
///
/// PostgreSQL refuses to run as root, so for root it runs as the user `postgres`. Where that user cannot reach the
/// suite's home (a folder under `/root`, say), the cluster lies under `/var/lib/vigil` and the home keeps a link to it.
struct PostgresCluster {
    static let administrator = "vigil_admin"
    static let childName = "postgres"

    /// The folder with `initdb` and `postgres`.
    let binaries: String
    /// Holds `data/` and, if its path is short enough, `socket/`.
    let folder: String
    let user: String?
    let administratorPassword: String
    let logFile: String

    var data: String { "\(folder)/data" }

    /// A Unix socket's path may have 107 bytes (unix(7)), and PostgreSQL adds 14.
    var socket: String {
        let inFolder = "\(folder)/socket"
        return inFolder.utf8.count + 14 <= 107 ? inFolder : "/tmp/vigil-\(Self.fingerprint(of: folder))"
    }

    // MARK: Finding a place

    init(home: SuiteHome, secrets: Secrets, supervisor: Supervisor) throws {
        binaries = try Self.findBinaries()
        user = geteuid() == 0 ? "postgres" : nil
        administratorPassword = try secrets.password(Secrets.postgresAdministrator)
        logFile = home.log("postgres")
        folder = try Self.findFolder(home: home, user: user, supervisor: supervisor)
        for path in [folder, socket] { try Self.own(path, by: user) }
    }

    private static func findBinaries() throws(LaunchError) -> String {
        let folders = ["/usr/lib/postgresql/15/bin"] + (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        for folder in folders where access("\(folder)/initdb", X_OK) == 0 && access("\(folder)/postgres", X_OK) == 0 { return folder }
        throw LaunchError("PostgreSQL 15 is not installed (Debian: apt-get install postgresql-15)")
    }

    private static func findFolder(home: SuiteHome, user: String?, supervisor: Supervisor) throws -> String {
        if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: home.postgres) { return target }
        guard let user else { return home.postgres }
        if getpwnam(user) == nil { throw LaunchError("as root, PostgreSQL needs the user \(user) (Debian: apt-get install postgresql-15)") }
        let test = ProcessCommand(executable: "/usr/bin/test", arguments: ["-x", home.path], user: user)
        if try supervisor.run(test, limit: .seconds(10)) == .exited(0) { return home.postgres }
        // A name never used before: the folder of a home that was moved must stay that home's.
        let elsewhere = "/var/lib/vigil/\(String(UInt64.random(in: .min ... .max), radix: 16))"
        try FileManager.default.createDirectory(atPath: elsewhere, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        try FileManager.default.createSymbolicLink(atPath: home.postgres, withDestinationPath: elsewhere)
        return elsewhere
    }

    /// Makes the folder if it is missing, and sees that nobody else owns it.
    private static func own(_ path: String, by user: String?) throws(LaunchError) {
        var owner = geteuid()
        if let user, let entry = getpwnam(user) { owner = entry.pointee.pw_uid }
        if mkdir(path, 0o700) == 0 {
            guard chown(path, owner, gid_t.max) == 0 else { throw LaunchError("cannot give \(path) to its user: \(systemErrorText())") }
        }
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        let holder = (attributes?[.ownerAccountID] as? NSNumber)?.uint32Value
        guard attributes?[.type] as? FileAttributeType == .typeDirectory, let holder, [owner, geteuid()].contains(holder) else {
            throw LaunchError("\(path) cannot be used: it is not a folder of our own")
        }
        if holder != owner { chown(path, owner, gid_t.max) }
    }

    /// FNV-1a over the path: tells two suites on a machine apart.
    private static func fingerprint(of path: String) -> String {
        String(path.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }, radix: 16)
    }

    // MARK: Making it

    var exists: Bool { FileManager.default.fileExists(atPath: "\(data)/PG_VERSION") }

    /// Makes the cluster beside its place and then renames it, so that an interrupted first start leaves no half of one.
    func create(supervisor: Supervisor) throws {
        let unfinished = "\(folder)/data.new"
        let passwordFile = "\(folder)/password"
        let shell = """
            set -e
            umask 077
            rm -rf "$1"
            cat > "$2"
            trap 'rm -f "$2"' EXIT
            "$3"/initdb --pgdata "$1" --username \(Self.administrator) --pwfile "$2" --auth scram-sha-256 \
              --encoding UTF8 --locale C.UTF-8 --data-checksums
            mv "$1" "$4"
            """
        var command = self.command("/bin/sh", ["-c", shell, "initdb", unfinished, passwordFile, binaries, data])
        command.input = .text(administratorPassword + "\n")
        try check(supervisor.run(command, limit: .seconds(120)), "initdb")
    }

    /// The server as the supervisor keeps it.
    var child: Supervisor.ChildSpecification {
        let settings = [
            "listen_addresses=", "unix_socket_directories=\(socket)", "unix_socket_permissions=0700",
            // What was acknowledged is on the disk.
            "fsync=on", "synchronous_commit=on", "full_page_writes=on",
            "max_connections=150", "shared_buffers=256MB", "effective_cache_size=1GB", "work_mem=16MB", "maintenance_work_mem=128MB",
            "max_wal_size=2GB", "min_wal_size=256MB", "checkpoint_timeout=15min", "checkpoint_completion_target=0.9", "wal_compression=on",
            "random_page_cost=1.1", "jit=off", "max_parallel_workers_per_gather=0",
            "log_line_prefix=%m [%p] %u ", "log_timezone=UTC", "timezone=UTC", "idle_in_transaction_session_timeout=60s",
        ]
        var command = self.command("\(binaries)/postgres", ["-D", data] + settings.flatMap { ["-c", $0] })
        command.deathSignal = .interrupt
        return Supervisor.ChildSpecification(name: Self.childName, command: command, stopSignal: SIGINT, stopLimit: .seconds(30), stopStage: 2)
    }

    /// The eighth line of the server's lock file says whether it takes connections (miscadmin.h, LOCK_FILE_LINE_PM_STATUS).
    func isReady(pid: pid_t?) -> Bool {
        guard let pid, let text = try? String(contentsOfFile: "\(data)/postmaster.pid", encoding: .utf8) else { return false }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.count >= 8 && Int32(lines[0]) == pid && lines[7].trimmingCharacters(in: .whitespaces) == "ready"
    }

    /// A server that a killed launcher left is on its way down, or is told to go.
    func endLeftover(supervisor: Supervisor) throws {
        guard FileManager.default.fileExists(atPath: "\(data)/postmaster.pid") else { return }
        let status = self.command("\(binaries)/pg_ctl", ["status", "-s", "-D", data])
        guard try supervisor.run(status, limit: .seconds(10)) == .exited(0) else { return }
        let stop = self.command("\(binaries)/pg_ctl", ["stop", "-s", "-m", "fast", "-w", "-t", "60", "-D", data])
        try check(supervisor.run(stop, limit: .seconds(70)), "stopping the PostgreSQL left from before")
    }

    /// Makes the six schemas and roles, or sees that they are there, and sets the passwords to those kept.
    func prepareDatabases(passwords: [String: String], supervisor: Supervisor) throws {
        var command = self.command(
            "\(binaries)/psql", ["--no-psqlrc", "--quiet", "--dbname", "postgres", "--set", "ON_ERROR_STOP=1", "--file", "-"])
        for (variable, password) in passwords { command.environment[variable] = password }
        command.environment["PGHOST"] = socket
        command.environment["PGUSER"] = Self.administrator
        command.environment["PGPASSWORD"] = administratorPassword
        command.input = .text(String(decoding: PackageResources.databases_sql, as: UTF8.self))
        try check(supervisor.run(command, limit: .seconds(60)), "making the schemas and roles")
    }

    /// The address a service uses; its password comes from a file.
    func url(role: String) -> String { "postgresql://\(role)@/\(Suite.database)?host=\(socket)" }

    private func command(_ executable: String, _ arguments: [String]) -> ProcessCommand {
        ProcessCommand(
            executable: executable, arguments: arguments,
            environment: ["PATH": "\(binaries):/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"],
            directory: folder, user: user, output: .file(logFile))
    }

    private func check(_ end: ProcessEnd, _ what: String) throws(LaunchError) {
        guard end != .exited(0) else { return }
        throw LaunchError("\(what) failed (\(end)); \(logFile) says:\n\(LogTail.lines(of: logFile))")
    }
}
