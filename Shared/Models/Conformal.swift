/// Prediction sets of a stated coverage: which of genuine and fraud cannot be ruled out for a payment.
///
/// Split-conformal and label-conditional (Mondrian): each class has a threshold from scores of known payments, so that among payments
/// of that class the stated share has it in its set, as long as payments to come are like those.
/// Source: Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005, section 4.5.
public struct ConformalThresholds: Sendable, Hashable, Codable {
    /// The share of payments whose set is to hold the truth, 0…1.
    public var coverage: Double
    /// Fraud is in the set of scores from here on.
    public var fraudFrom: Double
    /// Genuine is in the set of scores up to here.
    public var genuineUpTo: Double
    /// Held-out scores that the thresholds rest on.
    public var frauds: Int
    public var genuine: Int
    /// Whether `genuine` counts payments whose labels were not known yet, each by the probability that it is genuine. Nil: no.
    public var isGenuineUnlabelled: Bool?

    public struct PredictionSet: Sendable, Hashable {
        public var hasGenuine: Bool
        public var hasFraud: Bool

        /// Whether the set says one thing.
        public var isDecided: Bool { hasGenuine != hasFraud }
        public func contains(isFraud: Bool) -> Bool { isFraud ? hasFraud : hasGenuine }
    }

    /// - Parameter probabilities: calibrated, as they would be had the payment been new.
    /// - Returns: nil where a class has too few scores for the coverage.
    public init?(fitting probabilities: [Double], isFraud: [Bool], coverage: Double = 0.95) {
        precondition(probabilities.count == isFraud.count, "one label a probability")
        var frauds: [Double] = []
        var genuine: [Double] = []
        for (probability, fraud) in zip(probabilities, isFraud) {
            if fraud { frauds.append(probability) } else { genuine.append(probability) }
        }
        self.init(frauds: frauds, genuine: genuine, weights: genuine.map { _ in 1 }, coverage: coverage)
    }

    /// - Parameters:
    ///   - frauds: probabilities of frauds, calibrated, as they would be had the payment been new.
    ///   - genuine: those of payments that are genuine as far as `weights` say.
    ///   - weights: one for each of `genuine`, 0…1.
    /// - Returns: nil where a class has too few scores for the coverage.
    public init?(frauds: [Double], genuine: [Double], weights: [Double], coverage: Double = 0.95) {
        precondition(genuine.count == weights.count, "one weight a payment")
        guard (0.5..<1).contains(coverage) else { return nil }
        // Of n scores the k-th most unlike has probability k / (n + 1) of being passed by the next one.
        let allowed = { (count: Double) in ((1 - coverage) * (count + 1)).rounded(.down) }
        let (fraudsAllowed, genuineAllowed) = (allowed(Double(frauds.count)), allowed(weights.reduce(0, +)))
        guard fraudsAllowed >= 1, genuineAllowed >= 1 else { return nil }
        var passed = 0.0
        let falling = zip(genuine, weights).sorted { $0.0 > $1.0 }
        guard let threshold = falling.first(where: { passed += $0.1; return passed >= genuineAllowed })?.0 else { return nil }
        self.coverage = coverage
        fraudFrom = frauds.sorted()[Int(fraudsAllowed) - 1]
        genuineUpTo = threshold
        self.frauds = frauds.count
        self.genuine = genuine.count
    }

    public func set(_ probability: Double) -> PredictionSet {
        PredictionSet(hasGenuine: probability <= genuineUpTo, hasFraud: probability >= fraudFrom)
    }

    /// What the sets were worth on payments whose truth came out.
    public struct Observed: Sendable, Hashable, Codable {
        public var payments: Int
        /// Shares of sets that held the truth: of all, of frauds, of genuine payments. Zero where there were none.
        public var coverage: Double
        public var fraudCoverage: Double
        public var genuineCoverage: Double
        /// Share of sets that say exactly one thing.
        public var decidedShare: Double
    }

    public func observe(_ probabilities: [Double], isFraud: [Bool]) -> Observed {
        var held = (fraud: 0, genuine: 0)
        var frauds = 0
        var decided = 0
        for (probability, fraud) in zip(probabilities, isFraud) {
            let set = set(probability)
            if set.isDecided { decided += 1 }
            frauds += fraud ? 1 : 0
            guard set.contains(isFraud: fraud) else { continue }
            if fraud { held.fraud += 1 } else { held.genuine += 1 }
        }
        func share(_ part: Int, of all: Int) -> Double { all == 0 ? 0 : Double(part) / Double(all) }
        return Observed(
            payments: isFraud.count, coverage: share(held.fraud + held.genuine, of: isFraud.count),
            fraudCoverage: share(held.fraud, of: frauds), genuineCoverage: share(held.genuine, of: isFraud.count - frauds),
            decidedShare: share(decided, of: isFraud.count))
    }
}
