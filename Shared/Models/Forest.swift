/// Gradient-boosted trees, flattened for scoring.
///
/// Scores equal XGBoost's to the bit before the link function: a value goes left when it is below the threshold in 32-bit floats, a NaN
/// goes where training sent missing values, leaves are summed in tree order in 32-bit floats.
public struct Forest: Sendable, Hashable {
    /// What turns a sum of leaves into a prediction.
    public enum Link: UInt8, Sendable, Hashable {
        case identity = 0
        /// A probability: 1 / (1 + e^−margin).
        case logistic = 1
        /// A rate: e^margin.
        case exponential = 2
    }

    /// Twelve bytes; the right child lies just after the left one.
    struct Node: Sendable, Hashable {
        /// The threshold; in a leaf its value.
        var value: Float
        /// The highest bit says that missing values go left.
        var featureAndDefault: UInt32
        /// Index of the left child; in a leaf, of the leaf itself.
        var left: UInt32

        @inline(__always) var feature: Int { Int(featureAndDefault & 0x7fff_ffff) }
        @inline(__always) var missingGoLeft: Bool { featureAndDefault >> 31 == 1 }
    }

    public let featureCount: Int
    public let link: Link
    /// Added to the sum of leaves, before the link.
    public let baseMargin: Float
    /// Trees one after another, each from its root in breadth-first order.
    let nodes: ContiguousArray<Node>
    /// How many training rows (by hessian) passed each node, for SHAP.
    let covers: ContiguousArray<Float>
    /// Index of each tree's root; the last element is `nodes.count`.
    let roots: [Int]
    let depths: [Int]
    /// The same trees in the form that scores one row fastest; nil where they are too deep for it or ask too much.
    let answered: AnsweredTrees?
    /// In the form that the other two and the table of contributions are made from; nil where they are too deep for it.
    let padded: PaddedTrees?
    /// The same in the form that scores many rows fastest.
    let sliced: BitSlicedTrees?

    public var treeCount: Int { roots.count - 1 }
    public var nodeCount: Int { nodes.count }
    public var maxDepth: Int { depths.max() ?? 0 }

    /// A tree as trainers write it: parallel arrays, children by index, −1 in a leaf's children.
    public struct Tree: Sendable {
        public var leftChildren: [Int]
        public var rightChildren: [Int]
        public var splitFeatures: [Int]
        /// Thresholds; in leaves the leaf's value.
        public var splitValues: [Float]
        public var missingGoLeft: [Bool]
        public var covers: [Float]

        public init(
            leftChildren: [Int], rightChildren: [Int], splitFeatures: [Int], splitValues: [Float], missingGoLeft: [Bool], covers: [Float]
        ) {
            self.leftChildren = leftChildren
            self.rightChildren = rightChildren
            self.splitFeatures = splitFeatures
            self.splitValues = splitValues
            self.missingGoLeft = missingGoLeft
            self.covers = covers
        }
    }

    /// - Throws: `ForestError` when a tree is no tree, or names a feature that there is not.
    public init(trees: [Tree], featureCount: Int, baseMargin: Float, link: Link) throws(ForestError) {
        guard featureCount > 0 else { throw ForestError("a forest needs a feature") }
        guard baseMargin.isFinite else { throw ForestError("the base margin is not finite") }
        var nodes: ContiguousArray<Node> = []
        var covers: ContiguousArray<Float> = []
        var roots = [0]
        var depths: [Int] = []
        for (index, tree) in trees.enumerated() {
            depths.append(try Forest.flatten(tree, number: index, featureCount: featureCount, into: &nodes, covers: &covers))
            roots.append(nodes.count)
        }
        self.init(
            featureCount: featureCount, link: link, baseMargin: baseMargin, nodes: nodes, covers: covers, roots: roots, depths: depths)
    }

    init(
        featureCount: Int, link: Link, baseMargin: Float, nodes: ContiguousArray<Node>, covers: ContiguousArray<Float>, roots: [Int],
        depths: [Int]
    ) {
        self.featureCount = featureCount
        self.link = link
        self.baseMargin = baseMargin
        self.nodes = nodes
        self.covers = covers
        self.roots = roots
        self.depths = depths
        padded = PaddedTrees(nodes: nodes, roots: roots, depths: depths)
        answered = padded.flatMap { AnsweredTrees($0) }
        sliced = padded.flatMap { BitSlicedTrees($0, treeCount: depths.count) }
    }

