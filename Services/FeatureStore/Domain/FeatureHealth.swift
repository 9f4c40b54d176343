import Foundation
import Records

/// The values of the latest observations.
struct FeatureWindow: Sendable {
    static let capacity = 10_000

    private let featureCount: Int
    /// A ring, row after row.
    private var values: [Double] = []
    /// Of each row the event time.
    private var times: [Timestamp] = []
    private var next = 0

    init(featureCount: Int) {
        self.featureCount = featureCount
    }

    mutating func add(_ row: [Double], at time: Timestamp) {
        guard row.count == featureCount else { return }
        if count < Self.capacity {
            values.append(contentsOf: row)
            times.append(time)
        } else {
            let start = next * featureCount
            for index in row.indices { values[start + index] = row[index] }
            times[next] = time
        }
        next = (next + 1) % Self.capacity
    }

    var count: Int { times.count }
    /// Event time of the newest of them, which need not be the last that came.
    var newest: Timestamp? { times.max() }

    private func column(_ feature: Int) -> [Double] { (0..<count).map { values[$0 * featureCount + feature] } }

    /// How each feature is, in the order of `names`.
    func health(of names: [String], reference: FeatureReference?) -> [FeatureHealth] {
        names.enumerated().map { index, name in
            let column = column(index)
            let present = column.filter { !$0.isNaN }
            let nullRate = Double(column.count - present.count) / Double(column.count)
            let expected = reference?.features.first { $0.name == name }
            return FeatureHealth(
                name: name, nullRate: nullRate, referenceNullRate: expected?.nullRate ?? .nan,
                stabilityIndex: expected.map { $0.stabilityIndex(of: column) } ?? .nan,
                mean: present.reduce(0, +) / Double(present.count), observations: column.count,
                newest: zip(column, times).lazy.filter { !$0.0.isNaN }.map(\.1).max())
        }
    }
}

struct FeatureHealth: Sendable, Hashable {
    let name: String
    /// Share of observations without a value; NaN without observations.
    let nullRate: Double
    let referenceNullRate: Double
    /// NaN without observations or without a reference that can tell.
    let stabilityIndex: Double
    let mean: Double
    /// How many it is told of.
    let observations: Int
    /// Event time of the newest of them that has a value.
    let newest: Timestamp?
}

/// What the features looked like in the training set.
struct FeatureReference: Sendable, Hashable {
    struct Feature: Sendable, Hashable {
        let name: String
        let nullRate: Double
        /// Between the bins.
        let edges: [Double]
        /// Of those of the training set that have a value, the share in each bin; one more than edges.
        let shares: [Double]
    }

    let from: Timestamp?
    let to: Timestamp?
    let observations: Int
    let features: [Feature]
}

extension FeatureReference.Feature {
    /// Shares below this count as this, so that an empty bin does not make the index infinite.
    private static let minShare = 1e-4
    /// A value that so many of the values are is a bin of its own: between deciles alone, it would lie with all that is next to it.
    private static let commonShare = 0.1

    init(name: String, nullRate: Double, sorted values: [Double]) {
        let edges = Self.edges(of: values)
        self.init(name: name, nullRate: nullRate, edges: edges, shares: Self.shares(of: values, edges: edges))
    }

    /// The deciles, each once, without the least value; a common one has an edge at it and at the next number.
    private static func edges(of values: [Double]) -> [Double] {
        var edges: [Double] = []
        var last: Double?
        // No common value lies between two deciles, so none is missed.
        for decile in 0..<10 where !values.isEmpty {
            let value = values[values.count * decile / 10]
            if value == last { continue }
            last = value
            let isCommon = Double(values.count { $0 == value }) >= commonShare * Double(values.count)
            if isCommon || value > values[0], value != edges.last { edges.append(value) }
            if isCommon { edges.append(value.nextUp) }
        }
        return edges
    }

    /// The population stability index of values, NaN for those without, against this reference: the sum over bins of (actual − expected) ·
    /// ln(actual / expected), where what has no value is a bin too; by custom above 0.1 a shift to look at, above 0.25 a different population.
    /// NaN without values to tell, and without edges: so references were kept in which nearly all values are one.
    /// Source: Siddiqi, "Credit Risk Scorecards", 2006, chapter 9.
    func stabilityIndex(of values: [Double]) -> Double {
        guard !values.isEmpty, !edges.isEmpty || nullRate == 1 else { return .nan }
        let present = values.filter { !$0.isNaN }
        let presentShare = Double(present.count) / Double(values.count)
        let actual = Self.shares(of: present, edges: edges).map { $0 * presentShare } + [1 - presentShare]
        let expected = (nullRate == 1 ? [0] : shares.map { $0 * (1 - nullRate) }) + [nullRate]
        return zip(actual, expected).reduce(0) { sum, pair in
            let actual = max(pair.0, Self.minShare)
            let expected = max(pair.1, Self.minShare)
            return sum + (actual - expected) * log(actual / expected)
        }
    }

    /// Of the bins (−∞, e₀), [e₀, e₁), …, [eₙ, ∞).
    private static func shares(of values: [Double], edges: [Double]) -> [Double] {
        var counts = [Int](repeating: 0, count: edges.count + 1)
        for value in values { counts[edges.firstIndex { value < $0 } ?? edges.count] += 1 }
        return counts.map { values.isEmpty ? 0 : Double($0) / Double(values.count) }
    }
}

/// Values of a training set, gathered to make a reference of.
struct FeatureSample: Sendable {
    /// More rows than this add nothing to deciles; of later ones, every so many is taken.
    static let maxRows = 100_000

    private var columns: [[Double]]
    private(set) var count = 0
    private var stride = 1

    init(featureCount: Int) {
        columns = Array(repeating: [], count: featureCount)
    }

    mutating func add(_ row: [Double]) {
        guard row.count == columns.count else { return }
        if count % stride == 0 {
            for index in row.indices { columns[index].append(row[index]) }
        }
        count += 1
        guard let kept = columns.first?.count, kept >= Self.maxRows else { return }
        for index in columns.indices {
            columns[index] = Swift.stride(from: 0, to: kept, by: 2).map { columns[index][$0] }
        }
        stride *= 2
    }

    /// Nil without any rows.
    func reference(names: [String], from: Timestamp?, to: Timestamp?) -> FeatureReference? {
        guard count > 0 else { return nil }
        let features = zip(names, columns).map { name, column in
            let present = column.filter { !$0.isNaN }.sorted()
            return FeatureReference.Feature(
                name: name, nullRate: Double(column.count - present.count) / Double(column.count), sorted: present)
        }
        return FeatureReference(from: from, to: to, observations: count, features: features)
    }
}
