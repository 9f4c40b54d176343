import Contracts
import Geo
import Logging
import RPC
import RecordCoding
import Records
import StandardContracts

/// Asks the model server again and again what is to be expected, and puts it on the map. It asks for everywhere; what each caller may see
/// of it is the map's own affair. Without an answer the map keeps the forecast that it has.
struct ForecastFollower: Sendable {
    let models: ModelsV1.ModelService.Client
    let map: LiveMap
    let logger: Logger
    /// Between one forecast and the next, and after a failure or while there is nothing to forecast from.
    var pace: Duration = .seconds(300)
    var retry: Duration = .seconds(20)
    var clock: any Clock<Duration> = ContinuousClock()

    static let hours: UInt32 = 72
    /// About the width of the map's cells.
    static let cellMetres: UInt32 = 300
    static let maxCells: UInt32 = 2000
    static let timeout: Duration = .seconds(60)
    /// Beside all together, the most frequent crime types are each forecast.
    static let maxTypes = 8

    func run() async throws {
        while true {
            var wait = retry
            do {
                let forecast = try await ask()
                if forecast != nil || map.forecast != nil { map.apply(forecast) }
                if forecast != nil { wait = pace }
            } catch let error as RPCError {
                logger.debug("no forecast", metadata: ["error": "\(error)"])
            }
            try await clock.sleep(for: wait)
        }
    }

    /// Nil while there is nothing to forecast from.
    private func ask() async throws -> Forecast? {
        let all = try await answer(ofType: "", at: nil)
        guard !all.cells.isEmpty, let made = all.asOf.flatMap({ Timestamp($0) }) else { return nil }
        var parts = [Self.part(of: all, type: Forecast.allTypes)]
        for type in all.crimeTypes.prefix(Self.maxTypes) where type != Forecast.allTypes {
            parts.append(Self.part(of: try await answer(ofType: type, at: all.asOf), type: type))
        }
        return Forecast(parts, metres: Double(all.cellMetres), at: made.microseconds)
    }

    private func answer(ofType type: String, at moment: GoogleProtobuf.Timestamp?) async throws -> ModelsV1.ForecastCellsResponse {
        try await models.forecastCells(
            .init(crimeType: type, at: moment, hours: Self.hours, cellMetres: Self.cellMetres, maxCells: Self.maxCells, withHours: true),
            options: CallOptions(timeout: Self.timeout))
    }

    private static func part(of answer: ModelsV1.ForecastCellsResponse, type: String) -> Forecast.Part {
        // The answer does not tell by how much its counts vary, but the widest of its intervals shows it.
        let most = answer.cells.max { $0.expected < $1.expected }
        let dispersion = most.map { Forecast.dispersion(mean: $0.expected, upper: Int($0.wide?.upper ?? 0)) } ?? 0
        let squares = answer.cells.compactMap { cell in
            cell.centre.map { message in
                let centre = Coordinate(message)
                return Forecast.Square(
                    centre: Position(latitude: centre.latitude, longitude: centre.longitude), expected: cell.hours.map(\.expected))
            }
        }
        return Forecast.Part(type: type, squares: squares, dispersion: dispersion)
    }
}
