#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Exact Shapley values of a forest's margin, path-dependent: a feature that is left out goes down both branches by their cover.
///
/// For a leaf of value v, whose path asks features j with the share zⱼ of training rows that take the path and oⱼ = 1 or 0 whether this
/// row takes it, the Shapley value of feature i is v (oᵢ − zᵢ) ∫₀¹ ∏_{j≠i} (t oⱼ + (1 − t) zⱼ) dt, because the Shapley weight of a
/// coalition of s among d features is ∫₀¹ tˢ (1 − t)^(d−1−s) dt. The integrand is a polynomial of degree d − 1, so Gauss-Legendre
/// quadrature at ⌈d/2⌉ points is exact, and one walk over a tree's nodes carries the products for all points: linear in nodes, where the
/// usual algorithm is quadratic in depth besides. Forests of moderate depth look the values up in a table that is made once.
///
/// Source of the values: Lundberg et al., "From local explanations to global understanding with explainable AI for trees", Nature Machine
/// Intelligence 2 (2020), algorithm 1.
public struct TreeSHAP: Sendable {
    private let forest: Forest
    /// Of the quadrature, in (0, 1).
    private let points: [Double]
    private let weights: [Double]
    private let table: ContributionTable?
    /// The margin expected over the training rows: what all contributions start from.
    public let expectedMargin: Double

    public init(_ forest: Forest) {
        self.forest = forest
        (points, weights) = TreeSHAP.gaussLegendre(count: max(1, (forest.maxDepth + 1) / 2))
        table = ContributionTable(forest, points: points, weights: weights)
        var expected = Double(forest.baseMargin)
        for tree in 0..<forest.treeCount { expected += TreeSHAP.mean(forest, at: forest.roots[tree]) }
        expectedMargin = expected
    }

    /// The contribution of each feature to the margin; with `expectedMargin` they sum to the margin.
    /// - Precondition: `row` has one value a feature.
    public func contributions(_ row: [Float]) -> [Double] { contributions([row])[0] }

    /// The same for each of many rows, which takes less time for each.
    public func contributions(_ rows: [[Float]]) -> [[Double]] {
        for row in rows { precondition(row.count == forest.featureCount, "a row has one value a feature") }
        return table?.contributions(rows) ?? rows.map(walked)
    }

    /// As `contributions(_:)`, always by a walk.
    func walked(_ row: [Float]) -> [Double] {
        var walk = Walk(forest: forest, points: points, weights: weights, row: row)
        for tree in 0..<forest.treeCount { walk.run(tree) }
        return walk.contributions
    }

    private static func mean(_ forest: Forest, at place: Int) -> Double {
        let node = forest.nodes[place]
        if Int(node.left) == place { return Double(node.value) }
        let share = leftShare(forest, place)
        return share * mean(forest, at: Int(node.left)) + (1 - share) * mean(forest, at: Int(node.left) + 1)
    }

    /// The share of the training rows at an inner node that go left; kept off 0 and 1, where no row could be left out.
    @inline(__always)
    static func leftShare(_ forest: Forest, _ place: Int) -> Double {
        let left = Int(forest.nodes[place].left)
        let both = Double(forest.covers[left]) + Double(forest.covers[left + 1])
        guard both > 0 else { return 0.5 }
        return min(max(Double(forest.covers[left]) / both, 1e-9), 1 - 1e-9)
    }

    /// Points and weights on (0, 1), by Newton's method on Legendre's polynomials.
    static func gaussLegendre(count n: Int) -> (points: [Double], weights: [Double]) {
        var points: [Double] = []
        var weights: [Double] = []
        for k in 0..<n {
            var x = cos(Double.pi * (Double(k) + 0.75) / (Double(n) + 0.5))
            var derivative = 1.0
            for _ in 0..<100 {
                var previous = 1.0
                var value = x
                for degree in stride(from: 2, through: n, by: 1) {
                    (previous, value) = (value, ((2 * Double(degree) - 1) * x * value - (Double(degree) - 1) * previous) / Double(degree))
                }
                derivative = Double(n) * (x * value - previous) / (x * x - 1)
                let step = value / derivative
                x -= step
                if abs(step) < 1e-16 { break }
            }
            points.append((1 + x) / 2)
            weights.append(1 / ((1 - x * x) * derivative * derivative))
        }
        return (points, weights)
    }
}

/// One row's walk over the trees.
private struct Walk {
    let forest: Forest
    let points: [Double]
    let weights: [Double]
    let row: [Float]
    var contributions: [Double]
    /// For each feature on the current path: the share of rows, and whether this row, takes it; (1, 1) for features off the path.
    private var shares: [Double]
    private var takes: [Double]
    /// Products over the path at each depth, one for each point; and sums over the subtree, on the way back.
    private var products: [Double]
    private var sums: [Double]

    init(forest: Forest, points: [Double], weights: [Double], row: [Float]) {
        self.forest = forest
        self.points = points
        self.weights = weights
        self.row = row
        contributions = [Double](repeating: 0, count: forest.featureCount)
        shares = [Double](repeating: 1, count: forest.featureCount)
        takes = shares
        products = [Double](repeating: 1, count: (forest.maxDepth + 1) * points.count)
        sums = products
    }

    mutating func run(_ tree: Int) { visit(forest.roots[tree], depth: 0) }

    /// Leaves in `sums` at `depth`, for each point, the sum over the leaves below of value times product.
    private mutating func visit(_ place: Int, depth: Int) {
        let node = forest.nodes[place]
        let q = points.count
        if Int(node.left) == place {
            for k in 0..<q { sums[depth * q + k] = Double(node.value) * products[depth * q + k] }
            return
        }
        let goes = forest.nodes.withUnsafeBufferPointer { nodes in
            row.withUnsafeBufferPointer { row in
                guard let nodes = nodes.baseAddress, let row = row.baseAddress else { return 0 }
                return Int(Forest.child(nodes, UInt32(truncatingIfNeeded: place), row)) - Int(node.left)
            }
        }
        let leftShare = TreeSHAP.leftShare(forest, place)
        let feature = node.feature
        let (share, take) = (shares[feature], takes[feature])
        withUnsafeTemporaryAllocation(of: Double.self, capacity: q) { total in
            total.initialize(repeating: 0)
            for side in 0...1 {
                let newShare = share * (side == 0 ? leftShare : 1 - leftShare)
                let newTake = side == goes ? take : 0
                for k in 0..<q {
                    let old = points[k] * take + (1 - points[k]) * share
                    let new = points[k] * newTake + (1 - points[k]) * newShare
                    products[(depth + 1) * q + k] = products[depth * q + k] / old * new
                }
                (shares[feature], takes[feature]) = (newShare, newTake)
                visit(Int(node.left) + side, depth: depth + 1)
                (shares[feature], takes[feature]) = (share, take)
                // What the feature's higher split will add for these leaves is wrong by what this split knows better.
                var gained = 0.0
                for k in 0..<q {
                    let sum = sums[(depth + 1) * q + k]
                    let old = points[k] * take + (1 - points[k]) * share
                    let new = points[k] * newTake + (1 - points[k]) * newShare
                    gained += weights[k] * sum * ((newTake - newShare) / new - (take - share) / old)
                    total[k] += sum
                }
                contributions[feature] += gained
            }
            for k in 0..<q { sums[depth * q + k] = total[k] }
        }
    }
}
