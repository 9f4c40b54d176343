import Records
import Testing

@testable import FeatureStore

@Suite struct FeatureHealthTests {
    private func sample(_ rows: [[Double]]) -> FeatureSample {
        var sample = FeatureSample(featureCount: rows[0].count)
        for row in rows { sample.add(row) }
        return sample
    }

    private func window(_ rows: [[Double]]) -> FeatureWindow {
        var window = FeatureWindow(featureCount: rows[0].count)
        for (index, row) in rows.enumerated() { window.add(row, at: Timestamp(seconds: Int64(index))) }
        return window
    }

    @Test func theSamePopulationHasNoDriftAndAnotherHas() throws {
        let training = (0..<1_000).map { [Double($0), $0 % 4 == 0 ? .nan : 1] }
        let reference = try #require(sample(training).reference(names: ["a", "b"], from: nil, to: nil))
        let same = window(training).health(of: ["a", "b"], reference: reference)
        #expect(same[0].stabilityIndex == 0)
        #expect(same[1].nullRate == 0.25 && same[1].referenceNullRate == 0.25)
        let moved = window((0..<1_000).map { [Double($0) + 500, 1] }).health(of: ["a", "b"], reference: reference)
        #expect(moved[0].stabilityIndex > 0.25)
        #expect(moved[0].mean == 999.5)
    }

    @Test func thePopulationStabilityIndexIsThatOfItsDefinition() throws {
        // Two bins: half and half in training, a quarter and three quarters now.
        let feature = FeatureReference.Feature(name: "a", nullRate: 0, edges: [10], shares: [0.5, 0.5])
        let index = feature.stabilityIndex(of: [1, 10, 11, 12])
        #expect(abs(index - 0.274_653_072_167_027_4) < 1e-12)
    }

    @Test func aCommonValueIsABinOfItsOwn() throws {
        // Weekdays alone; and a count that is mostly zero.
        let training = (0..<1_000).map { [0, $0 % 20 == 0 ? 3.0 : 0] }
        let reference = try #require(sample(training).reference(names: ["is_weekend", "frauds"], from: nil, to: nil))
        #expect(window(training).health(of: ["is_weekend", "frauds"], reference: reference).map(\.stabilityIndex) == [0, 0])
        let weekend = window((0..<1_000).map { [1, $0 % 4 == 0 ? 3.0 : 0] }).health(of: ["is_weekend", "frauds"], reference: reference)
        #expect(weekend[0].stabilityIndex > 10)
        #expect(weekend[1].stabilityIndex > 0.25)
        // Also one that is neither the least nor the most.
        let middle = try #require(sample((0..<100).map { [$0 < 45 ? 1.0 : $0 < 55 ? 2 : 3] }).reference(names: ["a"], from: nil, to: nil))
        #expect(window((0..<100).map { [$0 < 45 ? 1.0 : 3] }).health(of: ["a"], reference: middle)[0].stabilityIndex > 0.25)
    }

    @Test func whatHasNoValueIsABinToo() throws {
        let reference = try #require(
            sample((0..<1_000).map { [Double($0), .nan] }).reference(names: ["a", "b"], from: nil, to: nil))
        let now = window((0..<1_000).map { [$0 % 2 == 0 ? .nan : Double($0), 1] }).health(of: ["a", "b"], reference: reference)
        #expect(now[0].stabilityIndex > 0.25)
        #expect(now[1].stabilityIndex > 10)
    }

    @Test func aReferenceThatTellsNothingApartTellsNoDrift() {
        // As it was kept before: nearly all values in one bin.
        let feature = FeatureReference.Feature(name: "a", nullRate: 0, edges: [], shares: [1])
        #expect(feature.stabilityIndex(of: [0, 1]).isNaN)
    }

    @Test func onlyTheLatestObservationsCount() {
        var window = FeatureWindow(featureCount: 1)
        for index in 0..<(FeatureWindow.capacity + 500) { window.add([index < 500 ? .nan : 1], at: Timestamp(seconds: Int64(index))) }
        #expect(window.count == FeatureWindow.capacity)
        #expect(window.health(of: ["a"], reference: nil)[0].nullRate == 0)
        #expect(window.newest == Timestamp(seconds: Int64(FeatureWindow.capacity + 499)))
    }

    @Test func freshnessIsThatOfEachFeatureAndPasses() {
        var window = FeatureWindow(featureCount: 2)
        window.add([1, 1], at: Timestamp(seconds: 7_000_000_000))
        window.add([1, 1], at: Timestamp(seconds: 10))
        #expect(window.newest == Timestamp(seconds: 7_000_000_000))
        for index in 0..<FeatureWindow.capacity { window.add([1, index < 5 ? 1 : .nan], at: Timestamp(seconds: Int64(100 + index))) }
        let health = window.health(of: ["a", "b"], reference: nil)
        #expect(health.map(\.newest) == [Timestamp(seconds: 100 + Int64(FeatureWindow.capacity) - 1), Timestamp(seconds: 104)])
        #expect(health.map(\.observations) == [FeatureWindow.capacity, FeatureWindow.capacity])
        #expect(window.newest == health[0].newest)
    }

    @Test func nothingIsToldOfNothing() {
        let health = FeatureWindow(featureCount: 1).health(of: ["a"], reference: nil)
        #expect(health[0].mean.isNaN && health[0].stabilityIndex.isNaN && health[0].nullRate.isNaN)
        #expect(health[0].observations == 0 && health[0].newest == nil)
        #expect(FeatureSample(featureCount: 1).reference(names: ["a"], from: nil, to: nil) == nil)
    }

    @Test func aLargeTrainingSetIsThinnedEvenly() throws {
        var sample = FeatureSample(featureCount: 1)
        for index in 0..<(3 * FeatureSample.maxRows) { sample.add([Double(index)]) }
        let reference = try #require(sample.reference(names: ["a"], from: nil, to: nil))
        #expect(reference.observations == 3 * FeatureSample.maxRows)
        let middle = reference.features[0].edges[4] / Double(3 * FeatureSample.maxRows)
        #expect(abs(middle - 0.5) < 0.05)
    }
}
