import RPC

/// The dashboard's files.
struct WebFiles: Sendable {
    private var files: StaticFiles

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
        files = StaticFiles(headers: [
            "content-security-policy": contentSecurityPolicy, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer",
        ])
        files.add("static/basemap.json", (try? Payload.encode(["style": baseMapStyleURL])) ?? [])
        files.add("index.html", PackageResources.index_html)
        files.add("static/icon.svg", PackageResources.icon_svg)
        files.add("static/dashboard.css", PackageResources.dashboard_css)
        let scripts = [
            "acknowledgements": PackageResources.acknowledgements_js, "alerts": PackageResources.alerts_js, "api": PackageResources.api_js,
            "chart": PackageResources.chart_js, "complaints": PackageResources.complaints_js, "controls": PackageResources.controls_js,
            "detail": PackageResources.detail_js, "format": PackageResources.format_js, "healing": PackageResources.healing_js,
            "items": PackageResources.items_js, "layers": PackageResources.layers_js, "legend": PackageResources.legend_js,
            "live": PackageResources.live_js, "login": PackageResources.login_js, "main": PackageResources.main_js, "map": PackageResources.map_js,
            "mercator": PackageResources.mercator_js, "models": PackageResources.models_js, "names": PackageResources.names_js,
            "notes": PackageResources.notes_js, "outlook": PackageResources.outlook_js, "palette": PackageResources.palette_js,
            "panels": PackageResources.panels_js, "player": PackageResources.player_js, "rove": PackageResources.rove_js,
            "shapes": PackageResources.shapes_js, "state": PackageResources.state_js, "strings": PackageResources.strings_js,
            "theme": PackageResources.theme_js, "timeline": PackageResources.timeline_js, "waiting": PackageResources.waiting_js,
            "zones": PackageResources.zones_js,
        ]
        for (name, bytes) in scripts { files.add("static/\(name).js", bytes) }
        for (name, bytes) in mapLibre { files.add("maplibre/\(name)", bytes) }
    }

    /// The answer to a request for a file; 404 when there is none of this name.
    func response(for path: String, _ request: HTTPRequest) -> HTTPResponse {
        if let response = files.response(for: path, to: request) { return response }
        let hint = path.hasPrefix("maplibre/") ? ": MapLibre is not installed; see VIGIL_TILES_MAPLIBRE_DIR" : ""
        return .text("not found\(hint)\n", status: 404)
    }
}
