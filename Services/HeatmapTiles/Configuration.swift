import Foundation
import ServiceRuntime

/// What the tile service reads from its environment beside the shared variables.
struct HeatmapTilesConfiguration: Sendable {
    /// The files of MapLibre GL JS by name; empty when no folder was given.
    var mapLibreFiles: [String: [UInt8]] = [:]
    /// Where browsers reach this service; nil for the address that the other services use.
    var publicURL: String?
    /// A MapLibre style to draw under everything; nil for the page's own.
    var baseMapStyleURL: String?
    var maxListeners: Int
    var cacheBytes: Int

    static let mapLibreFileNames = ["maplibre-gl.js", "maplibre-gl.css"]

    init(from reader: ConfigurationReader) {
        let variable = "VIGIL_TILES_MAPLIBRE_DIR"
        if let directory = reader.optional(variable, "folder with maplibre-gl.js and maplibre-gl.css, for the dashboard's map") {
            for name in Self.mapLibreFileNames {
                do {
                    mapLibreFiles[name] = [UInt8](try Data(contentsOf: URL(fileURLWithPath: directory).appending(path: name)))
                } catch {
                    reader.fail(variable, "\(directory)/\(name) cannot be read")
                }
            }
        }
        publicURL = reader.optional("VIGIL_TILES_PUBLIC_URL", "address at which browsers and TileJSON readers reach this service")
        baseMapStyleURL = reader.optional(
            "BASEMAP_STYLE_URL", "MapLibre style of a base map, https://…; its host is the only one beside this that pages may ask")
        if let url = baseMapStyleURL, Self.origin(of: url) == nil { reader.fail("BASEMAP_STYLE_URL", "must be an https address") }
        maxListeners = reader.int("VIGIL_TILES_MAX_LISTENERS", default: 1_000, in: 1...100_000, "dashboards that may listen at once")
        cacheBytes = reader.int(
            "VIGIL_TILES_CACHE_BYTES", default: 64 << 20, in: 1 << 20...1 << 36, "memory for tiles that were made before")
    }

    /// Scheme, host and port of an https address, as a content security policy spells it; nil for anything else.
    static func origin(of url: String) -> String? {
        guard let parts = URLComponents(string: url), parts.scheme == "https", let host = parts.host, !host.isEmpty,
            host.utf8.allSatisfy({ $0 > 0x20 && $0 != UInt8(ascii: ";") && $0 != UInt8(ascii: ",") })
        else { return nil }
        return "https://\(host)" + (parts.port.map { ":\($0)" } ?? "")
    }
}
