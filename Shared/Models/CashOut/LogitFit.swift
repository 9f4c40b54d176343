import Foundation

/// Logistic and conditional logistic regression by Newton's method, each weight drawn towards a prior one.
enum LogitFit {
    private static let maxSteps = 40

    /// Binary outcomes: P = 1 / (1 + exp(-weights · row)).
    ///
    /// - Parameters:
    ///   - doubt: so often an outcome is thought to be told wrongly; probabilities keep away from 0 and 1 by it.
    ///   - prior: the weights in the absence of evidence.
    ///   - precision: how strongly they hold, as the inverse variance of a normal prior.
    static func binary(rows: [[Double]], outcomes: [Bool], doubt: Double = 0, prior: [Double], precision: Double) -> [Double] {
        newton(prior: prior, precision: precision) { weights, derivatives in
            for (row, outcome) in zip(rows, outcomes) {
                let probability = logistic(dot(weights, row))
                derivatives.add(row, times: (outcome ? 1 - doubt : doubt) - probability)
                derivatives.add(row, row, times: probability * (1 - probability))
            }
        }
    }

    /// One of several alternatives, each with a row: P = exp(weights · row) / sum over the alternatives.
    static func choice(alternatives: [[[Double]]], chosen: [Int], prior: [Double], precision: Double) -> [Double] {
        newton(prior: prior, precision: precision) { weights, derivatives in
            for (rows, choice) in zip(alternatives, chosen) {
                let shares = softmax(rows.map { dot(weights, $0) })
                var mean = Array(repeating: 0.0, count: weights.count)
                for (row, share) in zip(rows, shares) {
                    for index in mean.indices { mean[index] += share * row[index] }
                    derivatives.add(row, row, times: share)
                }
                derivatives.add(mean, mean, times: -1)
                derivatives.add(rows[choice], times: 1)
                derivatives.add(mean, times: -1)
            }
        }
    }

    static func logistic(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

    static func dot(_ a: [Double], _ b: [Double]) -> Double {
        var sum = 0.0
        for index in a.indices { sum += a[index] * b[index] }
        return sum
    }

    static func softmax(_ scores: [Double]) -> [Double] {
        let top = scores.max() ?? 0
        let powers = scores.map { exp($0 - top) }
        let total = powers.reduce(0, +)
        return powers.map { $0 / total }
    }

    /// Gradient and curvature of the log-likelihood, summed over the data.
    struct Derivatives {
        var gradient: [Double]
        var curvature: [[Double]]

        init(count: Int) {
            gradient = Array(repeating: 0, count: count)
            curvature = Array(repeating: Array(repeating: 0, count: count), count: count)
        }

        mutating func add(_ row: [Double], times factor: Double) {
            for index in row.indices { gradient[index] += factor * row[index] }
        }

        /// Only the lower half, which is all that is read.
        mutating func add(_ a: [Double], _ b: [Double], times factor: Double) {
            for row in a.indices {
                let scaled = factor * a[row]
                for column in 0...row { curvature[row][column] += scaled * b[column] }
            }
        }
    }

    private static func newton(
        prior: [Double], precision: Double, _ accumulate: ([Double], inout Derivatives) -> Void
    ) -> [Double] {
        var weights = prior
        for _ in 0..<maxSteps {
            var derivatives = Derivatives(count: prior.count)
            accumulate(weights, &derivatives)
            for index in prior.indices {
                derivatives.gradient[index] -= precision * (weights[index] - prior[index])
                derivatives.curvature[index][index] += precision
            }
            let step = solve(derivatives.curvature, derivatives.gradient)
            // Far from the optimum a full step may overshoot.
            let length = step.map(abs).max() ?? 0
            let factor = min(1, 2 / max(length, 1e-12))
            for index in weights.indices { weights[index] += factor * step[index] }
            if length < 1e-7 { break }
        }
        return weights
    }

    /// Solves a positive definite system by Cholesky's decomposition; only the lower half is read.
    static func solve(_ matrix: [[Double]], _ right: [Double]) -> [Double] {
        let count = right.count
        var lower = matrix
        for row in 0..<count {
            for column in 0...row {
                var sum = matrix[row][column]
                for inner in 0..<column { sum -= lower[row][inner] * lower[column][inner] }
                lower[row][column] = row == column ? max(sum, 1e-12).squareRoot() : sum / lower[column][column]
            }
        }
        var solution = right
        for row in 0..<count {
            for inner in 0..<row { solution[row] -= lower[row][inner] * solution[inner] }
            solution[row] /= lower[row][row]
        }
        for row in (0..<count).reversed() {
            for inner in (row + 1)..<count { solution[row] -= lower[inner][row] * solution[inner] }
            solution[row] /= lower[row][row]
        }
        return solution
    }
}
