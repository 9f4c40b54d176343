import Geo

/// A tile of cells: which cells a tile shows, and how they are written.
enum CellTile {
    /// The deepest zoom that tiles are made for; a map draws deeper views from these.
    static let maximumZoom = Cube.cellZoom
    /// A tile shows at most 64 × 64 cells: the cells of the zoom six levels down, or the finest.
    static let levelsBelow = 6

    static func cellZoom(forTileZoom zoom: Int) -> Int { min(Cube.cellZoom, zoom + levelsBelow) }

    enum Geometry: String, Sendable, Hashable, CaseIterable {
        /// Each cell is a point in its middle: for heat and clusters.
        case points
        /// Each cell is its square.
        case cells
    }

    /// Encodes a tile's cells as one layer with the attributes `count`, `risk` (mean, 0…1), `expected` (sum of the risks),
    /// `heat` (0…1 against `scale`) and, under a filter with both ends, `change` (events more than in the span of the same length before).
    /// A forecast has `expected` and `heat` alone.
    /// A feature's id is its cell's code.
    static func encode(_ cells: [Cube.Cell], layer: Layer, tile: Tile, geometry: Geometry, scale: HeatScale) -> [UInt8] {
        let cellZoom = cellZoom(forTileZoom: tile.zoom)
        let perSide = 1 << (cellZoom - tile.zoom)
        let unit = VectorTile.extent / perSide
        var encoded = VectorTile.Layer(name: layer.rawValue)
        let expected = encoded.key("expected"), heat = encoded.key("heat")
        // Nothing of what is only expected can be counted yet.
        let counted = layer == .forecast ? nil : (count: encoded.key("count"), risk: encoded.key("risk"))
        let change = layer == .forecast || cells.first?.change == nil ? nil : encoded.key("change")
        for cell in cells {
            guard let place = Tile(zoom: cellZoom, code: cell.code) else { continue }
            let (x, y) = ((place.x & (perSide - 1)) * unit, (place.y & (perSide - 1)) * unit)
            encoded.put(expected, .float(rounded(cell.tally.riskSum, to: layer == .forecast ? 10_000 : 100)))
            encoded.put(heat, .float(rounded(scale.share(of: layer.heat(of: cell.tally)), to: 1000)))
            if let counted {
                encoded.put(counted.count, .unsigned(UInt64(cell.tally.count)))
                encoded.put(counted.risk, .float(rounded(cell.tally.meanRisk, to: 1000)))
            }
            if let change, let more = cell.change { encoded.put(change, .signed(Int64(more))) }
            switch geometry {
            case .points:
                encoded.addPoint(id: cell.code, .init(x: x + unit / 2, y: y + unit / 2))
            case .cells:
                let square: [VectorTile.Point] = [
                    .init(x: x, y: y), .init(x: x + unit, y: y), .init(x: x + unit, y: y + unit), .init(x: x, y: y + unit),
                ]
                encoded.addPolygon(id: cell.code, [square])
            }
        }
        var vectorTile = VectorTile()
        vectorTile.add(encoded)
        return vectorTile.bytes
    }

    /// Fewer different values make smaller tiles; no eye sees the rest.
    private static func rounded(_ value: Double, to steps: Double) -> Float {
        Float((value * steps).rounded() / steps)
    }
}

/// What counts as fully hot, the same for every tile of a view, so that neighbours agree.
struct HeatScale: Sendable, Hashable {
    /// The value that is drawn hottest; above zero.
    let full: Double

    /// A scale for a view whose hottest cell has this value. It is rounded up to a half power of two: a view's colours then
    /// stay as they are while counts grow a little, and so do tiles that did not change.
    init(hottest: Double) {
        var full = 1.0 / 1024
        while full < hottest { full *= 2 }
        if full * 0.707_106_781_186_547_6 >= hottest { full *= 0.707_106_781_186_547_6 }
        self.full = full
    }

    /// 0…1: the square root of the value's part, since most cells are far cooler than the hottest.
    func share(of value: Double) -> Double { min(1, max(0, value / full)).squareRoot() }
}
