/// A forest's trees for one row at a time: each question that any tree asks is answered once, as a byte, and a walk then is two loads and a
/// doubling a level, over trees of two bytes a node that stay in the processor's nearest memory.
///
/// A question is a feature, a threshold, and where missing values go. A feature's questions lie together, thresholds ascending, so that a
/// value's place among them says from which on the answer is yes: zeros and ones are copied from a strip of both, shifted by that place.
struct AnsweredTrees: Sendable, Hashable {
    /// More are not worth answering for one row.
    static let maxQuestions = 1 << 14
    private static let lanes = PaddedTrees.lanes

    /// Thresholds as `key` makes them. A value's place among them is found sixteen at a time.
    private typealias Keys = SIMD16<Int32>
    /// Copied are so many answers at once, over the end of a feature too: the next one's are written later.
    private typealias Answers = SIMD64<UInt8>

    private struct Feature: Sendable, Hashable {
        var index: Int
        /// Its questions.
        var first: Int
        var count: Int
        /// Its keys begin here with so many vectors of pivots: the last key of each full block. The blocks follow.
        var keys: Int
        var pivots: Int
    }

    private let depth: Int
    private let paddedTreeCount: Int
    private let features: ContiguousArray<Feature>
    private let questionCount: Int
    /// Ascending within a feature's pivots and within its blocks, filled up by what no value reaches.
    private let keys: ContiguousArray<Keys>
    /// 1 where a missing value answers yes.
    private let missing: ContiguousArray<UInt8>
    /// As many zeros as a feature has questions at most, then as many ones.
    private let strip: ContiguousArray<UInt8>
    private let longest: Int
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
            if features.last?.index != question.feature {
                features.append(Feature(index: question.feature, first: number, count: 0, keys: 0, pivots: 0))
            }
            features[features.count - 1].count += 1
        }
        let numbers = Dictionary(uniqueKeysWithValues: questions.enumerated().map { ($1, UInt16($0)) })
        var keys: ContiguousArray<Keys> = []
        for (number, feature) in features.enumerated() {
            let ascending = questions[feature.first..<feature.first + feature.count].map { Self.ordered($0.threshold) }
            let pivots = Self.vectors(stride(from: Keys.scalarCount - 1, to: feature.count, by: Keys.scalarCount).map { ascending[$0] })
            features[number].keys = keys.count
            features[number].pivots = pivots.count
            // Where the last block is full there is one of no key after it.
            keys += pivots + Self.vectors(ascending + [.max])
        }
        depth = trees.depth
        paddedTreeCount = trees.paddedTreeCount
        self.features = features
        self.keys = keys
        questionCount = questions.count
        let longest = features.map(\.count).max() ?? 0
        self.longest = longest
        missing = .init(questions.map(\.missingSaysYes) + repeatElement(0, count: Answers.scalarCount))
        strip = .init((0..<2 * longest + Answers.scalarCount).map { $0 < longest ? 0 : 1 })
        asked = .init(splits.map { numbers[$0] ?? 0 })
        leaves = trees.leaves
    }

    /// `base` and the leaves of one row, summed in the order of the trees.
    func margin(_ row: UnsafePointer<Float>, base: Float) -> Float {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: questionCount + Answers.scalarCount) { buffer in
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
        keys.withUnsafeBufferPointer { keys in
            strip.withUnsafeBufferPointer { strip in
                missing.withUnsafeBufferPointer { missing in
                    guard let keys = keys.baseAddress, let strip = strip.baseAddress, let missing = missing.baseAddress else { return }
                    for feature in features {
                        let value = row[feature.index]
                        let no = Self.rank(of: Self.ordered(PaddedTrees.key(value, missing: 0)), keys + feature.keys, feature.pivots)
                        let source = UnsafeRawPointer(value.isNaN ? missing + feature.first : strip + (longest &- no))
                        let place = UnsafeMutableRawPointer(answers + feature.first)
                        var offset = 0
                        while offset < feature.count {
                            let answers = source.loadUnaligned(fromByteOffset: offset, as: Answers.self)
                            place.storeBytes(of: answers, toByteOffset: offset, as: Answers.self)
                            offset &+= Answers.scalarCount
                        }
                    }
                }
            }
        }
    }

    /// The order of keys in signed integers, which the processor compares many at a time; no value's key is the largest.
    @inline(__always)
    private static func ordered(_ key: UInt32) -> Int32 { Int32(bitPattern: key ^ 0x8000_0000) }

    private static func vectors(_ ascending: [Int32]) -> [Keys] {
        stride(from: 0, to: ascending.count, by: Keys.scalarCount).map { start in
            var vector = Keys(repeating: .max)
            for place in start..<min(start + Keys.scalarCount, ascending.count) { vector[place - start] = ascending[place] }
            return vector
        }
    }

    /// How many of a feature's keys are at most `key`: those of the full blocks whose last key is, and some of the block after them. There
    /// is no branch that nothing could predict, so the searches of several features overlap.
    @inline(__always)
    private static func rank(of key: Int32, _ keys: UnsafePointer<Keys>, _ pivots: Int) -> Int {
        let limit = Keys(repeating: key &+ 1)
        var full = Keys.zero
        for place in 0..<pivots { full = full &- counted(keys[place], below: limit) }
        let blocks = sum(full)
        return blocks &* Keys.scalarCount &- sum(counted(keys[pivots &+ blocks], below: limit))
    }

    /// −1 for each of `keys` that is below its `limit`.
    @inline(__always)
    private static func counted(_ keys: Keys, below limit: Keys) -> Keys { unsafeBitCast(keys .< limit, to: Keys.self) }

    @inline(__always)
    private static func sum(_ counts: Keys) -> Int {
        let eight = counts.lowHalf &+ counts.highHalf
        let four = eight.lowHalf &+ eight.highHalf
        let two = four.lowHalf &+ four.highHalf
        return Int(two[0] &+ two[1])
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
