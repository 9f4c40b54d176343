import ArgumentParser
import Contracts
import Foundation
import RPC
import RecordCoding
import Records
import ServiceRuntime
import StandardContracts

/// `vigil features …`
struct FeaturesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "features", abstract: "What the running feature store computes, and how its features are.",
        subcommands: [List.self, Describe.self, Diff.self, Export.self, Health.self, Reference.self], defaultSubcommand: List.self)

    enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
        case text, json
    }

    struct Target: ParsableArguments {
        @Option(help: "text or json.")
        var format: OutputFormat = .text

        @OptionGroup var stores: FeatureStores
    }

    static func printJSON(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        print(String(decoding: try encoder.encode(value), as: UTF8.self))
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "All features in the order of the vectors.",
            discussion: "`vigil features list --format json > before.json` keeps what `vigil features diff before.json` compares with.")
        @OptionGroup var target: Target

        func run() async throws {
            let catalogue = try await target.stores.catalogue()
            switch target.format {
            case .json: try FeaturesCommand.printJSON(catalogue)
            case .text:
                print("feature set \(catalogue.version), \(catalogue.features.count) features")
                for feature in catalogue.features { print("  \(feature.name)  \(feature.entity)  \(feature.description)") }
                let behaviours = catalogue.behaviours ?? []
                print("behaviour views \(catalogue.behaviourVersion ?? ""), \(behaviours.count)")
                for view in behaviours { print("  \(view.name)  \(view.entity)  \(view.description)") }
            }
        }
    }

    struct Describe: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Everything about one feature.")
        @Argument(help: "The feature's name.")
        var name: String

        @OptionGroup var target: Target

        func run() async throws {
            let catalogue = try await target.stores.catalogue()
            guard let feature = catalogue.all.first(where: { $0.name == name }) else {
                throw SuiteConnection.Problem(description: "there is no feature \(name); `vigil features list` names all")
            }
            switch target.format {
            case .json: try FeaturesCommand.printJSON(feature)
            case .text: for line in feature.lines { print(line) }
            }
        }
    }

    struct Diff: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What has changed since a list was kept.",
            discussion: """
                Also where all features are declared as before and only computed otherwise, as by another clock or delay of labels. A list that \
                does not say by what (`computation`) still tells whether by its version, which is over all of that. Exit status as of \
                diff: 0 when nothing has changed, 1 when something has, 2 when that cannot be told, 64 for a wrong command line.
                """)
        @Argument(help: "What `vigil features list --format json` printed.")
        var before: String

        @OptionGroup var target: Target

        func run() async throws {
            let changes: [Catalogue.Change]
            do {
                let old = try Catalogue(list: try OptionFile.text(before, for: "the list"), at: before)
                changes = try await target.stores.catalogue().changes(since: old)
            } catch {
                FileHandle.standardError.write(Data("Error: \(plainFault(error) ?? "\(error)")\n".utf8))
                throw ExitCode(2)
            }
            switch target.format {
            case .json: try FeaturesCommand.printJSON(changes)
            case .text: for change in changes { print(change.line) }
            }
            if !changes.isEmpty { throw ExitCode(1) }
        }
    }

    struct Health: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "How fresh and complete the latest observations are, and how far from the training set.",
            discussion: """
                PSI is the population stability index over the reference's deciles, its common values and what has no value: above 0.1 look, \
                above 0.25 it is another population. `vigil features reference` says which span is the reference; one that an earlier release \
                kept tells no PSI of features of mostly one value until it is set again. Of several replicas each tells of the observations that it has \
                made, one after another; JSON is a list of them. Exit status 1 when one of them does not answer; 3 when --fail-above is given and \
                a feature is beyond it, or nothing is because there is no reference.
                """)
        @Option(help: ArgumentHelp("Name the features whose PSI is above this on the standard error, and end with 3 if there are any.", valueName: "psi"))
        var failAbove: Double?

        @OptionGroup var target: Target

        func validate() throws {
            guard failAbove.map({ $0 >= 0 }) ?? true else { throw ValidationError("--fail-above is a PSI, 0 or more") }
        }

        func run() async throws {
            var silent: (any Error)?
            var reports: [HealthReport] = []
            for store in try target.stores.names() {
                do {
                    let answer = try await target.stores.call(store) {
                        try await $0.getFeatureHealth(.init(), options: CallOptions(timeout: .seconds(30)))
                    }
                    reports.append(HealthReport(answer, of: store))
                } catch {
                    silent = error
                }
            }
            switch target.format {
            case .json: try FeaturesCommand.printJSON(reports)
            case .text: for line in reports.flatMap(\.lines) { print(line) }
            }
            let lacksReference = reports.flatMap(\.features).allSatisfy { $0.populationStabilityIndex == nil }
            if lacksReference, silent == nil { note("there is no reference to tell drift by: make one with `vigil features reference`") }
            if let silent { throw silent }
            guard let failAbove else { return }
            let drifted = reports.flatMap { $0.drifted(above: failAbove) }
            for line in drifted { note(line) }
            if !drifted.isEmpty || lacksReference { throw ExitCode(3) }
        }

        private func note(_ text: String) { FileHandle.standardError.write(Data("\(text)\n".utf8)) }
    }

    struct Reference: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make the observations of a span what drift is measured against.")
        @OptionGroup var span: EventTimeOptions

        @OptionGroup var target: Target

        func run() async throws {
            let request = FeaturesV1.SetFeatureReferenceRequest(from: span.first, to: span.end)
            let answer = try await target.stores.call { try await $0.setFeatureReference(request, options: CallOptions(timeout: .seconds(600))) }
            switch target.format {
            case .json: try FeaturesCommand.printJSON(["observations": answer.observations])
            case .text: print("the reference is made of \(answer.observations) observations")
            }
        }
    }
}
