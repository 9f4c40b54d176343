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
        for (row, positive) in isPositive.enumerated() {
            let logit = logit(row, weights)
            sum += softplus(logit) - (positive ? logit : 0)
        }
        for index in prior.indices { sum += ridge[index] / 2 * (weights[index] - prior[index]) * (weights[index] - prior[index]) }
        return sum
    }

    private func logit(_ row: Int, _ weights: [Double]) -> Double {
        var sum = 0.0
        for index in 0..<count { sum += weights[index] * rows[row * count + index] }
        return sum
    }

    /// Only the lower half of the curvature, which is all that is read.
    private func derivatives(_ weights: [Double], holding held: Set<Int>) -> (gradient: [Double], curvature: [[Double]]) {
        var derivatives = LogitFit.Derivatives(count: count)
        var row = [Double](repeating: 0, count: count)
        for (number, positive) in isPositive.enumerated() {
            for index in 0..<count { row[index] = held.contains(index) ? 0 : rows[number * count + index] }
            let p = LogitFit.logistic(logit(number, weights))
            derivatives.add(row, times: p - (positive ? 1 : 0))
            derivatives.add(row, row, times: max(p * (1 - p), 1e-12))
        }
        for index in prior.indices {
            derivatives.curvature[index][index] += held.contains(index) ? 1 : ridge[index]
            if !held.contains(index) { derivatives.gradient[index] += ridge[index] * (weights[index] - prior[index]) }
        }
        return (derivatives.gradient, derivatives.curvature)
    }
}

/// ln(1 + eˣ), without overflow.
func softplus(_ x: Double) -> Double { x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)) }