    /// Deeper trees are refused: nobody trains them, and an attacker might send one.
    static let maxTreeDepth = 64

    /// - Returns: the tree's depth.
    private static func flatten(
        _ tree: Tree, number: Int, featureCount: Int, into nodes: inout ContiguousArray<Node>, covers: inout ContiguousArray<Float>
    ) throws(ForestError) -> Int {
        let count = tree.leftChildren.count
        guard count > 0, tree.rightChildren.count == count, tree.splitFeatures.count == count, tree.splitValues.count == count,
            tree.missingGoLeft.count == count, tree.covers.count == count
        else { throw ForestError("tree \(number) has arrays of different lengths") }
        var depth = 0
        var seen = [Bool](repeating: false, count: count)
        // Breadth first: (index in `tree`, place in `nodes`) of what is still to write.
        nodes.append(Node(value: 0, featureAndDefault: 0, left: 0))
        covers.append(0)
        var level = [(source: 0, place: nodes.count - 1)]
        while !level.isEmpty {
            var next: [(source: Int, place: Int)] = []
            for (source, place) in level {
                guard tree.leftChildren.indices.contains(source), !seen[source] else { throw ForestError("tree \(number) is no tree") }
                seen[source] = true
                covers[place] = tree.covers[source]
                let value = tree.splitValues[source]
                let left = tree.leftChildren[source]
                if left < 0 {
                    guard value.isFinite else { throw ForestError("tree \(number) has a leaf that is not finite") }
                    nodes[place] = Node(value: value, featureAndDefault: 0, left: UInt32(place))
                    continue
                }
                let feature = tree.splitFeatures[source]
                guard (0..<featureCount).contains(feature) else { throw ForestError("tree \(number) asks for feature \(feature)") }
                guard !value.isNaN else { throw ForestError("tree \(number) has a threshold that is no number") }
                let missing: UInt32 = tree.missingGoLeft[source] ? 0x8000_0000 : 0
                nodes[place] = Node(value: value, featureAndDefault: UInt32(feature) | missing, left: UInt32(nodes.count))
                next.append((left, nodes.count))
                next.append((tree.rightChildren[source], nodes.count + 1))
                nodes.append(contentsOf: repeatElement(Node(value: 0, featureAndDefault: 0, left: 0), count: 2))
                covers.append(contentsOf: repeatElement(0, count: 2))
            }
            level = next
            if !next.isEmpty { depth += 1 }
            guard depth <= maxTreeDepth else { throw ForestError("tree \(number) is deeper than \(maxTreeDepth)") }
        }
        return depth
    }
}

/// What is wrong with a forest.
public struct ForestError: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}

extension Forest {
    /// The forest whose margin is the mean of the margins of `forests`.
    /// - Throws: `ForestError` unless there is one, and all take the same features through the same link.
    public init(averaging forests: [Forest]) throws(ForestError) {
        guard let first = forests.first, forests.allSatisfy({ $0.featureCount == first.featureCount && $0.link == first.link }) else {
            throw ForestError("only forests over the same features can be averaged")
        }
        let share = 1 / Float(forests.count)
        var nodes: ContiguousArray<Node> = []
        var covers: ContiguousArray<Float> = []
        var roots = [0]
        var depths: [Int] = []
        for forest in forests {
            let offset = nodes.count
            for (place, node) in forest.nodes.enumerated() {
                let isLeaf = Int(node.left) == place
                nodes.append(
                    Node(
                        value: isLeaf ? node.value * share : node.value, featureAndDefault: node.featureAndDefault,
                        left: node.left + UInt32(offset)))
            }
            covers += forest.covers
            roots += forest.roots.dropFirst().map { $0 + offset }
            depths += forest.depths
        }
        self.init(
            featureCount: first.featureCount, link: first.link, baseMargin: forests.reduce(0) { $0 + $1.baseMargin } * share, nodes: nodes,
            covers: covers, roots: roots, depths: depths)
    }
}
