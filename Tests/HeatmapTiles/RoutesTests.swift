import Contracts
import Foundation
import Geo
import Identity
import Logging
import RPC
import Records
import ServiceContextModule
import Testing

@testable import HeatmapTiles

@Suite struct RoutesTests {
    /// The routes over a map, as the server would call them.
    static func withRoutes<R>(
        _ map: LiveMap = LiveMap(QueryTests.state), cache: TileCache = TileCache(maxBytes: 1 << 24), past: PastMaps? = nil,
        _ body: (Routes) async throws -> R
    ) async throws -> R {
        // No test here signs in, so nobody listens there.
        try await withChannel(ChannelConfiguration(target: "http://127.0.0.1:1"), logger: Logger(label: "test")) { channel in
            let renderer = TileRenderer()
            return try await body(Routes(
                map: map, past: past ?? PastMaps(map: map) { _ in Cube() }, renderer: renderer, cache: cache,
                files: WebFiles(mapLibre: [:]),
                sessions: Sessions(auth: AuthV1.AuthService.Client(channel)), live: LiveStream(map: map, maxListeners: 2),
                cases: CaseRoutes(notifier: .init(channel), models: .init(channel), map: map, renderer: renderer),
                publicURL: "https://tiles.example"))
        }
    }

    static func get(
        _ routes: Routes, _ pattern: String, _ parameters: PathParameters = [:], query: [(name: String, value: String)] = [],
        headers: HTTPHeaders = [:], jurisdictions: Set<String> = []
    ) async throws -> HTTPResponse {
        let route = try #require(routes.all.first { $0.method == "GET" && $0.pattern == pattern })
        var context = ServiceContext.topLevel
        context.principal = Principal(subject: "asha", kind: .user, scopes: [Scope.readTiles], jurisdictions: jurisdictions)
        // As the server finds them: in the path.
        let path = pattern.split(separator: "{").reduce("") { path, piece in
            guard let end = piece.firstIndex(of: "}") else { return path + piece }
            return path + (parameters[String(piece[..<end])] ?? "") + piece[piece.index(after: end)...]
        }
        return try await route.handler(HTTPRequest(
            path: path, query: query, headers: headers, pathParameters: parameters, serviceContext: context))
    }

    static let tilePattern = "/tiles/{layer}/{z}/{x}/{y}.{format}"

    static func tile(
        _ routes: Routes, _ layer: String, _ z: String, _ x: String, _ y: String, _ format: String,
        query: [(name: String, value: String)] = [], headers: HTTPHeaders = [:]
    ) async throws -> HTTPResponse {
        try await get(
            routes, tilePattern, ["layer": layer, "z": z, "x": x, "y": y, "format": format], query: query, headers: headers)
    }

    @Test("Every route has a rule, and only the page, its files and the login are open")
    func rules() async throws {
        try await Self.withRoutes { routes in
            let policy = AccessPolicy(Routes.rules)
            #expect(policy.uncovered(among: routes.all.map(\.pattern)).isEmpty)
            let open = Set(routes.all.map(\.pattern).filter { policy.rule(for: $0)?.isOpen == true })
            #expect(open == ["/", "/static/{name}", "/maplibre/{name}", "/login", "/logout"])
        }
    }

