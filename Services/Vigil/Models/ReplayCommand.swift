import ArgumentParser
import Contracts
import Foundation

/// `vigil replay DECISION_ID`
struct ReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Make a decision again from its stored features and model.",
        discussion: "Exit status 0 when score and reasons are the same to the bit, 1 otherwise.")

    @Argument(help: "The decision's identifier, as the gateway answered it.")
    var decisionID: String

    @Option(help: ArgumentHelp("Folder of the suite; VIGIL_HOME or .vigil unless given.", valueName: "dir"))
    var home: String?

    func run() async throws {
        let registry = ModelRegistry(suite: try SuiteDescription.read(from: SuiteHome(explicit: home)))
        let response = try await registry.replay(decisionID: decisionID)
        print("model     \(response.stored?.modelVersion ?? "")")
        print("stored    \(response.stored?.riskScore ?? .nan)")
        print("replayed  \(response.replayed?.riskScore ?? .nan)")
        for reason in response.replayed?.reasons ?? [] { print("          \(reason.text)") }
        print(response.identical ? "identical to the bit" : "NOT identical")
        if !response.identical { throw ExitCode(1) }
    }
}
