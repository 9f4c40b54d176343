#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// How often something happens that is expected `mean` times: negative binomial with variance `mean + dispersion × mean²`; Poisson where
/// the dispersion is 0.
public struct CountDistribution: Sendable, Hashable {
    public let mean: Double
    public let dispersion: Double

    public init(mean: Double, dispersion: Double = 0) {
        self.mean = mean.isFinite ? max(0, mean) : 0
        self.dispersion = dispersion.isFinite ? max(0, dispersion) : 0
    }

    /// The least count that is not exceeded with at least a probability.
    public func quantile(_ probability: Double) -> Int {
        guard mean > 0, probability > 0 else { return 0 }
        if mean > 1_000 { return farQuantile(probability) }
        var term = dispersion > 1e-9 ? exp(-log1p(dispersion * mean) / dispersion) : exp(-mean)
        var sum = term
        var count = 0
        let size = 1 / max(dispersion, 1e-9)
        let limit = Int(mean + 40 * (mean + dispersion * mean * mean).squareRoot()) + 40
        while sum < probability, count < limit {
            count += 1
            term *= dispersion > 1e-9
                ? (Double(count - 1) + size) / Double(count) * mean / (size + mean)
                : mean / Double(count)
            sum += term
        }
        return count
    }

    /// The counts between which it lies with a probability, as much being left out below as above.
    public func interval(_ coverage: Double) -> ClosedRange<Int> {
        let low = quantile((1 - coverage) / 2)
        return low...max(low, quantile((1 + coverage) / 2))
    }

    /// By the normal distribution, which large counts follow.
    private func farQuantile(_ probability: Double) -> Int {
        let spread = (mean + dispersion * mean * mean).squareRoot()
        var low = -12.0, high = 12.0
        for _ in 0..<60 {
            let middle = (low + high) / 2
            if erfc(-middle / 2.0.squareRoot()) / 2 < probability { low = middle } else { high = middle }
        }
        return max(0, Int((mean + low * spread).rounded()))
    }
}
