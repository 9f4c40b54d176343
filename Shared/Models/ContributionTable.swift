/// Shapley values looked up instead of computed: what a tree gives to each feature depends on the row only through which splits it passes
/// to the left.
///
/// For each lowest split of a filled-up tree, and each pattern of "this split sends the row along this path" over the splits from the root
/// down to it, the table holds the contributions of the two leaves below to the features of those splits. A row's pattern at each lowest
/// split then costs a few instructions, and siblings share all splits above them, so that their entries add up on the way to the root.
///
/// The idea of a table over the subsets of a path is that of Yang, "Fast TreeSHAP", 2021, version 2; its values are those of `TreeSHAP`.
struct ContributionTable: Sendable {
    /// Larger ones would crowd everything else out of the memory.
    static let maxBytes = 48 << 20
    /// From there on the patterns are too many.
    static let maxDepth = 6

    private let trees: PaddedTrees
    private let treeCount: Int
    private let featureCount: Int
    /// Contributions in an entry: one a level, filled up to a vector.
    private let lanes: Int
    /// By tree, lowest split, pattern, level.
    private let entries: ContiguousArray<Float>

    /// Nil if the forest is too deep or too large for a table.
    init?(_ forest: Forest, points: [Double], weights: [Double]) {
        guard let trees = forest.padded, (1...Self.maxDepth).contains(trees.depth) else { return nil }
        let lanes = trees.depth <= 4 ? 4 : 8
        let count = forest.treeCount * (trees.width / 2) * trees.width * lanes
        guard count * MemoryLayout<Float>.size <= Self.maxBytes else { return nil }
        self.trees = trees
        self.lanes = lanes
        treeCount = forest.treeCount
        featureCount = forest.featureCount
        var builder = Builder(forest: forest, depth: trees.depth, lanes: lanes, points: points, weights: weights, count: count)
        for tree in 0..<forest.treeCount { builder.add(tree) }
        entries = builder.entries
    }

    /// The contribution of each feature to the margin, for each row.
    ///
    /// All rows pass one tree before the next: a tree's part of the table fits into the processor's cache, all of it does not.
    func contributions(_ rows: [[Float]]) -> [[Double]] {
        let slotCount = trees.slots.count
        return withUnsafeTemporaryAllocation(of: UInt32.self, capacity: rows.count * slotCount) { keys in
            withUnsafeTemporaryAllocation(of: Double.self, capacity: rows.count * slotCount) { sums in
                sums.initialize(repeating: 0)
                guard let keys = keys.baseAddress, let into = sums.baseAddress else { return rows.map { _ in [] } }
                for (number, row) in rows.enumerated() {
                    row.withUnsafeBufferPointer { row in
                        if let row = row.baseAddress { trees.writeKeys(of: row, to: keys + number * slotCount) }
                    }
                }
                switch trees.depth {
                case 4: add(keys, to: into, rowCount: rows.count, depth: 4, SIMD4<Float>.self)
                case ...4: add(keys, to: into, rowCount: rows.count, depth: trees.depth, SIMD4<Float>.self)
                case 6: add(keys, to: into, rowCount: rows.count, depth: 6, SIMD8<Float>.self)
                default: add(keys, to: into, rowCount: rows.count, depth: trees.depth, SIMD8<Float>.self)
                }
                return rows.indices.map { number in
                    var result = [Double](repeating: 0, count: featureCount)
                    for (place, slot) in trees.slots.enumerated() { result[slot.feature] += into[number * slotCount + place] }
                    return result
                }
            }
        }
    }

