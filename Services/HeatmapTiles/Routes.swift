import Contracts
import Geo
import Identity
import Logging
import RPC
import Records

/// The service's plain HTTP: the dashboard, its session, tiles, figures and the live stream.
struct Routes: Sendable {
    let map: LiveMap
    let past: PastMaps
    let renderer: TileRenderer
    let cache: TileCache
    let files: WebFiles
    let sessions: Sessions
    let live: LiveStream
    let cases: CaseRoutes
    var alertPages = AlertPages()
    var complaintPages = ComplaintPages()
    /// Without a slash at its end.
    let publicURL: String
    /// Looks for an alert that is not among the newest.
    var storedAlert: @Sendable (_ decisionID: String) async throws -> AlertNote? = { _ in nil }
    var now: @Sendable () -> Timestamp = { Timestamp.now() }

    /// Who may fetch what: the page, its files and the login are open, all that tells something needs the scope.
    static let rules: [String: AccessRule] = [
        "/": .open, "/login": .open, "/logout": .open, "/static/": .open, "/maplibre/": .open,
        "/session": .limitedScope(Scope.readTiles), "/tiles/": .limitedScope(Scope.readTiles), "/api/": .limitedScope(Scope.readTiles),
        "/live": .limitedScope(Scope.readTiles),
    ].merging(CaseRoutes.rules) { $1 }

    static let maxLoginBytes = 4096

    var all: [HTTPRoute] {
        [
            HTTPRoute("GET", "/") { files.response(for: "index.html", $0) },
            HTTPRoute("GET", "/static/{name}") { files.response(for: "static/\($0.pathParameters["name"] ?? "")", $0) },
            HTTPRoute("GET", "/maplibre/{name}") { files.response(for: "maplibre/\($0.pathParameters["name"] ?? "")", $0) },
            HTTPRoute("POST", "/login", maxBodyBytes: Self.maxLoginBytes) { try await sessions.login($0) },
            HTTPRoute("POST", "/logout", maxBodyBytes: Self.maxLoginBytes) { sessions.logout($0) },
            HTTPRoute("GET", "/session") { try sessions.current($0) },
            HTTPRoute("GET", "/live") { try live.response(to: $0) },
            HTTPRoute("GET", "/tiles/{layer}.json") { request in try await answer(request, tileJSON) },
            HTTPRoute("GET", "/tiles/{layer}/{z}/{x}/{y}.{format}") { try await tile($0) },
            HTTPRoute("GET", "/api/summary") { request in try await answer(request, summary) },
            HTTPRoute("GET", "/api/bounds") { request in try await answer(request, bounds) },
            HTTPRoute("GET", "/api/series") { request in try await answer(request, series) },
            HTTPRoute("GET", "/api/hotspots") { request in try await answer(request, hotspots) },
            HTTPRoute("GET", "/api/cells") { request in try await answer(request, cells) },
            HTTPRoute("GET", "/api/cells/{quadkey}") { request in try await answer(request, cell) },
            HTTPRoute("GET", "/api/areas") { request in try await answer(request, areas) },
            HTTPRoute("GET", "/api/alerts") { try await alerts($0) },
            HTTPRoute("GET", "/api/alerts/{id}") { try await alert($0) },
            HTTPRoute("GET", "/api/complaints") { try await complaints($0) },
        ] + cases.all
    }

    /// A body and its content type.
    private typealias Content = (bytes: [UInt8], type: String)

    private static let json = "application/json"
    private static let geoJSON = "application/geo+json"
    private static let vectorTile = "application/vnd.mapbox-vector-tile"

    // MARK: Tiles

    /// An answer made before goes out from the connection's own thread; what has to be drawn leaves that thread to the others.
    private func tile(_ request: HTTPRequest) async throws -> HTTPResponse {
        let principal = request.serviceContext.principal
        let permitted = principal?.permittedJurisdictions
        // A picture is compressed already.
        let coding = request.pathParameters["format"] == "png" ? .identity : ContentCoding.preferred(by: request.headers)
        let key = TileCache.key(request, coding: coding.rawValue, permitted: permitted)
        if let answer = cache.hit(key) { return answer.response(to: request) }
        do {
            let answer = try await cache.answer(key, for: principal?.subject ?? "") { () async throws -> TileCache.Answer in
                let queries = try await queries(for: request)
                let (content, extent) = try await draw(request, queries)
                return try TileCache.Answer(content.bytes, contentType: content.type, coding: coding, extent: extent)
            }
            return answer.response(to: request)
        } catch let error as BadQuery {
            return try Self.refusal(error)
        }
    }

