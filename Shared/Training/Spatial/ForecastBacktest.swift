public import Models
public import Records

/// Forecasts week after week, each from what was known when it began, beside plain counts over all history on the same cells.
public struct ForecastBacktest: Sendable {
    /// Shares of the cells that are looked at.
    public static let coverages = [0.01, 0.02, 0.05]

    public struct Week: Sendable {
        public let begin: Timestamp
        public let forecast: HitCurve
        public let plainCount: HitCurve
        /// What was expected in all.
        public let expected: Double
    }

    public let kind: IncidentKind
    public let cellMetres: Double
    /// Of the cells to rank; nil for those of `cellMetres` over the area of what was known.
    public let centres: [Coordinate]?
    public let options: CellTrainingOptions

    public init(
        kind: IncidentKind, cellMetres: Double, centres: [Coordinate]? = nil, options: CellTrainingOptions = CellTrainingOptions()
    ) {
        self.kind = kind
        self.cellMetres = cellMetres
        self.centres = centres
        self.options = options
    }

    /// One week of seven days.
    ///
    /// - Parameter incidents: all that there are; of those that happened, or became known, at or after `begin` only what comes in the week
    ///   itself is looked at, to judge.
    /// - Returns: nil if nothing of the kind came.
    /// - Throws: `SpatialError`, `TrainingError`.
    public func week(_ incidents: [KnownIncident], begin: Timestamp) throws -> Week? {
        let known = Incidents(incidents.lazy.filter { $0.knownAt < begin }.map(\.incident), before: begin)
        let kind = known.spelled(kind)
        let came = places(incidents, of: kind) { $0.incident.time >= begin && $0.incident.time < begin + .days(7) }
        guard !came.isEmpty else { return nil }
        let lattice = try centres.map { try CellLattice(centres: $0, cellMetres: cellMetres) }
            ?? CellLattice(around: known, cellMetres: cellMetres)
        let forecast = try CellForecaster(options: options).forecast(known, on: lattice, kind: kind, hours: 168)
        let past = lattice.counts(of: places(incidents, of: kind) { $0.incident.time < begin && $0.knownAt < begin })
        let truth = lattice.counts(of: came)
        return Week(
            begin: begin, forecast: HitCurve(scores: forecast.expected, counts: truth.cells, outside: truth.outside),
            plainCount: HitCurve(scores: past.cells.map(Double.init), counts: truth.cells, outside: truth.outside), expected: forecast.total)
    }

    private func places(
        _ incidents: [KnownIncident], of kind: IncidentKind, where isMeant: (KnownIncident) -> Bool
    ) -> [Coordinate] {
        incidents.filter { known in
            guard isMeant(known) else { return false }
            return switch kind {
            case .all: true
            case .type(let name): known.incident.type == name
            }
        }.map(\.incident.place)
    }
}
