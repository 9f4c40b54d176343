import Models
import SeededRandom
import Testing

@Suite struct ConformalTests {
    /// Frauds score high, genuine payments low, and they overlap.
    private func scores(_ count: Int, seed: UInt64) -> (probabilities: [Double], isFraud: [Bool]) {
        var random = SplitMix64(seed: seed)
        let isFraud = (0..<count).map { _ in Int.random(in: 0..<20, using: &random) == 0 }
        let probabilities = isFraud.map { fraud in
            let uniform = Double.random(in: 0..<1, using: &random)
            return fraud ? uniform.squareRoot() : uniform * uniform
        }
        return (probabilities, isFraud)
    }

    @Test(arguments: [0.8, 0.9, 0.95])
    func `sets hold the truth as often as stated, for each class`(coverage: Double) throws {
        let (held, labels) = scores(40_000, seed: 1)
        let thresholds = try #require(ConformalThresholds(fitting: held, isFraud: labels, coverage: coverage))
        let (new, truth) = scores(40_000, seed: 2)
        let observed = thresholds.observe(new, isFraud: truth)
        #expect(abs(observed.coverage - coverage) < 0.01)
        #expect(abs(observed.genuineCoverage - coverage) < 0.01)
        #expect(abs(observed.fraudCoverage - coverage) < 0.03)
        #expect(observed.payments == new.count)
    }

    @Test func `a set holds fraud from one threshold on and genuine up to another`() throws {
        let (held, labels) = scores(5_000, seed: 3)
        let thresholds = try #require(ConformalThresholds(fitting: held, isFraud: labels))
        #expect(thresholds.set(1).isDecided && thresholds.set(1).hasFraud)
        #expect(thresholds.set(0).isDecided && thresholds.set(0).hasGenuine)
        #expect(thresholds.set(thresholds.fraudFrom).hasFraud)
        #expect(thresholds.set(thresholds.genuineUpTo).hasGenuine)
    }

    @Test func `payments that are genuine only as far as their probability says give the thresholds of those that are`() throws {
        let (scores, labels) = scores(40_000, seed: 5)
        let known = try #require(ConformalThresholds(fitting: scores, isFraud: labels))
        let frauds = zip(scores, labels).filter(\.1).map(\.0)
        // Of scores near s so many are frauds: densities 2 s for one in twenty, 1 / (2 √s) for the rest.
        let weights = scores.map { 1 - 2 * $0 / (2 * $0 + 19 / (2 * $0.squareRoot())) }
        let guessed = try #require(ConformalThresholds(frauds: frauds, genuine: scores, weights: weights))
        #expect(abs(guessed.genuineUpTo - known.genuineUpTo) < 0.01)
        #expect(guessed.fraudFrom == known.fraudFrom)
        #expect(ConformalThresholds(frauds: frauds, genuine: [0.1, 0.2], weights: [0.5, 0.5]) == nil)
    }

    @Test func `too few of a class promise nothing`() {
        #expect(ConformalThresholds(fitting: [0.1, 0.2, 0.9], isFraud: [false, false, true]) == nil)
        #expect(ConformalThresholds(fitting: [], isFraud: []) == nil)
    }
}

@Suite struct DriftTests {
    @Test func `what has not moved has no drift, what has moved has much`() {
        var random = SplitMix64(seed: 4)
        let values = (0..<5_000).map { _ in Float.random(in: 0..<1, using: &random) }
        let reference = ReferenceDistribution(name: "f", values: values)
        #expect(abs(reference.shares.reduce(0, +) - 1) < 1e-9)
        #expect(reference.stabilityIndex(of: values) == 0)
        let again = (0..<5_000).map { _ in Float.random(in: 0..<1, using: &random) }
        #expect(reference.stabilityIndex(of: again) < 0.02)
        #expect(reference.stabilityIndex(of: again.map { $0 * 0.5 }) > 0.25)
        #expect(reference.stabilityIndex(of: [Float](repeating: .nan, count: 100)) > 0.25)
    }

    @Test func `constant, missing and infinite values have distributions too`() {
        for values in [[Float](repeating: 3, count: 10), [.nan, .nan], [.infinity, -.infinity, 1, 2], []] {
            let reference = ReferenceDistribution(name: "f", values: values)
            #expect(reference.edges.allSatisfy { $0.isFinite })
            #expect(reference.stabilityIndex(of: values) == 0)
        }
    }
}
