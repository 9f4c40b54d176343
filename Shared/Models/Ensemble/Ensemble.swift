import Records

/// One risk out of the signals at hand: the classifier's margin, how unlike themselves the account and the terminal behave, and how risky the
/// place is.
///
///     log-odds = calibrated margin + Σ weight · (signal − centre)
///
/// Weights and the margin's calibration are fitted together, on payments that the classifier never saw, and a signal's weight is never below
/// zero: more of what is strange never lowers the risk. A signal that is not at hand takes no part. The parts' contributions and the log-odds
/// of fraud before anything is known sum to the log-odds of the score.
public struct Ensemble: Sendable, Hashable, Codable {
    /// What goes in besides the classifier.
    public enum Signal: String, Sendable, Hashable, Codable, CaseIterable {
        /// Of the customer against its own past, in nats; see `BehaviourSignals`.
        case account = "account_anomaly"
        /// Of the terminal against its own past, in nats.
        case terminal = "terminal_anomaly"
        /// ln of what is expected of crime at the payment's place over what is expected of a place of the city on average.
        case place = "spatial_risk"
    }

    /// What the classifier's part is called.
    public static let classifier = "fraud_classifier"

    public struct Part: Sendable, Hashable, Codable {
        public var signal: Signal
        /// Log-odds for each unit of the signal.
        public var weight: Double
        /// The signal's mean in training: there it says nothing.
        public var centre: Double
    }

    /// One for each signal that was at hand in training.
    public var parts: [Part]
    /// Log-odds of fraud before anything is known.
    public var baseLogOdds: Double

    /// What the signals add to the log-odds.
    func shift(_ values: some Sequence<Double>) -> Double {
        var sum = 0.0
        for (part, value) in zip(parts, values) where value.isFinite { sum += part.weight * (value - part.centre) }
        return sum
    }

    /// - Parameters:
    ///   - margin: the classifier's part, in calibrated log-odds.
    ///   - values: in the order of `parts`; not finite where not at hand.
    func contributions(margin: Double, _ values: [Double]) -> [Decision.Part] {
        var list = [Decision.Part(signal: Self.classifier, value: margin, contribution: margin - baseLogOdds)]
        for (part, value) in zip(parts, values) {
            let contribution = value.isFinite ? part.weight * (value - part.centre) : 0
            list.append(Decision.Part(signal: part.signal.rawValue, value: value, contribution: contribution))
        }
        return list
    }

    var isSound: Bool {
        baseLogOdds.isFinite && Set(parts.map(\.signal)).count == parts.count
            && parts.allSatisfy { $0.weight.isFinite && $0.weight >= 0 && $0.centre.isFinite }
    }
}

/// Fits an ensemble and the calibration of its classifier to payments that the classifier never saw.
public struct EnsembleFit: Sendable {
    public let calibration: BetaCalibration
    public let ensemble: Ensemble
    /// Of the payments that it was fitted to, calibrated.
    public let probabilities: [Double]

    /// How strongly a signal's weight is drawn to zero: as much as some tens of frauds can outweigh.
    private static let ridge = 20.0

    /// - Parameters:
    ///   - margins: the classifier's, from a part that never saw the payment.
    ///   - rows: the payments' features one after another, in the order of `featureNames`.
    ///   - placeRisk: one a payment; not finite where unknown. Nil leaves the place out.
    public init(margins: [Double], rows: [Float], featureNames: [String], placeRisk: [Double]? = nil, isFraud: [Bool]) {
        let reader = SignalReader(featureNames: featureNames, signals: placeRisk == nil ? [.account, .terminal] : Ensemble.Signal.allCases)
        let count = reader.signals.count
        // One payment's signals after another's.
        var values: [Double] = []
        values.reserveCapacity(margins.count * count)
        for index in margins.indices {
            reader.append(
                rows[index * featureNames.count..<(index + 1) * featureNames.count], placeRisk: placeRisk?[index] ?? .nan, to: &values)
        }
        let centres = (0..<count).map { signal in
            let known = stride(from: signal, to: values.count, by: count).lazy.map { values[$0] }.filter(\.isFinite)
            let (sum, count) = known.reduce((0.0, 0.0)) { ($0.0 + $1, $0.1 + 1) }
            return count > 0 ? sum / count : 0
        }
        let weights = Self.weights(margins, values, centres, isFraud)
        calibration = BetaCalibration(a: max(0, weights[0]), b: max(0, weights[1]), c: weights[2])
        let frauds = Double(isFraud.reduce(0) { $0 + ($1 ? 1 : 0) })
        let ensemble = Ensemble(
            parts: reader.signals.indices.map { .init(signal: reader.signals[$0], weight: max(0, weights[3 + $0]), centre: centres[$0]) },
            baseLogOdds: LogOdds.of((frauds + 0.5) / (Double(isFraud.count) + 1)))
        self.ensemble = ensemble
        probabilities = margins.enumerated().map { [calibration] index, margin in
            LogitFit.logistic(calibration.logOdds(margin: margin) + ensemble.shift(values[index * count..<(index + 1) * count]))
        }
    }

    /// a, b and c of the calibration, then each signal's weight.
    private static func weights(_ margins: [Double], _ values: [Double], _ centres: [Double], _ isFraud: [Bool]) -> [Double] {
        let prior = [1, 1, 0] + centres.map { _ in 0.0 }
        guard isFraud.contains(true), isFraud.contains(false) else { return prior }
        let rows = margins.enumerated().map { index, margin in
            var row = BetaCalibration.terms(margin: margin)
            for (signal, centre) in centres.enumerated() {
                let value = values[index * centres.count + signal]
                row[3 + signal] = value.isFinite ? value - centre : 0
            }
            return row
        }
        let fit = LogisticFit(
            rows: rows, isPositive: isFraud, prior: prior, ridge: [1e-3, 1e-3, 1e-3] + centres.map { _ in Self.ridge })
        return fit.weights(nonNegative: Set(prior.indices).subtracting([2]))
    }
}

/// Reads a payment's signals.
struct SignalReader: Sendable {
    let signals: [Ensemble.Signal]
    private let behaviour: BehaviourSignals

    init(featureNames: [String], signals: [Ensemble.Signal]) {
        self.signals = signals
        behaviour = BehaviourSignals(featureNames: featureNames)
    }

    /// In the order of `signals`.
    func values(_ row: some RandomAccessCollection<Float>, placeRisk: Double) -> [Double] {
        var values: [Double] = []
        append(row, placeRisk: placeRisk, to: &values)
        return values
    }

    func append(_ row: some RandomAccessCollection<Float>, placeRisk: Double, to values: inout [Double]) {
        for signal in signals {
            switch signal {
            case .account: values.append(behaviour.account(row))
            case .terminal: values.append(behaviour.terminal(row))
            case .place: values.append(placeRisk)
            }
        }
    }
}
