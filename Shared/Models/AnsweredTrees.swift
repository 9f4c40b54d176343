/// A forest's trees for one row at a time: each question that any tree asks is answered once, as a byte, and a walk then is two loads and a
/// doubling a level, over trees of two bytes a node that stay in the processor's nearest memory.
///
/// A question is a feature, a threshold, and where missing values go. A feature's questions lie together, thresholds ascending, so that a
/// value's place among them says from which on the answer is yes: zeros and ones are copied from a strip of both, shifted by that place.
struct AnsweredTrees: Sendable, Hashable {
    /// More are not worth answering for one row.
    static let maxQuestions = 1 << 14
    private static let lanes = PaddedTrees.lanes

    private struct Feature: Sendable, Hashable {
        var index: Int
        var first: Int
        var count: Int
    }

    private let depth: Int
    private let paddedTreeCount: Int
    private let features: ContiguousArray<Feature>
    private let questionCount: Int
    /// Of each feature's questions the keys below which the answer is yes, filled up to `width` by what no key reaches.
    private let thresholds: ContiguousArray<UInt32>
    /// A power of two, above the number of questions of any feature.
    private let width: Int
    /// 1 where a missing value answers yes.
    private let missing: ContiguousArray<UInt8>
    /// Copied are so many answers at once, over the end of a feature too: the next one's are written later.
    private typealias Chunk = SIMD16<UInt8>
    /// `width` zeros, then `width` ones and a chunk.
    private let strip: ContiguousArray<UInt8>
    /// The questions of each tree in heap order, as `PaddedTrees` has its splits.
    private let asked: ContiguousArray<UInt16>
    private let leaves: ContiguousArray<Float>

    /// Nil where there is no question, or too many.
    init?(_ trees: PaddedTrees) {
        struct Question: Hashable {
            var feature: Int
            var threshold: UInt32
            var missingSaysYes: UInt8
        }
        guard trees.depth > 0, trees.paddedTreeCount > 0 else { return nil }
        let splits = trees.splits.map { split in
            let slot = trees.slots[Int(split.slot)]
            return Question(feature: slot.feature, threshold: split.threshold, missingSaysYes: slot.missing == 0 ? 1 : 0)
        }
        let questions = Set(splits).sorted {
            ($0.feature, $0.threshold, $0.missingSaysYes) < ($1.feature, $1.threshold, $1.missingSaysYes)
        }
        guard questions.count <= Self.maxQuestions else { return nil }
        var features: ContiguousArray<Feature> = []
        for (number, question) in questions.enumerated() {
            if features.last?.index != question.feature { features.append(Feature(index: question.feature, first: number, count: 0)) }
            features[features.count - 1].count += 1
        }
        let numbers = Dictionary(uniqueKeysWithValues: questions.enumerated().map { ($1, UInt16($0)) })
        let longest = features.map(\.count).max() ?? 0
        depth = trees.depth
        paddedTreeCount = trees.paddedTreeCount
        self.features = features
        questionCount = questions.count
        var width = 2
        while width <= longest { width *= 2 }
        self.width = width
        thresholds = .init(
            features.flatMap { feature in
                (0..<width).map { $0 < feature.count ? questions[feature.first + $0].threshold : .max }
            })
        missing = .init(questions.map(\.missingSaysYes))
        strip = .init((0..<2 * width + Chunk.scalarCount).map { $0 < width ? 0 : 1 })
        asked = .init(splits.map { numbers[$0] ?? 0 })
        leaves = trees.leaves
    }

