import ArgumentParser
import Foundation

/// `vigil run`
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Start the whole suite on this machine: a private PostgreSQL and the six services.",
        discussion: """
            All state is kept in VIGIL_HOME (.vigil in the working directory unless set). The first start trains a model on a \
            simulated city and sends a simulated day through the ingestion gateway. What dies is started again. Ctrl-C ends all.
            """)

    @Option(help: ArgumentHelp("Folder for all state; VIGIL_HOME or .vigil unless given.", valueName: "dir"))
    var home: String?

    @Option(help: ArgumentHelp("The ingestion gateway's port; the five others follow it. 0: any free ports.", valueName: "port"))
    var portBase = Suite.defaultPortBase

    @Option(help: ArgumentHelp(
        "Feature stores, each with a slice of customers, terminals and the rest; more or fewer than last time moves slices.", valueName: "count"))
    var featureStores = 1

    @Flag(help: "Neither train a model nor send a simulated day.")
    var withoutSample = false

    func validate() throws {
        guard (1...FeatureStoreReplicas.mostAtOnce).contains(featureStores) else {
            throw ValidationError("--feature-stores must be 1 to \(FeatureStoreReplicas.mostAtOnce).")
        }
        guard portBase == 0 || (1...65_530).contains(portBase) else { throw ValidationError("--port-base must be 0 or 1 to 65530.") }
    }

    func run() throws {
        let launcher = Launcher(
            home: SuiteHome(explicit: home), portBase: portBase, featureStores: featureStores, loadsSample: !withoutSample,
            inherited: ProcessInfo.processInfo.environment)
        do {
            try launcher.run()
        } catch let error as LaunchError {
            FileHandle.standardError.write(Data("vigil: \(error.description)\n".utf8))
            throw ExitCode(1)
        }
    }
}
