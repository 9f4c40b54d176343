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

    /// What is to be decided on.
    struct Payment: Sendable {
        let key: TransactionKey
        /// Of the decision.
        let id: String
        /// In the order of the model's feature set; NaN where unknown.
        let values: [Double]
        /// See `Ensemble.Signal.place`; NaN where it is not at hand.
        let placeRisk: Double
    }

    /// - Parameter isBrief: without reasons where it is legitimate and raises no alert; ``reasons(_:)`` has them.
    /// - Returns: one for each payment; nil for one of more or fewer values than the model takes.
    func decide(_ payments: [Payment], at time: Timestamp, isBrief: Bool = false) -> [Decision?] {
        var decisions = payments.map { decide($0, at: time) }
        let unexplained = decisions.indices.filter { index in
            decisions[index].map { !isBrief || $0.alert || $0.label != .legitimate } ?? false
        }
        let reasons = bundle.model.reasons(unexplained.map { payments[$0].values }, maxReasons: Self.maxReasons)
        for (index, reasons) in zip(unexplained, reasons) { decisions[index]?.reasons = reasons }
        return decisions
    }

    /// Without reasons.
    private func decide(_ payment: Payment, at time: Timestamp) -> Decision? {
        guard payment.values.count == bundle.model.features.count else { return nil }
        let score = bundle.model.score(payment.values, placeRisk: payment.placeRisk, maxReasons: 0)
        return Decision(
            key: payment.key, label: score.label, riskScore: score.riskScore, reasons: [], modelVersion: version, decidedAt: time,
            alert: score.riskScore >= alertThreshold, decisionID: payment.id, parts: score.parts,
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
