import Contracts
import Geo
import Identity
import RPC
import ServiceRuntime
import StandardContracts
import TestSupport
import Testing

@testable import HeatmapTiles

/// What is expected, and where a complaint's money goes.
@Suite struct OutlookTests {
    static let start = Int64(Sample.firstHour) * CubeHour.microsecondsPerHour

    static func total(_ cube: Cube, hours: Range<Int>? = nil) -> Double {
        var filter = CubeFilter(layer: .forecast)
        if let hours { filter.hours = hours }
        return cube.total(in: nil, filter.prepared(kinds: cube.kinds, cells: nil)).riskSum
    }

    @Test("What is expected in squares is all on the map's cells, each hour's part in the hours of the clock that it lies in")
    func conservation() {
        let squares = (0..<40).map { number in
            Forecast.Square(
                centre: Sample.centre.moved(metres: Double(number) * 311, bearingDegrees: Double(number * 37)), expected: [1, 2, 4])
        }
        for minutes in [0, 15] {
            let forecast = Forecast(squares, metres: 300, at: Self.start + Int64(minutes) * 60_000_000, dispersion: 0)
            let first = Sample.firstHour, late = Double(minutes) / 60
            #expect(forecast.hours == first..<(first + 3 + (minutes > 0 ? 1 : 0)))
            #expect(abs(Self.total(forecast.cube) - 280) < 1e-9)
            #expect(abs(Self.total(forecast.cube, hours: first..<(first + 1)) - 40 * (1 - late)) < 1e-9)
            #expect(abs(Self.total(forecast.cube, hours: (first + 1)..<(first + 2)) - 40 * (2 - late)) < 1e-9)
        }
    }

    @Test("A square as large as a cell, on a cell's own place, is that cell's alone; one between two is shared by both")
    func shares() throws {
        let cell = Tile(containing: Sample.centre, zoom: Cube.cellZoom), box = cell.bounds
        let metres = Position(latitude: box.south, longitude: box.west).distanceMetres(to: Position(latitude: box.south, longitude: box.east))
        let whole = Forecast([.init(centre: cell.centre, expected: [1])], metres: metres * 0.98, at: Self.start, dispersion: 0)
        #expect(whole.cube.codes == [cell.code])
        let between = Forecast(
            [.init(centre: Position(latitude: cell.centre.latitude, longitude: box.east), expected: [1])], metres: metres * 0.98,
            at: Self.start, dispersion: 0)
        #expect(between.cube.codes.count == 2)
        let filter = CubeFilter(layer: .forecast).prepared(kinds: between.cube.kinds, cells: nil)
        #expect(abs(between.outlook(in: cell, hours: 1, filter).expected - 0.5) < 1e-9)
    }

    @Test("An outlook's interval holds what its count would, and grows with the dispersion")
    func intervals() {
        let cell = Tile(containing: Sample.centre, zoom: Cube.cellZoom)
        func outlook(_ dispersion: Double) -> Forecast.Outlook {
            let forecast = Forecast([.init(centre: cell.centre, expected: [5, 5])], metres: 10, at: Self.start, dispersion: dispersion)
            return forecast.outlook(in: cell, hours: 2, CubeFilter(layer: .forecast).prepared(kinds: forecast.cube.kinds, cells: nil))
        }
        // Poisson's 5 % and 95 % points for a mean of 10.
        #expect(outlook(0).interval == 5...15)
        #expect(outlook(0.5).interval.upperBound > 15)
        #expect(outlook(0).expected == 10)
        let told = Forecast.dispersion(mean: 10, upper: outlook(0.5).interval.upperBound)
        #expect(told > 0.4 && told <= 0.5 + 1e-6 && Forecast.dispersion(mean: 10, upper: 15) == 0)
    }

    @Test("Each crime type has a forecast of its own beside the one of all, and its own dispersion; an unknown one is refused")
    func byType() async throws {
        let cell = Tile(containing: Sample.centre, zoom: Cube.cellZoom)
        func part(_ type: String, _ expected: Double, _ dispersion: Double) -> Forecast.Part {
            Forecast.Part(type: type, squares: [.init(centre: cell.centre, expected: [expected])], dispersion: dispersion)
        }
        let forecast = Forecast(
            [part(Forecast.allTypes, 10, 0), part("robbery", 4, 0), part("upi_fraud", 5, 2)], metres: 10, at: Self.start)
        #expect(Layer.forecast.types(among: forecast.cube.kinds.kinds) == ["robbery", "upi_fraud"])
        func outlook(_ types: Set<String>?) -> Forecast.Outlook {
            var filter = CubeFilter(layer: .forecast)
            filter.types = types
            return forecast.outlook(in: cell, hours: 1, filter.prepared(kinds: forecast.cube.kinds, cells: nil))
        }
        #expect(outlook(nil).expected == 10 && outlook(["robbery"]).expected == 4 && outlook(["robbery", "upi_fraud"]).expected == 9)
        #expect(outlook(["upi_fraud"]).interval.upperBound > 9 && outlook(["robbery"]).interval == 1...8)
        let map = LiveMap(QueryTests.state)
        map.apply(forecast)
        try await RoutesTests.withRoutes(map) { routes in
            func expected(_ types: String) async throws -> Double {
                let query = types.isEmpty ? [] : [(name: "types", value: types)]
                let answer = try await RoutesTests.tile(routes, "forecast", "0", "0", "0", "mvt", query: query)
                return try DecodedTile(answer.bytes).layers["forecast"]?.reduce(0) { $0 + ($1.attributes["expected"] ?? 0) } ?? 0
            }
            #expect(try await [expected(""), expected("robbery"), expected("robbery,upi_fraud")] == [10, 4, 9])
            let unknown = try await RoutesTests.tile(routes, "forecast", "0", "0", "0", "mvt", query: [(name: "types", value: "*")])
            #expect(unknown.status == 400)
            #expect(String(decoding: unknown.bytes, as: UTF8.self).contains("is not a type of layer forecast; known are robbery, upi_fraud"))
        }
    }

