import Foundation

/// The folder in which everything lies that the suite keeps, and who may read what.
struct SuiteHome: Sendable {
    let path: String

    /// `VIGIL_HOME`, or `.vigil` in the working directory.
    init(environment: [String: String] = ProcessInfo.processInfo.environment, explicit: String? = nil) {
        let chosen = explicit ?? environment["VIGIL_HOME"] ?? ".vigil"
        path = URL(fileURLWithPath: chosen).standardizedFileURL.path
    }

    var suiteFile: String { "\(path)/suite.json" }
    var featureStoresFile: String { "\(path)/feature-stores.json" }
    var certificates: String { "\(path)/certificates" }
    var secrets: String { "\(path)/secrets" }
    var logs: String { "\(path)/logs" }
    var processIDs: String { "\(path)/run" }
    var bundles: String { "\(path)/models" }
    var mail: String { "\(path)/mail" }
    var sample: String { "\(path)/sample" }
    var postgres: String { "\(path)/postgres" }
    private var lockFile: String { "\(path)/run.lock" }

    func log(_ name: String) -> String { "\(logs)/\(name).log" }
    func processIDFile(_ name: String) -> String { "\(processIDs)/\(name).pid" }

    /// Makes the folders. The home itself may be passed through, since PostgreSQL may run as another user; all in it that
    /// is not PostgreSQL's is closed to others.
    func create() throws(LaunchError) {
        try makeDirectory(path, mode: 0o711)
        for folder in [certificates, secrets, logs, processIDs, bundles, mail, sample] { try makeDirectory(folder, mode: 0o700) }
    }

    private func makeDirectory(_ path: String, mode: Int) throws(LaunchError) {
        do {
            if !FileManager.default.fileExists(atPath: path) {
                try FileManager.default.createDirectory(
                    atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: mode])
            }
        } catch {
            throw LaunchError("cannot make the folder \(path): \(error.localizedDescription)")
        }
        guard access(path, W_OK | X_OK) == 0 else { throw LaunchError("cannot write in \(path): \(systemErrorText())") }
    }

    /// Only one launcher a home. The lock lasts as long as this process.
    func lock() throws(LaunchError) {
        let descriptor = open(lockFile, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw LaunchError("cannot open \(lockFile): \(systemErrorText())") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let holder = (try? String(contentsOfFile: lockFile, encoding: .utf8)).map { " (process \($0))" } ?? ""
            close(descriptor)
            throw LaunchError("the suite in \(path) is already running\(holder); stop it, or set VIGIL_HOME to another folder")
        }
        let line = Array("\(getpid())".utf8)
        ftruncate(descriptor, 0)
        _ = line.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
    }

    /// Refuses to begin where there is no room for a database and a model.
    func checkDiskSpace(neededMebibytes: Int = 1024) throws(LaunchError) {
        var information = statvfs()
        guard statvfs(path, &information) == 0 else { return }
        let free = Int(information.f_bavail) * Int(information.f_frsize) / (1 << 20)
        guard free >= neededMebibytes else {
            throw LaunchError("only \(free) MiB are free where \(path) lies; \(neededMebibytes) MiB are needed")
        }
    }

    /// Replaces a file whole, so that a reader sees the old or the new one. Mode 0600.
    static func write(_ bytes: [UInt8], to path: String) throws(LaunchError) {
        let temporary = "\(path).new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw LaunchError("cannot write \(temporary): \(systemErrorText())") }
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { break }
            written += count
        }
        let whole = written == bytes.count && fsync(descriptor) == 0
        close(descriptor)
        guard whole, rename(temporary, path) == 0 else { throw LaunchError("cannot write \(path): \(systemErrorText())") }
    }
}
