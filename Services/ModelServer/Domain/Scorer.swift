import Models
import Records

/// Decides by one model.
struct Scorer: Sendable {
    static let maxReasons = 3

    let bundle: ModelBundle
    /// A risk score from here on raises an alert.
    let alertThreshold: Double

    var version: String { bundle.version }
    var featureSetVersion: String { bundle.manifest.features.version }

    /// The score alone; nil if there are more or fewer values than the model takes.
    func riskScore(_ values: [Double], placeRisk: Double) -> Double? {
        guard values.count == bundle.model.features.count else { return nil }
        return bundle.model.score(values, placeRisk: placeRisk, maxReasons: 0).riskScore
    }

    /// - Parameters:
    ///   - values: in the order of the model's feature set; NaN where unknown.
    ///   - placeRisk: see `Ensemble.Signal.place`; NaN where it is not at hand.
    ///   - isBrief: without reasons where it is legitimate and raises no alert; ``reasons(_:)`` has them.
    /// - Returns: nil if there are more or fewer values than the model takes.
    func decide(
        _ values: [Double], placeRisk: Double, on key: TransactionKey, id: String, at time: Timestamp, isBrief: Bool = false
    ) -> Decision? {
        guard values.count == bundle.model.features.count else { return nil }
        var score = bundle.model.score(values, placeRisk: placeRisk, maxReasons: 0)
        let isAlert = score.riskScore >= alertThreshold
        if !isBrief || isAlert || score.label != .legitimate { score.reasons = reasons(values) }
        return Decision(
            key: key, label: score.label, riskScore: score.riskScore, reasons: score.reasons, modelVersion: version, decidedAt: time,
            alert: isAlert, decisionID: id, parts: score.parts,
            predictionSet: score.predictionSet.map {
                Decision.PredictionSet(
                    hasGenuine: $0.hasGenuine, hasFraud: $0.hasFraud, coverage: bundle.manifest.conformal?.coverage ?? 0)
            })
    }

    /// Why a decision is what it is; none if there are more or fewer values than the model takes.
    func reasons(_ values: [Double]) -> [Decision.Reason] {
        values.count == bundle.model.features.count ? bundle.model.reasons(values, maxReasons: Self.maxReasons) : []
    }
}
