/// Follows eight statistics of a series' deviations and says how far they are out of their own long-run distributions.
///
/// Each statistic has a running mean and variance that forget slowly; a sample moves them by no more than six standard deviations.
/// A statistic's surprise is `-ln` of the normal tail beyond its standard score, at most `maxSurprise`, so that no single statistic
/// outvotes the others.
struct DeviationBank: Sendable, Hashable, Codable {
    typealias Lanes = SIMD8<Double>

    /// Lanes: deviation from usual; its size over 12 points and over 36; a shift over 36 points; spread around the mean of 36 points;
    /// jumps over 12 points; distance from the mean of the last 10; value from the median over 48 points.
    static let weights = AnomalyTuning.weights
    /// Statistics that surprise in both directions; the others only when large.
    static let isTwoSided: SIMDMask<SIMD8<Int64>> = [true, false, false, true, false, false, true, true]
    private static let smoothing: Lanes = [1, 1 / 12, 1 / 36, 1 / 36, 1 / 36, 1 / 12, 1, 1 / 48]

    private var smooth = Lanes.zero
    private var mean = Lanes.zero
    private var variance = Lanes.zero
    private var mean36 = 0.0
    private var mean10 = 0.0
    private var last = 0.0

    /// The weighted sum of the surprises of the point.
    mutating func see(_ it: Deviation, age: Double) -> Double {
        if age == 1 { last = it.fromMedian }
        let fromRecent = it.fromMedian - mean10
        mean10 += max(1.0 / 10, 1 / age) * fromRecent
        mean36 += max(1.0 / 36, 1 / age) * (it.fromMedian - mean36)
        let fromMean36 = it.fromMedian - mean36
        let jump = abs(it.fromMedian - last)
        last = it.fromMedian
        let size = abs(it.fromUsual)
        let inputs = Lanes(
            it.fromUsual, size, size, it.fromUsual, fromMean36 * fromMean36, jump, fromRecent, it.fromMedian)
        smooth += pointwiseMax(Self.smoothing, Lanes(repeating: 1 / age)) * (inputs - smooth)
        var statistics = smooth
        statistics[4] = statistics[4].squareRoot()
        return surprise(statistics, floor: 1e-6 * it.scale + 1e-12, age: age)
    }

    private mutating func surprise(_ statistics: Lanes, floor: Double, age: Double) -> Double {
        let deviation = pointwiseMax(variance.squareRoot(), Lanes(repeating: floor))
        let offset = statistics - mean
        var score = offset / deviation
        score.replace(with: -score, where: (score .< 0) .& Self.isTwoSided)
        score.clamp(lowerBound: .zero, upperBound: Lanes(repeating: 8))

        let rate = max(AnomalyTuning.forgetting, 1 / age)
        let limit = deviation * AnomalyTuning.clip
        let step = age == 1 ? offset : offset.clamped(lowerBound: -limit, upperBound: limit)
        mean += rate * step
        variance = age == 1 ? .zero : variance + rate * (step * step - variance)

        guard age >= 20 else { return 0 }
        // -ln of the upper normal tail, within 3 % for scores of 0 to 5.
        let surprises = (0.395 * score + 0.775) * score + 0.693
        return (pointwiseMin(surprises, Lanes(repeating: AnomalyTuning.maxSurprise)) * AnomalyTuning.weights).sum()
    }
}
