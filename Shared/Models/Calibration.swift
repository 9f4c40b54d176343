#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Turns a forest's margin into a probability that means what it says.
///
/// Beta calibration: logit p = a ln s − b ln(1 − s) + c, with s the uncalibrated probability and a, b ≥ 0, so that the order of scores
/// stays.
/// Source: Kull, Silva Filho, Flach, "Beta calibration", AISTATS 2017.
public struct BetaCalibration: Sendable, Hashable, Codable {
    public var a: Double
    public var b: Double
    public var c: Double

    public init(a: Double, b: Double, c: Double) {
        self.a = a
        self.b = b
        self.c = c
    }

    /// Leaves probabilities as they are.
    public static let identity = BetaCalibration(a: 1, b: 1, c: 0)

    /// The calibrated probability of a margin (log-odds).
    public func probability(margin: Double) -> Double {
        // ln s = −ln(1 + e^−margin), ln(1 − s) = −ln(1 + e^margin).
        let logit = -a * softplus(-margin) + b * softplus(margin) + c
        return 1 / (1 + exp(-logit))
    }

    /// Fits by maximum likelihood (Newton's method, a little ridge towards the identity). Labels of one class only give the identity.
    public init(fittingMargins margins: [Double], isPositive: [Bool]) {
        precondition(margins.count == isPositive.count, "one label a margin")
        self = .identity
        let positives = isPositive.reduce(0) { $0 + ($1 ? 1 : 0) }
        guard positives > 0, positives < margins.count else { return }
        fit(margins, isPositive, holding: [])
        // A negative slope would turn the order round: hold it at zero and fit the rest.
        if a < 0 { fit(margins, isPositive, holding: [0]) }
        if b < 0 { fit(margins, isPositive, holding: [1]) }
        a = max(a, 0)
        b = max(b, 0)
    }

    private mutating func fit(_ margins: [Double], _ isPositive: [Bool], holding held: Set<Int>) {
        let likelihood = Likelihood(margins: margins, isPositive: isPositive, held: held)
        var theta = [held.contains(0) ? 0 : 1, held.contains(1) ? 0 : 1, 0.0]
        var loss = likelihood.loss(theta)
        for _ in 0..<100 {
            let (gradient, hessian) = likelihood.derivatives(theta)
            guard let step = Self.solve(hessian, gradient) else { break }
            // A full step may overshoot far from the optimum: halve it until the loss falls.
            var length = 1.0
            var next = theta
            var nextLoss = loss
            repeat {
                next = (0..<3).map { theta[$0] - length * step[$0] }
                nextLoss = likelihood.loss(next)
                length /= 2
            } while nextLoss > loss && length > 1e-6
            guard nextLoss < loss else { break }
            let gained = loss - nextLoss
            (theta, loss) = (next, nextLoss)
            if gained < 1e-12 * loss { break }
        }
        (a, b, c) = (theta[0], theta[1], theta[2])
    }

    /// The regularised negative log-likelihood of (a, b, c).
    private struct Likelihood {
        private static let ridge = 1e-3
        private static let center = [1.0, 1, 0]
        /// (−ln(1 + e^−margin), ln(1 + e^margin), 1) for each row.
        private let terms: [(x: SIMD3<Double>, y: Double)]
        private let held: Set<Int>

        init(margins: [Double], isPositive: [Bool], held: Set<Int>) {
            terms = zip(margins, isPositive).map { (SIMD3(-softplus(-$0), softplus($0), 1), $1 ? 1 : 0) }
            self.held = held
        }

        func loss(_ theta: [Double]) -> Double {
            var sum = 0.0
            for (x, y) in terms {
                let logit = theta[0] * x[0] + theta[1] * x[1] + theta[2]
                sum += softplus(logit) - y * logit
            }
            return sum + (0..<3).reduce(0) { $0 + Self.ridge / 2 * (theta[$1] - Self.center[$1]) * (theta[$1] - Self.center[$1]) }
        }

        func derivatives(_ theta: [Double]) -> (gradient: [Double], hessian: [[Double]]) {
            let slope = SIMD3(theta[0], theta[1], theta[2])
            var sum = SIMD3<Double>()
            var rows = (SIMD3<Double>(), SIMD3<Double>(), SIMD3<Double>())
            for (x, y) in terms {
                let p = 1 / (1 + exp(-(slope * x).sum()))
                let weighted = max(p * (1 - p), 1e-12) * x
                sum += (p - y) * x
                rows.0 += weighted[0] * x
                rows.1 += weighted[1] * x
                rows.2 += weighted[2] * x
            }
            var gradient = (0..<3).map { sum[$0] }
            var hessian = [rows.0, rows.1, rows.2].map { row in (0..<3).map { row[$0] } }
            for i in 0..<3 {
                gradient[i] += Self.ridge * (theta[i] - Self.center[i])
                hessian[i][i] += Self.ridge
            }
            for i in held {
                for j in 0..<3 {
                    hessian[i][j] = 0
                    hessian[j][i] = 0
                }
                hessian[i][i] = 1
                gradient[i] = 0
            }
            return (gradient, hessian)
        }
    }

    /// Gauss elimination with pivots.
    private static func solve(_ matrix: [[Double]], _ vector: [Double]) -> [Double]? {
        var m = matrix
        var v = vector
        for column in 0..<3 {
            guard let pivot = (column..<3).max(by: { abs(m[$0][column]) < abs(m[$1][column]) }), abs(m[pivot][column]) > 1e-300 else {
                return nil
            }
            m.swapAt(column, pivot)
            v.swapAt(column, pivot)
            for row in 0..<3 where row != column {
                let factor = m[row][column] / m[column][column]
                for k in column..<3 { m[row][k] -= factor * m[column][k] }
                v[row] -= factor * v[column]
            }
        }
        return (0..<3).map { v[$0] / m[$0][$0] }
    }
}

/// ln(1 + eˣ), without overflow.
private func softplus(_ x: Double) -> Double { x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)) }
