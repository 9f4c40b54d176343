import Features
import Logging
import Records
import ServiceRuntime

/// Tells the health of the features as metrics, every so often.
struct HealthReport: Sendable {
    static let interval = Duration.seconds(60)

    let writer: ObservationWriter
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
        let window = await writer.latest()
        let health = window.health(of: featureSet.names, reference: try await database.reference(version: featureSet.version))
        for feature in health {
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
