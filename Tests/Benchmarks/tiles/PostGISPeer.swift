import BenchmarkSupport
import Foundation
import Geo
import Postgres

/// The same tile made by PostGIS from the events themselves.
struct PostGISPeer {
    let pool: PostgresPool

    /// How the rows of a tile are found.
    enum Plan: CaseIterable {
        /// By the index on the geometry, as most tile servers do.
        case geometry
        /// By a range of quadkey codes, from an index that holds all that is asked for.
        case code
    }

    /// A tile's bytes; the time is for the whole query.
    func tile(_ query: SQL) async throws -> [UInt8] {
        let rows = try await pool.query(query)
        return try rows.decode([UInt8].self).first ?? []
    }

    /// Payments of the whole city under a filter.
    func total(_ filter: Workload.Filter) async throws -> Int {
        let rows = try await pool.query(
            SQL(unsafe: "SELECT count(*) FROM bench.events WHERE \(Self.condition(filter)) AND hour >= \(filter.hours.lowerBound)"))
        return try rows.decode(Int.self).first ?? 0
    }

    private static func condition(_ filter: Workload.Filter) -> String {
        let hoursOfWeek = filter.daysOfWeek.flatMap { day in filter.hoursOfDay.map { (day - 1) * 24 + $0 } }
        func list(_ numbers: [Int]) -> String { "'{\(numbers.map(String.init).joined(separator: ","))}'::smallint[]" }
        return "hour < \(filter.hours.upperBound) AND channel = ANY (\(list(filter.channels))) "
            + "AND hour_of_week = ANY (\(list(hoursOfWeek)))"
    }

    /// Cells as points with count, mean risk, expected frauds and the change against as many hours before: what our tile holds.
    static func query(_ tile: Tile, _ filter: Workload.Filter, _ plan: Plan) -> SQL {
        let cellZoom = min(Workload.cellZoom, tile.zoom + 6), codes = tile.codes(atZoom: Workload.cellZoom)
        let envelope = "ST_TileEnvelope(\(tile.zoom), \(tile.x), \(tile.y))", first = filter.hours.lowerBound
        let place = switch plan {
        case .geometry: "geom && \(envelope)"
        case .code: "code >= \(codes.lowerBound) AND code < \(codes.upperBound)"
        }
        let size = 40_075_016.6855784 / Double(1 << cellZoom)
        return SQL(
            unsafe: """
                SELECT ST_AsMVT(f, 'transactions', 4096, 'geom') FROM (
                    SELECT count, risk, expected, change, ST_AsMVTGeom(ST_SetSRID(ST_MakePoint(
                        (column_number + .5) * \(size) - 20037508.3427892, 20037508.3427892 - (row_number + .5) * \(size)
                        ), 3857), \(envelope), 4096, 0, false) AS geom
                    FROM (
                        SELECT x >> \(Workload.cellZoom - cellZoom) AS column_number, y >> \(Workload.cellZoom - cellZoom) AS row_number,
                            count(*) FILTER (WHERE hour >= \(first)) AS count,
                            avg(risk) FILTER (WHERE hour >= \(first))::real AS risk,
                            sum(risk) FILTER (WHERE hour >= \(first)) AS expected,
                            2 * count(*) FILTER (WHERE hour >= \(first)) - count(*) AS change
                        FROM bench.events
                        WHERE \(place) AND \(condition(filter)) AND hour >= \(first - filter.hours.count)
                        GROUP BY 1, 2 HAVING count(*) FILTER (WHERE hour >= \(first)) > 0
                    ) cells
                ) f
                """)
    }
}
