import Geo
import Synchronization

/// Makes tiles from a map. Keeps what many tiles of a view share: how hot its hottest cell is, and which cells lie in an area.
final class TileRenderer: Sendable {
    /// What shares a scale: a filter, and the zoom of the cells that are drawn.
    struct View: Sendable, Hashable {
        var filter: CubeFilter
        var cellZoom: Int
    }

    private struct ScaleKey: Hashable {
        var view: View
        var version: UInt64
        var forecastAt: Int64?
    }

    private struct PeaksKey: Hashable {
        var layer: Layer
        var knownBefore: Int?
        var forecastAt: Int64?
        /// Rises by one each time the layer's total doubles.
        var step: Int
    }

    private struct MaskKey: Hashable {
        var jurisdictions: Set<String>
        var knownBefore: Int?
        var forecastAt: Int64?
        var cellCount: Int
        var areasRevision: Int
    }

    private struct ExtentKey: Hashable {
        var mask: MaskKey
        var version: UInt64
    }

    private struct Memory {
        var scales: [ScaleKey: HeatScale] = [:]
        var peaks: [PeaksKey: [Double]] = [:]
        var masks: [MaskKey: [Bool]] = [:]
        var extents: [ExtentKey: (hours: ClosedRange<Int>?, kinds: [Bool])] = [:]
    }

    /// What is remembered of each; when full, all are forgotten and made again as they are asked for.
    private static let maxScales = 512
    private static let maxPeaks = 64
    private static let maxMasks = 64
    private static let maxExtents = 64

    private let memory = Mutex(Memory())

    /// A tile and what it depends on.
    struct Drawn<Content: Sendable>: Sendable {
        var content: Content
        var extent: TileCache.Extent
    }

    /// A tile's cells as a vector tile; empty when there are none.
    func vectorTile(_ state: MapState, _ filter: CubeFilter, _ tile: Tile, geometry: CellTile.Geometry) async -> Drawn<[UInt8]> {
        let prepared = prepare(filter, for: state)
        let view = View(filter: filter, cellZoom: CellTile.cellZoom(forTileZoom: tile.zoom))
        let cells = await state.cube.cellsConcurrently(in: tile, zoom: view.cellZoom, prepared)
        let extent = TileCache.Extent(zoom: tile.zoom, codes: [tile.code])
        guard !cells.isEmpty else { return Drawn(content: [], extent: extent) }
        let scale = scale(state, view, prepared)
        return Drawn(
            content: CellTile.encode(cells, layer: filter.layer, tile: tile, geometry: geometry, scale: scale),
            extent: TileCache.Extent(zoom: tile.zoom, codes: [tile.code], view: view, scale: scale))
    }

    /// A tile's heat as pixels.
    func heatImage(
        _ state: MapState, _ filter: CubeFilter, _ tile: Tile, pixelsPerTile: Int, palette: Palette
    ) -> Drawn<HeatImage> {
        let prepared = prepare(filter, for: state)
        let raster = HeatImage.Raster(zoom: tile.zoom, pixelsPerTile: pixelsPerTile)
        let view = View(filter: filter, cellZoom: raster.cellZoom)
        let scale = scale(state, view, prepared)
        let image = HeatImage(
            raster, x: tile.x * pixelsPerTile, y: tile.y * pixelsPerTile, width: pixelsPerTile, height: pixelsPerTile,
            palette: palette, scale: scale
        ) { x, y, columns, rows in
            state.cube.heat(filter.layer, zoom: raster.cellZoom, x: x, y: y, columns: columns, rows: rows, prepared)
        }
        // The kernel brings heat in from the tiles around.
        let cellsPerTile = pixelsPerTile / raster.pixelsPerCell
        let margin = (raster.reach + cellsPerTile - 1) / cellsPerTile
        let codes = (-margin...margin).flatMap { down in
            (-margin...margin).compactMap { right in Tile(zoom: tile.zoom, x: tile.x + right, y: tile.y + down)?.code }
        }
        return Drawn(content: image, extent: TileCache.Extent(zoom: tile.zoom, codes: codes, view: view, scale: scale))
    }

