import Foundation
import Geo
import Identity
import RPC
import Testing

@testable import HeatmapTiles

/// What a caller of one jurisdiction is told must be what a map that holds nothing but that jurisdiction would tell everybody.
@Suite struct JurisdictionTests {
    /// Made once: a debug build takes its time.
    static let everywhere = state()

    /// Events, alerts, complaints and terminals in `north` and `south`, or in one of them alone.
    static func state(only area: String? = nil) -> MapState {
        func isIn(_ position: Position) -> Bool { area == nil || (position.latitude >= Sample.centre.latitude) == (area == "north") }
        var events: [MapEvent] = ["north", "south"].enumerated().compactMap { index, id in
            guard area == nil || area == id else { return nil }
            let south = Sample.centre.latitude + (index == 0 ? 0 : -1)
            let box = BoundingBox(west: Sample.centre.longitude - 1, south: south, east: Sample.centre.longitude + 1, north: south + 1)
            return MapEvent.area(Area(id: id, name: id, outline: try? MultiPolygon([Polygon(box: box)])))
        }
        for (number, event) in Sample.events(1200, seed: 81).enumerated() {
            // A cell belongs to where its middle lies.
            let cell = Tile(containing: event.position, zoom: Cube.cellZoom)
            guard isIn(cell.centre) else { continue }
            // Sums of these are exact, in whichever order they are added up.
            let risk = (event.risk * 1024).rounded() / 1024
            let time = Int64(event.hour) * CubeHour.microsecondsPerHour
            let channel = cell.centre.latitude >= Sample.centre.latitude ? event.kind.type : event.kind.type + "_south"
            switch event.kind.signal {
            case .complaint:
                events.append(.complaint(.init(
                    eventMicroseconds: time, position: cell.centre, crimeType: channel, reporterID: "police", complaintID: "c\(number)",
                    reportedMicroseconds: time + Int64(number))))
            case .transaction, .alert, .fraud, .forecast:
                let alert = risk < 0.5 ? nil : AlertNote(
                    decisionID: "d\(number)", eventMicroseconds: time, decidedMicroseconds: time + Int64(number), position: cell.centre,
                    terminalID: "", channel: channel, amountMinorUnits: 5, currency: "INR", risk: risk, reasons: [])
                events.append(.decision(.init(
                    eventMicroseconds: time, position: cell.centre, terminalID: "", channel: channel, risk: risk,
                    isFraud: risk > 0.4, alert: alert)))
                events.append(.site(Site(terminalID: "T\(number)", sort: .atm, position: cell.centre, institution: "I")))
            }
        }
        var state = MapState()
        state.apply(state.change(for: events))
        return state
    }

    @Test("Every layer, tile, list and sum tells a limited caller what there is in its jurisdiction, and nothing of the rest")
    func nothingElse() async throws {
        let whole = LiveMap(Self.everywhere), alone = LiveMap(Self.state(only: "north"))
        // Far enough from the border that no square lies on both sides.
        func squares(_ bearings: [Double]) -> [Forecast.Square] {
            bearings.enumerated().map { index, bearing in
                .init(centre: Sample.centre.moved(metres: 4_000, bearingDegrees: bearing), expected: [0.25, Double(index + 1) / 8, 0.5])
            }
        }
        let time = Int64(Sample.firstHour) * CubeHour.microsecondsPerHour
        func forecast(_ parts: [String: [Double]]) -> Forecast {
            Forecast(
                parts.sorted { $0.key < $1.key }.map { .init(type: $0.key, squares: squares($0.value), dispersion: 0.5) }, metres: 300, at: time)
        }
        whole.apply(forecast([Forecast.allTypes: [10, 300, 60, 150, 200], "robbery": [10, 60, 150], "robbery_south": [150, 200]]))
        alone.apply(forecast([Forecast.allTypes: [10, 300, 60], "robbery": [10, 60]]))
        try await RoutesTests.withRoutes(whole) { limited in
            try await RoutesTests.withRoutes(alone) { own in
                func compare(
                    _ pattern: String, _ path: PathParameters = [:], _ query: [(name: String, value: String)] = [], status: Int = 200
                ) async throws {
                    let one = try await RoutesTests.get(limited, pattern, path, query: query, jurisdictions: ["north"])
                    let other = try await RoutesTests.get(own, pattern, path, query: query, jurisdictions: ["north"])
                    #expect(one.status == status && other.status == status, "\(pattern) \(path)")
                    #expect(one.bytes == other.bytes, "\(pattern) \(path) \(query)")
                    let everything = try await RoutesTests.get(limited, pattern, path, query: query)
                    // Colours alone may look the same: they are measured against the hottest cell in sight.
                    #expect(path["format"] == "png" || everything.bytes != one.bytes, "\(pattern) \(path) \(query)")
                }
                for layer in Layer.allCases.map(\.rawValue) {
                    for zoom in [0, 7, 11] {
                        let tile = Tile(containing: Sample.centre, zoom: zoom)
                        for format in ["mvt", "png"] {
                            try await compare(
                                RoutesTests.tilePattern, ["layer": layer, "z": "\(zoom)", "x": "\(tile.x)", "y": "\(tile.y)", "format": format])
                        }
                    }
                    try await compare("/tiles/{layer}.json", ["layer": layer])
                    for query in [[], [(name: "bucket_hours", value: "24")]] {
                        try await compare("/api/series", [:], [(name: "layer", value: layer)] + query)
                    }
                    try await compare("/api/hotspots", [:], [(name: "layer", value: layer), (name: "limit", value: "1000")])
                    for format in ["json", "geojson"] {
                        try await compare("/api/cells", [:], [("layer", layer), ("zoom", "14"), ("format", format)])
                    }
                }
                let tile = Tile(containing: Sample.centre, zoom: 11)
                try await compare(RoutesTests.tilePattern, [
                    "layer": "terminals", "z": "11", "x": "\(tile.x)", "y": "\(tile.y + 1)", "format": "mvt",
                ])
                for list in ["/api/alerts", "/api/complaints"] { try await compare(list, [:], [(name: "limit", value: "500")]) }
                try await compare("/api/areas")
                for path in ["/api/summary", "/api/bounds"] { try await compare(path) }
                try await compare("/api/cells/{quadkey}", ["quadkey": String(tile.quadkey.prefix(8))])
                // A type of the others is as unknown here as where there are no others.
                for layer in Layer.allCases {
                    let type = layer.isOfPayments ? "atm_south" : "robbery_south"
                    try await compare("/api/series", [:], [("layer", layer.rawValue), ("types", type)], status: 400)
                    let world: PathParameters = ["layer": layer.rawValue, "z": "0", "x": "0", "y": "0", "format": "mvt"]
                    try await compare(RoutesTests.tilePattern, world, [("types", type)], status: 400)
                }
                for type in ["atm_south", "robbery_south"] {
                    try await compare("/api/summary", [:], [("types", type)], status: 400)
                    try await compare("/api/cells/{quadkey}", ["quadkey": String(tile.quadkey.prefix(8))], [("types", type)], status: 400)
                }
                try await compare("/api/alerts", [:], [("types", "atm_south")], status: 400)
                try await compare("/api/summary", [:], [("types", "robbery")])
            }
        }
    }
}
