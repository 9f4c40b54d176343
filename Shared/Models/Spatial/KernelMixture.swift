#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Where the next incident falls, as a mixture of maps: counts of its own type, of other types, of all, over several times, spread over
/// several distances, and no map at all (everywhere alike).
///
/// Weights are those under which the incidents of past weeks were likeliest, each week judged by maps of what lay before it
/// (expectation–maximisation; the likelihood is concave in the weights). A Dirichlet prior pulls them towards the type's own counts and
/// the counts of all types, so that with little evidence the mixture is a shrunk count.
public struct KernelMixture: Sendable {
    /// One for each column of the features, then one for "everywhere alike"; they sum to 1.
    public let weights: [Double]

    /// The prior counts as so many incidents.
    static let priorIncidents = 20.0
    static let iterations = 60

    /// - Parameter weeks: rows of features and counts of the target, each week's.
    public init(_ features: CellFeatures, weeks: [CellWeek]) {
        let columns = features.columnCount
        let size = columns + 1
        var likelihoods: [Double] = []
        var counts: [Double] = []
        for week in weeks {
            let scales = KernelMixture.scales(week.rows, columns: columns)
            for (cell, count) in week.targets.enumerated() where count > 0 {
                for column in 0..<columns { likelihoods.append(Double(week.rows[cell * columns + column]) * scales[column]) }
                likelihoods.append(1 / Double(max(1, week.targets.count)))
                counts.append(Double(count))
            }
        }
        let prior = KernelMixture.prior(features)
        var weights = prior.map { 0.5 * $0 + 0.5 / Double(size) }
        for _ in 0..<(counts.isEmpty ? 0 : Self.iterations) {
            var sums = prior.map { $0 * Self.priorIncidents }
            for (index, count) in counts.enumerated() {
                let base = index * size
                var total = 1e-300
                for column in 0..<size { total += weights[column] * likelihoods[base + column] }
                for column in 0..<size { sums[column] += count * weights[column] * likelihoods[base + column] / total }
            }
            let total = sums.reduce(0, +)
            weights = sums.map { $0 / total }
        }
        self.weights = counts.isEmpty ? prior : weights
    }

    /// For each cell the share of the incidents that falls into it.
    public func shares(rows: [Float], columns: Int) -> [Double] {
        let cells = rows.count / max(1, columns)
        let scales = KernelMixture.scales(rows, columns: columns)
        var shares = [Double](repeating: weights[columns] / Double(max(1, cells)), count: cells)
        for column in 0..<columns where weights[column] > 1e-9 {
            let weight = weights[column] * scales[column]
            for cell in 0..<cells { shares[cell] += weight * Double(rows[cell * columns + column]) }
        }
        // Maps without anything in them leave their weight unused.
        let total = shares.reduce(0, +)
        return shares.map { $0 / total }
    }

    /// What makes each column's sum over the cells one.
    private static func scales(_ rows: [Float], columns: Int) -> [Double] {
        var sums = [Double](repeating: 0, count: columns)
        var index = 0
        while index < rows.count {
            for column in 0..<columns { sums[column] += Double(rows[index + column]) }
            index += columns
        }
        return sums.map { $0 > 0 ? 1 / $0 : 0 }
    }

    /// What the weights are taken for before any evidence.
    private static func prior(_ features: CellFeatures) -> [Double] {
        var weights = features.columns.map { column -> Double in
            guard column.days == nil, column.halfLife == nil else { return 0.1 }
            if column.type == features.target { return column.sigma == 0 ? 8 : column.sigma <= 1 ? 2 : 0.5 }
            if column.type == nil { return column.sigma == 0 ? 4 : column.sigma <= 1 ? 2 : 0.5 }
            return 0.1
        }
        weights.append(0.5)
        let total = weights.reduce(0, +)
        return weights.map { $0 / total }
    }
}
