import BenchmarkSupport
import Models

/// The anomaly detector's throughput and memory over many series at once, beside the marks that it has to reach.
func benchmarkAnomalies(_ report: inout BenchmarkReport) {
    let seriesCount = 10_000, pointsEach = 200
    var generator = SystemRandomNumberGenerator()
    let noise = (0..<4_096).map { _ in Double.random(in: -1...1, using: &generator) }
    // Filled once before the clock starts, so that the figure is the detectors' own.
    var detectors = [AnomalyDetector](repeating: AnomalyDetector(), count: seriesCount)
    var sum = 0.0
    func pass(_ points: Range<Int>) {
        // Point by point over all series, as events arrive: each detector has left the nearest cache before its next point.
        for point in points {
            for series in detectors.indices {
                let value = 100 + 10 * noise[(series &* 31 &+ point &* 17) & 4_095]
                sum += detectors[series].score(value, atSeconds: Double(point * 300))
            }
        }
    }
    pass(0..<pointsEach)
    let rates = (0..<5).map { round in
        let start = processorSeconds()
        pass((pointsEach * (round + 1))..<(pointsEach * (round + 2)))
        return Double(seriesCount * pointsEach) / (processorSeconds() - start)
    }
    precondition(sum.isFinite)
    report.compare("anomaly scores, 10,000 series in turn, one thread", unit: "points/s", ours: median(rates), peer: 1_000_000, "goal", .atLeast(1))
    report.compare("anomaly state", unit: "bytes/series", ours: Double(AnomalyDetector.stateBytes), peer: 1_024, "goal", .atMost(1))
}
