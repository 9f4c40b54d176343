import Contracts
import Geo
import Identity
import Models
import RPC
import RecordCoding
import Records
import ServiceContextModule
import StandardContracts

extension ModelServerHandlers {
    func forecastCells(
        _ request: ModelsV1.ForecastCellsRequest, context: CallContext
    ) async throws -> ModelsV1.ForecastCellsResponse {
        let asked = try ForecastQuestion(request)
        let areas = try await areas(of: context.serviceContext.principal)
        let forecast: CellForecasts.Forecast
        do {
            if case .type(let name) = asked.kind, areas != nil { try await requireType(name, asked, in: areas) }
            forecast = try await cells.forecast(asked.kind, cellMetres: asked.cellMetres, at: asked.moment)
        } catch SpatialError.noCells {
            // Before the first complaint there is nothing to expect anywhere.
            return ModelsV1.ForecastCellsResponse(
                asOf: .init(asked.moment ?? .now()), hours: UInt32(asked.hours), cellMetres: UInt32(asked.cellMetres))
        } catch let error as SpatialError {
            let field = if case .unknownType = error { "crime_type" } else { "cell_metres" }
            throw RPCError.invalidArgument([FieldViolation(field: field, description: "\(error)")])
        }
        return Self.answer(forecast, asked, areas: areas)
    }

    /// Who is limited to areas is not to learn by trying which types there are in others: only those of its own are known.
    private func requireType(_ name: String, _ asked: ForecastQuestion, in areas: [MultiPolygon]?) async throws {
        let all = try await cells.forecast(.all, cellMetres: asked.cellMetres, at: asked.moment)
        let known = all.learned(in: Self.cells(of: all, in: areas)).types
        guard known.contains(where: { $0.lowercased() == name.lowercased() }) else { throw SpatialError.unknownType(name, known: known) }
    }

    /// The cells whose middles lie in areas; nil for everywhere.
    private static func cells(of forecast: CellForecasts.Forecast, in areas: [MultiPolygon]?) -> [Int] {
        forecast.centres.indices.filter { contains(areas, forecast.centres[$0]) }
    }

    private static func answer(
        _ forecast: CellForecasts.Forecast, _ asked: ForecastQuestion, areas: [MultiPolygon]?
    ) -> ModelsV1.ForecastCellsResponse {
        let timeline = forecast.timeline
        let weight = timeline.factors.prefix(asked.hours).reduce(0, +)
        let permitted = cells(of: forecast, in: areas), learned = forecast.learned(in: permitted)
        let visible = permitted.filter { asked.contains(forecast.centres[$0]) }
        let rates = timeline.hourlyRates
        let listed = visible.sorted { (rates[$1], $0) < (rates[$0], $1) }.prefix(asked.maxCells)
        return ModelsV1.ForecastCellsResponse(
            cells: listed.map { cell in
                let distribution = CountDistribution(mean: rates[cell] * weight, dispersion: timeline.dispersion)
                return ModelsV1.CellForecast(
                    centre: .init(forecast.centres[cell]), expected: distribution.mean,
                    half: interval(distribution.interval(0.5)), wide: interval(distribution.interval(0.9)),
                    hours: asked.hasHours ? hours(timeline, cell: cell, count: asked.hours) : [])
            },
            asOf: .init(forecast.at), hours: UInt32(asked.hours), cellMetres: UInt32(forecast.cellMetres),
            totalExpected: visible.reduce(0) { $0 + rates[$1] } * weight, totalCells: UInt32(visible.count),
            incidents: UInt32(learned.incidents), crimeTypes: learned.types)
    }

    private static func interval(_ counts: ClosedRange<Int>) -> ModelsV1.CellForecast.Interval {
        .init(lower: UInt32(clamping: counts.lowerBound), upper: UInt32(clamping: counts.upperBound))
    }

    private static func hours(_ timeline: EventTimeline, cell: Int, count: Int) -> [ModelsV1.CellForecast.Hour] {
        (0..<count).map { hour in
            let it = timeline.outlook(cell: cell, hour: hour)
            return .init(
                expected: it.expected, half: .init(lower: UInt32(it.lower50), upper: UInt32(it.upper50)),
                wide: .init(lower: UInt32(it.lower90), upper: UInt32(it.upper90)))
        }
    }
}

/// A request for a forecast whose limits have been checked.
private struct ForecastQuestion {
    private static let defaultCells = 500
    private static let maxCells = 2_000
    private static let defaultCellMetres = 250
    private static let cellMetresRange = 100...20_000

    let kind: IncidentKind
    let moment: Timestamp?
    let hours: Int
    let hasHours: Bool
    let cellMetres: Int
    let maxCells: Int
    private let area: ModelsV1.ForecastCellsRequest.Area?

    init(_ request: ModelsV1.ForecastCellsRequest) throws {
        var faults: [FieldViolation] = []
        func limit(_ field: String, _ value: UInt32, default usual: Int, in range: ClosedRange<Int>) -> Int {
            guard value != 0 else { return usual }
            if !range.contains(Int(value)) {
                faults.append(.init(field: field, description: "must be \(range.lowerBound) to \(range.upperBound), or 0"))
            }
            return Int(value)
        }
        kind = request.crimeType.isEmpty ? .all : .type(request.crimeType)
        hours = limit("hours", request.hours, default: CellForecasts.horizonHours, in: 1...CellForecasts.horizonHours)
        cellMetres = limit("cell_metres", request.cellMetres, default: Self.defaultCellMetres, in: Self.cellMetresRange)
        maxCells = limit("max_cells", request.maxCells, default: Self.defaultCells, in: 1...Self.maxCells)
        hasHours = request.withHours
        moment = request.at.flatMap(Timestamp.init)
        if request.at != nil, moment == nil { faults.append(.init(field: "at", description: "is no time")) }
        area = request.area
        if let area, !(area.south < area.north && area.west != area.east) {
            faults.append(.init(field: "area", description: "is empty: south must be below north, west beside east"))
        }
        guard faults.isEmpty else { throw RPCError.invalidArgument(faults) }
    }

    /// Whether a place lies in the area that is asked for, which may lie across the 180th meridian.
    func contains(_ place: Coordinate) -> Bool {
        guard let area else { return true }
        guard (area.south...area.north).contains(place.latitude) else { return false }
        return area.west < area.east
            ? (area.west...area.east).contains(place.longitude) : place.longitude >= area.west || place.longitude <= area.east
    }
}
