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

    /// The same by hours, from the moment of the forecast on.
    public let timeline: EventTimeline

    public var total: Double { expected.reduce(0, +) }

    public func distribution(cell: Int) -> CountDistribution { CountDistribution(mean: expected[cell], dispersion: dispersion) }
}

/// Forecasts how many incidents of a kind each cell will see.
///
/// A mixture of maps (`KernelMixture`), which never strays far from plain counts, is where boosted trees (`CellTrainer`) begin, which learn
/// how types and neighbours act together; kinds that are abundant are pulled towards plain counts (`SpatialRisk.steadied`). What the cells
/// expect in all is the level of the last weeks.
///
/// ```swift
/// let known = Incidents(all, before: monday)
/// let lattice = try CellLattice(around: known, cellMetres: 250)
/// let forecast = try CellForecaster().forecast(known, on: lattice, kind: .type("robbery"), hours: 168)
/// ```
public struct CellForecaster: Sendable {
    public let options: CellTrainingOptions

    public init(options: CellTrainingOptions = CellTrainingOptions()) { self.options = options }

    /// - Parameter progress: told how much is done, 0…1.
    /// - Throws: `SpatialError`, `TrainingError`.
    public func forecast(
        _ incidents: Incidents, on lattice: CellLattice, kind: IncidentKind, hours: Int, progress: (Double) -> Void = { _ in }
    ) throws -> CellForecast {
        let risk = try SpatialRisk(fitting: incidents, on: lattice, kind: kind, weeks: options.weeks)
        let now = risk.features.rows(daysBefore: 0)
        var shares = risk.shares(rows: now)
        let trees = try CellTrainer(options: options).logFactors(risk, now: now, progress: progress)
        if let trees { shares = Self.multiplied(shares, logFactors: trees) }
        shares = risk.steadied(shares)
        let total = risk.total(hours: hours)
        let timeline = EventTimeline(
            weeklyRates: shares.map { $0 * risk.weeklyLevel }, dispersion: risk.dispersion, profile: risk.profile, start: risk.asOf,
            hours: hours)
        return CellForecast(
            expected: shares.map { $0 * total }, dispersion: risk.dispersion, usesTrees: trees != nil, timeline: timeline)
    }

    /// Shares times factors, as shares.
    private static func multiplied(_ shares: [Double], logFactors: [Float]) -> [Double] {
        let products = zip(shares, logFactors).map { $0 * exp(Double($1)) }
        let total = products.reduce(0, +)
        return products.map { $0 / total }
    }
}
