import Foundation
import ServiceRuntime

/// What the tile service reads from its environment beside the shared variables.
struct HeatmapTilesConfiguration: Sendable {
    /// The files of MapLibre GL JS by name; empty when no folder was given.
    var mapLibreFiles: [String: [UInt8]] = [:]
    /// Where browsers reach this service; nil for the address that the other services use.
    var publicURL: String?
    var maxListeners: Int

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
        maxListeners = reader.int("VIGIL_TILES_MAX_LISTENERS", default: 1_000, in: 1...100_000, "dashboards that may listen at once")
    }
}
