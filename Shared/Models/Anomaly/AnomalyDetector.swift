#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Says of each point of a series of timestamped values how unlike the series' own past it is: one pass, no look-ahead, nothing to tune.
///
/// ```swift
/// var detector = AnomalyDetector()
/// for point in points {
///     let score = detector.score(point.value, atSeconds: point.time)   // 0…1
/// }
/// ```
///
/// A score of `s` means the same on every series: points that score above `s` make up about `1 - s` of it in the long run, whatever its
/// unit, spread and rhythm (in the upper three thousandths, which is what thresholds are about; most points score near 0). A threshold is therefore
/// a rate of alarms, and one threshold serves all series. After a high score the following points score low until something stranger
/// happens or some time has passed, so that one event is told once.
///
/// How it works: `SeasonalExpectation` says what the series usually does at this time of the day; `DeviationBank` follows four
/// statistics of the deviation (the deviation itself, its size over the last points, the local spread, the local jumps) and says how far
/// each is out of its own long-run distribution; the sum of these surprises becomes a tail probability by the streaming quantile and mean
/// excess of `TailCalibration`.
///
/// The first 36 points of a series score 0, and so does a value that is not finite, which teaches nothing either. Times may repeat, go back or
/// be irregular: only the time of the day is used, and the points are taken in the order in which they come. A detector is a plain value of
/// fixed size (`AnomalyDetector.stateBytes`).
public struct AnomalyDetector: Sendable, Hashable, Codable {
    private var points: UInt32 = 0
    private var expectation = SeasonalExpectation()
    private var deviations = DeviationBank()
    private var calibration = TailCalibration()

    public init() {}

    /// Memory that one detector takes, in bytes; it owns nothing besides.
    public static let stateBytes = MemoryLayout<AnomalyDetector>.stride

    /// Scores a point by what was seen before it, then learns it.
    /// - Parameters:
    ///   - value: any unit; a value that is not finite scores 0 and is passed over.
    ///   - seconds: the point's time in seconds since 1970, in the clock whose days the series follows.
    /// - Returns: 0 (as ever) to 1 (never before).
    public mutating func score(_ value: Double, atSeconds seconds: Double) -> Double {
        guard value.isFinite, seconds.isFinite else { return 0 }
        points = points == .max ? points : points + 1
        let age = Double(points)
        let deviation = expectation.see(value, atSeconds: seconds, age: age)
        let surprise = deviations.see(deviation, age: age)
        let score = calibration.score(surprise, age: age)
        return age < AnomalyTuning.minTold ? 0 : score
    }
}
