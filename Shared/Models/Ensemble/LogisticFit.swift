#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Logistic regression by maximum likelihood (Newton's method, a little ridge towards a prior), some weights kept from falling below zero.
struct LogisticFit {
    /// What the first weights are multiplied with; zero behind the last weight.
    typealias Row = SIMD8<Double>

    let rows: [Row]
    let isPositive: [Bool]
    /// At most as many as a row has places.
    let prior: [Double]
    /// How strongly the prior holds each weight.
    let ridge: [Double]

    /// The loss at some weights, with its first and second derivatives.
    private struct Point {
        var weights: [Double]
        var loss: Double
        var gradient: [Double]
        /// Only the lower half, which is all that is read.
        var curvature: [[Double]]
    }

    /// - Parameter nonNegative: weights that are held at zero where the data would have them below.
    func weights(nonNegative: Set<Int>) -> [Double] {
        var held: Set<Int> = []
        var weights = prior
        while true {
            weights = newton(from: weights, holding: held)
            let below = nonNegative.filter { weights[$0] < 0 && !held.contains($0) }
            guard let worst = below.min(by: { weights[$0] < weights[$1] }) else { return weights }
            held.insert(worst)
        }
    }

    private func newton(from start: [Double], holding held: Set<Int>) -> [Double] {
        var best = point(start.indices.map { held.contains($0) ? 0 : start[$0] }, holding: held)
        for _ in 0..<100 {
            let step = LogitFit.solve(best.curvature, best.gradient)
            // Differences below it say nothing: the next weights are taken then, and are the last.
            let rounding = 1e-12 * best.loss
            // A full step may overshoot far from the optimum: halve it until the loss falls.
            var length = 1.0
            var next: Point
            repeat {
                next = point(best.weights.indices.map { best.weights[$0] - length * step[$0] }, holding: held)
                length /= 2
            } while !(next.loss <= best.loss + rounding) && length > 1e-6
            guard next.loss <= best.loss + rounding else { break }
            let gained = best.loss - next.loss
            best = next
            if gained <= rounding { break }
        }
        return best.weights
    }

    /// Rows that are taken through each step of the sums together: their exponentials do not wait for each other then.
    private static let block = 64

    private func point(_ weights: [Double], holding held: Set<Int>) -> Point {
        let (count, half) = (prior.count, Row.scalarCount / 2)
        precondition(count <= Row.scalarCount, "a row has a place for each weight")
        let padded = Row(weights + repeatElement(0, count: Row.scalarCount - count))
        var likelihood = Likelihood()
        var gradient = Row.zero
        var curvature = [Row](repeating: .zero, count: count)
        forEachBlock { rows, isPositive in
            withUnsafeTemporaryAllocation(of: Double.self, capacity: Self.block) { probabilities in
                curvature.withUnsafeMutableBufferPointer { curvature in
                    for place in rows.indices {
                        let products = padded * rows[place]
                        var logit = 0.0
                        for index in products.indices { logit += products[index] }
                        probabilities[place] = logit
                    }
                    for place in rows.indices {
                        let p = LogitFit.logistic(probabilities[place])
                        likelihood.add(p, probabilities[place], isPositive[place])
                        probabilities[place] = p
                    }
                    for place in rows.indices {
                        let (row, p) = (rows[place], probabilities[place])
                        gradient += (p - (isPositive[place] ? 1 : 0)) * row
                        let bend = max(p * (1 - p), 1e-12)
                        let bent = bend * row
                        // The lower triangle is all that is read; in its first rows that is half a row.
                        for index in 0..<min(half, count) { curvature[index].lowHalf += bent[index] * row.lowHalf }
                        for index in min(half, count)..<count { curvature[index] += bent[index] * row }
                    }
                }
            }
        }
        var loss = -likelihood.logarithm
        for index in 0..<count {
            let distance = weights[index] - prior[index]
            loss += ridge[index] / 2 * distance * distance
            gradient[index] = held.contains(index) ? 0 : gradient[index] + ridge[index] * distance
            for other in 0...index where held.contains(index) || held.contains(other) { curvature[index][other] = 0 }
            curvature[index][index] += held.contains(index) ? 1 : ridge[index]
        }
        return Point(
            weights: weights, loss: loss, gradient: (0..<count).map { gradient[$0] },
            curvature: curvature.map { row in (0..<count).map { row[$0] } })
    }

    private func forEachBlock(_ body: (UnsafeBufferPointer<Row>, UnsafeBufferPointer<Bool>) -> Void) {
        rows.withUnsafeBufferPointer { rows in
            isPositive.withUnsafeBufferPointer { isPositive in
                for start in stride(from: 0, to: rows.count, by: Self.block) {
                    let places = start..<min(start + Self.block, rows.count)
                    body(UnsafeBufferPointer(rebasing: rows[places]), UnsafeBufferPointer(rebasing: isPositive[places]))
                }
            }
        }
    }

    /// ln of the product of what the outcomes were given. A logarithm costs much, so factors are multiplied as long as they stay in range.
    private struct Likelihood {
        private var sum = 0.0
        private var product = 1.0

        var logarithm: Double { sum + log(product) }

        @inline(__always)
        mutating func add(_ p: Double, _ logit: Double, _ positive: Bool) {
            let factor = positive ? p : 1 - p
            // So unlikely an outcome is beyond what 1 − p can tell.
            guard factor > 1e-9 else {
                sum -= softplus(positive ? -logit : logit)
                return
            }
            product *= factor
            if product < 1e-200 {
                sum += log(product)
                product = 1
            }
        }
    }
}

/// ln(1 + eˣ), without overflow.
func softplus(_ x: Double) -> Double { x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)) }
