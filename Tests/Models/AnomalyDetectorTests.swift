import Foundation
import SeededRandom
import Testing

@testable import Models

extension SplitMix64 {
    /// Standard normal, by Box and Muller.
    mutating func normal() -> Double {
        let radius = (-2 * log(Double.random(in: Double.leastNonzeroMagnitude..<1, using: &self))).squareRoot()
        return radius * cos(2 * .pi * Double.random(in: 0..<1, using: &self))
    }
}

@Suite("Anomaly detector")
struct AnomalyDetectorTests {
    private static let step = 300.0
    private static let threshold = 0.997

    private func scores(_ values: [Double], step: Double = AnomalyDetectorTests.step) -> [Double] {
        var detector = AnomalyDetector()
        return values.enumerated().map { detector.score($0.element, atSeconds: Double($0.offset) * step) }
    }

    /// Days of a busy time and a quiet one, with noise.
    private func days(_ count: Int, seed: UInt64) -> [Double] {
        var noise = SplitMix64(seed: seed)
        return (0..<(count * 288)).map { point in
            let hour = Double(point % 288) / 12
            return (hour >= 9 && hour < 18 ? 80 : 20) + 2 * noise.normal()
        }
    }

    private func noisy(_ count: Int, seed: UInt64) -> [Double] {
        var noise = SplitMix64(seed: seed)
        return (0..<count).map { _ in 50 + 5 * noise.normal() }
    }

    /// Whether something is told within the span, and how many points were told before it, after the first three days.
    private func finds(_ values: [Double], in span: Range<Int>) -> (found: Bool, before: Int) {
        let scores = scores(values)
        return (
            scores[span].contains { $0 >= Self.threshold },
            scores[864..<span.lowerBound].reduce(0) { $0 + ($1 >= Self.threshold ? 1 : 0) }
        )
    }

    @Test func scoresLieBetweenZeroAndOne() {
        var values = days(6, seed: 1)
        values[700] = 1e300
        values[900] = -1e300
        values[1_000] = .leastNonzeroMagnitude
        #expect(scores(values).allSatisfy { (0...1).contains($0) })
    }

    @Test func aLongerSeriesChangesNoEarlierScore() {
        let values = days(8, seed: 2)
        let whole = scores(values)
        for length in [1, 2, 19, 20, 21, 288, 1_000, 2_000] {
            #expect(scores(Array(values.prefix(length))) == Array(whole.prefix(length)))
        }
    }

    @Test func aDetectorTakesAtMostOneKilobyte() {
        #expect(AnomalyDetector.stateBytes <= 1_024)
        #expect(_isPOD(AnomalyDetector.self), "a detector owns no memory besides its own bytes")
    }

    @Test func aConstantSeriesIsNeverStrangeUntilItChanges() {
        var values = [Double](repeating: 45, count: 3_000)
        #expect(scores(values).allSatisfy { $0 < 0.95 })
        values[2_500] = 46
        #expect(scores(values)[2_500] > 0.99)
    }

    @Test func zerosAreAsGoodAsAnyConstant() {
        var values = [Double](repeating: 0, count: 2_000)
        values[1_500] = 1
        let scores = scores(values)
        #expect(scores[..<1_500].allSatisfy { $0 < 0.95 })
        #expect(scores[1_500] > 0.99)
    }