    @Test("A new forecast takes the place of the last in tiles that were made before, and listeners hear of it")
    func replaced() async throws {
        let cache = TileCache(maxBytes: 1 << 24)
        let map = LiveMap(QueryTests.state) { cache.forget($0) }
        try await RoutesTests.withRoutes(map, cache: cache) { routes in
            func heat() async throws -> Double {
                let answer = try await RoutesTests.tile(routes, "forecast", "0", "0", "0", "mvt")
                return try DecodedTile(answer.bytes).layers["forecast"]?.reduce(0) { $0 + ($1.attributes["expected"] ?? 0) } ?? 0
            }
            #expect(try await heat() == 0)
            for expected in [0.5, 0.25] {
                let before = map.current.revision
                map.apply(Forecast([.init(centre: Sample.centre, expected: [expected])], metres: 100, at: Self.start, dispersion: 0))
                #expect(abs(try await heat() - expected) < 1e-3)
                #expect(map.changes(since: before).revision == before + 1 && map.changes(since: before).effect == nil)
            }
            let series = try await RoutesTests.get(routes, "/api/series", query: [("layer", "forecast"), ("from", "2026-01-05T00:00:00Z")])
            #expect(String(decoding: series.bytes, as: UTF8.self).contains("\"counts\":[]"))
        }
    }

    @Test("A listener who was away hears of the cells that changed meanwhile, and that much has changed when it was away too long")
    func journal() {
        var journal = ChangeJournal()
        for revision in 11...20 as ClosedRange<UInt64> {
            let signals: Set<Signal> = [revision == 19 ? .complaint : .transaction]
            journal.note(.init(cells: [revision, 7], signals: signals, everythingChanged: revision == 13), revision: revision) { _ in [] }
        }
        #expect(journal.effect(since: 20)?.cells == [])
        #expect(journal.effect(since: 17)?.cells == [18, 19, 20, 7])
        #expect(journal.effect(since: 18)?.signals == [.complaint, .transaction] && journal.effect(since: 19)?.signals == [.transaction])
        #expect(journal.effect(since: 12) == nil)
        #expect(journal.effect(since: 9) == nil)
        #expect(journal.effect(since: nil) == nil)
        for revision in 21...(21 + UInt64(ChangeJournal.maxChanges)) {
            journal.note(.init(cells: [1], everythingChanged: false), revision: revision) { _ in [] }
        }
        #expect(journal.effect(since: 21) == nil)
        #expect(journal.effect(since: 4000)?.cells == [1])
    }

