#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// What is known of each cell at a moment: how often what happened in it and around it, lately and ever.
///
/// Rates are a week's; they are made the same way for a moment in the past, from what lay before that moment alone, so a model learns from
/// weeks that have passed what the weeks to come look like.
public struct CellFeatures: Sendable {
    /// One column: incidents of a type, within a time, spread over a distance.
    struct Column: Sendable, Hashable {
        /// Nil counts all types.
        var type: Int?
        /// The last so many days; nil takes all there is.
        var days: Double?
        /// Half-life of an incident's weight, in days; nil weighs all alike.
        var halfLife: Double?
        /// In cells.
        var sigma: Double
    }

    let raster: IncidentRaster
    /// The type that is forecast; nil forecasts all of them.
    public let target: Int?
    let columns: [Column]
    /// Days of history.
    public let days: Double

    /// At most so many other types get columns of their own.
    static let maxOtherTypes = 6

    /// - Parameter process: adds what the target's past incidents are expected to trigger in the week to come.
    public init(
        _ incidents: Incidents, on lattice: CellLattice, kind: IncidentKind, process: SelfExcitingProcess.Parameters? = nil
    ) throws(SpatialError) {
        target = try incidents.index(of: kind)
        raster = IncidentRaster(incidents, on: lattice)
        days = raster.ages.first ?? 0
        var columns = CellFeatures.columns(target: target, types: raster.typeCounts)
        if let process, process.productivity > 0.001 {
            columns.append(Column(type: target, halfLife: process.halfLifeDays, sigma: process.spreadMetres / lattice.cellMetres))
        }
        self.columns = columns
    }

    private static func columns(target: Int?, types: [Int]) -> [Column] {
        var columns = [0, 0.6, 1, 2, 4].map { Column(type: target, sigma: $0) }
        let others = types.indices.filter { $0 != target && types[$0] > 0 }.prefix(maxOtherTypes)
        if others.count > 1 || target != nil {
            for (rank, type) in others.enumerated() {
                columns.append(Column(type: type, sigma: 0))
                if rank < 4 { columns.append(Column(type: type, sigma: 1)) }
            }
        }
        let hasOthers = target != nil && !others.isEmpty
        if hasOthers { columns += [0, 1, 4].map { Column(type: nil, sigma: $0) } }
        for days in [7.0, 28, 56] {
            columns += [0, 1].map { Column(type: target, days: days, sigma: $0) }
            if hasOthers { columns.append(Column(type: nil, days: days, sigma: 0)) }
        }
        return columns
    }

    public var columnCount: Int { columns.count }
    public var cellCount: Int { raster.lattice.nodes.count }

    /// The features of all cells, row by row, as they were `age` days before the forecast.
    public func rows(daysBefore age: Double) -> [Float] {
        var rows = [Float](repeating: 0, count: cellCount * columns.count)
        let nodes = raster.lattice.nodes
        var counted: [Column: Surface] = [:]
        for (index, column) in columns.enumerated() {
            var plain = column
            plain.sigma = 0
            let counts = counted[plain] ?? count(plain, age)
            counted[plain] = counts
            let values = counts.smoothed(sigma: column.sigma).values
            let scale = column.halfLife == nil ? Float(7 / max(1, min(column.days ?? .infinity, days - age))) : 1
            for (cell, node) in nodes.enumerated() { rows[cell * columns.count + index] = values[node] * scale }
        }
        return rows
    }

    private func count(_ column: Column, _ age: Double) -> Surface {
        let weight = column.halfLife.map { halfLife in { Float(exp2((age - $0) / halfLife)) } }
        return raster.counts(type: column.type, olderThan: age, upTo: column.days.map { $0 + age } ?? .infinity, weight: weight)
    }

    /// How often the target happened in each cell, from `age` days before the forecast on.
    public func targets(daysBefore age: Double, days: Double = 7) -> [Float] {
        let counts = raster.counts(type: target, olderThan: age - days, upTo: age)
        return raster.lattice.nodes.map { counts.values[$0] }
    }

    /// How often the target happened in each cell, ever.
    func counts() -> [Float] {
        let counts = raster.counts(type: target, olderThan: 0, upTo: .infinity)
        return raster.lattice.nodes.map { counts.values[$0] }
    }
}
