extension Forest {
    /// Opens every encoded forest: "VIGILFO" and the format's number.
    static let magic: [UInt8] = Array("VIGILFO\u{1}".utf8)

    /// The compact form in a bundle, little-endian: magic (8 bytes), feature count (4), link (4), base margin (4), tree count (4), for each
    /// tree its node count (4) and depth (4), then for each node value (4), feature and default (4), left child (4), cover (4).
    public var encoded: [UInt8] {
        var bytes = Forest.magic
        bytes.reserveCapacity(24 + treeCount * 8 + nodeCount * 16)
        func append(_ word: UInt32) { withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) } }
        append(UInt32(featureCount))
        append(UInt32(link.rawValue))
        append(baseMargin.bitPattern)
        append(UInt32(treeCount))
        for tree in 0..<treeCount {
            append(UInt32(roots[tree + 1] - roots[tree]))
            append(UInt32(depths[tree]))
        }
        for (node, cover) in zip(nodes, covers) {
            append(node.value.bitPattern)
            append(node.featureAndDefault)
            append(node.left)
            append(cover.bitPattern)
        }
        return bytes
    }

    /// Reads `encoded`. Whatever the bytes are, the result scores without leaving its arrays.
    public init(encoded bytes: [UInt8]) throws(ForestError) {
        guard bytes.starts(with: Forest.magic) else { throw ForestError("this is no forest, or one of another format") }
        guard bytes.count >= 24, (bytes.count - 8) % 4 == 0 else { throw ForestError("the forest is truncated") }
        func word(_ index: Int) -> UInt32 {
            bytes.withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: 8 + index * 4, as: UInt32.self)) }
        }
        let featureCount = Int(word(0))
        let baseMargin = Float(bitPattern: word(2))
        let treeCount = Int(word(3))
        guard let link = Link(rawValue: UInt8(truncatingIfNeeded: word(1))), (1...1_000_000).contains(featureCount), baseMargin.isFinite,
            (bytes.count - 8) / 4 >= 4 + treeCount * 2
        else { throw ForestError("the forest's head is damaged") }
        var roots = [0]
        var depths: [Int] = []
        for tree in 0..<treeCount {
            roots.append(roots[tree] + Int(word(4 + tree * 2)))
            depths.append(Int(word(5 + tree * 2)))
        }
        let nodeCount = roots[treeCount]
        let start = 4 + treeCount * 2
        guard bytes.count == 8 + (start + nodeCount * 4) * 4 else { throw ForestError("the forest is truncated") }
        var nodes: ContiguousArray<Node> = []
        var covers: ContiguousArray<Float> = []
        nodes.reserveCapacity(nodeCount)
        covers.reserveCapacity(nodeCount)
        for index in 0..<nodeCount {
            let at = start + index * 4
            nodes.append(Node(value: Float(bitPattern: word(at)), featureAndDefault: word(at + 1), left: word(at + 2)))
            covers.append(Float(bitPattern: word(at + 3)))
        }
        for tree in 0..<treeCount {
            guard depths[tree] <= Forest.maxTreeDepth, roots[tree] < roots[tree + 1] else { throw ForestError("tree \(tree) is damaged") }
            for place in roots[tree]..<roots[tree + 1] {
                let node = nodes[place]
                let left = Int(node.left)
                // A child lies after its parent, inside its tree: every walk ends.
                let isSound = left == place ? node.value.isFinite : left > place && left + 1 < roots[tree + 1] && !node.value.isNaN
                guard isSound, node.feature < featureCount else { throw ForestError("tree \(tree) is damaged") }
            }
        }
        self.init(
            featureCount: featureCount, link: link, baseMargin: baseMargin, nodes: nodes, covers: covers, roots: roots, depths: depths)
    }
}