    @Test("A viewer who never reads its event stream holds up nobody, and nothing piles up for it")
    func deafViewer() async throws {
        let map = LiveMap(MapState())
        var live = LiveStream(map: map, maxListeners: 2)
        live.pace = .zero
        let (never, _) = AsyncStream.makeStream(of: Void.self)
        let (heard, tell) = AsyncStream.makeStream(of: String.self, bufferingPolicy: .bufferingNewest(1))
        guard case .stream(let deaf) = try live.response(to: HTTPRequest(path: "/live")).body,
            case .stream(let keen) = try live.response(to: HTTPRequest(path: "/live")).body
        else { throw RPCError(.internal, "no stream") }
        await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await deaf(HTTPBodyWriter { _ in for await _ in never {} }) }
            // Only what names a revision: a comment written after the last change may not take that one's place in the buffer.
            group.addTask {
                try await keen(HTTPBodyWriter { bytes in
                    let words = String(decoding: bytes, as: UTF8.self)
                    if words.contains("id: ") { tell.yield(words) }
                })
            }
            for number in 0..<2_000 { map.apply(map.current.change(for: [MapStateTests.decision(number)])) }
            let last = "\(map.current.revision)"
            for await words in heard where words.contains("id: \(last)\n") { break }
            group.cancelAll()
        }
        #expect(MapStateTests.count(map.current, .transactions) == 2_000)
    }

    @Test("The view opens where the events of its span are, without the stray ones, and round the jurisdictions")
    func bounds() throws {
        var state = MapState()
        var events = (0..<300).map { MapStateTests.decision($0, position: Sample.centre.moved(metres: 500, bearingDegrees: Double($0))) }
        events.append(MapStateTests.decision(300, position: Position(latitude: -33, longitude: 151)))
        state.apply(state.change(for: events))
        let queries = MapQueries(state: state, renderer: TileRenderer(), permitted: nil)
        let box = try #require(queries.bounds())
        #expect(box.contains(Sample.centre) && box.east - box.west < 0.1 && box.north - box.south < 0.1)
        let square = BoundingBox(west: 70, south: 20, east: 71, north: 21)
        state.apply(state.change(for: [.area(Area(id: "a", name: "a", outline: try MultiPolygon([Polygon(box: square)])))]))
        let wide = try #require(MapQueries(state: state, renderer: TileRenderer(), permitted: nil).bounds())
        #expect(wide.west == 70 && wide.south == 20 && wide.north > 28)
        #expect(MapQueries(state: MapState(), renderer: TileRenderer(), permitted: nil).bounds() == nil)
    }

    /// A model server that knows one complaint, and expects one square.
    struct FakeModels: RPCService {
        typealias V1 = ModelsV1

        var serviceName: String { V1.ModelService.fullName }
        var fileDescriptors: [[UInt8]] { [] }
        var methods: [RPCMethod] {
            [
                .unary(V1.ModelService.Methods.predictCashOut) { (request: V1.PredictCashOutRequest, _) in
                    guard request.subject == .submitted(.init(reporterID: "police", complaintID: "c1")) else {
                        throw RPCError(.notFound, "there is no such complaint")
                    }
                    return V1.PredictCashOutResponse(
                        goneProbability: 0.25, windows: [.init(startsAt: .init(seconds: 0), endsAt: .init(seconds: 3600), probability: 0.5)],
                        laterProbability: 0.25,
                        atms: [.init(terminalID: "T1", location: .init(latitude: 17, longitude: 75), probability: 0.5, windowProbabilities: [0.4])],
                        elsewhereProbability: 0.25, traced: true, asOf: .init(seconds: 0))
                },
                .unary(V1.ModelService.Methods.forecastCells) { (request: V1.ForecastCellsRequest, _) in
                    V1.ForecastCellsResponse(
                        cells: [.init(
                            centre: .init(latitude: Sample.centre.latitude, longitude: Sample.centre.longitude), expected: 6,
                            hours: (0..<request.hours).map { _ in .init(expected: 0.5) })],
                        asOf: .init(seconds: Int64(Sample.firstHour) * 3600), hours: request.hours, cellMetres: request.cellMetres)
                },
            ]
        }
    }

    @Test("A complaint's ranked machines and the forecast come from the model server; who may not ask is refused")
    func fromTheModelServer() async throws {
        let configuration = ServerConfiguration(host: "127.0.0.1", port: 0)
        try await withServer(configuration, services: [FakeModels()], health: HealthRegistry(), logger: testLogger) { models in
            let address = "http://127.0.0.1:\(models.port)"
            let environment = ["VIGIL_MODELS_URL": address, "VIGIL_INGESTION_URL": address, "VIGIL_AUTH_URL": address]
            try await withTestService(
                .heatmapTiles, environment: environment, configuration: HeatmapTilesConfiguration.init(from:), run: Main.run
            ) { service in
                let reader = try await TestTokens.token("asha", scopes: [Scope.readTiles, Scope.readModels])
                let viewer = try await TestTokens.token("vik", scopes: [Scope.readTiles])
                try await service.withChannel { channel in
                    func get(_ path: String, _ token: BearerToken) async throws -> HTTPResponse {
                        try await channel.http(HTTPRequest(path: path, headers: ["authorization": "Bearer \(token.value)"]))
                    }
                    let ranking = try await get("/complaints/police/c1/cash-out", reader)
                    let text = String(decoding: ranking.bytes, as: UTF8.self)
                    #expect(ranking.status == 200 && ranking.headers["cache-control"] == "no-store")
                    #expect(text.contains(#""goneProbability":0.25"#) && text.contains(#""terminal":"T1""#))
                    #expect(text.contains(#""windows":[{"endsAt":"1970-01-01T01:00:00Z","probability":0.5"#))
                    #expect(try await get("/complaints/police/c2/cash-out", reader).status == 404)
                    #expect(try await get("/complaints/police/c1/cash-out", viewer).status == 403)
                    // It asks in the background, at its start.
                    let deadline = ContinuousClock.now + .seconds(30)
                    var tile = HTTPResponse(status: 0)
                    while tile.bytes.isEmpty, ContinuousClock.now < deadline {
                        tile = try await get("/tiles/forecast/0/0/0.mvt", viewer)
                    }
                    #expect(try DecodedTile(tile.bytes).layers["forecast"]?.isEmpty == false)
                    let cell = Tile(containing: Sample.centre, zoom: 14).quadkey
                    let detail = String(decoding: try await get("/api/cells/\(cell)", viewer).bytes, as: UTF8.self)
                    #expect(detail.contains(#""coverage":0.9"#) && detail.contains(#""hours":24"#))
                }
            }
        }
    }
}
