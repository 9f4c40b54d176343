import Geo

/// A tile of terminals as points, with `terminal`, `kind` and `institution`.
enum SiteTile {
    static let layerName = "terminals"
    /// Less deep than this, a tile has cash machines alone, for a city's terminals are too many to be told apart; still less deep, it has none.
    static let minimumZoom = 11
    static let minimumATMZoom = 8
    static let maxSitesPerTile = 4000

    static func encode(_ state: MapState, tile: Tile, jurisdictions: Set<String>?) -> [UInt8] {
        guard tile.zoom >= minimumATMZoom else { return [] }
        var layer = VectorTile.Layer(name: layerName)
        let terminal = layer.key("terminal"), kind = layer.key("kind"), institution = layer.key("institution")
        let side = Double(1 << tile.zoom)
        let sites = state.sites.sites(in: tile, limit: tile.zoom < minimumZoom ? .max : maxSitesPerTile).lazy
            .filter { tile.zoom >= minimumZoom || $0.site.sort == .atm }.prefix(maxSitesPerTile)
        for (_, site) in sites {
            if let jurisdictions, !state.isPosition(site.position, inAnyOf: jurisdictions) { continue }
            let place = WebMercator.project(site.position)
            let extent = Double(VectorTile.extent)
            let point = VectorTile.Point(
                x: min(VectorTile.extent - 1, Int((place.x * side - Double(tile.x)) * extent)),
                y: min(VectorTile.extent - 1, Int((place.y * side - Double(tile.y)) * extent)))
            layer.put(terminal, .string(site.terminalID))
            layer.put(kind, .string(site.sort.rawValue))
            layer.put(institution, .string(site.institution))
            layer.addPoint(id: nil, point)
        }
        var encoded = VectorTile()
        encoded.add(layer)
        return encoded.bytes
    }
}
