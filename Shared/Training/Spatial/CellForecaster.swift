#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif
public import Models

/// What is expected in each cell.
public struct CellForecast: Sendable {
    /// Incidents expected in each cell, in the cells' order.
    public let expected: [Double]
    /// How much more than Poisson's a cell's count varies: its variance is `mean + dispersion × mean²`.
    public let dispersion: Double
    /// Whether boosted trees took part, or the evidence was too thin for them.
    public let usesTrees: Bool

    public var total: Double { expected.reduce(0, +) }

    public func distribution(cell: Int) -> CountDistribution { CountDistribution(mean: expected[cell], dispersion: dispersion) }
}

/// Forecasts how many incidents of a kind each cell will see.
///
/// Two views of the same past weeks are averaged as logarithms: a mixture of maps (`KernelMixture`), which never strays far from plain
/// counts, and boosted trees (`CellTrainer`), which learn how types and neighbours act together. What the cells expect in all is the
/// level of the last weeks.
///
/// ```swift
/// let known = Incidents(all, before: monday)
/// let lattice = try CellLattice(around: known, cellMetres: 250)
/// let forecast = try CellForecaster().forecast(known, on: lattice, kind: .type("robbery"), hours: 168)
/// ```
public struct CellForecaster: Sendable {
    /// Weeks that say how much is to be expected in all, the newest weighing most.
    static let levelWeeks = 8
    static let levelHalfLifeWeeks = 4.0

    public let options: CellTrainingOptions

    public init(options: CellTrainingOptions = CellTrainingOptions()) { self.options = options }

    /// - Parameter progress: told how much is done, 0…1.
    /// - Throws: `SpatialError`, `TrainingError`.
    public func forecast(
        _ incidents: Incidents, on lattice: CellLattice, kind: IncidentKind, hours: Double, progress: (Double) -> Void = { _ in }
    ) throws -> CellForecast {
        let features = try CellFeatures(incidents, on: lattice, kind: kind)
        let weeks = (1...max(1, options.weeks)).filter { Double($0) * 7 + CellTrainer.minHistoryDays <= features.days }.map { week in
            (rows: features.rows(daysBefore: Double(week * 7)), targets: features.targets(daysBefore: Double(week * 7)))
        }
        let now = features.rows(daysBefore: 0)
        let mixture = KernelMixture(features, weeks: weeks)
        var shares = mixture.shares(rows: now, columns: features.columnCount)
        let trees = try CellTrainer(options: options).logRates(features, weeks: weeks, now: now, progress: progress)
        if let trees { shares = Self.average(shares, logRates: trees) }
        let total = level(features) * hours / 168
        return CellForecast(
            expected: shares.map { $0 * total }, dispersion: dispersion(mixture, features, weeks), usesTrees: trees != nil)
    }

    /// The geometric mean of shares and rates, as shares.
    private static func average(_ shares: [Double], logRates: [Float]) -> [Double] {
        let rates = logRates.map { exp(Double($0)) }
        let scale = 1 / max(rates.reduce(0, +), .leastNormalMagnitude)
        let means = zip(shares, rates).map { ($0 * $1 * scale).squareRoot() }
        let total = means.reduce(0, +)
        return means.map { $0 / total }
    }

    /// Incidents a week, lately. With less than a week of history, as if the rest of the week had been like it.
    private func level(_ features: CellFeatures) -> Double {
        var sum = 0.0, weight = 0.0
        for week in 0..<Self.levelWeeks {
            let age = Double(week * 7)
            let span = min(7, features.days - age)
            guard span >= 7 || week == 0, span > 0 else { break }
            let share = exp2(-Double(week) / Self.levelHalfLifeWeeks)
            sum += share * Double(features.targetCount(daysBefore: age + span, days: span))
            weight += share * max(span, 1) / 7
        }
        return weight > 0 ? sum / weight : 0
    }

    /// By the method of moments over past weeks, each forecast by the mixture and scaled to what the week had in all.
    private func dispersion(_ mixture: KernelMixture, _ features: CellFeatures, _ weeks: [(rows: [Float], targets: [Float])]) -> Double {
        var excess = 0.0, squares = 0.0
        for week in weeks {
            let total = week.targets.reduce(0) { $0 + Double($1) }
            for (share, count) in zip(mixture.shares(rows: week.rows, columns: features.columnCount), week.targets) {
                let mean = share * total
                excess += (Double(count) - mean) * (Double(count) - mean) - mean
                squares += mean * mean
            }
        }
        return squares > 0 ? min(10, max(0, excess / squares)) : 0
    }
}
