import ArgumentParser

/// The options of every command that calls the services.
struct ConnectionOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Folder of the suite to talk to; VIGIL_HOME or .vigil unless given.", valueName: "dir"))
    var home: String?

    /// - Throws: when there is no `suite.json`: nothing has been started there.
    func connection() throws -> SuiteConnection {
        SuiteConnection(suite: try SuiteDescription.read(from: SuiteHome(explicit: home)))
    }
}