    @inline(__always)
    private func add<V: SIMD>(
        _ keys: UnsafePointer<UInt32>, to sums: UnsafeMutablePointer<Double>, rowCount: Int, depth: Int, _: V.Type
    ) where V: BitwiseCopyable, V.Scalar == Float {
        let width = 1 &<< depth
        let half = width &>> 1
        let slotCount = trees.slots.count
        withUnsafeTemporaryAllocation(of: Int.self, capacity: 1 << Self.maxDepth) { patterns in
            withUnsafeTemporaryAllocation(of: V.self, capacity: 1 << Self.maxDepth) { subtrees in
                entries.withUnsafeBufferPointer { entries in
                    trees.splits.withUnsafeBufferPointer { splits in
                        guard let pattern = patterns.baseAddress, let subtree = subtrees.baseAddress, var split = splits.baseAddress,
                            var entry = UnsafeRawPointer(entries.baseAddress)
                        else { return }
                        for _ in 0..<treeCount {
                            var (keys, sums) = (keys, sums)
                            for _ in 0..<rowCount {
                                pattern[1] = 0
                                for place in 1..<half {
                                    let left = keys[Int(split[place].slot)] < split[place].threshold ? 1 : 0
                                    let above = pattern[place] &+ pattern[place]
                                    pattern[place &+ place] = above &+ 1 &- left
                                    pattern[place &+ place &+ 1] = above &+ left
                                }
                                for place in half..<width {
                                    let left = keys[Int(split[place].slot)] < split[place].threshold ? 1 : 0
                                    let at = (place &- half) &* width &+ pattern[place] &+ pattern[place] &+ left
                                    let found = entry.loadUnaligned(fromByteOffset: at &* MemoryLayout<V>.stride, as: V.self)
                                    subtree[place] = found
                                    sums[Int(split[place].slot)] += Double(found[depth &- 1])
                                }
                                var level = depth &- 2
                                var first = half &>> 1
                                while first > 0 {
                                    for place in first..<(first &+ first) {
                                        let both = subtree[place &+ place] + subtree[place &+ place &+ 1]
                                        subtree[place] = both
                                        sums[Int(split[place].slot)] += Double(both[level])
                                    }
                                    level &-= 1
                                    first &>>= 1
                                }
                                keys += slotCount
                                sums += slotCount
                            }
                            split += width
                            entry += half &* width &* MemoryLayout<V>.stride
                        }
                    }
                }
            }
        }
    }
}

/// Fills a table, tree after tree.
private struct Builder {
    let forest: Forest
    let depth: Int
    let lanes: Int
    let points: [Double]
    let weights: [Double]
    var entries: ContiguousArray<Float>
    private var next = 0
    /// The way from the root to the split at hand.
    private var path: [Step] = []

    private struct Step {
        var feature: Int
        /// Of the training rows, how many go the way that the path goes.
        var share: Double
        var level: Int
    }

    /// What one feature does on a path.
    private struct Player {
        var feature: Int
        /// Where its contribution goes: the first level that asks for it.
        var level: Int
        var share: Double
        /// The pattern's bits that say whether the row goes along.
        var bits: Int

        func takes(_ pattern: Int) -> Double { bits & ~pattern == 0 ? 1 : 0 }
    }

    init(forest: Forest, depth: Int, lanes: Int, points: [Double], weights: [Double], count: Int) {
        self.forest = forest
        self.depth = depth
        self.lanes = lanes
        self.points = points
        self.weights = weights
        entries = .init(repeating: 0, count: count)
    }

    mutating func add(_ tree: Int) {
        walk(forest.roots[tree], heap: 1, level: 0)
        next += (1 << (depth - 1)) * (1 << depth) * lanes
    }

    private mutating func walk(_ place: Int, heap: Int, level: Int) {
        let node = forest.nodes[place]
        guard Int(node.left) != place, level < depth else {
            // A leaf above the lowest level speaks once: at the first of the lowest splits that repeat it.
            add(leaf: node.value, heap: level < depth ? heap << (depth - level) : heap)
            return
        }
        let share = TreeSHAP.leftShare(forest, place)
        for (child, share) in [(0, 1 - share), (1, share)] {
            path.append(Step(feature: node.feature, share: share, level: level))
            walk(child == 1 ? Int(node.left) : Int(node.left) + 1, heap: 2 * heap + child, level: level + 1)
            path.removeLast()
        }
    }

    private mutating func add(leaf value: Float, heap: Int) {
        var players: [Player] = []
        for step in path {
            let bit = 1 << (depth - 1 - step.level)
            if let known = players.firstIndex(where: { $0.feature == step.feature }) {
                players[known].share *= step.share
                players[known].bits |= bit
            } else {
                players.append(Player(feature: step.feature, level: step.level, share: step.share, bits: bit))
            }
        }
        let lowest = heap / 2 - (1 << (depth - 1))
        // The lowest split's bit says that the row goes left, which is along the path for the left leaf only.
        let flip = heap % 2 == 0 && path.count == depth ? 1 : 0
        for pattern in 0..<(1 << depth) {
            let entry = next + (lowest * (1 << depth) + pattern) * lanes
            add(value: Double(value), players: players, taken: pattern ^ flip, to: entry)
        }
    }

    private mutating func add(value: Double, players: [Player], taken: Int, to entry: Int) {
        for (point, weight) in zip(points, weights) {
            var product = value * weight
            for player in players {
                product *= point * (player.takes(taken) - player.share) + player.share
            }
            for player in players {
                let takes = player.takes(taken)
                entries[entry + player.level] += Float(product * (takes - player.share) / (point * (takes - player.share) + player.share))
            }
        }
    }
}
