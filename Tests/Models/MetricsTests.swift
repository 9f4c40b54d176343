import Models
import SeededRandom
import Testing

@Suite struct MetricsTests {
    struct Case: Decodable {
        var day: [Int]
        var customer: [String]
        var score: [Double]
        var distinctScore: [Double]
        var fraud: [Int]
        var aucROC: Double
        var averagePrecision: Double
        var cardPrecision: Double
    }

    @Test func `AUC and average precision equal scikit-learn's, ties included`() throws {
        for sample in try Fixture.decode([Case].self, "metrics.json") {
            let labels = sample.fraud.map { $0 == 1 }
            #expect(abs(RankingMetrics.areaUnderROC(scores: sample.score, isPositive: labels) - sample.aucROC) < 1e-12)
            #expect(abs(RankingMetrics.averagePrecision(scores: sample.score, isPositive: labels) - sample.averagePrecision) < 1e-12)
        }
    }

    @Test func `card precision equals the handbook's`() throws {
        for sample in try Fixture.decode([Case].self, "metrics.json") {
            let payments = sample.day.indices.map {
                RankingMetrics.ScoredPayment(
                    day: sample.day[$0], customer: sample.customer[$0], score: sample.distinctScore[$0], isFraud: sample.fraud[$0] == 1)
            }
            #expect(abs(RankingMetrics.cardPrecision(payments, top: 10) - sample.cardPrecision) < 1e-12)
        }
    }

    @Test func `without both classes there is no figure`() {
        #expect(RankingMetrics.areaUnderROC(scores: [0.1, 0.2], isPositive: [false, false]).isNaN)
        #expect(RankingMetrics.averagePrecision(scores: [0.1, 0.2], isPositive: [false, false]).isNaN)
        #expect(RankingMetrics.cardPrecision([], top: 10).isNaN)
    }

    @Test func `beta calibration finds the distortion it is to undo`() {
        var random = SplitMix64(seed: 12)
        var margins: [Double] = []
        var labels: [Bool] = []
        for _ in 0..<40_000 {
            let margin = Double.random(in: -4...4, using: &random)
            margins.append(2 * margin + 1)  // stated twice too sure, and shifted
            labels.append(Double.random(in: 0...1, using: &random) < 1 / (1 + (-margin).exponential))
        }
        let calibration = BetaCalibration(fittingMargins: margins, isPositive: labels)
        let stated = margins.map { calibration.probability(margin: $0) }
        #expect(RankingMetrics.calibrationError(probabilities: stated, isPositive: labels) < 0.015)
        #expect(zip(margins.sorted(), margins.sorted().dropFirst()).allSatisfy {
            calibration.probability(margin: $0) <= calibration.probability(margin: $1)
        })
    }

    @Test func `reliability sets what was stated against what was seen, bin by bin`() {
        let stated = [0.0, 0.06, 0.31, 0.39, 1.0, 0.95]
        let found = RankingMetrics.reliability(probabilities: stated, isPositive: [false, true, false, false, true, true])
        #expect(found.map(\.count) == [2, 2, 2] && found.map(\.observed) == [0.5, 0, 1])
        #expect(zip(found, [0.03, 0.35, 0.975]).allSatisfy { abs($0.meanProbability - $1) < 1e-12 })
        #expect(RankingMetrics.reliability(probabilities: [], isPositive: []).isEmpty)
        let gap = RankingMetrics.calibrationError(probabilities: [0.2, 0.8], isPositive: [false, true], bins: 1)
        #expect(gap.magnitude < 1e-12)
    }

    @Test func `calibration survives margins of any size and labels of one class`() {
        #expect(BetaCalibration(fittingMargins: [1, 2], isPositive: [true, true]) == .identity)
        for margin in [-1e6, -50, 0, 50, 1e6] { #expect((0...1).contains(BetaCalibration.identity.probability(margin: margin))) }
        #expect(abs(BetaCalibration.identity.probability(margin: 0) - 0.5) < 1e-15)
    }
}

extension Double {
    /// eˣ by its series, halved until small: the test needs no C library.
    fileprivate var exponential: Double {
        if magnitude > 0.5 { return { $0 * $0 }((self / 2).exponential) }
        var (term, sum) = (1.0, 1.0)
        for n in 1..<18 {
            term *= self / Double(n)
            sum += term
        }
        return sum
    }
}
