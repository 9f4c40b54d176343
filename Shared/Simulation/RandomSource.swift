#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A seeded source of randomness: the same seed gives the same world.
///
/// xoshiro256** (Blackman and Vigna, 2018), its state filled by SplitMix64.
public struct RandomSource: RandomNumberGenerator, Sendable {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    public init(seed: UInt64) {
        var mixer = seed
        func next() -> UInt64 {
            mixer &+= 0x9E37_79B9_7F4A_7C15
            var z = mixer
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
        state = (next(), next(), next(), next())
    }

    /// An independent source for one part of the world, so that a change in one part leaves the others as they were.
    public func stream(_ number: UInt64) -> RandomSource {
        RandomSource(seed: state.0 ^ (number &* 0xD6E8_FEB8_6659_FD93) ^ state.3)
    }

    public mutating func next() -> UInt64 {
        let result = rotate(state.1 &* 5, by: 7) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = rotate(state.3, by: 45)
        return result
    }

    private func rotate(_ x: UInt64, by k: UInt64) -> UInt64 { (x << k) | (x >> (64 - k)) }

    /// 0 (inclusive) to 1 (exclusive), 53 bits.
    public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    public mutating func uniform(_ range: Range<Double>) -> Double {
        range.lowerBound + uniform() * (range.upperBound - range.lowerBound)
    }

    public mutating func integer(below bound: Int) -> Int { Int(uniform() * Double(bound)) }

    public mutating func chance(_ probability: Double) -> Bool { uniform() < probability }

    /// Normal by Box and Muller.
    public mutating func normal(mean: Double = 0, deviation: Double = 1) -> Double {
        let radius = (-2 * log(1 - uniform())).squareRoot()
        return mean + deviation * radius * cos(2 * .pi * uniform())
    }

    /// Log-normal with this median.
    public mutating func logNormal(median: Double, sigma: Double) -> Double { median * exp(sigma * normal()) }

    public mutating func exponential(mean: Double) -> Double { -mean * log(1 - uniform()) }

    /// Poisson by Knuth's product; `mean` at most some tens.
    public mutating func poisson(mean: Double) -> Int {
        let limit = exp(-mean)
        var product = uniform()
        var count = 0
        while product > limit {
            count += 1
            product *= uniform()
        }
        return count
    }

    /// Poisson of any mean, as a sum of such that Knuth's product can draw.
    public mutating func poissonLarge(mean: Double) -> Int {
        let parts = max(Int((mean / 20).rounded(.up)), 1)
        return (0..<parts).reduce(0) { sum, _ in sum + poisson(mean: mean / Double(parts)) }
    }

    public mutating func pick<T>(_ values: [T]) -> T { values[integer(below: values.count)] }

    /// An index drawn by weight, given running totals of the weights.
    public mutating func index(cumulative: [Double]) -> Int {
        guard let total = cumulative.last else { return 0 }
        let draw = uniform() * total
        var low = 0
        var high = cumulative.count - 1
        while low < high {
            let middle = (low + high) / 2
            if cumulative[middle] <= draw { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

func runningTotals(_ weights: [Double]) -> [Double] {
    var total = 0.0
    return weights.map { weight in
        total += weight
        return total
    }
}
