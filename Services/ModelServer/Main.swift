import Contracts
import EventLog
import Logging
import RPC
import RecordCoding
import ServiceRuntime

@main enum Main {
    static func main() async {
        await Service.run(.modelServer, configuration: ModelServerConfiguration.init(from:)) { configuration, runtime in
            try await ModelServer.run(configuration, runtime)
        }
    }
}

/// Scores observations with the champion model and remembers every decision.
enum ModelServer {
    static func run(_ configuration: ModelServerConfiguration, _ runtime: ServiceRuntime) async throws {
        try await runtime.withDatabase(migrations: ModelServerDatabase.migrations) { pool in
            let database = ModelServerDatabase(pool: pool)
            let champion = Champion(database: database, alertThreshold: configuration.alertThreshold, logger: runtime.logger)
            try await champion.refresh()
            let writer = DecisionWriter(database: database, champion: champion)
            try await runtime.withChannel(to: .featureStore) { channel in
                let follower = ObservationFollower(
                    store: FeaturesV1.FeatureStoreService.Client(channel), writer: writer,
                    consumer: LogConsumer(name: "features", pool: pool, logger: runtime.logger))
                try await runtime.serve(
                    services: [
                        ModelServerHandlers(
                            database: database, champion: champion, writer: writer, trustedKeys: configuration.trustedKeys)
                    ],
                    background: [
                        .init("feature store's log") { try await follower.run() },
                        .init("champion") { try await champion.keepCurrent(everySeconds: 2) },
                    ])
            }
        }
    }
}
