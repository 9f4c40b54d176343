#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

public import Records

/// A week that has passed, as it looked before it and what it brought.
public struct CellWeek: Sendable {
    /// The features of all cells, row by row, from what lay before the week.
    public let rows: [Float]
    /// How often the target happened in each cell.
    public let targets: [Float]
}

/// How many incidents of a kind each cell will see: a mixture of maps, the level of the last weeks, and the hours of the week.
///
/// ```swift
/// let known = Incidents(all, before: now)
/// let risk = try SpatialRisk(fitting: known, on: CellLattice(around: known, cellMetres: 250), kind: .type("robbery"))
/// let timeline = risk.timeline(hours: 72)
/// print(timeline.outlook(cell: 0, hour: 5))
/// ```
public struct SpatialRisk: Sendable {
    /// Weeks need so many days of history before them to be learned from.
    static let minHistoryDays = 28.0
    /// Weeks that say how much is to be expected in all, the newest weighing most.
    static let levelWeeks = 8
    static let levelHalfLifeWeeks = 4.0
    /// With so many incidents in a cell plain counts have as much to say as the model.
    static let steadyingAbundance = 40.0
    /// The same for all kinds together, where on the data tried the model says hardly more than the counts do.
    static let steadyingAbundanceOfAll = 8.0
    /// Enough for a feature; the last digits take longer.
    static let triggeringIterations = 25

    public let asOf: Timestamp
    public let features: CellFeatures
    /// The newest first; empty when the history is short.
    public let weeks: [CellWeek]
    /// What triggers what, as far as the incidents tell.
    public let process: SelfExcitingProcess.Parameters
    let mixture: KernelMixture
    public let profile: HourProfile
    /// Incidents a week in all cells, lately.
    public let weeklyLevel: Double
    /// How much more than Poisson's a cell's count varies: its variance is `mean + dispersion × mean²`.
    public let dispersion: Double

    /// - Parameters:
    ///   - weeks: past weeks to learn from, at most.
    ///   - offsetSeconds: the place's clock, east of UTC.
    public init(
        fitting incidents: Incidents, on lattice: CellLattice, kind: IncidentKind, weeks: Int = 8, offsetSeconds: Int = 0
    ) throws(SpatialError) {
        asOf = incidents.asOf
        var triggering = SelfExcitingProcess.Options()
        triggering.iterations = Self.triggeringIterations
        process = try SelfExcitingProcess(fitting: incidents, kind: kind, options: triggering).parameters
        let features = try CellFeatures(incidents, on: lattice, kind: kind, process: process)
        self.features = features
        self.weeks = (1...max(1, weeks)).filter { Double($0) * 7 + Self.minHistoryDays <= features.days }.map { week in
            CellWeek(rows: features.rows(daysBefore: Double(week * 7)), targets: features.targets(daysBefore: Double(week * 7)))
        }
        mixture = KernelMixture(features, weeks: self.weeks)
        profile = try HourProfile(fitting: incidents, kind: kind, offsetSeconds: offsetSeconds)
        weeklyLevel = SpatialRisk.level(features)
        dispersion = SpatialRisk.dispersion(mixture, columns: features.columnCount, weeks: self.weeks)
    }

    /// For each cell the share of the coming incidents that falls into it.
    /// - Parameter rows: the features as they are now, `features.rows(daysBefore: 0)`.
    public func shares(rows: [Float]) -> [Double] { mixture.shares(rows: rows, columns: features.columnCount) }

    /// Pulls shares towards plain counts (as logarithms) where incidents are so many that the counts say nearly all there is to say.
    ///
    /// The counts' part grows with how many incidents an incident's cell had besides it, `Σ c (c − 1) / Σ c`, which is unbiased for
    /// Poisson counts and does not depend on the size of the city.
    public func steadied(_ shares: [Double]) -> [Double] {
        let counts = features.counts()
        let total = counts.reduce(0) { $0 + Double($1) }
        guard total > 0 else { return shares }
        let abundance = counts.reduce(0) { $0 + Double($1) * (Double($1) - 1) } / total
        let part = abundance / (abundance + (features.target == nil ? Self.steadyingAbundanceOfAll : Self.steadyingAbundance))
        // Half an incident more in each cell, so that a cell that never had one is not ruled out.
        let means = zip(shares, counts).map { share, count in exp((1 - part) * log(max(share, 1e-300)) + part * log(Double(count) + 0.5)) }
        let sum = means.reduce(0, +)
        return means.map { $0 / sum }
    }

    /// What is expected in all cells in the hours from now on.
    public func total(hours: Int) -> Double { weeklyLevel * Double(hours) / 168 * profile.mean(from: asOf, hours: hours) }

    public func timeline(hours: Int = 72) -> EventTimeline {
        let rates = steadied(shares(rows: features.rows(daysBefore: 0))).map { $0 * weeklyLevel }
        return EventTimeline(weeklyRates: rates, dispersion: dispersion, profile: profile, start: asOf, hours: hours)
    }

    /// With less than a week of history, as if the rest of the week had been like it.
    private static func level(_ features: CellFeatures) -> Double {
        var sum = 0.0, weight = 0.0
        for week in 0..<Self.levelWeeks {
            let age = Double(week * 7)
            let span = min(7, features.days - age)
            guard span >= 7 || week == 0, span > 0 else { break }
            let share = exp2(-Double(week) / Self.levelHalfLifeWeeks)
            sum += share * features.targets(daysBefore: age + span, days: span).reduce(0) { $0 + Double($1) }
            weight += share * max(span, 1) / 7
        }
        return weight > 0 ? sum / weight : 0
    }

    /// By the method of moments over past weeks, each forecast by the mixture and scaled to what the week had in all.
    private static func dispersion(_ mixture: KernelMixture, columns: Int, weeks: [CellWeek]) -> Double {
        var excess = 0.0, squares = 0.0
        for week in weeks {
            let total = week.targets.reduce(0) { $0 + Double($1) }
            for (share, count) in zip(mixture.shares(rows: week.rows, columns: columns), week.targets) {
                let mean = share * total
                excess += (Double(count) - mean) * (Double(count) - mean) - mean
                squares += mean * mean
            }
        }
        return squares > 0 ? min(10, max(0, excess / squares)) : 0
    }
}
