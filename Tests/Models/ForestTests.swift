import SeededRandom
import Testing

@testable import Models

@Suite struct ForestTests {
    /// Splits on feature 0 below 1, then on feature 1 below 2; missing values go right, then left.
    static let tree = Forest.Tree(
        leftChildren: [1, -1, 3, -1, -1], rightChildren: [2, -1, 4, -1, -1], splitFeatures: [0, 0, 1, 0, 0],
        splitValues: [1, 10, 2, 20, 30], missingGoLeft: [false, false, true, false, false], covers: [8, 4, 4, 1, 3])

    @Test func `a value below the threshold goes left, an equal one right, a missing one as trained`() throws {
        let forest = try Forest(trees: [Self.tree], featureCount: 2, baseMargin: 0.5, link: .identity)
        #expect(forest.margin([0.99, 0]) == 10.5)
        #expect(forest.margin([1, 1.99]) == 20.5)
        #expect(forest.margin([1, 2]) == 30.5)
        #expect(forest.margin([.nan, 2]) == 30.5)
        #expect(forest.margin([.nan, .nan]) == 20.5)
        #expect(forest.margin([-.infinity, .infinity]) == 10.5)
        #expect(forest.margin([.infinity, .infinity]) == 30.5)
    }

    @Test func `Shapley values are those of the definition`() throws {
        let forest = try Forest(trees: [Self.tree], featureCount: 2, baseMargin: 0, link: .identity)
        let shap = TreeSHAP(forest)
        // v({}) = 10/2 + (20/4 + 30·3/4)/2 = 18.75, v({0}) = 27.5, v({1}) = 15, v({0,1}) = 20 for (1, 0).
        #expect(abs(shap.expectedMargin - 18.75) < 1e-9)
        let values = shap.contributions([1, 0])
        #expect(abs(values[0] - ((27.5 - 18.75) + (20 - 15)) / 2) < 1e-9)
        #expect(abs(values[1] - ((15 - 18.75) + (20 - 27.5)) / 2) < 1e-9)
    }

