import Features
import Logging
import Records
import ServiceRuntime

/// Tells the health of the features as metrics, every so often.
struct HealthReport: Sendable {
    static let interval = Duration.seconds(60)

    let writer: ObservationWriter
    let behaviour: BehaviourKeeper
    let database: FeatureStoreDatabase
    let featureSet: FeatureSet
    let metrics: MetricsRegistry
    let logger: Logger

    func run() async throws {
        while true {
            do {
                try await report()
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                logger.warning("the health of features could not be told", metadata: ["reason": "\(error)"])
            }
            try await Task.sleep(for: Self.interval)
        }
    }

    private func report() async throws {
        let usage = await behaviour.usage
        metrics.gauge("vigil_behaviour_entities", help: "accounts, cards, devices, pairs and cells whose behaviour is kept").set(usage.entities)
        metrics.gauge("vigil_behaviour_bytes", help: "memory that their behaviour takes, about").set(usage.bytes)
        metrics.gauge("vigil_behaviour_refused_payments", help: "payments of entities that found no room").set(usage.refused)
        let window = await writer.latest()
        let health = window.health(of: featureSet.names, reference: try await database.reference(version: featureSet.version))
        let views = try await BehaviourHealth(behaviour: behaviour, database: database).now()
        for feature in health + views {
            let labels = [("feature", feature.name)]
            metrics.gauge("vigil_feature_null_rate", help: "share of late observations without a value", labels: labels).set(feature.nullRate)
            guard !feature.stabilityIndex.isNaN else { continue }
            metrics.gauge("vigil_feature_drift_psi", help: "population stability index against the reference", labels: labels)
                .set(feature.stabilityIndex)
        }
        guard let newest = window.newest else { return }
        metrics.gauge("vigil_feature_newest_event_seconds", help: "event time of the newest observation, in seconds since 1970")
            .set(Double(newest.microseconds) / 1_000_000)
    }
}
