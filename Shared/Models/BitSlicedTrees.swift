/// A forest's trees for many rows at a time: each question's answers for 128 rows are the bits of one mask, and a tree is walked by all of
/// them at once, with a few logical operations a node.
///
/// A question is a feature, a threshold, and where missing values go. Trees ask the same questions again and again, so a block of rows
/// answers each of them once: a row's place among a feature's sorted thresholds says from which on the answer is yes, and a running "or"
/// over the thresholds makes all of the feature's masks. A tree then is 2^d − 1 questions in preorder. The root's answers choose, bit by
/// bit, between the answers of its two subtrees, which leaves the answers of one subtree, whose root is the next; after d steps the roots'
/// answers are the bits of each row's leaf.
struct BitSlicedTrees: Sendable, Hashable {
    typealias Mask = SIMD2<UInt64>

    static let blockRows = 128
    /// Fewer rows than this are scored sooner one by one.
    static let minRows = 24

    /// Where a feature's questions lie.
    private struct Feature: Sendable, Hashable {
        var index: Int
        var questions: Range<Int>
    }

    private let depth: Int
    private let treeCount: Int
    private let features: ContiguousArray<Feature>
    /// Of each question the key below which the answer is yes, ascending within a feature.
    private let thresholds: ContiguousArray<UInt32>
    /// All ones where a missing value answers yes.
    private let missing: ContiguousArray<UInt64>
    /// The questions of each tree.
    private let asked: ContiguousArray<UInt16>
    /// Of each tree by the answers on the way, the root's being the highest bit.
    private let leaves: ContiguousArray<Float>

    /// Nil where there is no question, or too many.
    init?(_ trees: PaddedTrees, treeCount: Int) {
        guard trees.depth > 0, treeCount > 0 else { return nil }
        struct Question: Hashable {
            var feature: Int
            var threshold: UInt32
            var missingSaysYes: Bool

            init(_ split: PaddedTrees.Split, _ slots: ContiguousArray<PaddedTrees.Slot>) {
                let slot = slots[Int(split.slot)]
                (feature, threshold, missingSaysYes) = (slot.feature, split.threshold, slot.missing == 0)
            }
        }
        let width = trees.width
        var heapOrder: [Int] = []
        func visit(_ place: Int) {
            guard place < width else { return }
            heapOrder.append(place)
            visit(2 * place)
            visit(2 * place + 1)
        }
        visit(1)
        let places = (0..<treeCount).flatMap { tree in heapOrder.map { tree * width + $0 } }
        // A split that asks nothing has the threshold 0, below which there is no key; both its subtrees are alike.
        let questions = Set(places.map { Question(trees.splits[$0], trees.slots) }).sorted {
            ($0.feature, $0.threshold, $0.missingSaysYes ? 1 : 0) < ($1.feature, $1.threshold, $1.missingSaysYes ? 1 : 0)
        }
        guard questions.count <= Int(UInt16.max) else { return nil }
        var features: ContiguousArray<Feature> = []
        for (number, question) in questions.enumerated() {
            if features.last?.index != question.feature { features.append(Feature(index: question.feature, questions: number..<number)) }
            features[features.count - 1].questions = features[features.count - 1].questions.lowerBound..<number + 1
        }
        let numbers = Dictionary(uniqueKeysWithValues: questions.enumerated().map { ($1, UInt16($0)) })
        depth = trees.depth
        self.treeCount = treeCount
        self.features = features
        thresholds = .init(questions.map(\.threshold))
        missing = .init(questions.map { $0.missingSaysYes ? .max : 0 })
        asked = .init(places.map { numbers[Question(trees.splits[$0], trees.slots)] ?? 0 })
        leaves = .init(trees.leaves.prefix(treeCount << trees.depth))
    }

