import Foundation
import ServiceRuntime

/// Brings the suite up step by step, keeps it up, and takes it down in order.
struct Launcher {
    let home: SuiteHome
    let portBase: Int
    let featureStores: Int
    let loadsSample: Bool
    let inherited: [String: String]
    private let progress = Progress()

    init(home: SuiteHome, portBase: Int, featureStores: Int = 1, loadsSample: Bool, inherited: [String: String]) {
        self.home = home
        self.portBase = portBase
        self.featureStores = featureStores
        self.loadsSample = loadsSample
        self.inherited = inherited
    }

    /// Returns when the operator has asked to stop and all has ended.
    func run() throws {
        try home.create()
        try home.lock()
        try home.checkDiskSpace()
        var ports = try Ports.choose(base: portBase)
        let replicas = try FeatureStoreReplicas.prepare(count: featureStores, file: home.featureStoresFile)
        for name in replicas?.names.dropFirst() ?? [] { ports[name] = try Ports.anyFree(except: Set(ports.values)) }
        let mailPort = try Ports.anyFree(except: Set(ports.values))
        for service in Suite.services where access(executable(service.name), X_OK) != 0 {
            throw LaunchError("\(executable(service.name)) is missing; build it with `make build`")
        }
        progress.line("Vigil starts in \(home.path)")
        let supervisor = try Supervisor(report: Journal(home: home).report)
        do {
            let environment = try bringUp(supervisor, ports: ports, replicas: replicas, mailPort: mailPort)
            try Welcome(environment: environment).print(after: progress.total)
            try warnIfNothingDecides(supervisor)
            supervisor.runUntilStopRequested()
        } catch is StopRequested {
        } catch {
            supervisor.stopAll()
            throw error
        }
        progress.line("")
        progress.step("everything ended") { supervisor.stopAll() }
    }

    // MARK: Steps

    private func bringUp(_ supervisor: Supervisor, ports: [String: Int], replicas: FeatureStoreReplicas?, mailPort: Int) throws -> ServiceEnvironment {
        let secrets = Secrets(folder: home.secrets)
        try progress.step("certificates and secrets") {
            try runSelf(["certificates", "--out", home.certificates], supervisor, limit: .seconds(60))
            try secrets.prepareAll()
        }
        let cluster = try startPostgres(secrets, supervisor)
        if loadsSample, !FirstRun(home: home).hasModel {
            try progress.step("first model, trained on a simulated city") {
                try runSelf(["sample", "train"], supervisor, limit: .seconds(600))
            }
        }
        let environment = ServiceEnvironment(
            home: home, secrets: secrets, cluster: cluster, certificates: SuiteCertificates(folder: home.certificates), ports: ports,
            replicas: replicas, mailPort: mailPort, mapLibreFolder: mapLibreFolder, inherited: inherited)
        try startServices(environment, supervisor)
        if loadsSample, !FirstRun(home: home).hasReplayed {
            try progress.step("a simulated day, sent as the partner bank would") {
                try runSelf(["sample", "replay"], supervisor, limit: .seconds(600))
            }
        }
        return environment
    }

    private func startPostgres(_ secrets: Secrets, _ supervisor: Supervisor) throws -> PostgresCluster {
        let cluster = try PostgresCluster(home: home, secrets: secrets, supervisor: supervisor)
        if !cluster.exists { try progress.step("a private PostgreSQL, made") { try cluster.create(supervisor: supervisor) } }
        try progress.step("PostgreSQL, with a schema and a role for each service") {
            try cluster.endLeftover(supervisor: supervisor)
            supervisor.start(cluster.child)
            let name = PostgresCluster.childName
            let ready = try supervisor.wait(limit: .seconds(60)) {
                if supervisor.restarts(of: name) > 5 { throw LaunchError("PostgreSQL does not start; \(tail(name))") }
                return cluster.isReady(pid: supervisor.pid(of: name))
            }
            guard ready else { throw LaunchError("PostgreSQL was not ready within 60 s; \(tail(name))") }
            var passwords: [String: String] = [:]
            for service in Suite.services {
                passwords[service.passwordVariable] = try secrets.password(Secrets.database(service))
            }
            try cluster.prepareDatabases(passwords: passwords, supervisor: supervisor)
        }
        return cluster
    }