    private func draw(_ request: HTTPRequest, _ queries: MapQueries) async throws -> (content: Content, extent: TileCache.Extent) {
        let path = request.pathParameters
        let name = path["layer"] ?? ""
        let (tile, isDouble) = try Self.address(path)
        let format = path["format"] ?? ""
        if name == SiteTile.layerName {
            guard format == "mvt", !isDouble else { throw BadQuery(field: "format", reason: "must be mvt: terminals are points, without heat") }
            _ = try QueryParameters(request.query, allowed: [])
            let bytes = SiteTile.encode(queries.state, tile: tile, jurisdictions: queries.permitted)
            return ((bytes, Self.vectorTile), TileCache.Extent(zoom: tile.zoom, codes: [tile.code]))
        }
        let layer = try Self.layer(name, amongTiles: true)
        switch format {
        case "mvt" where !isDouble:
            let parameters = try QueryParameters(request.query, allowed: QueryParameters.filterNames.union(["geometry"]))
            let filter = try parameters.filter(layer: layer, for: queries)
            let geometry = try parameters.choice("geometry", CellTile.Geometry.self) ?? .points
            let drawn = await renderer.vectorTile(queries.state, filter, tile, geometry: geometry)
            return ((drawn.content, Self.vectorTile), drawn.extent)
        case "png":
            let parameters = try QueryParameters(request.query, allowed: QueryParameters.filterNames.union(["palette"]))
            let filter = try parameters.filter(layer: layer, for: queries)
            let palette = try parameters.choice("palette", Palette.self) ?? .dark
            let drawn = renderer.heatImage(queries.state, filter, tile, pixelsPerTile: isDouble ? 512 : 256, palette: palette)
            guard let bytes = PNGEncoder.encode(drawn.content) else { throw RPCError(.internal, "the image cannot be encoded") }
            return ((bytes, "image/png"), drawn.extent)
        default: throw BadQuery(field: "format", reason: "must be mvt or png; only png has @2x")
        }
    }

    /// `{z}/{x}/{y}`, where y may end with `@2x`.
    private static func address(_ path: PathParameters) throws -> (tile: Tile, isDouble: Bool) {
        var numbers = ["z", "x", "y"].map { path[$0] ?? "" }
        let isDouble = numbers[2].hasSuffix("@2x")
        if isDouble { numbers[2].removeLast(3) }
        guard let zoom = Int(plain: numbers[0]), (0...CellTile.maximumZoom).contains(zoom) else {
            throw BadQuery(field: "z", reason: "must be a whole number from 0 to \(CellTile.maximumZoom)")
        }
        let last = (1 << zoom) - 1
        guard let x = Int(plain: numbers[1]), (0...last).contains(x) else {
            throw BadQuery(field: "x", reason: "must be a whole number from 0 to \(last) at zoom \(zoom)")
        }
        guard let y = Int(plain: numbers[2]), (0...last).contains(y), let tile = Tile(zoom: zoom, x: x, y: y) else {
            throw BadQuery(field: "y", reason: "must be a whole number from 0 to \(last) at zoom \(zoom)")
        }
        return (tile, isDouble)
    }

    /// - Parameter amongTiles: whether terminals, of which there are only tiles, could have been asked for too.
    private static func layer(_ name: String, amongTiles: Bool = false) throws -> Layer {
        if let layer = Layer(rawValue: name) { return layer }
        let known = Layer.allCases.map(\.rawValue) + (amongTiles ? [SiteTile.layerName] : [])
        throw BadQuery(field: "layer", reason: "must be one of \(known.joined(separator: ", "))")
    }

