import Contracts
import EventLog
import Logging
import Postgres
import RPC
import RecordCoding
import Records
import ServiceRuntime

/// Shows where risk is: tiles, figures, and the dashboard.
@main enum Main {
    static func main() async {
        await Service.run(.heatmapTiles, configuration: HeatmapTilesConfiguration.init(from:)) { configuration, runtime in
            try await run(configuration, runtime)
        }
    }

    static func run(_ configuration: HeatmapTilesConfiguration, _ runtime: ServiceRuntime) async throws {
        try await runtime.withDatabase(migrations: MapStore.migrations) { pool in
            let store = MapStore(pool: pool)
            let decisionLag = runtime.metrics.logLag("models"), recordLag = runtime.metrics.logLag("ingestion")
            func consumer(_ name: String, _ lag: LogLag) -> LogConsumer {
                LogConsumer(
                    name: name, pool: pool, logger: runtime.logger, isRefusal: RPCError.isUnknownPosition, refused: { lag.refuse() })
            }
            let decisions = consumer("decisions", decisionLag), records = consumer("records", recordLag)
            // The wall clock makes revisions of this start higher than those of the one before.
            let revision = UInt64(max(1, Timestamp.now().microseconds))
            let (state, positions) = try await store.load(revision: revision, consumers: [decisions, records])
            runtime.logger.info(
                "the map is whole", metadata: ["cells": "\(state.cube.codes.count)", "entries": "\(state.cube.entryCount)"])
            let renderer = TileRenderer()
            let cache = TileCache(maxBytes: configuration.cacheBytes)
            let map = LiveMap(state) { cache.forget($0) }
            func follower(_ consumer: LogConsumer) -> LogFollower {
                LogFollower(consumer, store: store, map: map, position: positions[consumer.name] ?? .start)
            }
            try await runtime.withChannels(to: [.modelServer, .ingestionGateway, .authGateway, .notifier]) { channels in
                guard let models = channels[ServiceIdentity.modelServer.name], let auth = channels[ServiceIdentity.authGateway.name],
                    let ingestion = channels[ServiceIdentity.ingestionGateway.name], let notifier = channels[ServiceIdentity.notifier.name]
                else { return }
                let modelClient = ModelsV1.ModelService.Client(models), ingestionClient = IngestionV1.IngestionService.Client(ingestion)
                let decisionFollower = follower(decisions), recordFollower = follower(records)
                let alertPages = AlertPages { try await store.alerts(in: $0, after: $1) }
                let routes = Routes(
                    map: map, past: PastMaps(map: map) { try await store.loadPast(before: $0) }, renderer: renderer, cache: cache,
                    files: WebFiles(mapLibre: configuration.mapLibreFiles, baseMapStyleURL: configuration.baseMapStyleURL),
                    sessions: Sessions(auth: AuthV1.AuthService.Client(auth)),
                    live: LiveStream(map: map, maxListeners: configuration.maxListeners),
                    cases: CaseRoutes(
                        notifier: NotificationsV1.NotifierService.Client(notifier), models: modelClient, map: map, renderer: renderer,
                        alertPages: alertPages
                    ) { try await store.alert($0) },
                    alertPages: alertPages, complaintPages: ComplaintPages { try await store.complaints($0) },
                    publicURL: configuration.publicURL ?? runtime.configuration.addresses[runtime.service.name]
                        ?? runtime.service.defaultAddress,
                    storedAlert: { try await store.alert($0) })
                try await runtime.serve(
                    services: [HeatmapTilesHandlers(map: map, renderer: renderer)], routes: routes.all, rules: Routes.rules,
                    background: [
                        .init("the decisions' log") { try await follow(modelClient, with: decisionFollower, decisionLag) },
                        .init("the records' log") { try await follow(ingestionClient, with: recordFollower, recordLag) },
                        .init("the forecast") { try await ForecastFollower(models: modelClient, map: map, logger: runtime.logger).run() },
                        .init("the colours' scales") { try await cache.followScales(of: map, renderer) },
                    ])
            }
        }
    }

    private static let maxBatch: UInt32 = 1000
    /// A stream goes on for as long as this and is then begun anew.
    private static let tailOptions = CallOptions(timeout: .seconds(3600))

    static func follow(_ models: ModelsV1.ModelService.Client, with follower: LogFollower, _ lag: LogLag) async throws {
        try await follower.run { position, deliver in
            try await models.tailDecisions(.init(after: .init(position), maxBatch: maxBatch), options: tailOptions) { responses in
                for try await response in responses {
                    try await lag.whileTaking(since: .init(written: response.decisions.first?.recordedAt)) {
                        try await deliver(response.decisions.map { (position: LogPosition($0.position), event: MapEvent($0)) })
                    }
                }
            }
        }
    }

    static func follow(_ ingestion: IngestionV1.IngestionService.Client, with follower: LogFollower, _ lag: LogLag) async throws {
        try await follower.run { position, deliver in
            try await ingestion.tailEvents(.init(after: .init(position), maxBatch: maxBatch), options: tailOptions) { responses in
                for try await response in responses {
                    try await lag.whileTaking(since: .init(written: response.events.first?.recordedAt)) {
                        try await deliver(response.events.map { logged in
                            let recordedAt = logged.recordedAt.flatMap { Timestamp($0) }
                            return (position: LogPosition(logged.position), event: logged.event.flatMap { MapEvent($0, recordedAt: recordedAt) })
                        })
                    }
                }
            }
        }
    }
}
