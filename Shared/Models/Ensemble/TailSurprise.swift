#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Surprises: −ln of the probability that chance alone does at least as much, in nats. A surprise of s comes by chance with odds of e⁻ˢ, on
/// whatever it is measured.
enum TailSurprise {
    /// Beyond it odds are too long to mean anything.
    static let limit = 12.0

    /// That at least `count` events happen where `expected` are, if they come independently of each other (Poisson).
    static func count(_ count: Double, expected: Double) -> Double {
        guard count > 0, expected > 0 else { return 0 }
        guard count > expected else { return min(limit, -log(max(upperTail(count, expected), exp(-limit)))) }
        // Far out the terms of the upper tail fall fast: sum them from the first.
        var term = exp(count * log(expected) - expected - lgamma(count + 1))
        var sum = term
        var next = count + 1
        while next < count + 60, term > sum * 1e-9 {
            term *= expected / next
            sum += term
            next += 1
        }
        return min(limit, -log(max(sum, 1e-300)))
    }

    private static func upperTail(_ count: Double, _ expected: Double) -> Double {
        var term = exp(-expected)
        var below = term
        var next = 1.0
        while next < min(count, 400) {
            term *= expected / next
            below += term
            next += 1
        }
        return 1 - below
    }

    /// Two independent surprises as one (Fisher's method): the sum of two has a gamma tail, (1 + s) e⁻ˢ.
    static func together(_ a: Double, _ b: Double) -> Double {
        let sum = a + b
        return min(limit, sum - log1p(sum))
    }
}
