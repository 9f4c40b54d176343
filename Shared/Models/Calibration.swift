#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Turns a forest's margin into a probability that means what it says.
///
/// Beta calibration: logit p = a ln s − b ln(1 − s) + c, with s the uncalibrated probability and a, b ≥ 0, so that the order of scores
/// stays.
/// Source: Kull, Silva Filho, Flach, "Beta calibration", AISTATS 2017.
public struct BetaCalibration: Sendable, Hashable, Codable {
    public var a: Double
    public var b: Double
    public var c: Double

    public init(a: Double, b: Double, c: Double) {
        self.a = a
        self.b = b
        self.c = c
    }

    /// Leaves probabilities as they are.
    public static let identity = BetaCalibration(a: 1, b: 1, c: 0)

    /// The calibrated probability of a margin (log-odds).
    public func probability(margin: Double) -> Double { LogitFit.logistic(logOdds(margin: margin)) }

    /// The calibrated log-odds of a margin.
    public func logOdds(margin: Double) -> Double {
        let terms = Self.terms(margin: margin)
        return a * terms[0] + b * terms[1] + c
    }

    /// What a, b and c are multiplied with: ln s = −ln(1 + e^−margin), −ln(1 − s) = ln(1 + e^margin), and 1.
    static func terms(margin: Double) -> LogisticFit.Row {
        let small = log1p(exp(-abs(margin)))
        return LogisticFit.Row(margin < 0 ? margin - small : -small, margin > 0 ? margin + small : small, 1, 0, 0, 0, 0, 0)
    }

    /// Fits by maximum likelihood, a little drawn towards the identity. Labels of one class only give the identity.
    public init(fittingMargins margins: [Double], isPositive: [Bool]) {
        precondition(margins.count == isPositive.count, "one label a margin")
        self = .identity
        guard isPositive.contains(true), isPositive.contains(false) else { return }
        let fit = LogisticFit(
            rows: margins.map { Self.terms(margin: $0) }, isPositive: isPositive, prior: [1, 1, 0], ridge: [1e-3, 1e-3, 1e-3])
        // A negative slope would turn the order round.
        let weights = fit.weights(nonNegative: [0, 1])
        (a, b, c) = (max(weights[0], 0), max(weights[1], 0), weights[2])
    }
}

/// Log-odds and the probabilities they stand for.
enum LogOdds {
    static func of(_ probability: Double) -> Double { log(probability / (1 - probability)) }
}