    @Test("A bad address or parameter is a 400 that says what is wrong", arguments: [
        (["risk", "18", "0", "0", "mvt"], "", "z: must be a whole number from 0 to 17"),
        (["risk", "-1", "0", "0", "mvt"], "", "z: must be"), (["risk", "2", "4", "0", "mvt"], "", "x: must be a whole number from 0 to 3"),
        (["risk", "2", "0", "9", "mvt"], "", "y: must be"), (["risk", "2", "0", "1@2x", "mvt"], "", "format: must be mvt or png"),
        (["risk", "2", "0", "1", "gif"], "", "format: must be mvt or png"),
        (["risk", "5", "01", "1", "mvt"], "", "x: must be"), (["risk", "5", "1", "+1", "png"], "", "y: must be"),
        (["love", "2", "0", "1", "mvt"], "", "layer: must be one of risk"),
        (["risk", "2", "0", "1", "mvt"], "until", "until: unknown parameter"),
        (["risk", "2", "0", "1", "png"], "geometry", "geometry: unknown"),
        (["risk", "99999999999999999999", "0", "0", "mvt"], "", "z: must be"),
        (["terminals", "12", "0", "0", "png"], "", "format: must be mvt"),
        (["terminals", "12", "0", "0", "mvt"], "from", "from: unknown parameter; this takes none"),
        (["forecast", "2", "0", "1", "mvt"], "min_risk", "min_risk: the forecast has none"),
    ])
    func badAddresses(path: [String], parameter: String, message: String) async throws {
        try await Self.withRoutes { routes in
            let query = parameter.isEmpty ? [] : [(name: parameter, value: "1")]
            let response = try await Self.tile(routes, path[0], path[1], path[2], path[3], path[4], query: query)
            #expect(response.status == 400)
            #expect(String(decoding: response.bytes, as: UTF8.self).contains("\"message\":\"\(message)"))
        }
    }

    @Test("Figures of terminals are refused, and not by a message that lists them as known", arguments: ["series", "hotspots", "cells"])
    func terminalsHaveNoFigures(name: String) async throws {
        try await Self.withRoutes { routes in
            let response = try await Self.get(routes, "/api/\(name)", [:], query: [("layer", "terminals")])
            #expect(response.status == 400)
            #expect(String(decoding: response.bytes, as: UTF8.self).contains("risk, transactions, fraud, alerts, complaints, forecast\""))
        }
    }

