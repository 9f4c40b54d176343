import Foundation
import Synchronization
import Testing

/// The built suite, started by `vigil run` in a temporary home on free ports, and ended when the scope ends.
final class RunningSuite: Sendable {
    let home: String
    private let launcher: Process
    private let output: ProgramOutput

    /// The folder with the executables: the test runner lies beside them.
    static let executables = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent().path

    static var areBuilt: Bool {
        ["vigil", "ingestion-gateway", "feature-store", "model-server", "auth-gateway", "heatmap-tiles", "notifier"]
            .allSatisfy { FileManager.default.isExecutableFile(atPath: "\(executables)/\($0)") }
    }

    static func with<R>(
        arguments: [String] = ["--without-sample"], environment: [String: String] = [:], _ body: (RunningSuite) async throws -> R
    ) async throws -> R {
        let home = "\(NSTemporaryDirectory())vigil-e2e-\(UUID().uuidString.prefix(8).lowercased())"
        try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o711])
        defer { try? FileManager.default.removeItem(atPath: home) }
        let suite = try RunningSuite(home: home, arguments: arguments, environment: environment)
        do {
            try await suite.waitUntilUp()
            let result = try await body(suite)
            await suite.end()
            return result
        } catch {
            await suite.end()
            throw error
        }
    }

    private init(home: String, arguments: [String], environment: [String: String]) throws {
        self.home = home
        launcher = Process()
        launcher.executableURL = URL(fileURLWithPath: "\(Self.executables)/vigil")
        launcher.arguments = ["run", "--home", home, "--port-base", "0"] + arguments
        launcher.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        launcher.standardInput = FileHandle.nullDevice
        output = ProgramOutput(of: launcher)
        try launcher.run()
    }

    var launcherID: pid_t { launcher.processIdentifier }
    var printed: String { output.text }

    private func waitUntilUp() async throws {
        let isUp = await output.waits(for: "Ctrl-C ends all of it.")
        try #require(isUp, "the suite did not come up:\n\(output.text)")
    }

    /// Asks the launcher to end, as Ctrl-C does, and waits for it. Harmless when it has ended.
    @discardableResult
    func end() async -> Int32 {
        if launcher.isRunning { kill(launcherID, SIGINT) }
        return await ended()
    }

    /// Waits for the launcher's end and all it printed.
    func ended() async -> Int32 {
        await output.finished()
        return launcher.terminationReason == .exit ? launcher.terminationStatus : -launcher.terminationStatus
    }

    // MARK: Looking at it

    /// The process ids of the children that run now, by name.
    func children() -> [String: pid_t] {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: "\(home)/run")) ?? []
        return files.filter { $0.hasSuffix(".pid") }.reduce(into: [:]) { children, file in
            let text = (try? String(contentsOfFile: "\(home)/run/\(file)", encoding: .utf8)) ?? ""
            if let pid = pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)) { children[String(file.dropLast(4))] = pid }
        }
    }

    func log(_ name: String) -> String { (try? String(contentsOfFile: "\(home)/logs/\(name).log", encoding: .utf8)) ?? "" }

    /// Runs the command line against this suite.
    func vigil(_ arguments: String..., environment: [String: String] = [:]) async throws -> ProgramResult {
        try await vigil(arguments, environment: environment)
    }

    func vigil(_ arguments: [String], environment: [String: String] = [:]) async throws -> ProgramResult {
        try await Program.run(
            "\(Self.executables)/vigil", arguments, environment: ["VIGIL_HOME": home].merging(environment) { $1 })
    }

    /// psql's own words, as while the server is away.
    struct QueryFailed: Error {
        let output: String
    }

    /// One value from the suite's database, asked as its administrator.
    /// - Throws: ``QueryFailed``.
    func query(_ sql: String) async throws -> String {
        let password = try String(contentsOfFile: "\(home)/secrets/postgres-admin.password", encoding: .utf8)
        let result = try await Program.run(
            "/usr/bin/env", ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--dbname", "vigil", "--command", sql],
            environment: [
                "PGHOST": "\(home)/postgres/socket", "PGUSER": "vigil_admin",
                "PGPASSWORD": password.trimmingCharacters(in: .whitespacesAndNewlines),
            ])
        guard result.status == 0 else { throw QueryFailed(output: "\(result.output)\(result.errors)") }
        return result.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    // MARK: Coming in

    /// What `suite.json` says.
    struct Connection {
        let trust: String
        let bank: (subject: String, secret: String)
        fileprivate let urls: [String: String]

        func url(_ service: String) -> String { urls[service] ?? "" }
    }

    func connection() throws -> Connection {
        let object = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: "\(home)/suite.json"))) as? [String: Any]
        let suite = try #require(object)
        let services = try #require(suite["services"] as? [String: [String: String]])
        let bank = try #require(suite["bank"] as? [String: String])
        let secret = try String(contentsOfFile: #require(bank["secretFile"]), encoding: .utf8)
        return Connection(
            trust: try #require(suite["trust"] as? String),
            bank: (try #require(bank["subject"]), secret.trimmingCharacters(in: .whitespacesAndNewlines)),
            urls: services.compactMapValues { $0["url"] })
    }

    /// A token for the bank, got as RFC 6749 says (section 4.4).
    func bankToken() async throws -> String {
        let connection = try connection()
        let result = try await Program.run("/usr/bin/curl", [
            "--http2", "--silent", "--show-error", "--cacert", connection.trust,
            "--user", "\(connection.bank.subject):\(connection.bank.secret)", "--data", "grant_type=client_credentials",
            connection.url("auth-gateway") + "/oauth2/token",
        ])
        return try #require(result.json()["access_token"] as? String, "\(result.output)\(result.errors)")
    }
}
