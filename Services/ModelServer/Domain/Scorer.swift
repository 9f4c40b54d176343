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

    /// - Parameter values: in the order of the model's feature set; NaN where unknown.
    /// - Returns: nil if there are more or fewer values than the model takes.
    func decide(_ values: [Double], on key: TransactionKey, id: String, at time: Timestamp) -> Decision? {
        guard values.count == bundle.model.featureNames.count else { return nil }
        let score = bundle.model.score(values, maxReasons: Self.maxReasons)
        return Decision(
            key: key, label: score.label, riskScore: score.riskScore, reasons: score.reasons, modelVersion: version, decidedAt: time,
            alert: score.riskScore >= alertThreshold, decisionID: id)
    }
}
