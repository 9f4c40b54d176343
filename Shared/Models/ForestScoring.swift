#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

extension Forest {
    /// The sum of leaves for one row, before the link.
    /// - Precondition: `row` has `featureCount` values.
    public func margin(_ row: UnsafeBufferPointer<Float>) -> Float {
        precondition(row.count == featureCount, "a row has one value a feature")
        guard let row = row.baseAddress else { return baseMargin }
        if let answered { return answered.margin(row, base: baseMargin) }
        return nodes.withUnsafeBufferPointer { nodes in
            var sum = baseMargin
            guard let nodes = nodes.baseAddress else { return sum }
            for tree in 0..<treeCount { sum += leaf(of: tree, nodes, row) }
            return sum
        }
    }

    /// The sum of leaves for one row, before the link.
    public func margin(_ row: [Float]) -> Float { row.withUnsafeBufferPointer { margin($0) } }

    /// The margins of rows that lie one after another.
    /// - Precondition: `rows` has `featureCount` values for each element of `margins`.
    public func margins(rows: UnsafeBufferPointer<Float>, into margins: UnsafeMutableBufferPointer<Float>) {
        precondition(rows.count == margins.count * featureCount, "a row has one value a feature")
        margins.update(repeating: baseMargin)
        guard let first = rows.baseAddress, featureCount > 0 else { return }
        if let sliced, margins.count >= BitSlicedTrees.minRows {
            return sliced.add(rows: first, featureCount: featureCount, to: margins)
        }
        if let answered {
            for row in margins.indices { margins[row] = answered.margin(first + row * featureCount, base: baseMargin) }
            return
        }
        nodes.withUnsafeBufferPointer { nodes in
            guard let nodes = nodes.baseAddress else { return }
            for row in margins.indices {
                for tree in 0..<treeCount { margins[row] += leaf(of: tree, nodes, first + row * featureCount) }
            }
        }
    }

    @inline(__always)
    private func leaf(of tree: Int, _ nodes: UnsafePointer<Node>, _ row: UnsafePointer<Float>) -> Float {
        var place = UInt32(truncatingIfNeeded: roots[tree])
        for _ in 0..<depths[tree] { place = Forest.child(nodes, place, row) }
        return nodes[Int(place)].value
    }

    public func margins(rows: [Float]) -> [Float] {
        guard featureCount > 0 else { return [] }
        return [Float](unsafeUninitializedCapacity: rows.count / featureCount) { buffer, count in
            count = rows.count / featureCount
            let margins = UnsafeMutableBufferPointer(rebasing: buffer[0..<count])
            margins.initialize(repeating: 0)
            rows.withUnsafeBufferPointer { self.margins(rows: $0, into: margins) }
        }
    }

    /// What the link makes of a margin.
    public func prediction(margin: Float) -> Float {
        switch link {
        case .identity: margin
        case .logistic: 1 / (1 + expf(-margin))
        case .exponential: expf(margin)
        }
    }

    /// One step down, without a branch. A leaf is its own child: its `left` is itself, and nothing goes right of it.
    @inline(__always)
    static func child(_ nodes: UnsafePointer<Node>, _ place: UInt32, _ row: UnsafePointer<Float>) -> UInt32 {
        let node = nodes[Int(place)]
        let value = row[node.feature]
        // Both comparisons are false for NaN.
        let right: UInt32 = node.missingGoLeft ? (value >= node.value ? 1 : 0) : (value < node.value ? 0 : 1)
        return node.left &+ (node.left == place ? 0 : right)
    }
}