    @Test func `Shapley values add up to the margin in deep random forests`() throws {
        var random = SplitMix64(seed: 5)
        for _ in 0..<20 {
            let forest = try Self.randomForest(trees: 7, depth: 9, features: 4, random: &random)
            let shap = TreeSHAP(forest)
            for _ in 0..<10 {
                let row = (0..<4).map { _ in Bool.random(using: &random) ? Float.random(in: 0...1, using: &random) : .nan }
                let sum = shap.contributions(row).reduce(shap.expectedMargin, +)
                #expect(abs(sum - Double(forest.margin(row))) < 1e-4)
            }
        }
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6])
    func `Shapley values from the table are those of the walk`(depth: Int) throws {
        var random = SplitMix64(seed: 21)
        for features in [2, 5, 30] {
            let forest = try Self.randomForest(trees: 9, depth: depth, features: features, random: &random)
            let shap = TreeSHAP(forest)
            let rows = (0..<10).map { _ in
                (0..<features).map { _ in
                    Int.random(in: 0..<6, using: &random) > 0 ? Float.random(in: 0...1, using: &random) : .nan
                }
            }
            for row in rows {
                for (found, walked) in zip(shap.contributions(row), shap.walked(row)) { #expect(abs(found - walked) < 1e-4) }
            }
            #expect(shap.contributions(rows) == rows.map { shap.contributions($0) }, "together as each by itself, to the bit")
            #expect(shap.contributions([[Float]]()).isEmpty)
        }
    }

    @Test(arguments: 0...10)
    func `filled-up trees score as a walk by hand does`(depth: Int) throws {
        var random = SplitMix64(seed: UInt64(30 + depth))
        let special: [Float] = [.nan, .infinity, -.infinity, 0, -0.0, .greatestFiniteMagnitude, -.leastNonzeroMagnitude, 0.5]
        for (count, features) in [(1, 1), (19, 6), (40, 20)] {
            let trees = (0..<count).map { _ in Self.randomTree(depth: depth, features: features, random: &random) }
            let forest = try Forest(trees: trees, featureCount: features, baseMargin: 0.25, link: .identity)
            var rows: [Float] = []
            var expected: [Float] = []
            for _ in 0..<150 {
                let row = (0..<features).map { _ in
                    Bool.random(using: &random) ? special[Int.random(in: 0..<8, using: &random)] : Float.random(in: 0...1, using: &random)
                }
                rows += row
                expected.append(trees.reduce(Float(0.25)) { $0 + Self.leaf($1, row) })
                #expect(forest.margin(row) == expected.last)
            }
            #expect(forest.margins(rows: rows) == expected)
        }
    }

    private static func leaf(_ tree: Forest.Tree, _ row: [Float]) -> Float {
        var place = 0
        while tree.leftChildren[place] >= 0 {
            let value = row[tree.splitFeatures[place]]
            let goesLeft = value.isNaN ? tree.missingGoLeft[place] : value < tree.splitValues[place]
            place = goesLeft ? tree.leftChildren[place] : tree.rightChildren[place]
        }
        return tree.splitValues[place]
    }

    private static func randomTree(depth: Int, features: Int, random: inout SplitMix64) -> Forest.Tree {
        var tree = Forest.Tree(leftChildren: [], rightChildren: [], splitFeatures: [], splitValues: [], missingGoLeft: [], covers: [])
        grow(&tree, depth: depth, cover: 1_000, features: features, random: &random)
        let edges: [Float] = [0, -0.0, .infinity, -.infinity, .leastNonzeroMagnitude]
        for place in tree.splitValues.indices where tree.leftChildren[place] >= 0 && Int.random(in: 0..<8, using: &random) == 0 {
            tree.splitValues[place] = edges[Int.random(in: 0..<edges.count, using: &random)]
        }
        return tree
    }

    @Test func `a batch scores every row as it is scored alone`() throws {
        var random = SplitMix64(seed: 6)
        let forest = try Self.randomForest(trees: 21, depth: 6, features: 8, random: &random)
        for count in [0, 1, 23, 24, 63, 64, 65, 127, 128, 129, 300] {
            let rows = (0..<count * 8).map { _ in Float.random(in: 0...1, using: &random) }
            let margins = forest.margins(rows: rows)
            for row in 0..<count { #expect(margins[row] == forest.margin(Array(rows[row * 8..<row * 8 + 8]))) }
        }
    }

    @Test func `an average of forests has the mean of their margins`() throws {
        var random = SplitMix64(seed: 8)
        let forests = try (0..<3).map { _ in try Self.randomForest(trees: 3, depth: 4, features: 4, random: &random) }
        let average = try Forest(averaging: forests)
        let row: [Float] = [0.1, 0.9, .nan, 0.4]
        #expect(abs(average.margin(row) - forests.reduce(0) { $0 + $1.margin(row) } / 3) < 1e-5)
    }

    @Test func `an encoded forest comes back the same, a damaged one is refused or still scores`() throws {
        var random = SplitMix64(seed: 9)
        let forest = try Self.randomForest(trees: 5, depth: 5, features: 4, random: &random)
        let bytes = forest.encoded
        #expect(try Forest(encoded: bytes) == forest)
        for length in stride(from: 0, to: bytes.count, by: 41) {
            #expect(throws: ForestError.self) { try Forest(encoded: Array(bytes.prefix(length))) }
        }
        for _ in 0..<500 {
            var damaged = bytes
            damaged[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            guard let other = try? Forest(encoded: damaged) else { continue }
            _ = other.margin([Float](repeating: 0.5, count: other.featureCount))
        }
    }

    static func randomForest(trees: Int, depth: Int, features: Int, random: inout SplitMix64) throws -> Forest {
        var list: [Forest.Tree] = []
        for _ in 0..<trees {
            var tree = Forest.Tree(leftChildren: [], rightChildren: [], splitFeatures: [], splitValues: [], missingGoLeft: [], covers: [])
            grow(&tree, depth: depth, cover: 1_000, features: features, random: &random)
            list.append(tree)
        }
        return try Forest(trees: list, featureCount: features, baseMargin: -1, link: .logistic)
    }

    @discardableResult
    private static func grow(
        _ tree: inout Forest.Tree, depth: Int, cover: Float, features: Int, random: inout SplitMix64
    ) -> Int {
        let place = tree.leftChildren.count
        tree.leftChildren.append(-1)
        tree.rightChildren.append(-1)
        tree.splitFeatures.append(Int.random(in: 0..<features, using: &random))
        tree.splitValues.append(Float.random(in: 0...1, using: &random))
        tree.missingGoLeft.append(Bool.random(using: &random))
        tree.covers.append(cover)
        if depth > 0, Int.random(in: 0..<5, using: &random) > 0 {
            let share = Float.random(in: 0.05...0.95, using: &random)
            tree.leftChildren[place] = grow(&tree, depth: depth - 1, cover: cover * share, features: features, random: &random)
            tree.rightChildren[place] = grow(&tree, depth: depth - 1, cover: cover * (1 - share), features: features, random: &random)
        }
        return place
    }
}
