import Geo

// What is asked of a cube. All answers count only what the filter lets through.
extension Cube {
    /// A cell, at zoom 17 or an ancestor's, and what happened in it.
    struct Cell: Sendable, Hashable {
        /// A tile's code at the zoom that was asked for.
        var code: UInt64
        var tally: Tally
        /// How many more events than in as many hours before; nil where the filter's span is open.
        var change: Int?
    }

    /// A rectangle of cells at one zoom, as a dense grid of heat, row by row from the north-west.
    struct HeatGrid: Sendable {
        var columns: Int
        var rows: Int
        var values: [Float]
    }

    /// The cells inside a tile, summed up to `zoom` (at most 17), in the order of their codes; only those that have events.
    func cells(in tile: Tile, zoom: Int, _ filter: CubeFilter.Prepared) -> [Cell] {
        var cells: [Cell] = []
        let shift = UInt64(2 * (Self.cellZoom - zoom))
        let range = tile.codes(atZoom: Self.cellZoom)
        var hints = SearchHints(kindCount: filter.kinds.count)
        let indices = lowerBound(range.lowerBound)..<lowerBound(range.upperBound)
        var touched: UInt64 = 0
        for index in indices where filter.cells?[index] != false {
            if (index - indices.lowerBound) % Self.cellsAhead == 0 {
                touched &+= touch(index..<min(index + Self.cellsAhead, indices.upperBound), filter, hints)
            }
            let (tally, countBefore) = histories.withUnsafeBufferPointer { $0[index].tallies(filter, &hints) }
            guard isCounted(index, tally, filter) else { continue }
            let parent = codes[index] >> shift
            let change = filter.hoursBefore == nil ? nil : tally.count - countBefore
            if let last = cells.indices.last, cells[last].code == parent {
                cells[last].tally += tally
                if let change { cells[last].change? += change }
            } else {
                cells.append(Cell(code: parent, tally: tally, change: change))
            }
        }
        return cells
    }

    /// Whether a cell of which a filter lets `tally` through counts. Where the tally is that of the payments, no other need be taken.
    private func isCounted(_ index: Int, _ tally: Tally, _ filter: CubeFilter.Prepared) -> Bool {
        guard tally.count > 0, let leastRisk = filter.leastRisk else { return tally.count > 0 }
        guard filter.kinds != leastRisk.payments else { return tally.meanRisk >= leastRisk.mean }
        var payments = filter
        payments.kinds = leastRisk.payments
        return histories[index].tally(payments).meanRisk >= leastRisk.mean
    }

    /// So many cells at a time memory is asked for what their sums will need.
    private static let cellsAhead = 8

    /// Reads where the searches of the next cells will begin, so that the waits for them overlap.
    /// - Returns: a number that depends on all that was read, so that the reading is not left out.
    @inline(never)
    private func touch(_ indices: Range<Int>, _ filter: CubeFilter.Prepared, _ hints: SearchHints) -> UInt64 {
        var sum: UInt64 = 0
        for index in indices { sum &+= histories[index].touchRuns() }
        for index in indices { sum &+= histories[index].touchEntries(filter, hints) }
        return sum
    }

    /// One task looks at no more cells of the finest zoom than so many, where others can help.
    static let maxCellsOfTask = 512

    /// As `cells(in:zoom:_:)`; a tile of many cells is shared out by its quarters, whose codes follow each other.
    func cellsConcurrently(in tile: Tile, zoom: Int, _ filter: CubeFilter.Prepared) async -> [Cell] {
        let range = tile.codes(atZoom: Self.cellZoom)
        guard zoom > tile.zoom, lowerBound(range.upperBound) - lowerBound(range.lowerBound) > Self.maxCellsOfTask else {
            return cells(in: tile, zoom: zoom, filter)
        }
        return await withTaskGroup(of: (quarter: UInt64, cells: [Cell]).self) { group in
            for quarter in 0..<UInt64(4) {
                guard let part = Tile(zoom: tile.zoom + 1, code: tile.code << 2 | quarter) else { continue }
                group.addTask { (quarter, await cellsConcurrently(in: part, zoom: zoom, filter)) }
            }
            var quarters = [[Cell]](repeating: [], count: 4)
            for await part in group { quarters[Int(part.quarter)] = part.cells }
            return quarters.flatMap { $0 }
        }
    }

