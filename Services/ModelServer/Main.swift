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
            try await database.log.continueNumbers(logger: runtime.logger)
            let champion = Champion(database: database, alertThreshold: configuration.alertThreshold, logger: runtime.logger)
            try await champion.refresh()
            let records = RecordStore(pool: pool)
            let places = PlaceRisks(store: records, logger: runtime.logger)
            let writer = DecisionWriter(database: database, champion: champion, places: places)
            let cashOuts = CashOutForecaster(store: records, logger: runtime.logger)
            let health = ModelHealthReport(database: database, champion: champion, metrics: runtime.metrics, logger: runtime.logger)
            try await runtime.withChannels(to: [.featureStore, .ingestionGateway]) { channels in
                guard let features = channels[ServiceIdentity.featureStore.name],
                    let ingestion = channels[ServiceIdentity.ingestionGateway.name]
                else { return }
                let lag = runtime.metrics.logLag("features")
                let follower = ObservationFollower(
                    store: FeaturesV1.FeatureStoreService.Client(features), writer: writer,
                    consumer: LogConsumer(
                        name: "features", pool: pool, logger: runtime.logger, isRefusal: RPCError.isUnknownPosition,
                        refused: { lag.refuse() }),
                    lag: lag)
                let recordFollower = RecordFollower(
                    ingestion: IngestionV1.IngestionService.Client(ingestion), store: records,
                    consumer: LogConsumer(
                        name: "records", pool: pool, logger: runtime.logger, isRefusal: RPCError.isUnknownPosition))
                try await runtime.serve(
                    services: [
                        ModelServerHandlers(
                            database: database, champion: champion, writer: writer, records: records, cashOuts: cashOuts,
                            cells: CellForecasts(store: records, logger: runtime.logger), health: health,
                            trustedKeys: configuration.trustedKeys)
                    ],
                    background: [
                        .init("feature store's log") { try await follower.run() },
                        .init("ingestion's log") { try await recordFollower.run() },
                        .init("champion") { try await champion.keepCurrent(everySeconds: 2) },
                        .init("health of the champion") { try await health.run() },
                        .init("risk of places") { try await places.keepCurrent(everySeconds: 300) },
                        .init("cash-out model") { try await cashOuts.keepFitted(everySeconds: 60) },
                    ])
            }
        }
    }
}
