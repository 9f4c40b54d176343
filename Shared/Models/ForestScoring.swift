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
        return nodes.withUnsafeBufferPointer { nodes in
            roots.withUnsafeBufferPointer { roots in
                var sum = baseMargin
                guard let nodes = nodes.baseAddress else { return sum }
                var tree = 0
                // Eight trees in step: each step of one waits for memory while the others go on.
                while tree + 8 <= treeCount {
                    var depth = 0
                    for offset in 0..<8 { depth = max(depth, depths[tree + offset]) }
                    var a = SIMD8<UInt32>()
                    for offset in 0..<8 { a[offset] = UInt32(truncatingIfNeeded: roots[tree + offset]) }
                    for _ in 0..<depth {
                        for offset in 0..<8 { a[offset] = Forest.child(nodes, a[offset], row) }
                    }
                    for offset in 0..<8 { sum += nodes[Int(a[offset])].value }
                    tree += 8
                }
                while tree < treeCount {
                    var place = UInt32(truncatingIfNeeded: roots[tree])
                    for _ in 0..<depths[tree] { place = Forest.child(nodes, place, row) }
                    sum += nodes[Int(place)].value
                    tree += 1
                }
                return sum
            }
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
        nodes.withUnsafeBufferPointer { nodes in
            guard let nodes = nodes.baseAddress else { return }
            // A block of rows stays in the first-level cache while all trees go over it; a tree stays there for its block.
            let blockRows = 64
            for start in stride(from: 0, to: margins.count, by: blockRows) {
                let end = min(start + blockRows, margins.count)
                for tree in 0..<treeCount {
                    let root = UInt32(truncatingIfNeeded: roots[tree])
                    let depth = depths[tree]
                    var row = start
                    while row + 8 <= end {
                        var a = SIMD8<UInt32>(repeating: root)
                        let base = first + row * featureCount
                        for _ in 0..<depth {
                            for offset in 0..<8 { a[offset] = Forest.child(nodes, a[offset], base + offset * featureCount) }
                        }
                        for offset in 0..<8 { margins[row + offset] += nodes[Int(a[offset])].value }
                        row += 8
                    }
                    while row < end {
                        var place = root
                        for _ in 0..<depth { place = Forest.child(nodes, place, first + row * featureCount) }
                        margins[row] += nodes[Int(place)].value
                        row += 1
                    }
                }
            }
        }
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
