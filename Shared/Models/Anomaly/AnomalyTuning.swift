/// What the detector's parts share: chosen once, for series of any kind, and never per series.
///
/// Each was chosen where results on real metrics and on seeded synthetic ones (bursty counts, cloud metrics, seasonal demand, machines) are
/// good under one threshold, that of the real ones, and where the score's tail is a rate of points on noise of several distributions.
enum AnomalyTuning {
    /// How much each of the four statistics of `DeviationBank` has to say.
    static let weights = SIMD4<Double>(1, 2, 1, 1)
    /// The weight of a new point in a statistic's long-run distribution.
    static let forgetting = 0.0005
    /// How many standard deviations one point may move that distribution.
    static let maxStep = 4.0
    /// A single statistic's surprise, in nats, at most.
    static let maxSurprise = 14.0
    /// The tail beyond the quantile that `TailCalibration` follows.
    static let tail = 0.005
    /// How fast that quantile may still move once it is settled, in mean excesses a point.
    static let quantileForgetting = 0.0002
    /// Points before this one are learned and not told: as many as the longest of the local means spans. Spreads grow from nothing, so the
    /// first surprises are large on any series; they set the followed quantile high, from where it comes down as the series is known.
    static let minTold = 37.0
    /// The rest after an alarm as a share of the points so far.
    static let rest = 0.03
    /// How many times the last surprise, fading over the rest, the next has to exceed.
    static let damping = 1.5
}
