#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Logistic regression by maximum likelihood (Newton's method, a little ridge towards a prior), some weights kept from falling below zero.
struct LogisticFit {
    /// The rows one after another, each of `prior.count` values.
    let rows: [Double]
    let isPositive: [Bool]
    let prior: [Double]
    /// How strongly the prior holds each weight.
    let ridge: [Double]

    private var count: Int { prior.count }

    /// - Parameter nonNegative: weights that are held at zero where the data would have them below.
    func weights(nonNegative: Set<Int>) -> [Double] {
        var held: Set<Int> = []
        while true {
            let weights = newton(holding: held)
            let below = nonNegative.filter { weights[$0] < 0 && !held.contains($0) }
            guard let worst = below.min(by: { weights[$0] < weights[$1] }) else { return weights }
            held.insert(worst)
        }
    }

    private func newton(holding held: Set<Int>) -> [Double] {
        var weights = prior.indices.map { held.contains($0) ? 0 : prior[$0] }
        var loss = loss(weights)
        for _ in 0..<100 {
            let (gradient, curvature) = derivatives(weights, holding: held)
            let step = LogitFit.solve(curvature, gradient)
            // A full step may overshoot far from the optimum: halve it until the loss falls.
            var length = 1.0
            var next = weights
            var nextLoss = loss
            repeat {
                next = weights.indices.map { weights[$0] - length * step[$0] }
                nextLoss = self.loss(next)
                length /= 2
            } while !(nextLoss <= loss) && length > 1e-6
            guard nextLoss < loss else { break }
            let gained = loss - nextLoss
            (weights, loss) = (next, nextLoss)
            if gained < 1e-12 * loss { break }
        }
        return weights
    }

    private func loss(_ weights: [Double]) -> Double {
        var sum = 0.0
        forEachLogit(weights) { _, logit, positive in sum += softplus(logit) - (positive ? logit : 0) }
        for index in prior.indices { sum += ridge[index] / 2 * (weights[index] - prior[index]) * (weights[index] - prior[index]) }
        return sum
    }

    /// - Parameter body: gets each row, its weighted sum, and whether it is positive.
    @inline(__always)
    private func forEachLogit(_ weights: [Double], _ body: (UnsafePointer<Double>, Double, Bool) -> Void) {
        let count = count
        rows.withUnsafeBufferPointer { rows in
            weights.withUnsafeBufferPointer { weights in
                isPositive.withUnsafeBufferPointer { isPositive in
                    guard var row = rows.baseAddress else { return }
                    for positive in isPositive {
                        var logit = 0.0
                        for index in 0..<count { logit += weights[index] * row[index] }
                        body(row, logit, positive)
                        row += count
                    }
                }
            }
        }
    }

    /// Only the lower half of the curvature, which is all that is read.
    private func derivatives(_ weights: [Double], holding held: Set<Int>) -> (gradient: [Double], curvature: [[Double]]) {
        let count = count
        let isFree = prior.indices.map { held.contains($0) ? 0.0 : 1.0 }
        var gradient = [Double](repeating: 0, count: count)
        // One row of it after another.
        var curvature = [Double](repeating: 0, count: count * count)
        gradient.withUnsafeMutableBufferPointer { gradient in
            curvature.withUnsafeMutableBufferPointer { curvature in
                isFree.withUnsafeBufferPointer { isFree in
                    forEachLogit(weights) { values, logit, positive in
                        let p = LogitFit.logistic(logit)
                        let slope = p - (positive ? 1 : 0)
                        let bend = max(p * (1 - p), 1e-12)
                        for row in 0..<count where isFree[row] > 0 {
                            gradient[row] += slope * values[row]
                            let scaled = bend * values[row]
                            for column in 0...row { curvature[row &* count &+ column] += scaled * (values[column] * isFree[column]) }
                        }
                    }
                }
            }
        }
        for index in prior.indices {
            curvature[index * count + index] += held.contains(index) ? 1 : ridge[index]
            if !held.contains(index) { gradient[index] += ridge[index] * (weights[index] - prior[index]) }
        }
        return (gradient, prior.indices.map { Array(curvature[$0 * count..<($0 + 1) * count]) })
    }
}

/// ln(1 + eˣ), without overflow.
func softplus(_ x: Double) -> Double { x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)) }
