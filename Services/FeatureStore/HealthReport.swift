import Features
import Logging
import Records
import ServiceRuntime

/// Tells the health of the features as metrics, every so often.
struct HealthReport: Sendable {
    static let interval = Duration.seconds(60)
    static let intervalAtStart = Duration.seconds(1)

    let writer: ObservationWriter
    let behaviour: BehaviourKeeper
    let database: FeatureStoreDatabase
    let featureSet: FeatureSet
    let metrics: MetricsRegistry
    let logger: Logger

    func run() async throws {
        while true {
            // While behaviour is read from the log, there is nothing to tell of it yet, and soon there will be.
            let isWhole = await behaviour.isWhole
            do {
                try await report(isWhole)
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                logger.warning("the health of features could not be told", metadata: ["reason": "\(error)"])
            }
            try await Task.sleep(for: isWhole ? Self.interval : Self.intervalAtStart)
        }
    }

    private func report(_ isBehaviourWhole: Bool) async throws {
        let window = await writer.latest()
        tell(window.health(of: featureSet.names, reference: try await database.reference(version: featureSet.version)))
        if let newest = window.newest {
            metrics.gauge("vigil_features_newest_event_seconds", help: "event time of the newest of the late observations, in seconds since 1970")
                .set(Double(newest.microseconds) / 1_000_000)
        }
        guard isBehaviourWhole else { return }
        let usage = await behaviour.usage
        metrics.gauge("vigil_behaviour_entities", help: "accounts, cards, devices, merchants, pairs and cells whose behaviour is kept").set(usage.entities)
        metrics.gauge("vigil_behaviour_bytes", help: "memory that their behaviour takes, about").set(usage.bytes)
        metrics.counter("vigil_behaviour_refused_payments_total", help: "how often a payment named an entity that found no room").advance(to: usage.refused)
        tell(try await BehaviourHealth(behaviour: behaviour, database: database).now())
    }

    /// What is not known is told as NaN, so that no figure of before stays.
    private func tell(_ health: [FeatureHealth]) {
        for feature in health {
            let labels = [("feature", feature.name)]
            metrics.gauge("vigil_feature_observations", help: "late observations that the feature's figures are over", labels: labels)
                .set(feature.observations)
            metrics.gauge("vigil_feature_null_rate", help: "share of late observations without a value", labels: labels).set(feature.nullRate)
            metrics.gauge("vigil_feature_drift_psi", help: "population stability index against the reference", labels: labels)
                .set(feature.stabilityIndex)
            metrics.gauge(
                "vigil_feature_newest_event_seconds", help: "event time of the newest observation with a value, in seconds since 1970", labels: labels
            ).set(feature.newest.map { Double($0.microseconds) / 1_000_000 } ?? .nan)
        }
    }
}
