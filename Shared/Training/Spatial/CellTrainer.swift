#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif
import Models

/// How a forecast of cells is trained.
public struct CellTrainingOptions: Sendable, Hashable {
    /// So many past weeks are learned from.
    public var weeks = 8
    /// Trees in a forest.
    public var rounds = 80
    public var maxDepth = 4
    public var learningRate = 0.07
    /// Forests that are averaged, each of its own seed.
    public var forests = 2
    public var seed: UInt64 = 1
    public var threads = 1

    public init() {}
}

/// Learns from past weeks how much more or less happens in a cell than the mixture of maps says, given what was known of the cell before
/// each of them: a Poisson regression by boosted trees on counts of all types in the cell and around it, which begins from the mixture.
///
/// Learning is from past weeks only, each with features of what lay before it.
struct CellTrainer: Sendable {
    /// Trees learn from so many incidents at least; with fewer there is no forest.
    static let minIncidents = 100
    /// Rows that are learned from at most; cells without any incident near them are thinned out first.
    static let maxRows = 160_000
    /// A cell expects so many incidents at least: a logarithm needs more than none.
    static let minExpected = 1e-9

    let options: CellTrainingOptions

    /// The logarithm of what each cell's share by the mixture is to be multiplied with, but for a constant. Nil where there is too little to
    /// learn from.
    ///
    /// - Parameters:
    ///   - now: rows as they are at the forecast.
    ///   - progress: told how much is done, 0…1.
    func logFactors(_ risk: SpatialRisk, now: [Float], progress: (Double) -> Void) throws(TrainingError) -> [Float]? {
        let incidents = risk.weeks.reduce(0) { $0 + $1.targets.reduce(0) { $0 + Int($1) } }
        guard incidents >= Self.minIncidents else { return nil }
        let columns = risk.features.columnCount
        let table = table(risk)
        var sum = [Float](repeating: 0, count: risk.features.cellCount)
        let matrix = try DataMatrix(
            rows: table.rows, columnCount: columns, labels: table.targets, margins: table.margins, threads: options.threads)
        for number in 0..<options.forests {
            let booster = try Booster(on: matrix, parameters: parameters(number: number))
            for round in 0..<options.rounds {
                try booster.boost()
                progress(Double(number * options.rounds + round + 1) / Double(options.forests * options.rounds))
            }
            let margins = try forest(of: booster).margins(rows: now)
            for index in sum.indices { sum[index] += margins[index] / Float(options.forests) }
        }
        return sum
    }

    /// The rows of past weeks that are learned from, what came, and the logarithm of what the mixture expected.
    private func table(_ risk: SpatialRisk) -> (rows: [Float], targets: [Float], margins: [Float]) {
        var rows: [Float] = []
        var targets: [Float] = []
        var margins: [Float] = []
        let columns = risk.features.columnCount
        let all = risk.weeks.reduce(0) { $0 + $1.targets.count }
        let keep = max(1, (all + Self.maxRows - 1) / Self.maxRows)
        for (number, week) in risk.weeks.enumerated() {
            let total = week.targets.reduce(0) { $0 + Double($1) }
            let shares = risk.shares(rows: week.rows)
            for (cell, count) in week.targets.enumerated() {
                let row = week.rows[cell * columns..<(cell + 1) * columns]
                // Rows without anything in or around the cell are all alike: a part of them says as much.
                guard keep == 1 || count > 0 || (cell &+ number) % keep == 0 || row.contains(where: { $0 != 0 }) else { continue }
                rows += row
                targets.append(count)
                margins.append(Float(log(max(shares[cell] * total, Self.minExpected))))
            }
        }
        return (rows, targets, margins)
    }

    private func forest(of booster: Booster) throws(TrainingError) -> Forest {
        do {
            return try XGBoostModel(try booster.encoded()).forest
        } catch let error as TrainingError {
            throw error
        } catch {
            throw TrainingError(.trainer, "the trained forest cannot be read: \(error)")
        }
    }

    private func parameters(number: Int) -> [(name: String, value: String)] {
        [
            ("objective", "count:poisson"), ("tree_method", "hist"), ("max_bin", "128"), ("base_score", "1"),
            ("eta", "\(options.learningRate)"), ("max_depth", "\(options.maxDepth)"), ("min_child_weight", "0.2"), ("subsample", "0.7"),
            ("colsample_bytree", "0.5"), ("max_delta_step", "0.7"), ("lambda", "1"),
            ("seed", "\((options.seed &+ UInt64(number)) & 0x7fff_ffff)"), ("nthread", "\(options.threads)"), ("verbosity", "0"),
        ]
    }
}
