import Geo
import SeededRandom
import Testing

@testable import HeatmapTiles

@Suite struct CubeTests {
    /// Counts by looking at every event, with nothing clever.
    static func bruteForce(_ events: [SampleEvent], _ filter: CubeFilter) -> [UInt64: Tally] {
        var cells: [UInt64: Tally] = [:]
        for event in events where matches(event, filter) {
            cells[Tile(containing: event.position, zoom: Cube.cellZoom).code, default: Tally()] += Tally(count: 1, riskSum: event.risk)
        }
        guard filter.minimumRisk > 0, filter.layer.isOfPayments else { return cells }
        var ofPayments = filter
        (ofPayments.layer, ofPayments.minimumRisk) = (.transactions, 0)
        let payments = bruteForce(events, ofPayments)
        return cells.filter { payments[$0.key].map { $0.meanRisk >= filter.minimumRisk } ?? false }
    }

    static func matches(_ event: SampleEvent, _ filter: CubeFilter) -> Bool {
        guard event.kind.signal == filter.layer.signal, filter.hours.contains(event.hour) else { return false }
        if let types = filter.types, !types.contains(event.kind.type) { return false }
        let localMinutes = (event.hour - Sample.firstHour) * 60 + filter.offsetMinutes + 7 * 24 * 60
        if let hours = filter.hoursOfDay, !hours.contains(localMinutes / 60 % 24) { return false }
        if let days = filter.daysOfWeek, !days.contains(localMinutes / 60 / 24 % 7 + 1) { return false }
        return true
    }

    static func randomFilter(_ generator: inout SplitMix64) -> CubeFilter {
        func maybe<T>(_ value: T) -> T? { Bool.random(using: &generator) ? value : nil }
        var filter = CubeFilter(layer: Layer.allCases.randomElement(using: &generator) ?? .risk)
        let from = Sample.firstHour + .random(in: -10..<400, using: &generator)
        if Bool.random(using: &generator) { filter.hours = from..<(from + .random(in: 0..<300, using: &generator)) }
        filter.types = maybe(Set(Sample.kinds.map(\.type).shuffled(using: &generator).prefix(3)))
        filter.minimumRisk = maybe(.random(in: 0..<0.5, using: &generator)) ?? 0
        filter.hoursOfDay = maybe(Set((0..<24).shuffled(using: &generator).prefix(10)))
        filter.daysOfWeek = maybe(Set((1...7).shuffled(using: &generator).prefix(3)))
        filter.offsetMinutes = [0, 330, -480, 345].randomElement(using: &generator) ?? 0
        return filter
    }

    @Test("Counts equal brute force over the events, at every zoom, for random filters", arguments: [1, 2, 3])
    func bruteForceAgrees(seed: UInt64) throws {
        let events = Sample.events(4000, seed: seed)
        let cube = Sample.cube(of: events)
        var generator = SplitMix64(seed: seed &+ 1000)
        for _ in 0..<20 {
            let filter = Self.randomFilter(&generator)
            let prepared = filter.prepared(kinds: cube.kinds, cells: nil)
            let expected = Self.bruteForce(events, filter)
            for zoom in 0...CellTile.maximumZoom {
                let tile = Tile(containing: Sample.centre, zoom: zoom)
                let inside = expected.filter { tile.codes(atZoom: Cube.cellZoom).contains($0.key) }
                let cells = cube.cells(in: tile, zoom: CellTile.cellZoom(forTileZoom: zoom), prepared)
                #expect(cells.reduce(0) { $0 + $1.tally.count } == inside.values.reduce(0) { $0 + $1.count })
                let risk = cells.reduce(0) { $0 + $1.tally.riskSum }
                #expect(abs(risk - inside.values.reduce(0) { $0 + $1.riskSum }) < 1e-6)
                #expect(cells.map(\.code) == Set(cells.map(\.code)).sorted())
            }
            let series = cube.series(in: nil, hoursPerBucket: 6, prepared)
            #expect(series.values.reduce(0) { $0 + $1.count } == expected.values.reduce(0) { $0 + $1.count })
            #expect(series.keys.allSatisfy { $0 % 6 == 0 })
        }
    }

