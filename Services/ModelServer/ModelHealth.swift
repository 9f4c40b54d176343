import Contracts
import Logging
import Models
import RecordCoding
import Records
import ServiceRuntime

/// How a model does on what it has decided: whether its features still look as they did in training, and whether its probabilities and
/// prediction sets hold where outcomes are known.
struct ModelHealth: Sendable {
    let version: String
    /// That the drift rests on.
    let decisions: Int
    /// The largest first; empty for a model without reference distributions.
    let drift: [FeatureDrift]
    /// Nil while no outcome is known.
    let outcomes: Outcomes?

    struct Outcomes: Sendable {
        let decisions: Int
        let frauds: Int
        let calibrationError: Double
        let reliability: [RankingMetrics.ReliabilityBin]
        /// NaN without outcomes of both kinds.
        let averagePrecision: Double
        let statedCoverage: Double?
        let observed: ConformalThresholds.Observed?
    }

    init(of bundle: ModelBundle, rows: [Float], scores: [Double], isFraud: [Bool]) {
        let manifest = bundle.manifest
        version = bundle.version
        decisions = rows.count / max(1, manifest.features.list.count)
        drift = manifest.drift(rows: rows)
        let reliability = RankingMetrics.reliability(probabilities: scores, isPositive: isFraud)
        outcomes = scores.isEmpty
            ? nil
            : Outcomes(
                decisions: scores.count, frauds: isFraud.reduce(0) { $0 + ($1 ? 1 : 0) },
                // Of the bins that are told beside it, so that whoever reads them gets the same.
                calibrationError: RankingMetrics.calibrationError(of: reliability), reliability: reliability,
                averagePrecision: RankingMetrics.averagePrecision(scores: scores, isPositive: isFraud),
                statedCoverage: manifest.conformal?.coverage, observed: manifest.conformal?.observe(scores, isFraud: isFraud))
    }
}

/// Judges models, on demand and every so often, and tells of the champion as metrics.
struct ModelHealthReport: Sendable {
    static let interval = Duration.seconds(60)
    static let defaultDays = 7
    static let maxDays = 90

    let database: ModelServerDatabase
    let champion: Champion
    let metrics: MetricsRegistry
    let logger: Logger

    /// Nil if there is no model of that version.
    /// - Parameter days: the decisions of so many last days count.
    func health(ofModel version: String, days: Int, at time: Timestamp = .now()) async throws -> ModelHealth? {
        guard let bundle = try await champion.scorer(ofModel: version)?.bundle else { return nil }
        let since = time - .days(days)
        let size = bundle.model.featureNames.count
        let values = try await values(ofModel: version, since: since, size: size)
        let delay = TimeSpan.seconds(bundle.manifest.features.labelDelaySeconds)
        let judged = try await database.judgedScores(ofModel: version, since: since, settledBefore: time - delay)
        return ModelHealth(of: bundle, rows: values, scores: judged.scores, isFraud: judged.isFraud)
    }

    private func values(ofModel version: String, since: Timestamp, size: Int) async throws -> [Float] {
        let observations = try await database.observations(ofModel: version, since: since)
        var rows: [Float] = []
        rows.reserveCapacity(observations.count * size)
        for encoded in observations {
            let values = try FeaturesV1.Observation(encoded: encoded).values
            if values.count == size { for value in values { rows.append(Float(value)) } }
        }
        return rows
    }

    /// Until cancelled. What fails now may go better the next time.
    func run() async throws {
        while true {
            do {
                if let version = champion.scorer?.version, let health = try await health(ofModel: version, days: Self.defaultDays) {
                    tell(health)
                }
            } catch {
                try Task.checkCancellation()
                logger.warning("the champion's health could not be told", metadata: ["reason": "\(error)"])
            }
            try await Task.sleep(for: Self.interval)
        }
    }

    private func tell(_ health: ModelHealth) {
        for feature in health.drift {
            metrics.gauge(
                "vigil_model_drift_psi", help: "population stability index of the champion's features against its training",
                labels: [("feature", feature.feature)]
            ).set(feature.stabilityIndex)
        }
        guard let outcomes = health.outcomes else { return }
        metrics.gauge("vigil_model_judged_decisions", help: "decisions whose outcome is known").set(Double(outcomes.decisions))
        metrics.gauge("vigil_model_calibration_error", help: "expected calibration error of judged decisions").set(outcomes.calibrationError)
        guard let stated = outcomes.statedCoverage, let observed = outcomes.observed else { return }
        metrics.gauge("vigil_model_coverage_stated", help: "share of prediction sets that shall hold the truth").set(stated)
        metrics.gauge("vigil_model_coverage_observed", help: "share of judged prediction sets that held the truth").set(observed.coverage)
    }
}
