import Contracts
import EventLog
import Logging
import RPC
import ServiceRuntime

@main enum Main {
    static func main() async {
        await Service.run(.ingestionGateway, configuration: IngestionGatewayConfiguration.init(from:)) { configuration, runtime in
            try await IngestionGateway.run(configuration, runtime)
        }
    }
}

/// Takes in what banks and agencies send: durable first, decided on next.
enum IngestionGateway {
    static func run(_ configuration: IngestionGatewayConfiguration, _ runtime: ServiceRuntime) async throws {
        guard let tokens = configuration.tokens, let vault = configuration.vault else { throw ServiceError("there is no key for tokens") }
        try await runtime.withDatabase(migrations: IngestionDatabase.migrations) { pool in
            let database = IngestionDatabase(pool: pool)
            try await database.log.continueNumbers(logger: runtime.logger)
            let privacy = PrivacyDatabase(pool: pool)
            let keeper = IdentifierKeeper(vault: vault)
            try await privacy.createPartitions()
            let metrics = IntakeMetrics(runtime.metrics)
            let files = FileIntake(database: FileDatabase(pool: pool), vault: vault, metrics: metrics)
            try await checkKeys(of: privacy, keeper, files, runtime.logger)
            try await withStores(configuration.featureStoreRing, runtime) { stores, models in
                let decider = Decider(
                    stores: stores, models: ModelsV1.ModelService.Client(models),
                    timeout: .seconds(configuration.decisionTimeoutSeconds), logger: runtime.logger)
                let transactions = TransactionPipeline(
                    database: database, keeper: keeper, decider: decider, limits: configuration.limits, metrics: metrics, logger: runtime.logger,
                    cannotServe: runtime.cannotServe)
                let records = RecordPipeline(
                    database: database, keeper: keeper, limits: configuration.limits, metrics: metrics, logger: runtime.logger)
                metrics.tellWaiting(in: .transactions) { transactions.waitingItems }
                metrics.tellWaiting(in: .records) { records.waitingItems }
                try await runtime.serve(
                    services: [
                        IngestionGatewayHandlers(
                            database: database, transactions: transactions, records: records, privacy: privacy,
                            files: files, keeper: keeper, tokeniser: tokens.tokeniser,
                            quotas: configuration.quotas, retentionDays: configuration.retentionDays, limits: configuration.limits,
                            metrics: metrics)
                    ],
                    background: [
                        .init("transactions") { await transactions.run() },
                        .init("records") { await records.run() },
                        .init("partitions") {
                            try await Housekeeping(
                                privacy: privacy, files: files, keeper: keeper, retentionDays: configuration.retentionDays,
                                logger: runtime.logger
                            ).run()
                        },
                    ])
            }
        }
    }

    /// - Throws: where a key is not the one that its name has stood for.
    private static func checkKeys(
        of privacy: PrivacyDatabase, _ keeper: IdentifierKeeper, _ files: FileIntake, _ logger: Logger
    ) async throws {
        if let key = try await keeper.otherKeys(privacy).first {
            throw ServiceError(
                """
                key \(key) of VIGIL_INGESTION_VAULT_KEYS_FILE ("derived": of the token key) is not the one that identifiers are sealed \
                with under this name; put that one back, and give another key another name
                """)
        }
        // No reason not to take in payments: they need the active key only.
        for key in try await keeper.missingKeys(privacy) {
            logger.error(
                "identifiers are sealed with a key that is not here, and cannot be revealed; put it back into VIGIL_INGESTION_VAULT_KEYS_FILE",
                metadata: ["key": "\(key)"])
        }
        for key in try await files.missingKeys() {
            logger.error(
                "pieces of files are sealed with a key that is not here, and must be sent again; put it back into VIGIL_INGESTION_VAULT_KEYS_FILE",
                metadata: ["key": "\(key)"])
        }
    }

    /// Opens channels to the model server and to the feature store or its replicas.
    private static func withStores(
        _ ring: ReplicaRing?, _ runtime: ServiceRuntime, _ body: (FeatureStores, _ models: RPCChannel) async throws -> Void
    ) async throws {
        try await runtime.withChannel(to: .modelServer) { models in
            guard let ring else {
                return try await runtime.withChannel(to: .featureStore) { try await body(.one(.init($0)), models) }
            }
            try await runtime.withChannels(to: ring, of: .featureStore) { channels in
                let replicas = Dictionary(uniqueKeysWithValues: channels.map { name, channel in
                    (name, FeatureStores.Replica(
                        client: .init(channel), outage: Outage(of: "feature-store/\(name)", logger: runtime.logger)))
                })
                try await body(.ring(ring, replicas), models)
            }
        }
    }
}
