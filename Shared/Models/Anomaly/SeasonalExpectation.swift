/// How a value stands to the series so far.
struct Deviation: Sendable {
    /// The value less the series' median, within ±1e30.
    var fromMedian: Double
    /// The value less what is usual at this time of the day, within ±1e30.
    var fromUsual: Double
    /// The mean distance from the median so far: the unit in which the series moves.
    var scale: Double
}

/// What a series usually does at this time of the day, learned as it goes.
///
/// A level follows the series over some 250 points; the day has 64 parts, each with a running mean of how the series stands to that level then.
/// A single outlier drags none of them away, because no point moves them by more than three times the series' mean deviation.
struct SeasonalExpectation: Sendable, Hashable, Codable {
    static let partSeconds = 86_400.0 / 64
    private static let levelRate = 0.004
    private static let usualRate = 0.02
    private static let maxDeviations = 3.0

    /// The first value: everything else is kept relative to it, so that a large offset costs no precision.
    private var origin = 0.0
    private var median = 0.0
    private var scale = 0.0
    private var level = 0.0
    private var usual = SIMD64<Float>.zero
    private var seen = SIMD64<UInt8>.zero

    /// What the value deviates by; then learns it.
    mutating func see(_ value: Double, atSeconds seconds: Double, age: Double) -> Deviation {
        if age == 1 { origin = value }
        let relative = max(-1e30, min(1e30, value - origin))
        let part = Self.part(ofDayAt: seconds)
        let known = seen[part]
        let limit = Self.maxDeviations * scale
        level += max(Self.levelRate, 1 / age) * max(-limit, min(limit, relative - level))
        let fromLevel = relative - level
        let fromUsual = fromLevel - (known > 0 ? Double(usual[part]) : 0)

        let fromMedian = relative - median
        scale += max(0.002, 1 / age) * (abs(fromMedian) - scale)
        let step = max(0.01, 1 / age) * scale
        median += fromMedian > 0 ? min(step, fromMedian) : max(-step, fromMedian)

        if known == 0 {
            usual[part] = Float(fromLevel)
        } else {
            let rate = max(Self.usualRate, 1 / (Double(known) + 1))
            usual[part] += Float(rate * max(-limit, min(limit, fromUsual)))
        }
        if known < .max { seen[part] = known + 1 }
        return Deviation(fromMedian: fromMedian, fromUsual: fromUsual, scale: scale)
    }

    private static func part(ofDayAt seconds: Double) -> Int {
        let day = 86_400.0
        let inDay = seconds - (seconds / day).rounded(.down) * day
        return max(0, min(63, Int(inDay / partSeconds)))
    }
}
