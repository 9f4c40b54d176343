import Contracts
import EventLog
import Features
import Logging
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
        try await runtime.withDatabase(migrations: FeatureStoreDatabase.migrations) { pool in
            let database = FeatureStoreDatabase(pool: pool)
            let writer = ObservationWriter(database: database, featureSet: configuration.featureSet, logger: runtime.logger)
            let started = ContinuousClock.now
            let rebuilt = try await writer.rebuild()
            runtime.logger.info(
                "memory is whole",
                metadata: [
                    "entries": "\(rebuilt.entries)", "snapshot": "\(rebuilt.snapshot.map { "\($0.number)" } ?? "none")",
                    "seconds": "\((ContinuousClock.now - started) / .seconds(1))",
                ])
            let behaviour = BehaviourKeeper(log: database.log, set: .standard, logger: runtime.logger)
            try await runtime.withChannel(to: .ingestionGateway) { channel in
                let gateway = IngestionV1.IngestionService.Client(channel)
                let follower = IngestionFollower(
                    gateway: gateway, consumer: LogConsumer(name: "ingestion", pool: pool, logger: runtime.logger), writer: writer)
                let observations = Batcher<Transaction, FeaturesV1.Observation> { try await writer.observe($0) }
                try await runtime.serve(
                    services: [
                        FeatureStoreHandlers(
                            database: database, observations: observations, writer: writer, behaviour: behaviour,
                            featureSet: configuration.featureSet)
                    ],
                    background: [
                        .init("ingestion's log") { try await follower.run() },
                        .init("observations") { await observations.run() },
                        .init("behaviour") { try await behaviour.follow() },
                        .init("health of features") {
                            try await HealthReport(
                                writer: writer, database: database, featureSet: configuration.featureSet, metrics: runtime.metrics,
                                logger: runtime.logger
                            ).run()
                        },
                        .init("snapshots") {
                            try await SnapshotSchedule(
                                writer: writer, database: database, intervalSeconds: configuration.snapshotIntervalSeconds,
                                logger: runtime.logger
                            ).run()
                        },
                        .init("memory") { try await writer.waitForBreakage() },
                    ])
            }
        }
    }
}
