import RPC

/// The dashboard's files, held in memory with their tags.
struct WebFiles: Sendable {
    private struct File: Sendable {
        /// By coding; compressed once, at the start.
        var answers: [ContentCoding: TileCache.Answer]
    }

    private var files: [String: File] = [:]

    /// The page asks nobody but this service and the base map's, runs no inline script, and is shown in no frame. MapLibre's workers
    /// are blobs of its own.
    let contentSecurityPolicy: String

    /// - Parameters:
    ///   - mapLibre: MapLibre's files by name, served under `maplibre/`.
    ///   - baseMapStyleURL: an https address, told to the page in `static/basemap.json`.
    init(mapLibre: [String: [UInt8]], baseMapStyleURL: String? = nil) {
        let other = baseMapStyleURL.flatMap { HeatmapTilesConfiguration.origin(of: $0) }.map { " \($0)" } ?? ""
        contentSecurityPolicy = [
            "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:\(other)",
            "connect-src 'self'\(other)", "worker-src blob:", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'",
        ].joined(separator: "; ")
        add("static/basemap.json", (try? Payload.encode(["style": baseMapStyleURL])) ?? [])
        add("index.html", PackageResources.index_html)
        add("static/icon.svg", PackageResources.icon_svg)
        add("static/dashboard.css", PackageResources.dashboard_css)
        add("static/alerts.js", PackageResources.alerts_js)
        add("static/api.js", PackageResources.api_js)
        add("static/chart.js", PackageResources.chart_js)
        add("static/detail.js", PackageResources.detail_js)
        add("static/format.js", PackageResources.format_js)
        add("static/live.js", PackageResources.live_js)
        add("static/login.js", PackageResources.login_js)
        add("static/main.js", PackageResources.main_js)
        add("static/map.js", PackageResources.map_js)
        add("static/mercator.js", PackageResources.mercator_js)
        add("static/models.js", PackageResources.models_js)
        add("static/outlook.js", PackageResources.outlook_js)
        add("static/palette.js", PackageResources.palette_js)
        add("static/panels.js", PackageResources.panels_js)
        add("static/player.js", PackageResources.player_js)
        add("static/state.js", PackageResources.state_js)
        add("static/strings.js", PackageResources.strings_js)
        add("static/timeline.js", PackageResources.timeline_js)
        for (name, bytes) in mapLibre { add("maplibre/\(name)", bytes) }
    }

    private mutating func add(_ path: String, _ bytes: [UInt8]) {
        let types = ["html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "json": "application/json"]
        let type = path.split(separator: ".").last.flatMap { types[String($0)] } ?? "application/octet-stream"
        var answers: [ContentCoding: TileCache.Answer] = [:]
        for coding in ContentCoding.allCases {
            // A large file takes seconds at the best, so that is for what comes with the package.
            let answer = try? TileCache.Answer(
                bytes, contentType: "\(type); charset=utf-8", coding: coding, effort: bytes.count > 1 << 18 ? .fast : .best)
            if let answer { answers[coding] = answer }
        }
        files[path] = File(answers: answers)
    }

    /// The answer to a request for a file; 404 when there is none of this name.
    func response(for path: String, _ request: HTTPRequest) -> HTTPResponse {
        let coding = ContentCoding.preferred(by: request.headers)
        guard let answers = files[path]?.answers, let answer = answers[coding] ?? answers[.identity] else {
            let hint = path.hasPrefix("maplibre/") ? ": MapLibre is not installed; see VIGIL_TILES_MAPLIBRE_DIR" : ""
            return .text("not found\(hint)\n", status: 404)
        }
        var response = EntityTag.respond(answer, to: request)
        response.headers["content-security-policy"] = contentSecurityPolicy
        response.headers["x-content-type-options"] = "nosniff"
        response.headers["referrer-policy"] = "no-referrer"
        return response
    }
}

/// Strong entity tags (RFC 9110, 8.8.3): a client that has the bytes already is answered 304.
enum EntityTag {
    /// A tag made of the bytes: two 64-bit FNV-1a sums, one from each end.
    static func of(_ bytes: [UInt8]) -> String {
        func sum(_ bytes: some Sequence<UInt8>) -> String {
            let value = bytes.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
            return String(value, radix: 36)
        }
        return "\"\(sum(bytes))-\(sum(bytes.reversed()))\""
    }

    static func respond(_ answer: TileCache.Answer, to request: HTTPRequest) -> HTTPResponse {
        let tag = answer.tag
        // A browser asks again each time, and mostly hears that nothing has changed.
        var headers: HTTPHeaders = ["etag": tag, "cache-control": "private, no-cache", "vary": "accept-encoding, authorization, cookie"]
        let held = request.headers.values("if-none-match").flatMap { $0.split(separator: ",") }
            .map { $0.drop { $0 == " " } }
            .map { $0.hasPrefix("W/") ? $0.dropFirst(2) : $0 }
        if held.contains(where: { $0 == tag || $0 == "*" }) { return HTTPResponse(status: 304, headers: headers) }
        headers["content-type"] = answer.contentType
        if !answer.coding.isEmpty { headers["content-encoding"] = answer.coding }
        return HTTPResponse(headers: headers, body: .bytes(answer.bytes))
    }
}

extension TileCache.Answer {
    /// An answer in a coding, with a tag of its own: what differs by a byte has another tag.
    init(
        _ bytes: [UInt8], contentType: String, coding: ContentCoding, effort: ContentCoding.Effort = .fast, extent: TileCache.Extent? = nil
    ) throws {
        let encoded = bytes.isEmpty ? bytes : try coding.encode(bytes, effort: effort)
        self.init(
            bytes: encoded, contentType: contentType, coding: coding == .identity || bytes.isEmpty ? "" : coding.rawValue,
            tag: EntityTag.of(encoded), extent: extent)
    }
}
