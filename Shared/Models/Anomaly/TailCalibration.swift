#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Turns a statistic of any distribution into a tail probability by its own past, and tells one event once.
///
/// The statistic's upper quantile is followed by stochastic approximation (Robbins and Monro, 1951), and beyond it an exponential tail with
/// the mean excess seen so far: peaks over threshold with shape 0 (Pickands, 1975).
struct TailCalibration: Sendable, Hashable, Codable {
    private var quantile = Self.lowestQuantile
    private var excess = 1.0
    private var exceedances = 0.0
    private var peak = 0.0

    /// All statistics about 1.6 standard deviations out: no series is strange below it, however little it moves.
    private static let lowestQuantile = 3 * AnomalyTuning.weights.sum()

    mutating func score(_ statistic: Double, age: Double) -> Double {
        let over = statistic - quantile
        let tail = AnomalyTuning.tail
        let surprise = over > 0
            ? min(60, over / max(excess, 0.3) - log(tail))
            : -log(1 - (1 - tail) * exp(max(-20, over / 2)))
        learn(over, age: age, tail: tail)

        let rest = max(20, AnomalyTuning.rest * min(age, 10_000))
        let fresh = surprise - AnomalyTuning.damping * peak
        peak = max(peak, surprise) * (1 - 1 / rest)
        return 1 - Self.rate(ofFresh: fresh)
    }

    /// The share of points that have at least so much left after the damping.
    ///
    /// Damping thins the tail in a way that hardly depends on the series: the two constants are those that fit the distribution of what is left
    /// on independent noise, in the upper three thousandths; below that the share is overstated.
    static func rate(ofFresh fresh: Double) -> Double { fresh > 0 ? 1 / (1 + 50 * (exp(0.8 * fresh) - 1)) : 1 }

    private mutating func learn(_ over: Double, age: Double, tail: Double) {
        let unit = max(excess, 0.3)
        let rate = max(AnomalyTuning.quantileForgetting, 1 / (age + 1)) * unit
        guard over > 0 else {
            quantile = max(Self.lowestQuantile, quantile - min(-over, rate))
            return
        }
        exceedances = min(exceedances + 1, 1_000)
        quantile += min(over, min(rate * (1 - tail) / tail, unit))
        excess += max(0.02, 1 / (exceedances + 5)) * (min(over, 5 * excess) - excess)
    }
}