    @Test("One alert is found by its decision, also when it is not among the newest; nobody sees one outside their jurisdictions")
    func oneAlert() async throws {
        var state = QueryTests.state
        state.apply(state.change(for: [MapStateTests.decision(1, risk: 0.95)]))
        guard case .decision(let old) = MapStateTests.decision(2, risk: 0.95) else { throw RPCError(.internal, "no decision") }
        try await Self.withRoutes(LiveMap(state)) { routes in
            var routes = routes
            routes.storedAlert = { id in id == "d2" ? old.alert : nil }
            func get(_ id: String, _ jurisdictions: Set<String> = []) async throws -> HTTPResponse {
                try await Self.get(routes, "/api/alerts/{id}", ["id": id], jurisdictions: jurisdictions)
            }
            for id in ["d1", "d2"] {
                let found = try await get(id)
                #expect(found.status == 200 && String(decoding: found.bytes, as: UTF8.self).contains("\"decisionID\":\"\(id)\""))
                // The middle of the sample is the border of both.
                #expect(try await get(id, ["elsewhere"]).status == 404)
            }
            for id in ["d3", "", String(repeating: "d", count: 10_000)] { #expect(try await get(id).status == 404) }
        }
    }

    @Test("Tiles over HTTP hold the counts that the events have, and a repeated request is answered 304")
    func tiles() async throws {
        try await Self.withRoutes { routes in
            let tile = Tile(containing: Sample.centre, zoom: 0)
            let response = try await Self.tile(routes, "transactions", "\(tile.zoom)", "\(tile.x)", "\(tile.y)", "mvt")
            let counted = try DecodedTile(response.bytes).layers["transactions"]?.reduce(0) { $0 + Int($1.attributes["count"] ?? 0) }
            let filter = CubeFilter(layer: .transactions).prepared(kinds: QueryTests.state.cube.kinds, cells: nil)
            #expect(counted == QueryTests.state.cube.total(in: nil, filter).count)
            let tag = try #require(response.headers["etag"])
            let again = try await Self.tile(routes, "transactions", "0", "0", "0", "mvt", headers: ["if-none-match": "\"x\", W/\(tag)"])
            #expect(again.status == 304 && again.bytes.isEmpty && again.headers["etag"] == tag)
            let filtered = try await Self.tile(
                routes, "transactions", "0", "0", "0", "mvt", query: [("hours_of_day", "1")], headers: ["if-none-match": tag])
            #expect(filtered.status == 200)
        }
    }

    @Test("Pictures are 256 pixels wide, and 512 when asked for doubly")
    func pictures() async throws {
        try await Self.withRoutes { routes in
            let tile = Tile(containing: Sample.centre, zoom: 11)
            for (suffix, high) in [("", UInt8(1)), ("@2x", UInt8(2))] {
                let response = try await Self.tile(routes, "risk", "11", "\(tile.x)", "\(tile.y)\(suffix)", "png")
                #expect(response.status == 200 && response.headers["content-type"] == "image/png")
                #expect(Array(response.bytes[16..<20]) == [0, 0, high, 0])
            }
        }
    }

    @Test("What has no place is told to callers of everywhere alone, and to them only where no district is asked for")
    func withoutPlace() async throws {
        var state = JurisdictionTests.everywhere
        state.apply(state.change(for: [MapStateTests.decision(1, position: nil, risk: 0.95)]))
        try await Self.withRoutes(LiveMap(state)) { routes in
            func summary(_ query: [(name: String, value: String)] = [], _ jurisdictions: Set<String> = []) async throws -> String {
                String(decoding: try await Self.get(routes, "/api/summary", query: query, jurisdictions: jurisdictions).bytes, as: UTF8.self)
            }
            #expect(try await summary().contains("\"withoutPlace\":1"))
            for told in [try await summary([("jurisdiction", "north")]), try await summary([], ["north"])] { #expect(!told.contains("withoutPlace")) }
        }
    }

    @Test("From far off a tile has cash machines alone, from nearer all terminals, from farther none")
    func terminalsByZoom() throws {
        var state = MapState()
        let shop = Site(terminalID: "T2", sort: .pos, position: Sample.centre, institution: "First")
        state.apply(state.change(for: [.site(MapStateTests.site), .site(shop)]))
        for (zoom, count) in [(7, 0), (8, 1), (10, 1), (11, 2), (17, 2)] {
            let bytes = SiteTile.encode(state, tile: Tile(containing: Sample.centre, zoom: zoom), jurisdictions: nil)
            let found = try DecodedTile(bytes).layers["terminals"] ?? []
            #expect(found.count == count, "zoom \(zoom)")
        }
    }

    @Test("The list of alerts goes on behind any of them to the last, through what memory has and what only the store has")
    func alertsByPages() async throws {
        struct Alert: Decodable { var decisionID: String; var decidedAt: String }
        let all = (0..<1700).compactMap { number -> AlertNote? in
            guard case .decision(var decision) = MapStateTests.decision(number / 3, risk: 0.95) else { return nil }
            decision.alert?.decisionID = "d\(number)"
            return decision.alert
        }.sorted { $0.place < $1.place }
        var state = MapState()
        state.apply(.init(alerts: all))
        #expect(state.alerts == Array(all.prefix(MapState.maxAlerts)))
        try await Self.withRoutes(LiveMap(state)) { routes in
            var routes = routes
            routes.alertPages = AlertPages { hours, place in
                Array(all.filter { alert in place.map { alert.place > $0 } ?? true }.prefix(MapState.maxAlerts))
            }
            var listed: [String] = [], query: [(name: String, value: String)] = [("limit", "300")]
            repeat {
                let page = try JSONDecoder().decode([Alert].self, from: Data(try await Self.get(routes, "/api/alerts", query: query).bytes))
                listed += page.map(\.decisionID)
                guard let last = page.last, listed.count <= all.count else { break }
                query = [("limit", "300"), ("after", "\(last.decidedAt),\(last.decisionID)")]
            } while true
            #expect(listed == all.map(\.decisionID))
            for bad in ["d1", "yesterday,d1", "2026-01-05T00:00:00Z", ",", "2026-01-05T00:00:00Z," + String(repeating: "d", count: 300)] {
                #expect(try await Self.get(routes, "/api/alerts", query: [("after", bad)]).status == 400)
            }
        }
    }

    @Test("The list of alerts holds to the span and the channels; where memory may lack some of the span, the store is looked through")
    func alertsOfSpan() async throws {
        struct Alert: Decodable { var decisionID: String }
        var state = MapState()
        state.apply(state.change(for: (0..<MapState.maxAlerts).map { MapStateTests.decision($0, risk: 0.95) }))
        func at(_ hour: Int) -> String { Timestamp(microseconds: Int64(hour) * CubeHour.microsecondsPerHour).iso8601 }
        let first = Sample.firstHour, newest = state.alerts[0]
        try await Self.withRoutes(LiveMap(state)) { routes in
            var routes = routes
            routes.alertPages = AlertPages { hours, _ in
                var old = newest
                (old.decisionID, old.eventMicroseconds) = ("\(hours.count) hours", Int64(hours.lowerBound) * CubeHour.microsecondsPerHour)
                return [old]
            }
            func listed(_ query: [(name: String, value: String)]) async throws -> [String] {
                let response = try await Self.get(routes, "/api/alerts", query: query)
                return try JSONDecoder().decode([Alert].self, from: Data(response.bytes)).map(\.decisionID)
            }
            let newest = try await listed([("from", at(first)), ("to", at(first + 1)), ("limit", "3")])
            #expect(newest == ["d499", "d498", "d497"])
            #expect(try await listed([("from", at(first - 2)), ("to", at(first)), ("types", "atm")]) == ["2 hours"])
            #expect(try await Self.get(routes, "/api/alerts", query: [("types", "nothing")]).status == 400)
        }
    }

    @Test("Complaints elsewhere, however many, do not push a district's own off the list")
    func complaintsOfADistrict() async throws {
        struct Complaint: Decodable { var complaintID: String }
        let box = BoundingBox(west: 70, south: 10, east: 80, north: 20)
        let all = (0..<1_200).map { number in
            ComplaintNote(
                eventMicroseconds: Int64(Sample.firstHour) * CubeHour.microsecondsPerHour,
                position: Position(latitude: number < 20 ? 17 : 40, longitude: 75), crimeType: "robbery", reporterID: "police",
                complaintID: "c\(number)", reportedMicroseconds: Int64(number), version: .init(transactionID: 1, sequence: Int64(number)))
        }.sorted { $0.place < $1.place }
        var state = MapState()
        let areas = [Area(id: "south", name: "South", outline: try MultiPolygon([Polygon(box: box)])), Area(id: "void", name: "Void", outline: nil)]
        state.apply(state.change(for: areas.map { .area($0) } + all.reversed().map { .complaint($0) }))
        #expect(state.complaints == Array(all.prefix(MapState.maxComplaints)))
        try await Self.withRoutes(LiveMap(state)) { routes in
            var routes = routes
            routes.complaintPages = ComplaintPages { search in
                if search.hours == nil { #expect(search.box == box) }
                return Array(all.filter { $0.place > search.after }.prefix(MapState.maxComplaints))
            }
            func listed(_ query: [(name: String, value: String)]) async throws -> [String] {
                let response = try await Self.get(routes, "/api/complaints", query: query)
                return try JSONDecoder().decode([Complaint].self, from: Data(response.bytes)).map(\.complaintID)
            }
            func at(_ hour: Int) -> String { Timestamp(microseconds: Int64(hour) * CubeHour.microsecondsPerHour).iso8601 }
            let own = (0..<20).map { "c\(19 - $0)" }
            let ofDistrict = try await listed([("jurisdiction", "south"), ("types", "robbery")])
            #expect(ofDistrict == own)
            let three = try await listed([("jurisdiction", "south"), ("limit", "3")])
            #expect(three == Array(own.prefix(3)))
            #expect(try await listed([("jurisdiction", "void")]) == [])
            #expect(try await listed([("from", at(Sample.firstHour)), ("limit", "2")]) == ["c1199", "c1198"])
            #expect(try await listed([("from", at(Sample.firstHour + 1))]) == [])
            #expect(try await Self.get(routes, "/api/complaints", query: [("types", "nothing")]).status == 400)
        }
    }

    @Test("TileJSON names the tiles, keeps the filter in their address, and refuses a bad one")
    func tileJSON() async throws {
        try await Self.withRoutes { routes in
            let response = try await Self.get(
                routes, "/tiles/{layer}.json", ["layer": "complaints"], query: [("types", "robbery"), ("from", "2026-01-05T00:00:00Z")])
            let text = String(decoding: response.bytes, as: UTF8.self)
            #expect(text.contains(#""tilejson":"3.0.0""#))
            #expect(text.contains("https://tiles.example/tiles/complaints/{z}/{x}/{y}.mvt?from=2026-01-05T00:00:00Z&types=robbery"))
            #expect(try await Self.get(routes, "/tiles/{layer}.json", ["layer": "nothing"]).status == 400)
        }
    }

    @Test("The page forbids scripts from elsewhere, and its files are all there")
    func page() async throws {
        try await Self.withRoutes { routes in
            let page = try await Self.get(routes, "/")
            let html = String(decoding: page.bytes, as: UTF8.self)
            #expect(page.headers["content-security-policy"]?.contains("script-src 'self'") == true)
            #expect(!html.contains("<style") && !html.contains("style=") && !html.contains("onclick"))
            for name in ["main.js", "map.js", "dashboard.css", "icon.svg"] {
                #expect(try await Self.get(routes, "/static/{name}", ["name": name]).status == 200)
            }
            #expect(try await Self.get(routes, "/static/{name}", ["name": "../Main.swift"]).status == 404)
            #expect(try await Self.get(routes, "/maplibre/{name}", ["name": "maplibre-gl.js"]).status == 404)
        }
    }

    @Test("A caller of one jurisdiction gets nothing of another from any resource")
    func scopes() async throws {
        try await Self.withRoutes { routes in
            let query = [(name: "layer", value: "transactions"), (name: "zoom", value: "14")]
            let everything = try await Self.get(routes, "/api/cells", query: query)
            let north = try await Self.get(routes, "/api/cells", query: query, jurisdictions: ["north"])
            #expect(try GeoJSON.read(north.bytes).features.count < GeoJSON.read(everything.bytes).features.count)
            let areas = try await Self.get(routes, "/api/areas", jurisdictions: ["north"])
            #expect(try GeoJSON.read(areas.bytes).features.map(\.id) == ["north"])
        }
    }

    @Test("The live stream tells the revision at once, tells a change, and does not repeat what a browser has seen")
    func live() async throws {
        let map = LiveMap(QueryTests.state)
        let first = map.current.revision
        let (lines, continuation) = AsyncStream.makeStream(of: String.self)
        var live = LiveStream(map: map, maxListeners: 1)
        live.pace = .zero
        let response = try live.response(to: HTTPRequest(path: "/live"))
        #expect(throws: RPCError.self) { try live.response(to: HTTPRequest(path: "/live")) }
        guard case .stream(let write) = response.body else { throw RPCError(.internal, "no stream") }
        await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await write(HTTPBodyWriter { continuation.yield(String(decoding: $0, as: UTF8.self)) }) }
            var iterator = lines.makeAsyncIterator()
            #expect(await iterator.next() == "retry: 2000\n\n")
            #expect(await iterator.next() == "event: change\nid: \(first)\ndata: {\"revision\":\(first)}\n\n")
            let change = map.current.change(for: [MapStateTests.decision(1)])
            let cells = change.placed.keys.compactMap { Tile(zoom: Cube.cellZoom, code: $0.cell)?.quadkey }
            map.apply(change)
            let told = "{\"revision\":\(first + 1),\"layers\":[\"risk\",\"transactions\"],\"cells\":[\"\(cells[0])\"]}"
            #expect(await iterator.next() == "event: change\nid: \(first + 1)\ndata: \(told)\n\n")
            group.cancelAll()
        }
        let (resumed, resumedContinuation) = AsyncStream.makeStream(of: String.self)
        // The first listener's place is free once its task is, which may be a moment after the task has ended.
        var second = LiveStream(map: map, maxListeners: 2)
        second.pace = .zero
        let again = try second.response(to: HTTPRequest(path: "/live", headers: ["last-event-id": "\(first + 1)"]))
        guard case .stream(let writeAgain) = again.body else { throw RPCError(.internal, "no stream") }
        await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await writeAgain(HTTPBodyWriter { resumedContinuation.yield(String(decoding: $0, as: UTF8.self)) }) }
            var iterator = resumed.makeAsyncIterator()
            _ = await iterator.next()
            #expect(await iterator.next() == "event: alive\ndata: \n\n")
            group.cancelAll()
        }
    }
}
