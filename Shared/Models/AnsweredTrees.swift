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
    /// Of each question the key below which the answer is yes.
    private let thresholds: ContiguousArray<UInt32>
    /// 1 where a missing value answers yes.
    private let missing: ContiguousArray<UInt8>
    /// As many zeros as any feature has questions, then as many ones.
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
        thresholds = .init(questions.map(\.threshold))
        missing = .init(questions.map(\.missingSaysYes))
        strip = .init((0..<2 * longest).map { $0 < longest ? 0 : 1 })
        asked = .init(splits.map { numbers[$0] ?? 0 })
        leaves = trees.leaves
    }

    /// `base` and the leaves of one row, summed in the order of the trees.
    func margin(_ row: UnsafePointer<Float>, base: Float) -> Float {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: thresholds.count) { buffer in
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
                    guard let thresholds = thresholds.baseAddress, let strip = strip.baseAddress else { return }
                    let ones = strip + self.strip.count / 2
                    for feature in features {
                        let value = row[feature.index]
                        if value.isNaN {
                            missing.withUnsafeBufferPointer { missing in
                                for place in feature.first..<feature.first &+ feature.count { answers[place] = missing[place] }
                            }
                            continue
                        }
                        let no = Self.rank(of: PaddedTrees.key(value, missing: 0), thresholds + feature.first, feature.count)
                        (answers + feature.first).update(from: ones - no, count: feature.count)
                    }
                }
            }
        }
    }

    /// How many of `count` ascending keys are at most `key`.
    ///
    /// The sign of a difference, shifted to the step's place, stands for a comparison, of which the compiler would make a branch that nothing
    /// could predict; so the searches of several features overlap.
    @inline(__always)
    private static func rank(of key: UInt32, _ keys: UnsafePointer<UInt32>, _ count: Int) -> Int {
        var found = 0
        var place = UInt64(Int.bitWidth &- 1 &- count.leadingZeroBitCount)
        while true {
            let next = found &+ (1 &<< Int(truncatingIfNeeded: place))
            let above = UInt64(bitPattern: Int64(key) &- Int64(keys[min(next, count) &- 1])) &>> 63
            let beyond = UInt64(bitPattern: Int64(count &- next)) &>> 63
            found &+= Int(truncatingIfNeeded: ((above | beyond) ^ 1) &<< place)
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
