import ArgumentParser
import Foundation

/// `vigil secrets --out DIR`
struct SecretsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secrets",
        abstract: "Make the passwords and keys that the services share with their database and first clients.",
        discussion: "One a file, readable by their owner only; those that are there are kept. `vigil run` does this by itself.")

    @Option(name: .customLong("out"), help: ArgumentHelp("Folder for the files; made where it is missing.", valueName: "dir"))
    var folder: String

    func run() throws {
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        try Secrets(folder: folder).prepareAll()
    }
}