    /// The sum over everything, or over the cells whose middles lie in a box.
    func total(in box: BoundingBox?, _ filter: CubeFilter.Prepared) -> Tally {
        if isWorld(box, filter) { return world.tally(filter) }
        var total = Tally()
        forEachCell(in: box, filter) { _, tally in total += tally }
        return total
    }

    /// Whether every cell counts, so that the world's own history answers.
    private func isWorld(_ box: BoundingBox?, _ filter: CubeFilter.Prepared) -> Bool {
        box == nil && filter.cells == nil && filter.leastRisk == nil
    }

    /// The hottest value among all cells at each zoom from 0 to 17.
    func hottest(_ layer: Layer, _ filter: CubeFilter.Prepared) -> [Double] {
        var hottest = [Double](repeating: 0, count: Self.cellZoom + 1)
        // The codes come in order, so each zoom has one cell at a time that is being summed up.
        var sums = [(code: UInt64, tally: Tally)](repeating: (.max, Tally()), count: Self.cellZoom + 1)
        forEachCell(Tile.world.codes(atZoom: Self.cellZoom), filter) { code, tally in
            for zoom in 0...Self.cellZoom {
                let parent = code >> UInt64(2 * (Self.cellZoom - zoom))
                if sums[zoom].code != parent { sums[zoom] = (parent, Tally()) }
                sums[zoom].tally += tally
                hottest[zoom] = max(hottest[zoom], layer.heat(of: sums[zoom].tally))
            }
        }
        return hottest
    }

    /// From the first to the last hour with an event in the cells of a mask, and for each kind whether it is there.
    func extent(of cells: [Bool]) -> (hours: ClosedRange<Int>?, kinds: [Bool]) {
        var hours: ClosedRange<Int>?
        var kinds = [Bool](repeating: false, count: self.kinds.kinds.count)
        let every = [Bool](repeating: true, count: kinds.count)
        for (index, history) in histories.enumerated() where cells[index] {
            guard let own = history.hours(ofKinds: every) else { continue }
            hours = min(hours?.lowerBound ?? own.lowerBound, own.lowerBound)...max(hours?.upperBound ?? own.upperBound, own.upperBound)
            history.forEachKind { kinds[$0] = true }
        }
        return (hours, kinds)
    }

    /// How many payments and complaints there were in each of these hours, in the cells of a mask, or in all.
    func counts(byHourIn hours: ClosedRange<Int>, of cells: [Bool]?) -> [Int] {
        let filter = CubeFilter.Prepared(
            kinds: kinds.kinds.map(\.signal.isFirst), hours: hours.lowerBound..<hours.upperBound + 1, hoursBefore: nil,
            hoursOfWeek: nil, cells: nil)
        var counts = [Int](repeating: 0, count: hours.count)
        guard let cells else {
            world.forEachEntry(filter) { _, hour, tally in counts[hour - hours.lowerBound] += tally.count }
            return counts
        }
        for (index, history) in histories.enumerated() where cells[index] {
            history.forEachEntry(filter) { _, hour, tally in counts[hour - hours.lowerBound] += tally.count }
        }
        return counts
    }

    /// The `limit` hottest cells at a zoom, hottest first; among equals the lower code first.
    func hotspots(_ layer: Layer, limit: Int, zoom: Int, in box: BoundingBox?, _ filter: CubeFilter.Prepared) -> [Cell] {
        let cells = cells(in: Tile.world, zoom: zoom, filter).filter { cell in
            guard let box else { return true }
            return Tile(zoom: zoom, code: cell.code).map { box.contains($0.centre) } ?? false
        }
        let ranked = cells.map { (heat: layer.heat(of: $0.tally), cell: $0) }
            .sorted { $0.heat != $1.heat ? $0.heat > $1.heat : $0.cell.code < $1.cell.code }
        return ranked.prefix(limit).map(\.cell)
    }

