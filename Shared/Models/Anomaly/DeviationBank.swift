/// Follows four statistics of a series' deviations and says how far they are out of their own long-run distributions.
///
/// The statistics: the deviation from what is usual, in either direction; its mean size over some 12 points; the spread over some 32
/// points around the mean of some 36; the mean jump from point to point over some 6 points. Each has a running mean and variance that
/// forget slowly, and that a single sample moves by no more than four standard deviations. A statistic's surprise is `-ln` of the normal
/// tail beyond its standard score, at most `maxSurprise`, so that no single one outvotes the others.
struct DeviationBank: Sendable, Hashable, Codable {
    private typealias Lanes = SIMD4<Double>

    private static let isTwoSided: SIMDMask<SIMD4<Int64>> = [true, false, false, false]
    private static let smoothing: Lanes = [1, 1 / 12, 1 / 32, 1 / 6]
    /// Scores that have seen fewer points than this say nothing.
    private static let minPoints = 20.0

    private var smooth = Lanes.zero
    private var mean = Lanes.zero
    private var variance = Lanes.zero
    private var recent = 0.0
    private var last = 0.0

    /// The weighted sum of the surprises of the point; 0 until there is something to compare it with.
    mutating func see(_ it: Deviation, age: Double) -> Double {
        if age == 1 { last = it.fromMedian }
        let jump = abs(it.fromMedian - last)
        last = it.fromMedian
        recent += max(1.0 / 36, 1 / age) * (it.fromMedian - recent)
        let fromRecent = it.fromMedian - recent
        let inputs = Lanes(it.fromUsual, abs(it.fromUsual), fromRecent * fromRecent, jump)
        smooth += pointwiseMax(Self.smoothing, Lanes(repeating: 1 / age)) * (inputs - smooth)
        var statistics = smooth
        statistics[2] = statistics[2].squareRoot()
        return surprise(statistics, floor: 1e-6 * it.scale + 1e-12, age: age)
    }

    private mutating func surprise(_ statistics: Lanes, floor: Double, age: Double) -> Double {
        let spread = pointwiseMax(variance.squareRoot(), Lanes(repeating: floor))
        let offset = statistics - mean
        var score = offset / spread
        score.replace(with: -score, where: (score .< 0) .& Self.isTwoSided)
        score.clamp(lowerBound: .zero, upperBound: Lanes(repeating: 8))

        let rate = max(AnomalyTuning.forgetting, 1 / age)
        let limit = spread * AnomalyTuning.maxStep
        let step = age == 1 ? offset : offset.clamped(lowerBound: -limit, upperBound: limit)
        mean += rate * step
        variance = age == 1 ? .zero : variance + rate * (step * step - variance)

        guard age >= Self.minPoints else { return 0 }
        // -ln of the upper normal tail, within 6 % for scores of 0 to 5.
        let surprises = (0.395 * score + 0.775) * score + 0.693
        return (pointwiseMin(surprises, Lanes(repeating: AnomalyTuning.maxSurprise)) * AnomalyTuning.weights).sum()
    }
}