    /// Adds each row's leaves to its element of `sums`, in the order of the trees.
    func add(rows: UnsafePointer<Float>, featureCount: Int, to sums: UnsafeMutableBufferPointer<Float>) {
        let size = asked.count / treeCount
        withUnsafeTemporaryAllocation(of: Mask.self, capacity: thresholds.count + size + PaddedTrees.maxDepth) { buffer in
            buffer.initialize(repeating: .zero)
            guard let masks = buffer.baseAddress, let first = sums.baseAddress else { return }
            let scratch = masks + thresholds.count
            withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.blockRows) { block in
                block.initialize(repeating: 0)
                guard let blockSums = block.baseAddress else { return }
                for start in stride(from: 0, to: sums.count, by: Self.blockRows) {
                    let count = min(Self.blockRows, sums.count - start)
                    answer(rows + start * featureCount, count: count, featureCount: featureCount, into: masks)
                    blockSums.update(from: first + start, count: count)
                    // A depth that the compiler knows saves much.
                    switch depth {
                    case 4: walk(masks, scratch, blockSums, depth: 4)
                    case 5: walk(masks, scratch, blockSums, depth: 5)
                    case 6: walk(masks, scratch, blockSums, depth: 6)
                    default: walk(masks, scratch, blockSums, depth: depth)
                    }
                    (first + start).update(from: blockSums, count: count)
                }
            }
        }
    }

    /// Makes each question's mask for a block of rows.
    private func answer(_ rows: UnsafePointer<Float>, count: Int, featureCount: Int, into masks: UnsafeMutablePointer<Mask>) {
        thresholds.withUnsafeBufferPointer { thresholds in
            guard let keys = thresholds.baseAddress else { return }
            for feature in features {
                let (first, last) = (feature.questions.lowerBound, feature.questions.upperBound)
                for place in first..<last { masks[place] = .zero }
                var unknown = Mask.zero
                var value = rows + feature.index
                for row in 0..<count {
                    let bit = 1 as UInt64 &<< UInt64(row & 63)
                    let mask = row < 64 ? Mask(bit, 0) : Mask(0, bit)
                    if value.pointee.isNaN {
                        unknown |= mask
                    } else {
                        let place = first &+ Self.rank(of: PaddedTrees.key(value.pointee, missing: 0), keys + first, last &- first)
                        if place < last { masks[place] |= mask }
                    }
                    value += featureCount
                }
                var yes = Mask.zero
                for place in first..<last {
                    yes |= masks[place]
                    masks[place] = yes | (unknown & Mask(repeating: missing[place]))
                }
            }
        }
    }

    /// How many of `count` ascending keys are at most `key`.
    @inline(__always)
    private static func rank(of key: UInt32, _ keys: UnsafePointer<UInt32>, _ count: Int) -> Int {
        var base = keys
        var length = count
        while length > 1 {
            let half = length &>> 1
            base += base[half &- 1] <= key ? half : 0
            length &-= half
        }
        return base - keys &+ (base.pointee <= key ? 1 : 0)
    }

    @inline(__always)
    private func walk(
        _ masks: UnsafePointer<Mask>, _ scratch: UnsafeMutablePointer<Mask>, _ sums: UnsafeMutablePointer<Float>, depth: Int
    ) {
        asked.withUnsafeBufferPointer { asked in
            leaves.withUnsafeBufferPointer { leaves in
                Self.spread.withUnsafeBufferPointer { spread in
                    guard var leaf = leaves.baseAddress, let spread = spread.baseAddress, var q = asked.baseAddress else { return }
                    let size = 1 &<< depth &- 1
                    let path = scratch + size
                    for _ in 0..<treeCount {
                        Self.descend(q, masks, scratch, path, depth: depth)
                        Self.collect(path, spread, leaf, sums, depth: depth)
                        q += size
                        leaf += size &+ 1
                    }
                }
            }
        }
    }

    /// Writes to `path` the answers that each row meets on its way down one tree.
    @inline(__always)
    private static func descend(
        _ asked: UnsafePointer<UInt16>, _ masks: UnsafePointer<Mask>, _ rest: UnsafeMutablePointer<Mask>,
        _ path: UnsafeMutablePointer<Mask>, depth: Int
    ) {
        var half = 1 &<< (depth &- 1) &- 1
        let root = masks[Int(asked[0])]
        path[0] = root
        for place in 0..<half {
            let no = masks[Int(asked[1 &+ place])]
            rest[place] = no ^ ((no ^ masks[Int(asked[1 &+ half &+ place])]) & root)
        }
        for level in 1..<depth {
            half &>>= 1
            let root = rest[0]
            path[level] = root
            for place in 0..<half {
                let no = rest[1 &+ place]
                rest[place] = no ^ ((no ^ rest[1 &+ half &+ place]) & root)
            }
        }
    }

    /// Adds the leaves that the answers lead to.
    @inline(__always)
    private static func collect(
        _ path: UnsafePointer<Mask>, _ spread: UnsafePointer<UInt64>, _ leaf: UnsafePointer<Float>, _ sums: UnsafeMutablePointer<Float>,
        depth: Int
    ) {
        var sum = sums
        for half in 0..<2 {
            for shift in stride(from: 0 as UInt64, to: 64, by: 8) {
                // Eight rows' leaf numbers, a byte each.
                var numbers: UInt64 = 0
                for level in 0..<depth {
                    numbers = numbers &+ numbers &+ spread[Int(truncatingIfNeeded: path[level][half] &>> shift & 255)]
                }
                for row in 0..<8 {
                    sum[row] += leaf[Int(truncatingIfNeeded: numbers &>> UInt64(8 &* row) & 255)]
                }
                sum += 8
            }
        }
    }

    /// The bits of a byte as bytes of 0 and 1, the lowest first.
    private static let spread: [UInt64] = (0..<256).map { byte in
        (0..<8).reduce(0) { $0 | UInt64(byte >> $1 & 1) << UInt64(8 * $1) }
    }
}