    private func startServices(_ environment: ServiceEnvironment, _ supervisor: Supervisor) throws {
        let stores = environment.replicas?.names.count ?? 1
        try progress.step(stores > 1 ? "six services, the feature store as \(stores) replicas, serving" : "six services, serving") {
            try SuiteDescription(environment: environment).write(to: home.suiteFile)
            supervisor.start(mailCatcher(environment))
            for service in Suite.services { supervisor.start(specification(of: service, environment)) }
            for name in environment.replicas?.names.dropFirst() ?? [] {
                supervisor.start(specification(of: .featureStore, environment, child: name))
            }
            let status = try supervisor.run(
                selfCommand(["status", "--wait-seconds", "60"], output: .file(home.log("launcher"))), limit: .seconds(90),
                givingUpWhen: { Suite.services.contains { cannotStart($0, supervisor) } })
            if status == .exited(0) { return }
            let failed = Suite.services.first { cannotStart($0, supervisor) } ?? Suite.services.first { supervisor.restarts(of: $0.name) > 0 }
            guard let failed else { throw LaunchError("the services were not all serving within 60 s; \(tail("launcher"))") }
            throw LaunchError("\(failed.name) does not start; \(tail(failed.name))")
        }
    }

    /// Exit status 64 means a wrong setting (sysexits.h): starting again cannot help.
    private func cannotStart(_ service: ServiceIdentity, _ supervisor: Supervisor) -> Bool {
        supervisor.lastEnd(of: service.name) == .exited(64) || supervisor.restarts(of: service.name) > 6
    }

    private func specification(of service: ServiceIdentity, _ environment: ServiceEnvironment, child: String? = nil) -> Supervisor.ChildSpecification {
        let name = child ?? service.name
        let command = ProcessCommand(
            executable: executable(service.name), environment: environment.variables(for: service, child: name), output: .file(home.log(name)),
            input: .lifeline)
        return Supervisor.ChildSpecification(name: name, command: command)
    }

    private func mailCatcher(_ environment: ServiceEnvironment) -> Supervisor.ChildSpecification {
        var command = selfCommand(
            ["mail-catcher", "--port", String(environment.mailPort), "--folder", home.mail], output: .file(home.log("mail-catcher")))
        command.input = .lifeline
        command.ownGroup = true
        return Supervisor.ChildSpecification(name: "mail-catcher", command: command, stopLimit: .seconds(3), stopStage: 1)
    }

    /// Another release may serve features that no model here was trained on.
    private func warnIfNothingDecides(_ supervisor: Supervisor) throws {
        let end = try supervisor.run(selfCommand(["models", "check"], output: .file(home.log("launcher"))), limit: .seconds(30))
        if end == .exited(1) { progress.line("No decisions are made yet: see `vigil models check`.") }
    }

    // MARK: Programs

    /// The services lie beside this executable.
    private func executable(_ name: String) -> String {
        URL(fileURLWithPath: Self.ownPath).deletingLastPathComponent().appendingPathComponent(name).path
    }

    private static var ownPath: String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    }

    private func selfCommand(_ arguments: [String], output: ProcessCommand.Output) -> ProcessCommand {
        var environment = inherited
        environment["VIGIL_HOME"] = home.path
        return ProcessCommand(executable: Self.ownPath, arguments: arguments, environment: environment, output: output)
    }

    private func runSelf(_ arguments: [String], _ supervisor: Supervisor, limit: Duration) throws {
        let end = try supervisor.run(selfCommand(arguments, output: .file(home.log("launcher"))), limit: limit)
        guard end == .exited(0) else {
            throw LaunchError("`vigil \(arguments.joined(separator: " "))` failed (\(end)); \(tail("launcher"))")
        }
    }

    /// `.build/release/vigil` has its map library in `.build/maplibre`.
    private var mapLibreFolder: String? {
        let build = URL(fileURLWithPath: Self.ownPath).resolvingSymlinksInPath().deletingLastPathComponent()
        let candidates = (0..<3).map { depth in
            (0..<depth).reduce(build) { url, _ in url.deletingLastPathComponent() }.appendingPathComponent("maplibre").path
        }
        return candidates.first { FileManager.default.fileExists(atPath: "\($0)/maplibre-gl.js") }
    }

    private func tail(_ log: String) -> String { "\(home.log(log)) says:\n\(LogTail.lines(of: home.log(log)))" }
}
