#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// How one value was distributed over the training rows, in bins of about equal share: what later values are compared with.
public struct ReferenceDistribution: Sendable, Hashable, Codable {
    public var name: String
    /// Ascending; a value is in the bin after the last edge at or below it.
    public var edges: [Double]
    /// Of rows in each bin, one more than `edges`; then of missing values.
    public var shares: [Double]

    /// So many rows, evenly spread, decide the bins.
    private static let maxSample = 20_000
    private static let bins = 10

    public init(name: String, values: [Float]) {
        self.name = name
        let step = max(1, values.count / Self.maxSample)
        var keys: [UInt32] = []
        keys.reserveCapacity(values.count / step + 1)
        for place in stride(from: 0, to: values.count, by: step) where values[place].isFinite {
            keys.append(PaddedTrees.key(values[place], missing: 0))
        }
        let sorted = Self.ascending(keys)
        edges = []
        for bin in 1..<Self.bins where !sorted.isEmpty {
            let edge = PaddedTrees.value(ofKey: sorted[sorted.count * bin / Self.bins])
            // Values that repeat make bins that are empty: leave their edges out.
            if edge > PaddedTrees.value(ofKey: sorted[0]), edge > (edges.last ?? -.infinity) { edges.append(edge) }
        }
        shares = []
        shares = self.shares(of: values)
    }

    /// Sorts digit by digit: of thousands of keys that takes a fraction of what comparing them does.
    private static func ascending(_ unsorted: [UInt32]) -> [UInt32] {
        var keys = unsorted
        var sorted = keys
        for shift in [0 as UInt32, 11, 22] {
            var starts = [Int](repeating: 0, count: 1 << 11 + 1)
            for key in keys { starts[Int(key >> shift & 0x7ff) + 1] += 1 }
            for digit in 1..<starts.count { starts[digit] += starts[digit - 1] }
            for key in keys {
                let digit = Int(key >> shift & 0x7ff)
                sorted[starts[digit]] = key
                starts[digit] += 1
            }
            swap(&keys, &sorted)
        }
        return keys
    }

    /// Of each bin, and of missing values.
    public func shares(of values: some Collection<Float>) -> [Double] {
        var counts = [Int](repeating: 0, count: edges.count + 2)
        for value in values {
            guard !value.isNaN else {
                counts[edges.count + 1] += 1
                continue
            }
            // Edges are few, and a search would branch as nothing could predict.
            var bin = 0
            for edge in edges { bin &+= edge <= Double(value) ? 1 : 0 }
            counts[bin] += 1
        }
        return counts.map { Double($0) / Double(max(1, values.count)) }
    }

    /// The population stability index of `values` against the reference: Σ (a − e) ln(a / e) over bins. By custom below 0.1 nothing has
    /// moved, from 0.25 on much has. Source: Siddiqi, "Credit Risk Scorecards", 2006.
    public func stabilityIndex(of values: some Collection<Float>) -> Double {
        // A bin that is empty on one side counts as almost empty, as is usual.
        let least = 1e-4
        return zip(shares(of: values), shares).reduce(0) { sum, pair in
            let (actual, expected) = (max(pair.0, least), max(pair.1, least))
            return sum + (actual - expected) * log(actual / expected)
        }
    }
}

/// How far one feature has moved since training.
public struct FeatureDrift: Sendable, Hashable, Codable {
    public var feature: String
    public var stabilityIndex: Double

    public init(feature: String, stabilityIndex: Double) {
        self.feature = feature
        self.stabilityIndex = stabilityIndex
    }
}

extension BundleManifest {
    /// The drift of each feature, the largest first; empty for a bundle without reference distributions.
    /// - Parameter rows: row after row, in the order of the bundle's features.
    public func drift(rows: [Float]) -> [FeatureDrift] {
        guard let reference, reference.count == features.list.count, !rows.isEmpty else { return [] }
        return reference.enumerated().map { index, distribution in
            let column = stride(from: index, to: rows.count, by: reference.count).map { rows[$0] }
            return FeatureDrift(feature: distribution.name, stabilityIndex: distribution.stabilityIndex(of: column))
        }.sorted { ($1.stabilityIndex, $0.feature) < ($0.stabilityIndex, $1.feature) }
    }
}