    /// The sums of each span of `hoursPerBucket` hours, keyed by the span's first hour (a multiple of `hoursPerBucket`). A least
    /// risk leaves out cells by their mean over all hours of the filter.
    func series(in box: BoundingBox?, hoursPerBucket: Int, _ filter: CubeFilter.Prepared) -> [Int: Tally] {
        var buckets: [Int: Tally] = [:]
        if isWorld(box, filter) {
            world.forEachEntry(filter) { _, hour, tally in buckets[hour - hour % hoursPerBucket, default: Tally()] += tally }
            return buckets
        }
        forEachIndex(in: box, filter) { index in
            if filter.leastRisk != nil, !isCounted(index, histories[index].tally(filter), filter) { return }
            histories[index].forEachEntry(filter) { _, hour, tally in
                buckets[hour - hour % hoursPerBucket, default: Tally()] += tally
            }
        }
        return buckets
    }

    /// Heat in a window of cells at `zoom`: `columns` × `rows` from the cell (`x`, `y`) on. Cells beyond the world's edge are cold.
    func heat(_ layer: Layer, zoom: Int, x: Int, y: Int, columns: Int, rows: Int, _ filter: CubeFilter.Prepared) -> HeatGrid {
        var grid = HeatGrid(columns: columns, rows: rows, values: [Float](repeating: 0, count: columns * rows))
        // Blocks of 8 × 8 cells: codes inside a block are one range.
        let blockZoom = max(0, zoom - 3)
        let shift = zoom - blockZoom
        let side = 1 << blockZoom
        for blockY in max(0, y >> shift)...max(0, min(side - 1, (y + rows - 1) >> shift)) {
            for blockX in max(0, x >> shift)...max(0, min(side - 1, (x + columns - 1) >> shift)) {
                guard let block = Tile(zoom: blockZoom, x: blockX, y: blockY) else { continue }
                for cell in cells(in: block, zoom: zoom, filter) {
                    guard let tile = Tile(zoom: zoom, code: cell.code) else { continue }
                    let (column, row) = (tile.x - x, tile.y - y)
                    guard (0..<columns).contains(column), (0..<rows).contains(row) else { continue }
                    grid.values[row * columns + column] = Float(layer.heat(of: cell.tally))
                }
            }
        }
        return grid
    }

    /// Calls `body` with each hour of each cell in a tile that a filter lets through.
    func forEachEntry(in tile: Tile, _ filter: CubeFilter.Prepared, _ body: (_ hour: Int, _ tally: Tally) -> Void) {
        let range = tile.codes(atZoom: Self.cellZoom)
        for index in lowerBound(range.lowerBound)..<lowerBound(range.upperBound) where filter.cells?[index] != false {
            histories[index].forEachEntry(filter) { _, hour, tally in body(hour, tally) }
        }
    }

    /// For each cell whether its middle lies in the area.
    func mask(_ contains: (Position) -> Bool) -> [Bool] {
        codes.map { code in Tile(zoom: Self.cellZoom, code: code).map { contains($0.centre) } ?? false }
    }

    private func forEachCell(_ range: Range<UInt64>, _ filter: CubeFilter.Prepared, _ body: (UInt64, Tally) -> Void) {
        for index in lowerBound(range.lowerBound)..<lowerBound(range.upperBound) where filter.cells?[index] != false {
            let tally = histories[index].tally(filter)
            if isCounted(index, tally, filter) { body(codes[index], tally) }
        }
    }

    private func forEachCell(in box: BoundingBox?, _ filter: CubeFilter.Prepared, _ body: (UInt64, Tally) -> Void) {
        forEachIndex(in: box, filter) { index in
            let tally = histories[index].tally(filter)
            if isCounted(index, tally, filter) { body(codes[index], tally) }
        }
    }

    private func forEachIndex(in box: BoundingBox?, _ filter: CubeFilter.Prepared, _ body: (Int) -> Void) {
        for index in codes.indices where filter.cells?[index] != false {
            if let box {
                guard let tile = Tile(zoom: Self.cellZoom, code: codes[index]), box.contains(tile.centre) else { continue }
            }
            body(index)
        }
    }
}

extension Tile {
    /// The one tile of zoom 0.
    static let world = Tile(containing: Position(latitude: 0, longitude: 0), zoom: 0)
}