    /// `base` and the leaves of one row, summed in the order of the trees.
    func margin(_ row: UnsafePointer<Float>, base: Float) -> Float {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: questionCount + Chunk.scalarCount) { buffer in
            guard let answers = buffer.baseAddress else { return base }
            answer(row, into: answers)
            // A depth that the compiler knows saves a third.
            return switch depth {
            case 4: sum(answers, base: base, depth: 4)
            case 6: sum(answers, base: base, depth: 6)
            default: sum(answers, base: base, depth: depth)
            }
        }
    }

    @inline(__always)
    private func answer(_ row: UnsafePointer<Float>, into answers: UnsafeMutablePointer<UInt8>) {
        thresholds.withUnsafeBufferPointer { thresholds in
            strip.withUnsafeBufferPointer { strip in
                features.withUnsafeBufferPointer { features in
                    guard var keys = thresholds.baseAddress, let strip = strip.baseAddress else { return }
                    let highest = UInt64(width.trailingZeroBitCount &- 1)
                    for feature in features {
                        let value = row[feature.index]
                        let place = answers + feature.first
                        if value.isNaN {
                            for question in 0..<feature.count { place[question] = missing[feature.first &+ question] }
                        } else {
                            let no = Self.rank(of: PaddedTrees.key(value, missing: 0), keys, highest)
                            let source = UnsafeRawPointer(strip + (width &- no))
                            var offset = 0
                            while offset < feature.count {
                                let chunk = source.loadUnaligned(fromByteOffset: offset, as: Chunk.self)
                                UnsafeMutableRawPointer(place).storeBytes(of: chunk, toByteOffset: offset, as: Chunk.self)
                                offset &+= Chunk.scalarCount
                            }
                        }
                        keys += width
                    }
                }
            }
        }
    }

    /// How many of the ascending keys are at most `key`.
    ///
    /// The sign of a difference, shifted to the step's place, stands for a comparison, of which the compiler would make a branch that nothing
    /// could predict; so the searches of several features overlap.
    @inline(__always)
    private static func rank(of key: UInt32, _ keys: UnsafePointer<UInt32>, _ highest: UInt64) -> Int {
        var found = 0
        var place = highest
        while true {
            let middle = keys[found &+ (1 &<< Int(truncatingIfNeeded: place)) &- 1]
            let isAbove = UInt64(bitPattern: Int64(key) &- Int64(middle)) &>> 63
            found &+= Int(truncatingIfNeeded: (isAbove ^ 1) &<< place)
            if place == 0 { return found }
            place &-= 1
        }
    }

    @inline(__always)
    private func sum(_ answers: UnsafePointer<UInt8>, base: Float, depth: Int) -> Float {
        asked.withUnsafeBufferPointer { asked in
            leaves.withUnsafeBufferPointer { leaves in
                guard var q = asked.baseAddress, var leaf = leaves.baseAddress else { return base }
                let w = 1 &<< depth
                var sum = base
                leaf -= w
                for _ in 0..<(paddedTreeCount / Self.lanes) {
                    // Each step waits for memory while the seven others go on.
                    var (a, b, c, d, e, f, g, h) = (1, 1, 1, 1, 1, 1, 1, 1)
                    for _ in 0..<depth {
                        a = a &+ a &+ Int(answers[Int(q[a])])
                        b = b &+ b &+ Int(answers[Int(q[w &+ b])])
                        c = c &+ c &+ Int(answers[Int(q[2 &* w &+ c])])
                        d = d &+ d &+ Int(answers[Int(q[3 &* w &+ d])])
                        e = e &+ e &+ Int(answers[Int(q[4 &* w &+ e])])
                        f = f &+ f &+ Int(answers[Int(q[5 &* w &+ f])])
                        g = g &+ g &+ Int(answers[Int(q[6 &* w &+ g])])
                        h = h &+ h &+ Int(answers[Int(q[7 &* w &+ h])])
                    }
                    sum += leaf[a]
                    sum += leaf[w &+ b]
                    sum += leaf[2 &* w &+ c]
                    sum += leaf[3 &* w &+ d]
                    sum += leaf[4 &* w &+ e]
                    sum += leaf[5 &* w &+ f]
                    sum += leaf[6 &* w &+ g]
                    sum += leaf[7 &* w &+ h]
                    q += 8 &* w
                    leaf += 8 &* w
                }
                return sum
            }
        }
    }
}
