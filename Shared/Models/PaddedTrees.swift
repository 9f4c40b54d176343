/// A forest's trees, all filled up to the same depth, so that a walk has no branches: what the forms that score and explain are made from.
///
/// A tree of depth d is 2^d splits in heap order (the root at 1, children of i at 2i and 2i + 1, nothing at 0) and 2^d leaves; a leaf that
/// lies higher is repeated below splits that ask nothing. The odd child is the one for values below the threshold.
///
/// Values become unsigned integers of the same order. A row has a key in each *slot*: a feature together with where its missing values go,
/// so that NaN is the smallest key or the largest, and a step is one comparison whatever the row holds.
struct PaddedTrees: Sendable, Hashable {
    struct Split: Sendable, Hashable {
        var threshold: UInt32
        var slot: UInt32
    }

    struct Slot: Sendable, Hashable {
        var feature: Int
        /// The key of NaN.
        var missing: UInt32
    }

    /// Trees deeper than this are not filled up: they would grow too much.
    static let maxDepth = 8
    /// A filled tree may have so many times the nodes that it had.
    private static let maxGrowth = 12
    /// Trees come in groups of so many, which are walked in step.
    static let lanes = 8

    let depth: Int
    /// With the trees of zeros that fill the last group up.
    let paddedTreeCount: Int
    let slots: ContiguousArray<Slot>
    let splits: ContiguousArray<Split>
    let leaves: ContiguousArray<Float>

    var width: Int { 1 << depth }

    /// Nil if the trees are too deep, or would grow too much.
    init?(nodes: ContiguousArray<Forest.Node>, roots: [Int], depths: [Int]) {
        depth = depths.max() ?? 0
        let treeCount = depths.count
        guard depth <= PaddedTrees.maxDepth, (treeCount << depth) <= nodes.count * PaddedTrees.maxGrowth else { return nil }
        paddedTreeCount = (treeCount + PaddedTrees.lanes - 1) / PaddedTrees.lanes * PaddedTrees.lanes
        var filling = Filling(nodes: nodes, depth: depth, treeCount: paddedTreeCount)
        for tree in 0..<treeCount { filling.fill(tree, from: roots[tree], at: 1, level: 0) }
        slots = filling.slots.isEmpty ? [Slot(feature: 0, missing: 0)] : filling.slots
        splits = filling.splits
        leaves = filling.leaves
    }

    private struct Filling {
        let nodes: ContiguousArray<Forest.Node>
        let depth: Int
        var slots: ContiguousArray<Slot> = []
        var slotIndex: [UInt32: UInt32] = [:]
        var splits: ContiguousArray<Split>
        var leaves: ContiguousArray<Float>

        init(nodes: ContiguousArray<Forest.Node>, depth: Int, treeCount: Int) {
            self.nodes = nodes
            self.depth = depth
            splits = .init(repeating: Split(threshold: 0, slot: 0), count: treeCount << depth)
            leaves = .init(repeating: 0, count: treeCount << depth)
        }

        mutating func fill(_ tree: Int, from place: Int, at heap: Int, level: Int) {
            let node = nodes[place]
            let isLeaf = Int(node.left) == place
            if level == depth {
                leaves[(tree << depth) + heap - (1 << depth)] = node.value
                return
            }
            if !isLeaf {
                splits[(tree << depth) + heap] = Split(threshold: PaddedTrees.key(node.value, missing: 0), slot: slot(of: node))
            }
            fill(tree, from: isLeaf ? place : Int(node.left) + 1, at: 2 * heap, level: level + 1)
            fill(tree, from: isLeaf ? place : Int(node.left), at: 2 * heap + 1, level: level + 1)
        }

        private mutating func slot(of node: Forest.Node) -> UInt32 {
            if let known = slotIndex[node.featureAndDefault] { return known }
            let slot = UInt32(slots.count)
            slots.append(Slot(feature: node.feature, missing: node.missingGoLeft ? 0 : .max))
            slotIndex[node.featureAndDefault] = slot
            return slot
        }
    }

    /// Ordered as floats are, the two zeros alike; every number lies between 0 and `UInt32.max`, which are for missing values.
    @inline(__always)
    static func key(_ value: Float, missing: UInt32) -> UInt32 {
        let bits = (value + 0).bitPattern
        let ordered = bits ^ (UInt32(bitPattern: Int32(bitPattern: bits) >> 31) | 0x8000_0000)
        return value.isNaN ? missing : ordered
    }

    /// The number that has this key.
    static func value(ofKey key: UInt32) -> Double {
        Double(Float(bitPattern: key >> 31 == 1 ? key ^ 0x8000_0000 : ~key))
    }

    /// Writes a row's keys.
    @inline(__always)
    func writeKeys(of row: UnsafePointer<Float>, to keys: UnsafeMutablePointer<UInt32>) {
        slots.withUnsafeBufferPointer { slots in
            var place = keys
            for slot in slots {
                place.pointee = PaddedTrees.key(row[slot.feature], missing: slot.missing)
                place += 1
            }
        }
    }

    @inline(__always)
    static func child(_ splits: UnsafePointer<Split>, _ place: Int, _ keys: UnsafePointer<UInt32>) -> Int {
        let split = splits + place
        return place &+ place &+ (keys[Int(split.pointee.slot)] < split.pointee.threshold ? 1 : 0)
    }
}