    @Test("A cube grown event by event equals one rebuilt from its entries in any order")
    func rebuilt() {
        let events = Sample.events(3000, seed: 9)
        var grown = Cube()
        for start in stride(from: 0, to: events.count, by: 37) {
            grown.apply(Sample.increments(Array(events[start..<min(events.count, start + 37)]), in: &grown))
        }
        var sums: [[UInt64]: Cube.Increment] = [:]
        for increment in Sample.increments(events, in: &grown) {
            sums[[increment.cell, UInt64(increment.kind), UInt64(increment.hour)],
                 default: .init(cell: increment.cell, hour: increment.hour, kind: increment.kind, tally: Tally())].tally += increment.tally
        }
        var empty = Cube()
        for kind in grown.kinds.kinds { _ = empty.number(for: kind) }
        var builder = CubeBuilder(empty), generator = SplitMix64(seed: 10)
        for increment in sums.values.shuffled(using: &generator) { builder.add(increment) }
        let rebuilt = builder.finish()
        #expect(rebuilt.codes == grown.codes)
        #expect(rebuilt.entryCount == grown.entryCount)
        #expect(rebuilt.hours == grown.hours)
        for layer in Layer.allCases {
            let filter = CubeFilter(layer: layer).prepared(kinds: grown.kinds, cells: nil)
            let (one, other) = (rebuilt.total(in: nil, filter), grown.total(in: nil, filter))
            #expect(one.count == other.count && abs(one.riskSum - other.riskSum) < 1e-6)
            #expect(rebuilt.cells(in: .world, zoom: 17, filter).map(\.tally.count) == grown.cells(in: .world, zoom: 17, filter).map(\.tally.count))
        }
    }

    @Test("Who holds a cube sees it unchanged while events go on arriving")
    func snapshots() {
        var cube = Sample.cube(of: Sample.events(100, seed: 4))
        let before = cube
        cube.apply(Sample.increments(Sample.events(100, seed: 5), in: &cube))
        let filter = CubeFilter(layer: .transactions).prepared(kinds: cube.kinds, cells: nil)
        #expect(before.total(in: nil, filter).count < cube.total(in: nil, filter).count)
        #expect(before.version < cube.version)
    }

    @Test("Hotspots are the hottest cells, hottest first, and inside the box that was asked for")
    func hotspots() throws {
        let events = Sample.events(3000, seed: 11)
        let cube = Sample.cube(of: events)
        let filter = CubeFilter(layer: .complaints)
        let ranked = cube.hotspots(.complaints, limit: 10, zoom: 15, in: nil, filter.prepared(kinds: cube.kinds, cells: nil))
        var counts: [UInt64: Int] = [:]
        for (code, tally) in Self.bruteForce(events, filter) { counts[code >> 4, default: 0] += tally.count }
        #expect(ranked.map(\.tally.count) == Array(counts.values.sorted(by: >).prefix(10)))
        let box = try #require(Tile(zoom: 15, code: ranked[3].code)).bounds
        let inside = cube.hotspots(.complaints, limit: 10, zoom: 15, in: box, filter.prepared(kinds: cube.kinds, cells: nil))
        #expect(inside == [ranked[3]])
    }

    @Test("A mask leaves out the cells whose middles lie outside")
    func masks() {
        let events = Sample.events(2000, seed: 12)
        let cube = Sample.cube(of: events)
        let west = cube.mask { $0.longitude < Sample.centre.longitude }
        let filter = CubeFilter(layer: .transactions)
        let inWest = cube.total(in: nil, filter.prepared(kinds: cube.kinds, cells: west)).count
        let inEast = cube.total(in: nil, filter.prepared(kinds: cube.kinds, cells: west.map { !$0 })).count
        #expect(inWest > 0 && inEast > 0)
        #expect(inWest + inEast == cube.total(in: nil, filter.prepared(kinds: cube.kinds, cells: nil)).count)
    }

    @Test("Types beyond the table's size count as other, and none is lost")
    func tooManyTypes() {
        var cube = Cube()
        let cell = Tile(containing: Sample.centre, zoom: Cube.cellZoom).code
        for number in 0..<2000 {
            let kind = cube.number(for: Kind(signal: .complaint, type: "type \(number)"))
            cube.apply([.init(cell: cell, hour: Sample.firstHour, kind: kind, tally: Tally(count: 1))])
        }
        #expect(cube.kinds.kinds.count <= KindTable.maxKinds)
        #expect(cube.kinds.types(of: .complaint).contains(Kind.otherType))
        #expect(cube.total(in: nil, CubeFilter(layer: .complaints).prepared(kinds: cube.kinds, cells: nil)).count == 2000)
        #expect(cube.number(for: Kind(signal: .alert, type: "atm")) == cube.number(for: Kind(signal: .alert, type: Kind.otherType)))
    }

    @Test("An entry takes at most 24 bytes")
    func memory() {
        #expect(CellHistory.bytesPerEntry <= 24)
    }
}
