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

    @Test func onlyTheLatestObservationsCount() {
        var window = FeatureWindow(featureCount: 1)
        for index in 0..<(FeatureWindow.capacity + 500) { window.add([index < 500 ? .nan : 1], at: Timestamp(seconds: Int64(index))) }
        #expect(window.count == FeatureWindow.capacity)
        #expect(window.health(of: ["a"], reference: nil)[0].nullRate == 0)
        #expect(window.newest == Timestamp(seconds: Int64(FeatureWindow.capacity + 499)))
    }

    @Test func nothingIsToldOfNothing() {
        let health = FeatureWindow(featureCount: 1).health(of: ["a"], reference: nil)
        #expect(health[0].mean.isNaN && health[0].stabilityIndex.isNaN && health[0].nullRate == 0)
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