    /// TileJSON 3.0.0. The filter of the request goes on into the tiles' addresses.
    private func tileJSON(_ request: HTTPRequest, _ queries: MapQueries) throws -> Content {
        let name = request.pathParameters["layer"] ?? ""
        guard name != SiteTile.layerName else {
            return (try Payload.encode(Payload.TileJSON(terminalsAt: publicURL)), Self.json)
        }
        let layer = try Self.layer(name, amongTiles: true)
        let parameters = try QueryParameters(request.query, allowed: QueryParameters.filterNames.union(["geometry"]))
        _ = try parameters.filter(layer: layer, for: queries)
        return (try Payload.encode(Payload.TileJSON(layer, at: publicURL, query: parameters.encoded, bounds: queries.bounds())), Self.json)
    }

    // MARK: Figures

    private func summary(_ request: HTTPRequest, _ queries: MapQueries) throws -> Content {
        let parameters = try QueryParameters(request.query, allowed: QueryParameters.filterNames)
        return (try Payload.encode(queries.summary(parameters)), Self.json)
    }

    private func bounds(_ request: HTTPRequest, _ queries: MapQueries) throws -> Content {
        let parameters = try QueryParameters(request.query, allowed: QueryParameters.filterNames.subtracting(["types"]))
        let filter = try parameters.filter(layer: .transactions, for: queries)
        return (try Payload.encode(Payload.Bounds(queries.bounds(filter))), Self.json)
    }

    private func series(_ request: HTTPRequest, _ queries: MapQueries) throws -> Content {
        let (parameters, filter) = try filtered(request, queries, and: ["bbox", "bucket_hours"])
        let hours = try parameters.integer("bucket_hours", in: 1...8784)
        return (try Payload.encode(queries.series(filter, in: parameters.boundingBox("bbox"), bucketHours: hours)), Self.json)
    }

    private func hotspots(_ request: HTTPRequest, _ queries: MapQueries) throws -> Content {
        let (parameters, filter) = try filtered(request, queries, and: ["bbox", "limit", "zoom"])
        let spots = queries.hotspots(
            filter, limit: try parameters.integer("limit", in: 1...MapQueries.maxHotspots) ?? HeatmapTilesHandlers.defaultHotspots,
            zoom: try parameters.integer("zoom", in: HeatmapTilesHandlers.zooms) ?? Cube.cellZoom, in: try parameters.boundingBox("bbox"))
        return (try Payload.encode(spots), Self.json)
    }

    private func cells(_ request: HTTPRequest, _ queries: MapQueries) throws -> Content {
        let (parameters, filter) = try filtered(request, queries, and: ["bbox", "zoom", "format"])
        let zoom = try parameters.integer("zoom", in: HeatmapTilesHandlers.zooms) ?? Cube.cellZoom
        if try parameters.choice("format", CellFormat.self) == .json {
            let spots = queries.hotspots(filter, limit: MapQueries.maxCells + 1, zoom: zoom, in: try parameters.boundingBox("bbox"))
            guard spots.count <= MapQueries.maxCells else { throw MapQueries.tooManyCells }
            return (try Payload.encode(spots), Self.json)
        }
        return (try GeoJSON.write(queries.cells(filter, zoom: zoom, in: parameters.boundingBox("bbox"))), Self.geoJSON)
    }

    private func cell(_ request: HTTPRequest, _ queries: MapQueries) throws -> Content {
        let zooms = HeatmapTilesHandlers.zooms
        guard let cell = Tile(quadkey: request.pathParameters["quadkey"] ?? ""), zooms.contains(cell.zoom) else {
            throw BadQuery(field: "quadkey", reason: "must be \(zooms.lowerBound) to \(zooms.upperBound) digits from 0 to 3")
        }
        let parameters = try QueryParameters(request.query, allowed: QueryParameters.filterNames)
        return (try Payload.encode(queries.detail(of: cell, parameters)), Self.json)
    }

    private enum CellFormat: String, CaseIterable {
        case geojson
        case json
    }

    private func areas(_ request: HTTPRequest, _ queries: MapQueries) throws -> Content {
        _ = try QueryParameters(request.query, allowed: [])
        return (try GeoJSON.write(queries.areas()), Self.geoJSON)
    }

    private static let defaultItems = 50

    private func alerts(_ request: HTTPRequest) async throws -> HTTPResponse {
        try await list(request) { try await alertPages.page(request.query, $0, limit: Self.defaultItems).map($0.payload) }
    }

