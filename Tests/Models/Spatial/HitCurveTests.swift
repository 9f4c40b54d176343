import Testing

@testable import Models

@Suite struct HitCurveTests {
    @Test func hitsAreSharesOfAllThatCameAndOfTheBestThatWasPossible() {
        var counts = [Int](repeating: 0, count: 100)
        (counts[7], counts[9], counts[50]) = (3, 1, 4)
        var scores = [Double](repeating: 0, count: 100)
        (scores[7], scores[9]) = (2, 1)
        let curve = HitCurve(scores: scores, counts: counts, outside: 2)
        #expect(curve.incidents == 10)
        #expect(curve.hitRate(0.01) == 0.3 && curve.hitRate(0.02) == 0.4 && curve.hitRate(1) == 0.8)
        #expect(curve.pai(0.02) == 20)
        #expect(curve.pei(0.01) == 0.75 && curve.pei(0.02) == 4.0 / 7 && curve.pei(1) == 1)
    }

    @Test func withoutIncidentsOrCellsThereIsNothingToHit() {
        #expect(HitCurve(scores: [1, 2], counts: [0, 0]).hitRate(0.5) == 0)
        #expect(HitCurve(scores: [], counts: []).pei(0.5) == 0)
    }
}
