import ArgumentParser
import ServiceRuntime

@main
enum Main {
    /// Commands that wait for the network are asynchronous; `vigil run` must stay on the thread that started the
    /// process, because the kernel ties a child's death signal to the thread that spawned it.
    @MainActor
    static func main() async {
        do {
            var command = try VigilCommand.parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            VigilCommand.exit(withError: plainFault(error).map { SuiteConnection.Problem(description: $0) } ?? error)
        }
    }
}

/// The command line. Each command lies in a file of its own and is listed here.
struct VigilCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vigil",
        abstract: "Predict and interrupt financial cybercrime.",
        version: Service.version,
        subcommands: [
            AnomaliesCommand.self,
            BacktestCommand.self,
            CertificatesCommand.self,
            EvaluateCommand.self,
            ForecastCommand.self,
            FeaturesCommand.self,
            ImportCommand.self,
            MailCatcherCommand.self,
            ModelsCommand.self,
            PredictCommand.self,
            PreprocessCommand.self,
            PrivacyCommand.self,
            ReplayCommand.self,
            RunCommand.self,
            SampleCommand.self,
            SecretsCommand.self,
            SimulateCommand.self,
            StatusCommand.self,
            TrainCommand.self,
        ])
}
