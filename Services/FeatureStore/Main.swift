import Contracts
import EventLog
import Features
import Logging
import Postgres
import RPC
import RecordCoding
import Records
import ServiceRuntime

@main enum Main {
    static func main() async {
        await Service.run(.featureStore, configuration: FeatureStoreConfiguration.init(from:)) { configuration, runtime in
            try await FeatureStore.run(configuration, runtime)
        }
    }
}

/// Computes point-in-time features of transactions, once, and remembers them.
enum FeatureStore {
    static func run(_ configuration: FeatureStoreConfiguration, _ runtime: ServiceRuntime) async throws {
        let slice = configuration.slice
        try await runtime.withDatabase(migrations: FeatureStoreDatabase.migrations, replica: slice?.name) { pool in
            let database = FeatureStoreDatabase(pool: pool)
            try await database.log.continueNumbers(logger: runtime.logger)
            let part = try await takePlace(of: slice, in: database)
            let writer = ObservationWriter(database: database, featureSet: configuration.featureSet, part: part, logger: runtime.logger)
            let started = ContinuousClock.now
            let rebuilt = try await writer.rebuild()
            runtime.logger.info(
                "memory is whole",
                metadata: [
                    "entries": "\(rebuilt.entries)", "snapshot": "\(rebuilt.snapshot.map { "\($0.number)" } ?? "none")",
                    "seconds": "\((ContinuousClock.now - started) / .seconds(1))",
                ])
            guard let slice else { return try await serve(configuration, runtime, database, writer, replica: nil) }
            try await runtime.withChannels(to: slice.ring, of: .featureStore) { channels in
                let others = channels.filter { $0.key != slice.name }.mapValues { Replica.Peer(.init($0)) }
                let replica = Replica(slice: slice, writer: writer, others: others, logger: runtime.logger)
                try await serve(configuration, runtime, database, writer, replica: replica)
            }
        }
    }

    /// A store that keeps everything must not begin where a ring keeps slices: it would see a part of what is observed.
    private static func takePlace(
        of slice: Slice?, in database: FeatureStoreDatabase
    ) async throws -> (slice: Slice, membership: ReplicaMembership)? {
        if let slice {
            return (slice, try await database.join(slice.ring, as: slice.name, outsider: ServiceIdentity.featureStore.name))
        }
        guard let ring = try await database.ring() else { return nil }
        throw MembershipError(
            description: """
                ring \(ring.generation) keeps this store: \(ring.names.joined(separator: ", ")); name the replicas in \
                VIGIL_FEATURES_REPLICAS, or for one alone name it there with a higher VIGIL_FEATURES_RING_GENERATION
                """)
    }

    private static func serve(
        _ configuration: FeatureStoreConfiguration, _ runtime: ServiceRuntime, _ database: FeatureStoreDatabase, _ writer: ObservationWriter,
        replica: Replica?
    ) async throws {
        let behaviour = BehaviourKeeper(
            database: database, set: .standard, slice: replica?.slice, latest: writer.latestPayments, maxBytes: configuration.maxBehaviourBytes,
            logger: runtime.logger)
        let schedule = { @Sendable (memory: any SnapshottedMemory) in
            SnapshotSchedule(
                memory: memory, database: database, intervalSeconds: configuration.snapshotIntervalSeconds, logger: runtime.logger)
        }
        let observations = Batcher<Transaction, EncodedObservation> { try await writer.observe($0) }
        try await runtime.withChannel(to: .ingestionGateway) { channel in
            let gateway = IngestionV1.IngestionService.Client(channel)
            let lag = runtime.metrics.logLag("ingestion")
            let consumer = LogConsumer(
                name: replica.map { Slice.consumerName($0.slice.name) } ?? Slice.wholeConsumerName, pool: database.pool,
                logger: runtime.logger, isRefusal: RPCError.isUnknownPosition, refused: { lag.refuse() })
            let follower = IngestionFollower(
                gateway: gateway, consumer: consumer, database: database, writer: writer, replica: replica,
                lag: lag)
            try await runtime.serve(
                services: [
                    FeatureStoreHandlers(
                        database: database, observations: observations, replica: replica, writer: writer, behaviour: behaviour,
                        featureSet: configuration.featureSet)
                ],
                background: [
                    .init("ingestion's log") { try await follower.run() },
                    .init("observations") { if let replica { await replica.run() } else { await observations.run() } },
                    .init("behaviour") { try await behaviour.follow() },
                    .init("health of features") {
                        try await HealthReport(
                            writer: writer, behaviour: behaviour, database: database, featureSet: configuration.featureSet, metrics: runtime.metrics,
                            logger: runtime.logger
                        ).run()
                    },
                    .init("snapshots") { try await schedule(writer).run() },
                    .init("snapshots of behaviour") { try await schedule(behaviour).run() },
                    .init("memory") { try await writer.waitForBreakage() },
                ])
        }
    }
}
