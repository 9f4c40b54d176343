import ArgumentParser
import Contracts
import Foundation

/// `vigil sample …`: what the first `vigil run` does, as programs of their own.
struct SampleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sample", abstract: "The simulated city of the first run.", shouldDisplay: false,
        subcommands: [Train.self, Replay.self])

    struct Train: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "train", abstract: "Train the first model on the simulated city.")

        func run() throws {
            let home = SuiteHome()
            let bundle = try SampleTraining(sample: SampleWorld(home: home)).run(into: home.bundles)
            try SuiteHome.write(Array(bundle.utf8), to: FirstRun(home: home).modelMarker)
        }
    }

    struct Replay: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "replay", abstract: "Promote the first model, and send the simulated city to the running suite as its bank and its police would.")

        func run() async throws {
            let home = SuiteHome()
            let suite = try SuiteDescription.read(from: home)
            let registry = ModelRegistry(suite: suite, signingKey: Secrets(folder: home.secrets).existingModelSigningKey)
            let bundle = try String(contentsOfFile: FirstRun(home: home).modelMarker, encoding: .utf8)
            guard let model = try await registry.upload(directory: bundle) else { throw SampleError("the model was not registered") }
            _ = try await registry.promote(version: model.version)
            try await SampleReplay(connection: SuiteConnection(suite: suite), sample: SampleWorld(home: home)).run()
            try SuiteHome.write([], to: FirstRun(home: home).replayMarker)
        }
    }
}