    /// A filter made ready for a map, with the cells of its jurisdictions.
    func prepare(_ filter: CubeFilter, for state: MapState) -> CubeFilter.Prepared {
        filter.prepared(
            kinds: state.cube.kinds, cells: filter.jurisdictions.map { mask(state, $0, knownBefore: filter.knownBefore) })
    }

    /// For each cell whether its middle lies in one of these jurisdictions.
    func mask(_ state: MapState, _ jurisdictions: Set<String>, knownBefore: Int?) -> [Bool] {
        remembered(maskKey(state, jurisdictions, knownBefore: knownBefore), in: \.masks, atMost: Self.maxMasks) {
            let areas = jurisdictions.compactMap { state.areas[$0] }
            return state.cube.mask { position in areas.contains { $0.contains(position) } }
        }
    }

    private func maskKey(_ state: MapState, _ jurisdictions: Set<String>, knownBefore: Int?) -> MaskKey {
        MaskKey(
            jurisdictions: jurisdictions, knownBefore: knownBefore, forecastAt: state.forecastAt, cellCount: state.cube.codes.count,
            areasRevision: state.areasRevision)
    }

    /// From the first to the last hour with an event in these jurisdictions, and for each kind whether it is there.
    func extent(of jurisdictions: Set<String>, in state: MapState, knownBefore: Int?) -> (hours: ClosedRange<Int>?, kinds: [Bool]) {
        let key = ExtentKey(mask: maskKey(state, jurisdictions, knownBefore: knownBefore), version: state.cube.version)
        return remembered(key, in: \.extents, atMost: Self.maxExtents) {
            state.cube.extent(of: mask(state, jurisdictions, knownBefore: knownBefore))
        }
    }

    /// What is remembered under a key; made now where it is not.
    private func remembered<Key: Hashable, Value: Sendable>(
        _ key: Key, in place: WritableKeyPath<Memory, [Key: Value]>, atMost most: Int, _ make: () -> Value
    ) -> Value {
        if let value = memory.withLock({ $0[keyPath: place][key] }) { return value }
        let value = make()
        memory.withLock { memory in
            if memory[keyPath: place].count >= most { memory[keyPath: place].removeAll() }
            memory[keyPath: place][key] = value
        }
        return value
    }

    /// What is drawn hottest in a view, the same for all its tiles.
    ///
    /// Where every cell counts, it is what the hottest cell of all time would have at its usual share of what the filter lets through, and
    /// three standard deviations (of a Poisson count) more: that takes no look at each cell, so a filter that nobody used before costs no
    /// more than one that everybody uses. Where only some jurisdictions count, their cells alone are looked at, so that nothing about
    /// others shows.
    func scale(_ state: MapState, _ view: View, _ prepared: CubeFilter.Prepared) -> HeatScale {
        guard view.filter.jurisdictions != nil else { return usualScale(state, view, prepared) }
        let key = ScaleKey(view: view, version: state.cube.version, forecastAt: state.forecastAt)
        return remembered(key, in: \.scales, atMost: Self.maxScales) {
            HeatScale(hottest: state.cube.hottest(view.filter.layer, prepared)[view.cellZoom])
        }
    }

    private func usualScale(_ state: MapState, _ view: View, _ prepared: CubeFilter.Prepared) -> HeatScale {
        let layer = view.filter.layer
        let everything = CubeFilter(layer: layer).prepared(kinds: state.cube.kinds, cells: nil)
        let ever = state.cube.world.tally(everything), now = state.cube.world.tally(prepared)
        guard now.count > 0, layer.heat(of: ever) > 0 else { return HeatScale(hottest: 0) }
        let key = PeaksKey(
            layer: layer, knownBefore: view.filter.knownBefore, forecastAt: state.forecastAt,
            step: 31 - Int32(clamping: ever.count).leadingZeroBitCount)
        let peaks = remembered(key, in: \.peaks, atMost: Self.maxPeaks) {
            state.cube.hottest(layer, everything).map { $0 / layer.heat(of: ever) }
        }
        let heat = layer.heat(of: now)
        let unit = heat / Double(now.count), usual = heat * peaks[view.cellZoom]
        return HeatScale(hottest: max(unit, usual + 3 * (usual * unit).squareRoot()))
    }
}
