public import Records

/// A calibrated forest over a feature set's values and what other signals add to it, with reasons in words.
public struct FraudModel: Sendable {
    /// Scores at or above which a payment is labelled.
    public struct Thresholds: Sendable, Hashable, Codable {
        /// From here on a person should look at it.
        public var review: Double
        /// From here on it is taken for fraud and raises an alert.
        public var fraud: Double

        public init(review: Double, fraud: Double) {
            self.review = review
            self.fraud = fraud
        }

        public func label(_ riskScore: Double) -> Decision.Label {
            riskScore >= fraud ? .fraud : riskScore >= review ? .review : .legitimate
        }
    }

    public let version: String
    /// The order of the values that `score` takes.
    public let features: [FeatureDescription]
    public let forest: Forest
    public let calibration: BetaCalibration
    public let thresholds: Thresholds
    /// What other signals add; nil for a model of the classifier alone.
    public let ensemble: Ensemble?
    /// Nil where too little was held out.
    public let conformal: ConformalThresholds?
    private let shap: TreeSHAP
    private let reader: SignalReader

    public var featureNames: [String] { features.map(\.name) }

    /// - Precondition: the forest takes as many features as there are `features`.
    public init(
        version: String, features: [FeatureDescription], forest: Forest, calibration: BetaCalibration, thresholds: Thresholds,
        ensemble: Ensemble? = nil, conformal: ConformalThresholds? = nil
    ) {
        precondition(features.count == forest.featureCount, "one description a feature")
        self.version = version
        self.features = features
        self.forest = forest
        self.calibration = calibration
        self.thresholds = thresholds
        self.ensemble = ensemble
        self.conformal = conformal
        shap = TreeSHAP(forest)
        reader = SignalReader(featureNames: features.map(\.name), signals: ensemble?.parts.map(\.signal) ?? [])
    }

    /// The score of one payment. The same values give the same score, to the bit.
    ///
    /// - Parameters:
    ///   - values: in the order of `features`; NaN is what is not known.
    ///   - placeRisk: see `Ensemble.Signal.place`; NaN where it is not at hand.
    ///   - maxReasons: 0 leaves the reasons out, which saves most of the time.
    public func score(_ values: [Double], placeRisk: Double = .nan, maxReasons: Int = 4) -> FraudScore {
        precondition(values.count == features.count, "one value a feature")
        let row = values.map { Float($0) }
        let margin = forest.margin(row)
        let logOdds = calibration.logOdds(margin: Double(margin))
        let signals = reader.values(row, placeRisk: placeRisk)
        let riskScore = LogitFit.logistic(logOdds + (ensemble?.shift(signals) ?? 0))
        let reasons = maxReasons > 0 ? reasons(values, contributions: shap.contributions(row), limit: maxReasons) : []
        return FraudScore(
            riskScore: riskScore, margin: margin, label: thresholds.label(riskScore), reasons: reasons,
            parts: ensemble?.contributions(margin: logOdds, signals) ?? [], predictionSet: conformal?.set(riskScore))
    }

    /// The reasons that ``score(_:placeRisk:maxReasons:)`` gives.
    public func reasons(_ values: [Double], maxReasons: Int = 4) -> [Decision.Reason] { reasons([values], maxReasons: maxReasons)[0] }

    /// The same for each of many payments, which takes less time for each.
    public func reasons(_ rows: [[Double]], maxReasons: Int = 4) -> [[Decision.Reason]] {
        guard maxReasons > 0 else { return rows.map { _ in [] } }
        return zip(rows, shap.contributions(rows.map { $0.map { Float($0) } })).map { reasons($0, contributions: $1, limit: maxReasons) }
    }

    /// Scores of many rows that lie one after another.
    /// - Parameter placeRisk: one a row; nil where it is not at hand.
    public func riskScores(rows: [Float], placeRisk: [Double]? = nil) -> [Double] {
        forest.margins(rows: rows).enumerated().map { index, margin in
            let logOdds = calibration.logOdds(margin: Double(margin))
            guard let ensemble else { return LogitFit.logistic(logOdds) }
            let signals = reader.values(rows[index * features.count..<(index + 1) * features.count], placeRisk: placeRisk?[index] ?? .nan)
            return LogitFit.logistic(logOdds + ensemble.shift(signals))
        }
    }

    /// Exact Shapley values in log-odds before calibration, in the order of `features`; with `expectedMargin` they sum to the margin.
    public func contributions(_ values: [Double]) -> [Double] { shap.contributions(values.map { Float($0) }) }

    /// The margin expected before anything is known of a payment.
    public var expectedMargin: Double { shap.expectedMargin }

    /// What raises the risk most comes first; what lowers it is named only where nothing raises it.
    private func reasons(_ values: [Double], contributions: [Double], limit: Int) -> [Decision.Reason] {
        var order = contributions.indices.filter { contributions[$0] > 0 }.sorted { contributions[$0] > contributions[$1] }
        if order.isEmpty {
            order = contributions.indices.filter { contributions[$0] < 0 }.sorted { contributions[$0] < contributions[$1] }
        }
        var texts: Set<String> = []
        var reasons: [Decision.Reason] = []
        for index in order where reasons.count < limit {
            let text = features[index].text(for: values[index])
            // Several features may say the same in words; the strongest speaks.
            guard texts.insert(text).inserted else { continue }
            reasons.append(
                Decision.Reason(feature: features[index].name, text: text, value: values[index], contribution: contributions[index]))
        }
        return reasons
    }
}

/// What a model says about one payment.
public struct FraudScore: Sendable, Hashable {
    /// The calibrated probability of fraud, 0…1.
    public var riskScore: Double
    /// The forest's sum in log-odds, before calibration.
    public var margin: Float
    public var label: Decision.Label
    /// The strongest first.
    public var reasons: [Decision.Reason]
    /// Each signal's share in the score; empty for a model of the classifier alone.
    public var parts: [Decision.Part]
    /// What cannot be ruled out at the model's coverage; nil where it states none.
    public var predictionSet: ConformalThresholds.PredictionSet?

    public init(
        riskScore: Double, margin: Float, label: Decision.Label, reasons: [Decision.Reason], parts: [Decision.Part] = [],
        predictionSet: ConformalThresholds.PredictionSet? = nil
    ) {
        self.riskScore = riskScore
        self.margin = margin
        self.label = label
        self.reasons = reasons
        self.parts = parts
        self.predictionSet = predictionSet
    }
}