    private func complaints(_ request: HTTPRequest) async throws -> HTTPResponse {
        try await list(request) { try await complaintPages.newest(request.query, $0, limit: Self.defaultItems).map($0.payload) }
    }

    private func list<Item: Encodable>(
        _ request: HTTPRequest, _ items: (MapQueries) async throws -> [Item]
    ) async throws -> HTTPResponse {
        try await Self.refusing {
            let permitted = request.serviceContext.principal?.permittedJurisdictions
            let queries = MapQueries(state: map.current, forecast: nil, renderer: renderer, permitted: permitted)
            return try respond((try Payload.encode(try await items(queries)), Self.json), to: request)
        }
    }

    /// One alert, however old, as far as it is kept and the caller may see it.
    private func alert(_ request: HTTPRequest) async throws -> HTTPResponse {
        let permitted = request.serviceContext.principal?.permittedJurisdictions
        guard let found = try await map.alert(request.pathParameters["id"] ?? "", for: permitted, stored: storedAlert) else {
            return try Self.noAlert()
        }
        let queries = MapQueries(state: map.current, forecast: nil, renderer: renderer, permitted: permitted)
        return try TileCache.Answer(try Payload.encode(queries.payload(found)), contentType: Self.json, coding: .identity).response(to: request)
    }

    static func noAlert() throws -> HTTPResponse {
        try refusal(404, "not_found", "there is no such alert, or not any more, or it is not yours to see", field: "id")
    }

    private func filtered(
        _ request: HTTPRequest, _ queries: MapQueries, and others: Set<String>
    ) throws -> (QueryParameters, CubeFilter) {
        let parameters = try QueryParameters(request.query, allowed: QueryParameters.filterNames.union(others).union(["layer"]))
        let layer = try Self.layer(parameters["layer"] ?? "")
        return (parameters, try parameters.filter(layer: layer, for: queries))
    }

    // MARK: Answering

    /// The map that a request is about, as its caller may see it: as it is now, or as it was known `at` a moment.
    private func queries(for request: HTTPRequest) async throws -> MapQueries {
        let at = try QueryParameters(request.query.filter { $0.name == "at" }, allowed: ["at"]).knownBefore(asOf: now())
        let thisHour = Int(now().microseconds / CubeHour.microsecondsPerHour)
        let layer = (request.pathParameters["layer"] ?? request.query.first { $0.name == "layer" }?.value).flatMap { Layer(rawValue: $0) }
        let state: MapState
        if layer != .forecast, let at, at <= thisHour {
            state = try await past.map(knownBefore: at)
        } else {
            state = map.current(for: layer)
        }
        return MapQueries(
            state: state, forecast: map.forecast, renderer: renderer,
            permitted: request.serviceContext.principal?.permittedJurisdictions)
    }

    /// Answers from the map and for this caller.
    private func answer(
        _ request: HTTPRequest, _ content: @Sendable (HTTPRequest, MapQueries) throws -> Content
    ) async throws -> HTTPResponse {
        try await Self.refusing { try respond(try content(request, try await queries(for: request)), to: request) }
    }

    /// A bad query is a 400 that says what is wrong.
    static func refusing(_ body: () async throws -> HTTPResponse) async throws -> HTTPResponse {
        do {
            return try await body()
        } catch let error as BadQuery {
            return try refusal(error)
        }
    }

    private func respond(_ content: Content, to request: HTTPRequest) throws -> HTTPResponse {
        let coding = content.bytes.count < Self.minCompressedBytes ? .identity : ContentCoding.preferred(by: request.headers)
        return try TileCache.Answer(content.bytes, contentType: content.type, coding: coding).response(to: request)
    }

    private static let minCompressedBytes = 1024

    static func refusal(_ error: BadQuery) throws -> HTTPResponse {
        try refusal(400, "invalid_argument", error.reason, field: error.field)
    }

    static func refusal(_ status: Int, _ code: String, _ message: String, field: String? = nil) throws -> HTTPResponse {
        let whole = field.map { "\($0): \(message)" } ?? message
        return .json(try Payload.encode(Payload.Fault(code: code, field: field, message: whole)), status: status)
    }
}
