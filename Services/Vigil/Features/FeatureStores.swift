import ArgumentParser
import Contracts
import RPC
import RecordCoding
import Records
import ServiceRuntime
import StandardContracts

/// The running suite's feature stores, as the operator calls them.
struct FeatureStores: ParsableArguments {
    @OptionGroup var connection: ConnectionOptions

    /// The replicas' names, the first first; of one store alone.
    func names() throws -> [String] {
        let first = ServiceIdentity.featureStore.name
        let names = try connection.connection().suite.services.keys.filter { $0 == first || $0.hasPrefix(first + "-") }
        return names.sorted { ($0.utf8.count, $0) < ($1.utf8.count, $1) }
    }

    func call<R: Sendable>(
        _ store: String = ServiceIdentity.featureStore.name, _ body: (FeaturesV1.FeatureStoreService.Client) async throws -> R
    ) async throws -> R {
        try await connection.connection().callFeatureStore(store, body)
    }

    func catalogue() async throws -> Catalogue { try await connection.connection().catalogue() }
}

extension SuiteConnection {
    /// Calls a feature store as the operator.
    func callFeatureStore<R: Sendable>(
        _ store: String = ServiceIdentity.featureStore.name, _ body: (FeaturesV1.FeatureStoreService.Client) async throws -> R
    ) async throws -> R {
        do {
            return try await withChannel(try operatorConfiguration(store), logger: Self.quiet) {
                try await body(FeaturesV1.FeatureStoreService.Client($0))
            }
        } catch let error as RPCError {
            throw Problem(description: "\(store) answered: \(error.message)")
        }
    }

    /// What the feature store serves.
    func catalogue() async throws -> Catalogue {
        Catalogue(try await callFeatureStore { try await $0.describeFeatureSet(.init(), options: CallOptions(timeout: .seconds(10))) })
    }
}

/// Which observations, by when their payments were made.
struct EventTimeOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Event times from, ISO 8601, UTC where it states no zone; from the first unless given.", valueName: "time"))
    var from: Moment?

    @Option(help: ArgumentHelp("Event times before, ISO 8601, UTC where it states no zone; to the last unless given.", valueName: "time"))
    var to: Moment?

    func validate() throws {
        if let from, let to, from.time >= to.time { throw ValidationError("--from \(from.time) is not before --to \(to.time).") }
    }

    var first: GoogleProtobuf.Timestamp? { (from?.time).map { .init($0) } }
    var end: GoogleProtobuf.Timestamp? { (to?.time).map { .init($0) } }
}
