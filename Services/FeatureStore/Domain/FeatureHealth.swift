import Foundation
import Records

/// The values of the latest observations.
struct FeatureWindow: Sendable {
    static let capacity = 10_000

    private let featureCount: Int
    /// A ring, row after row.
    private var values: [Double] = []
    private var next = 0
    private(set) var count = 0
    private(set) var newest: Timestamp?

    init(featureCount: Int) {
        self.featureCount = featureCount
    }

    mutating func add(_ row: [Double], at time: Timestamp) {
        guard row.count == featureCount else { return }
        newest = max(newest ?? time, time)
        if count < Self.capacity {
            values.append(contentsOf: row)
            count += 1
        } else {
            let start = next * featureCount
            for index in row.indices { values[start + index] = row[index] }
        }
        next = (next + 1) % Self.capacity
    }

    private func column(_ feature: Int) -> [Double] { (0..<count).map { values[$0 * featureCount + feature] } }

    /// How each feature is, in the order of `names`.
    func health(of names: [String], reference: FeatureReference?) -> [FeatureHealth] {
        names.enumerated().map { index, name in
            let column = column(index)
            let present = column.filter { !$0.isNaN }
            let nullRate = column.isEmpty ? 0 : Double(column.count - present.count) / Double(column.count)
            let expected = reference?.features.first { $0.name == name }
            return FeatureHealth(
                name: name, nullRate: nullRate, referenceNullRate: expected?.nullRate ?? .nan,
                stabilityIndex: expected.map { $0.stabilityIndex(of: present) } ?? .nan,
                mean: present.isEmpty ? .nan : present.reduce(0, +) / Double(present.count))
        }
    }
}

struct FeatureHealth: Sendable, Hashable {
    let name: String
    /// Share of observations without a value.
    let nullRate: Double
    let referenceNullRate: Double
    /// NaN without a reference or without values.
    let stabilityIndex: Double
    let mean: Double
}

/// What the features looked like in the training set.
struct FeatureReference: Sendable, Hashable {
    struct Feature: Sendable, Hashable {
        let name: String
        let nullRate: Double
        /// Between the bins: the training set's deciles, each once.
        let edges: [Double]
        /// Share of the training set in each bin; one more than edges.
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

    init(name: String, nullRate: Double, sorted values: [Double]) {
        var edges: [Double] = []
        for decile in 1..<10 where !values.isEmpty {
            let edge = values[min(values.count - 1, values.count * decile / 10)]
            if edge != edges.last, edge > values[0] { edges.append(edge) }
        }
        self.init(name: name, nullRate: nullRate, edges: edges, shares: Self.shares(of: values, edges: edges))
    }

    /// The population stability index of values against this reference: the sum over bins of (actual − expected) ·
    /// ln(actual / expected); by custom above 0.1 a shift to look at, above 0.25 a different population.
    /// Source: Siddiqi, "Credit Risk Scorecards", 2006, chapter 9.
    func stabilityIndex(of values: [Double]) -> Double {
        guard !values.isEmpty, !shares.isEmpty else { return .nan }
        return zip(Self.shares(of: values, edges: edges), shares).reduce(0) { sum, pair in
            let actual = max(pair.0, Self.minShare)
            let expected = max(pair.1, Self.minShare)
            return sum + (actual - expected) * log(actual / expected)
        }
    }

    /// Of the bins (−∞, e₀), [e₀, e₁), …, [eₙ, ∞).
    private static func shares(of values: [Double], edges: [Double]) -> [Double] {
        guard !values.isEmpty else { return [] }
        var counts = [Int](repeating: 0, count: edges.count + 1)
        for value in values { counts[edges.firstIndex { value < $0 } ?? edges.count] += 1 }
        return counts.map { Double($0) / Double(values.count) }
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
