import Foundation
import Geo
import Postgres
import RPC
import SeededRandom
import TestSupport
import Testing

@testable import HeatmapTiles

/// Tiles as the routes give them, read by Mapbox's own decoder and compared with what SQL counts over the same events.
@Suite struct ForeignDecoderTests {
    /// Runs a Python program that another's decoder is in; nil where there is none.
    static let python: String? = ["/usr/bin/env", "/usr/bin/python3"].first { path in
        (try? run(path, ["-c", "import mapbox_vector_tile"])) != nil
    }

    struct Failed: Error {
        var errors: String
    }

    static func run(_ python: String, _ arguments: [String]) throws -> Data {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments = (python.hasSuffix("env") ? ["python3"] : []) + arguments
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let answer = output.fileHandleForReading.readDataToEndOfFile()
        let said = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failed(errors: String(decoding: said, as: UTF8.self)) }
        return answer
    }

    /// Beside the cube: every event as a row, with the cell that SQL itself projects it into.
    static func store(_ events: [SampleEvent], in pool: PostgresPool) async throws {
        try await pool.execute(
            """
            CREATE TABLE events (
                longitude double precision, latitude double precision, hour integer, signal text, type text, risk double precision,
                x integer GENERATED ALWAYS AS (floor((longitude + 180) / 360 * 131072)::integer) STORED,
                y integer GENERATED ALWAYS AS (
                    floor((1 - ln(tan(radians(latitude)) + 1 / cos(radians(latitude))) / pi()) / 2 * 131072)::integer) STORED)
            """)
        try await pool.execute(
            """
            INSERT INTO events (longitude, latitude, hour, signal, type, risk) SELECT * FROM unnest(
                \(events.map(\.position.longitude)), \(events.map(\.position.latitude)), \(events.map { Int32($0.hour) }),
                \(events.map(\.kind.signal.rawValue)), \(events.map(\.kind.type)), \(events.map(\.risk)))
            """)
    }

    /// Counts by cell at a zoom, as SQL finds them.
    static func count(_ filter: CubeFilter, cellZoom: Int, in pool: PostgresPool) async throws -> [[Int]: Int] {
        let shift = Int32(Cube.cellZoom - cellZoom)
        let local: SQL = "(hour::bigint * 60 + \(filter.offsetMinutes)) / 60"
        let types = (filter.types ?? []).sorted(), hours = (filter.hoursOfDay ?? []).map { Int64($0) }
        let days = (filter.daysOfWeek ?? []).map { Int64($0) }
        let leastRisk = filter.layer.isOfPayments ? filter.minimumRisk : 0
        // 1970-01-01 was a Thursday, the fourth day of its week.
        let rows = try await pool.query(
            """
            WITH fine AS (
                SELECT x, y, count(*) FILTER (WHERE signal = \(filter.layer.signal.rawValue)) AS count FROM events
                WHERE hour >= \(filter.hours.lowerBound) AND hour < \(filter.hours.upperBound)
                    AND (\(filter.types == nil) OR type = ANY (\(types)))
                    AND (\(filter.hoursOfDay == nil) OR (\(local)) % 24 = ANY (\(hours)))
                    AND (\(filter.daysOfWeek == nil) OR ((\(local)) / 24 + 3) % 7 + 1 = ANY (\(days)))
                GROUP BY x, y HAVING \(leastRisk) <= 0 OR avg(risk) FILTER (WHERE signal = 'transaction') >= \(leastRisk)
            )
            SELECT x >> \(shift), y >> \(shift), sum(count)::bigint FROM fine WHERE count > 0 GROUP BY 1, 2
            """)
        return Dictionary(uniqueKeysWithValues: try rows.decode(Int.self, Int.self, Int.self).map { ([$0, $1], $2) })
    }

    /// The filter as a request spells it.
    static func query(_ filter: CubeFilter) -> [(name: String, value: String)] {
        var query = [(name: "utc_offset_minutes", value: "\(filter.offsetMinutes)")]
        if filter.hours != CubeHour.range {
            query += [("from", Payload.time(hour: filter.hours.lowerBound)), ("to", Payload.time(hour: filter.hours.upperBound))]
        }
        if let types = filter.types { query.append(("types", types.sorted().joined(separator: ","))) }
        if filter.minimumRisk > 0 { query.append(("min_risk", "\(filter.minimumRisk)")) }
        if let hours = filter.hoursOfDay { query.append(("hours_of_day", hours.map(String.init).joined(separator: ","))) }
        if let days = filter.daysOfWeek { query.append(("days_of_week", days.map(String.init).joined(separator: ","))) }
        return query
    }

    static func randomFilter(_ generator: inout SplitMix64) -> CubeFilter {
        var filter = CubeTests.randomFilter(&generator)
        let own = Set(Sample.kinds.filter { $0.signal == filter.layer.signal }.map(\.type))
        if let types = filter.types?.intersection(own) { filter.types = types.isEmpty ? nil : types }
        // SQL counts alerts and transactions apart, as the sample does.
        return filter
    }

    /// For each name of a tile, its layers' features: x, y, count, kind of geometry.
    typealias Decoded = [String: [String: [[DecodedValue]]]]

    enum DecodedValue: Decodable {
        case number(Int)
        case text(String)

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Int.self) { self = .number(number) } else { self = .text(try container.decode(String.self)) }
        }

        var number: Int { if case .number(let number) = self { number } else { -1 } }
        var text: String { if case .text(let text) = self { text } else { "" } }
    }

    @Test(
        "Every cell of every tile has the count that SQL finds, at every zoom, for random filters",
        .enabled(if: python != nil, "python3 has no mapbox-vector-tile"))
    func countsEqualSQL() async throws {
        let python = try #require(Self.python)
        let events = Sample.events(4000, seed: 71)
        var state = MapState()
        state.restore(cube: Sample.cube(of: events), unplaced: [:], alerts: [], complaints: [], sites: [], areas: [])
        let folder = FileManager.default.temporaryDirectory.appending(path: "vigil-tiles-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await TemporaryPostgres.withPool { pool in
            try await Self.store(events, in: pool)
            var generator = SplitMix64(seed: 72)
            var expected: [String: [[Int]: Int]] = [:]
            try await RoutesTests.withRoutes(LiveMap(state)) { routes in
                for zoom in 0...CellTile.maximumZoom {
                    for geometry in CellTile.Geometry.allCases {
                        let filter = Self.randomFilter(&generator), cellZoom = CellTile.cellZoom(forTileZoom: zoom)
                        let counts = try await Self.count(filter, cellZoom: cellZoom, in: pool)
                        let byTile = Dictionary(grouping: counts) { [$0.key[0] >> (cellZoom - zoom), $0.key[1] >> (cellZoom - zoom)] }
                        for (address, cells) in byTile.shuffled(using: &generator).prefix(12) {
                            let response = try await RoutesTests.tile(
                                routes, filter.layer.rawValue, "\(zoom)", "\(address[0])", "\(address[1])", "mvt",
                                query: Self.query(filter) + [("geometry", geometry.rawValue)])
                            #expect(response.status == 200, "\(String(decoding: response.bytes, as: UTF8.self))")
                            let name = "\(filter.layer.rawValue)-\(geometry)-\(zoom)-\(address[0])-\(address[1])"
                            try Data(response.bytes).write(to: folder.appending(path: name + ".mvt"))
                            expected[name] = Dictionary(uniqueKeysWithValues: cells.map { ($0.key, $0.value) })
                        }
                    }
                }
            }
            let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Clients/decode_tiles.py").path
            let decoded = try JSONDecoder().decode(Decoded.self, from: Self.run(python, [script, folder.path]))
            #expect(expected.count > 60 && decoded.count == expected.count)
            for (name, cells) in expected {
                let found = try Self.cells(of: try #require(decoded[name]), name: name)
                #expect(found == cells, "\(name)")
            }
        }
    }

    /// Counts by cell from a decoded tile, found by where the features lie.
    static func cells(of layers: [String: [[DecodedValue]]], name: String) throws -> [[Int]: Int] {
        let parts = name.split(separator: "-").map(String.init)
        let zoom = try #require(Int(parts[2])), x = try #require(Int(parts[3])), y = try #require(Int(parts[4]))
        let perSide = 1 << (CellTile.cellZoom(forTileZoom: zoom) - zoom)
        var cells: [[Int]: Int] = [:]
        for feature in layers[parts[0]] ?? [] {
            #expect(feature[3].text == (parts[1] == "points" ? "Point" : "Polygon"))
            let unit = VectorTile.extent / perSide
            let cell = [x * perSide + feature[0].number / unit, y * perSide + feature[1].number / unit]
            #expect(cells[cell] == nil)
            cells[cell] = feature[2].number
        }
        return cells
    }
}