    @Test func valuesThatAreNotFiniteScoreZeroAndTeachNothing() {
        let values = days(5, seed: 3)
        var clean = AnomalyDetector(), holed = AnomalyDetector()
        for (index, value) in values.enumerated() {
            let time = Double(index) * Self.step
            if index % 7 == 0 {
                for hole in [Double.nan, .infinity, -.infinity] { #expect(holed.score(hole, atSeconds: time) == 0) }
                #expect(holed.score(value, atSeconds: .nan) == 0)
            }
            #expect(clean.score(value, atSeconds: time) == holed.score(value, atSeconds: time))
        }
        #expect(clean == holed)
    }

    @Test(arguments: [-1e15, -3.5, 0, 86_399.999, 1e9, 1e17])
    func anyTimeIsTaken(seconds: Double) {
        var detector = AnomalyDetector()
        for value in noisy(100, seed: 4) { #expect((0...1).contains(detector.score(value, atSeconds: seconds))) }
    }

    @Test func repeatedAndBackwardTimesAreScoredAsTheyCome() {
        // The hour that a clock shows twice when summer time ends: points at 2:00…2:55 come again.
        let values = days(9, seed: 5)
        var detector = AnomalyDetector()
        var high = 0
        for (index, value) in values.enumerated() {
            let repeated = index >= 6 * 288 + 36 ? Double(index - 12) : Double(index)
            let score = detector.score(value, atSeconds: repeated * Self.step)
            #expect((0...1).contains(score))
            if index > 864, score >= Self.threshold { high += 1 }
        }
        #expect(high < 12)
    }

    @Test func irregularSamplingKeepsTheSeason() {
        var noise = SplitMix64(seed: 6)
        var detector = AnomalyDetector()
        var time = 0.0, calm = 0, strange = 0.0
        while time < 14 * 86_400 {
            time += Double.random(in: 30...1_500, using: &noise)
            let hour = time.truncatingRemainder(dividingBy: 86_400) / 3_600
            let night = hour < 9 || hour >= 18
            let isEvent = time > 12 * 86_400 && time < 12.3 * 86_400
            let score = detector.score((night != isEvent ? 20 : 80) + noise.normal(), atSeconds: time)
            if time > 4 * 86_400, time < 12 * 86_400, score >= Self.threshold { calm += 1 }
            if isEvent { strange = max(strange, score) }
        }
        #expect(strange >= Self.threshold)
        #expect(calm < 12)
    }

    @Test func unitAndOffsetDoNotMatter() {
        let values = days(8, seed: 7)
        let plain = scores(values)
        let scaled = scores(values.map { $0 * 1_024 })
        #expect(zip(plain, scaled).allSatisfy { abs($0 - $1) < 1e-6 })
        let shifted = scores(values.map { $0 + 1_048_576 })
        #expect(zip(plain, shifted).filter { abs($0 - $1) > 0.02 }.count < values.count / 100)
    }

    @Test func theTailOfTheScoreIsAboutARateOfPoints() {
        // After the detector has settled, and over several seeds: about 1 - s of the points score above s, and not more than that by much.
        let settled = (10..<14).flatMap { scores(noisy(10_000, seed: UInt64($0))).dropFirst(2_000) }
        for s in [0.997, 0.998, 0.999, 0.9995] {
            let rate = Double(settled.reduce(0) { $0 + ($1 > s ? 1 : 0) }) / Double(settled.count)
            #expect(rate < 3 * (1 - s), "\(s): \(rate)")
            #expect(rate > (1 - s) / 3, "\(s): \(rate)")
        }
    }

    @Test func aSeriesThatHasOnlyBegunIsNotStrange() {
        for seed in 1...100 {
            var noise = SplitMix64(seed: UInt64(seed))
            let begun = scores((0..<100).map { _ in seed % 2 == 0 ? 5 + 2 * noise.normal() : exp(3 + noise.normal()) })
            #expect(begun.allSatisfy { $0 < Self.threshold })
        }
    }

    @Test func aSpikeIsTold() {
        var values = noisy(4_000, seed: 20)
        values[3_000] += 60
        let (found, before) = finds(values, in: 3_000..<3_010)
        #expect(found)
        #expect(before < 40)
    }

    @Test func aLevelThatShiftsIsTold() {
        var values = noisy(4_000, seed: 21)
        for index in 3_000..<4_000 { values[index] += 25 }
        #expect(finds(values, in: 3_000..<3_060).found)
    }

    @Test func aSpreadThatGrowsIsTold() {
        var noise = SplitMix64(seed: 22)
        var values = noisy(4_000, seed: 22)
        for index in 3_000..<3_200 { values[index] += 20 * noise.normal() }
        #expect(finds(values, in: 3_000..<3_100).found)
    }

    @Test func aDayWithoutItsBusyTimeIsTold() {
        var values = days(14, seed: 23)
        let quiet = Array(values[(11 * 288)..<(11 * 288 + 100)])
        for index in 0..<108 { values[11 * 288 + 108 + index] = quiet[index % 100] }
        let (found, before) = finds(values, in: (11 * 288 + 108)..<(11 * 288 + 216))
        #expect(found)
        #expect(before < 30)
    }

    @Test func aBusyTimeAtTheWrongHourIsTold() {
        var values = days(14, seed: 24)
        for index in 0..<72 { values[10 * 288 + index] += 60 }
        #expect(finds(values, in: (10 * 288)..<(10 * 288 + 72)).found)
    }

    @Test func aBurstInHeavyTailedCountsIsTold() {
        var noise = SplitMix64(seed: 25)
        var values = (0..<6_000).map { point -> Double in
            let busy = 20 * (1 + 0.6 * sin(Double(point % 288) / 288 * 2 * .pi))
            return (busy * exp(0.6 * noise.normal())).rounded()
        }
        for (index, more) in [900, 800, 600, 400, 300, 200].enumerated() { values[5_000 + index] += Double(more) }
        #expect(finds(values, in: 5_000..<5_010).found)
    }

    @Test func oneEventIsToldOnce() {
        var values = noisy(4_000, seed: 26)
        for index in 3_000..<3_100 { values[index] += 60 }
        let told = scores(values)[3_000..<3_100].filter { $0 >= Self.threshold }.count
        #expect(told >= 1)
        #expect(told <= 30)
    }

    @Test func aDetectorGoesOnFromWhereItWasKept() throws {
        let values = days(8, seed: 27)
        let whole = scores(values)
        var detector = AnomalyDetector()
        for index in 0..<1_000 { _ = detector.score(values[index], atSeconds: Double(index) * Self.step) }
        var restored = try JSONDecoder().decode(AnomalyDetector.self, from: JSONEncoder().encode(detector))
        #expect(restored == detector)
        for index in 1_000..<values.count {
            #expect(restored.score(values[index], atSeconds: Double(index) * Self.step) == whole[index])
        }
    }
}
