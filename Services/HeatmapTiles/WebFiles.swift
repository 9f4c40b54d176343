import RPC

/// The dashboard's files, held in memory with their tags.
struct WebFiles: Sendable {
    private struct File: Sendable {
        var bytes: [UInt8]
        var contentType: String
        var tag: String
    }

    private var files: [String: File] = [:]

    /// The page asks nobody but this service, runs no inline script, and is shown in no frame. MapLibre's workers are blobs of its own.
    static let contentSecurityPolicy = [
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:", "connect-src 'self'",
        "worker-src blob:", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'",
    ].joined(separator: "; ")

    /// - Parameter mapLibre: MapLibre's files by name, served under `maplibre/`.
    init(mapLibre: [String: [UInt8]]) {
        add("index.html", PackageResources.index_html)
        add("static/icon.svg", PackageResources.icon_svg)
        add("static/dashboard.css", PackageResources.dashboard_css)
        add("static/api.js", PackageResources.api_js)
        add("static/format.js", PackageResources.format_js)
        add("static/live.js", PackageResources.live_js)
        add("static/main.js", PackageResources.main_js)
        add("static/map.js", PackageResources.map_js)
        add("static/palette.js", PackageResources.palette_js)
        add("static/panels.js", PackageResources.panels_js)
        add("static/state.js", PackageResources.state_js)
        add("static/strings.js", PackageResources.strings_js)
        add("static/timeline.js", PackageResources.timeline_js)
        for (name, bytes) in mapLibre { add("maplibre/\(name)", bytes) }
    }

    private mutating func add(_ path: String, _ bytes: [UInt8]) {
        let types = ["html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"]
        let type = path.split(separator: ".").last.flatMap { types[String($0)] } ?? "application/octet-stream"
        files[path] = File(bytes: bytes, contentType: "\(type); charset=utf-8", tag: EntityTag.of(bytes))
    }

    /// The answer to a request for a file; 404 when there is none of this name.
    func response(for path: String, _ request: HTTPRequest) -> HTTPResponse {
        guard let file = files[path] else {
            let hint = path.hasPrefix("maplibre/") ? ": MapLibre is not installed; see VIGIL_TILES_MAPLIBRE_DIR" : ""
            return .text("not found\(hint)\n", status: 404)
        }
        var response = EntityTag.respond(file.bytes, tag: file.tag, contentType: file.contentType, to: request)
        response.headers["content-security-policy"] = Self.contentSecurityPolicy
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

    static func respond(_ bytes: [UInt8], tag: String, contentType: String, to request: HTTPRequest) -> HTTPResponse {
        // A browser asks again each time, and mostly hears that nothing has changed.
        var headers: HTTPHeaders = ["etag": tag, "cache-control": "private, no-cache"]
        let held = request.headers.values("if-none-match").flatMap { $0.split(separator: ",") }
            .map { $0.drop { $0 == " " } }
            .map { $0.hasPrefix("W/") ? $0.dropFirst(2) : $0 }
        if held.contains(where: { $0 == tag || $0 == "*" }) { return HTTPResponse(status: 304, headers: headers) }
        headers["content-type"] = contentType
        return HTTPResponse(headers: headers, body: .bytes(bytes))
    }
}
