/// How many of the incidents that came lie in the first cells of a ranking.
///
/// Hit rate: the share of the incidents in the first cells. PAI (Chainey, Tompson, Uhlig 2008): hit rate over the share of the cells. PEI
/// (Hunt 2016): hits over the most that any ranking could have had in as many cells.
public struct HitCurve: Sendable, Hashable {
    /// Hits in the first 1, 2, … cells.
    private let hits: [Int]
    /// The same of the best ranking there is.
    private let best: [Int]
    /// All incidents that came, those outside the cells too.
    public let incidents: Int

    /// - Parameters:
    ///   - scores: of the cells; equal ones are ranked in an order that has nothing to do with the map.
    ///   - counts: what came in each cell.
    ///   - outside: what came in none.
    public init(scores: [Double], counts: [Int], outside: Int = 0) {
        precondition(scores.count == counts.count, "one score a cell")
        func lot(_ cell: Int) -> UInt32 { UInt32(truncatingIfNeeded: cell) &* 2_654_435_761 }
        let order = scores.indices.sorted { (scores[$1], lot($0)) < (scores[$0], lot($1)) }
        hits = Self.sums(order.map { counts[$0] })
        best = Self.sums(counts.sorted(by: >))
        incidents = counts.reduce(outside, +)
    }

    private static func sums(_ values: [Int]) -> [Int] {
        var sum = 0
        return values.map {
            sum += $0
            return sum
        }
    }

    private func cells(_ coverage: Double) -> Int { min(hits.count, max(1, Int((coverage * Double(hits.count)).rounded()))) }

    /// - Parameter coverage: share of the cells, 0…1.
    public func hitRate(_ coverage: Double) -> Double {
        incidents == 0 || hits.isEmpty ? 0 : Double(hits[cells(coverage) - 1]) / Double(incidents)
    }

    /// Predictive accuracy index.
    public func pai(_ coverage: Double) -> Double { hitRate(coverage) / coverage }

    /// Predictive efficiency index, 0…1.
    public func pei(_ coverage: Double) -> Double {
        guard !hits.isEmpty else { return 0 }
        let cells = cells(coverage)
        return best[cells - 1] == 0 ? 0 : Double(hits[cells - 1]) / Double(best[cells - 1])
    }
}
