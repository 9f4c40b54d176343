import Geo
import Synchronization

/// Makes tiles from a map. Keeps what many tiles of a view share: how hot its hottest cell is, and which cells lie in an area.
final class TileRenderer: Sendable {
    private struct ScaleKey: Hashable {
        var filter: CubeFilter
        var zoom: Int
        var version: UInt64
    }

    private struct MaskKey: Hashable {
        var jurisdictions: Set<String>
        var cellCount: Int
        var areasRevision: Int
    }

    private struct Memory {
        var scales: [ScaleKey: HeatScale] = [:]
        var masks: [MaskKey: [Bool]] = [:]
    }

    /// Remembered scales and masks; when full, all are forgotten and made again as they are asked for.
    private static let maxScales = 512
    private static let maxMasks = 64

    private let memory = Mutex(Memory())

    /// A tile's cells as a vector tile; empty when there are none.
    func vectorTile(_ state: MapState, _ filter: CubeFilter, _ tile: Tile, geometry: CellTile.Geometry) -> [UInt8] {
        let prepared = prepare(filter, for: state)
        let cellZoom = CellTile.cellZoom(forTileZoom: tile.zoom)
        let cells = state.cube.cells(in: tile, zoom: cellZoom, prepared)
        guard !cells.isEmpty else { return [] }
        let scale = scale(state, filter, prepared, zoom: cellZoom)
        return CellTile.encode(cells, layer: filter.layer, tile: tile, geometry: geometry, scale: scale)
    }

    /// A tile's heat as pixels.
    func heatImage(_ state: MapState, _ filter: CubeFilter, _ tile: Tile, pixelsPerTile: Int, palette: Palette) -> HeatImage {
        let prepared = prepare(filter, for: state)
        let raster = HeatImage.Raster(zoom: tile.zoom, pixelsPerTile: pixelsPerTile)
        let scale = scale(state, filter, prepared, zoom: raster.cellZoom)
        return HeatImage(
            raster, x: tile.x * pixelsPerTile, y: tile.y * pixelsPerTile, width: pixelsPerTile, height: pixelsPerTile,
            palette: palette, scale: scale
        ) { x, y, columns, rows in
            state.cube.heat(filter.layer, zoom: raster.cellZoom, x: x, y: y, columns: columns, rows: rows, prepared)
        }
    }

    /// A filter made ready for a map, with the cells of its jurisdictions.
    func prepare(_ filter: CubeFilter, for state: MapState) -> CubeFilter.Prepared {
        filter.prepared(kinds: state.cube.kinds, cells: filter.jurisdictions.map { mask(state, $0) })
    }

    private func mask(_ state: MapState, _ jurisdictions: Set<String>) -> [Bool] {
        let areas = jurisdictions.compactMap { state.areas[$0] }
        let key = MaskKey(jurisdictions: jurisdictions, cellCount: state.cube.codes.count, areasRevision: state.areasRevision)
        if let mask = memory.withLock({ $0.masks[key] }) { return mask }
        let mask = state.cube.mask { position in areas.contains { $0.contains(position) } }
        memory.withLock { memory in
            if memory.masks.count >= Self.maxMasks { memory.masks.removeAll() }
            memory.masks[key] = mask
        }
        return mask
    }

    private func scale(_ state: MapState, _ filter: CubeFilter, _ prepared: CubeFilter.Prepared, zoom: Int) -> HeatScale {
        let key = ScaleKey(filter: filter, zoom: zoom, version: state.cube.version)
        if let scale = memory.withLock({ $0.scales[key] }) { return scale }
        let scale = HeatScale(hottest: state.cube.hottest(filter.layer, zoom: zoom, prepared))
        memory.withLock { memory in
            if memory.scales.count >= Self.maxScales { memory.scales.removeAll() }
            memory.scales[key] = scale
        }
        return scale
    }
}
