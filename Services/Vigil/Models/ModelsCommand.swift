import ArgumentParser
import Contracts
import Foundation
import Models
import RPC
import RecordCoding
import Records
import StandardContracts

/// `vigil models …`
struct ModelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models", abstract: "The running model server's registry: list, check, upload, shadow, promote, rollback, health.",
        subcommands: [List.self, Check.self, Upload.self, Shadow.self, Promote.self, Rollback.self, Health.self, NewKey.self], defaultSubcommand: List.self)

    struct Target: ParsableArguments {
        @Option(help: ArgumentHelp("Folder of the suite; VIGIL_HOME or .vigil unless given.", valueName: "dir"))
        var home: String?

        @Option(help: "text or json.")
        var format: OutputFormat = .text

        func registry() throws -> ModelRegistry {
            let home = SuiteHome(explicit: home)
            return ModelRegistry(
                suite: try SuiteDescription.read(from: home), signingKey: Secrets(folder: home.secrets).existingModelSigningKey)
        }

        func served() async throws -> ServedFeatures {
            let connection = SuiteConnection(suite: try SuiteDescription.read(from: SuiteHome(explicit: home)))
            return ServedFeatures(version: try await connection.catalogue().version)
        }

        /// Prints models; beside them, who decides where that is not the champion.
        func show(_ models: [ModelsV1.Model]) async throws {
            // A feature store that is away is no reason not to tell what the registry holds.
            let served = try? await served()
            try ModelsCommand.show(models, as: format, served: served?.version)
            guard let caution = served?.caution(about: try await registry().models()) else { return }
            var progress = ProgressLine()
            progress.note(caution)
        }
    }

    enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
        case text, json
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show all models, newest first.")
        @OptionGroup var target: Target

        func run() async throws {
            try await target.show(try await target.registry().models())
        }
    }

    struct Upload: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Register a bundle.",
            discussion: """
                The bundle is a challenger until it is promoted: `vigil models upload bundle --promote` does both.

                A server that `vigil run` started takes signed bundles only. One that nobody has signed is signed on the way with the key of \
                the suite's home, if there is one, so who may read that key vouches for the bundle. To trust another's key, add its public \
                key (NAME.pub of `vigil models new-key`) to secrets/model-signing.pub in the suite's home and start the suite anew.
                """)
        @Argument(help: "The bundle's folder, as `vigil train` wrote it.")
        var bundle: String

        @Flag(help: "Make it the champion at once; the server does not restart.")
        var promote = false

        @OptionGroup var target: Target

        func run() async throws {
            let registry = try target.registry()
            var model = try await registry.upload(directory: bundle)
            if let caution = TrainCommand.caution(try ModelBundle(directory: bundle).manifest.training) {
                var progress = ProgressLine()
                progress.note(caution)
            }
            if promote, let version = model?.version { model = try await registry.promote(version: version) }
            try await target.show([model].compactMap { $0 })
        }
    }

    struct Promote: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a registered model the champion.")
        @Argument(help: "The model's version, as `vigil models list` shows it.")
        var version: String

        @OptionGroup var target: Target

        func run() async throws {
            try await target.show([try await target.registry().promote(version: version)].compactMap { $0 })
        }
    }

    struct Shadow: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let a registered model score along without deciding.",
            discussion: """
                Its scores are kept beside the decisions, so that `vigil models health --version VERSION` says how it would have done before \
                anybody promotes it. At most two models are shadows at a time.
                """)
        @Argument(help: "The model's version, as `vigil models list` shows it.")
        var version: String

        @Flag(help: "End it: the model is a challenger again, its scores stay.")
        var stop = false

        @OptionGroup var target: Target

        func run() async throws {
            try await target.show([try await target.registry().shadow(version: version, stop: stop)].compactMap { $0 })
        }
    }

    struct Rollback: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make the champion before the present one champion again.")
        @OptionGroup var target: Target

        func run() async throws {
            try await target.show([try await target.registry().rollBack()].compactMap { $0 })
        }
    }

    struct NewKey: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a key pair for signing bundles.",
            discussion: """
                Writes NAME.key, which `vigil train --sign-with` takes and nobody else should read, and NAME.pub, which goes to whoever \
                checks: `vigil predict --trusted-keys`, or VIGIL_MODELS_TRUSTED_KEYS_FILE of the model server.
                """)
        @Argument(help: "The files' name without its ending.")
        var name: String

        func run() throws {
            let manager = FileManager.default
            for ending in ["key", "pub"] where manager.fileExists(atPath: "\(name).\(ending)") {
                throw ValidationError("\(name).\(ending) is there already.")
            }
            let pair = ModelBundle.newSigningKey()
            guard
                manager.createFile(
                    atPath: "\(name).key", contents: Data((pair.privateKeyPEM + "\n").utf8), attributes: [.posixPermissions: 0o600]),
                manager.createFile(atPath: "\(name).pub", contents: Data((pair.publicKeyPEM + "\n").utf8))
            else { throw ValidationError("\(name).key cannot be written.") }
            print("\(name).key signs, \(name).pub checks")
        }
    }

    private struct Row: Encodable {
        let version: String
        let stage: String
        let featureSetVersion: String
        /// Nil where the feature store does not answer.
        let featuresAreServed: Bool?
        let trainedAt: String?
        let promotedAt: String?
        let alertThreshold: Double
        let metrics: [String: Double]
        let signed: Bool
        /// Nil where it is signed with none of the server's trusted keys.
        let signingKeySHA256: String?

        init(_ model: ModelsV1.Model, served: String?) {
            version = model.version
            stage =
                switch model.stage {
                case .champion: "champion"
                case .challenger: "challenger"
                case .retired: "retired"
                case .shadow: "shadow"
                case .unspecified, .unrecognized: "unknown"
                }
            featureSetVersion = model.featureSetVersion
            featuresAreServed = served.map { $0 == model.featureSetVersion }
            trainedAt = model.trainedAt.flatMap(Timestamp.init)?.iso8601
            promotedAt = model.promotedAt.flatMap(Timestamp.init)?.iso8601
            alertThreshold = model.alertThreshold
            metrics = model.metrics
            signed = model.signed
            signingKeySHA256 = model.signingKeySha256.isEmpty ? nil : model.signingKeySha256
        }

        /// So much of a key's hash tells it from others at sight.
        private static let shownDigits = 16

        var signature: String {
            if let signingKeySHA256 { return "signed with \(signingKeySHA256.prefix(Self.shownDigits))" }
            return signed
                ? "signed, with no key that the server trusts: add it to the file of VIGIL_MODELS_TRUSTED_KEYS_FILE to trust it" : "not signed"
        }
    }

    private static func show(_ models: [ModelsV1.Model], as format: OutputFormat, served: String?) throws {
        let rows = models.map { Row($0, served: served) }
        switch format {
        case .json:
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            print(String(decoding: try encoder.encode(rows), as: UTF8.self))
        case .text:
            if rows.isEmpty { print("no models; train one with `vigil train` and send it with `vigil models upload`") }
            for row in rows {
                let trained = row.trainedAt.map { "  trained \($0.prefix(16).replacing("T", with: " "))" } ?? ""
                let metrics = row.metrics.sorted { $0.key < $1.key }.map { "\($0.key.replacing("_", with: " ")) \(Figure.text($0.value))" }
                print("\(row.version)  \(row.stage)\(trained)  alerts from \(Figure.text(row.alertThreshold))  \(row.signature)")
                print("    features \(row.featureSetVersion)" + (row.featuresAreServed.map { $0 ? ", which are served" : ", which are not served" } ?? ""))
                if !metrics.isEmpty { print("    " + metrics.joined(separator: ", ")) }
            }
        }
    }
}
