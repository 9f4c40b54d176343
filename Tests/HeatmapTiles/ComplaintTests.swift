import EventLog
import Geo
import Postgres
import TestSupport
import Testing

@testable import HeatmapTiles

/// Complaints that are told again otherwise, and those without a place.
@Suite struct ComplaintTests {
    private static let far = Sample.centre.moved(metres: 5000, bearingDegrees: 90)

    private static func complaint(
        _ id: String, hour: Int = 0, at position: Position? = Sample.centre, type: String = "upi_fraud", knownHour: Int = 30,
        amount: Int64 = 100
    ) -> MapEvent {
        let time = Int64(Sample.firstHour + hour) * CubeHour.microsecondsPerHour
        return .complaint(.init(
            eventMicroseconds: time, position: position, crimeType: type,
            knownMicroseconds: Int64(Sample.firstHour + knownHour) * CubeHour.microsecondsPerHour, reporterID: "police", complaintID: id,
            reportedMicroseconds: time + 1, amountMinorUnits: amount))
    }

    /// What is told of complaints: each (cell, hour, type) with its count, what has no place, and the list.
    private static func told(_ state: MapState) -> [String] {
        var lines: [String] = []
        for type in state.cube.kinds.types(of: .complaint) {
            var filter = CubeFilter(layer: .complaints)
            filter.types = [type]
            let prepared = filter.prepared(kinds: state.cube.kinds, cells: nil)
            for (hour, tally) in state.cube.series(in: nil, hoursPerBucket: 1, prepared) { lines.append("\(type) \(hour) \(tally.count)") }
            for cell in state.cube.cells(in: .world, zoom: Cube.cellZoom, prepared) { lines.append("\(type) \(cell.code) \(cell.tally.count)") }
            lines.append("\(type) nowhere \(state.countWithoutPlace(filter) ?? -1) total \(state.cube.total(in: nil, prepared).count)")
        }
        let list = state.complaints.map { "\($0.complaintID) \($0.crimeType) \($0.amountMinorUnits ?? 0) \($0.position == nil)" }
        return lines.sorted() + list + ["\(state.cube.totals[.complaint]?.count ?? 0)"]
    }

    private static let first = [complaint("a"), complaint("b", hour: 2), complaint("c", at: nil), complaint("a", hour: 0, amount: 150)]
    private static let later = [
        complaint("a", hour: 3, at: far, type: "robbery", knownHour: 50, amount: 200), complaint("c", hour: 1, knownHour: 51),
        complaint("b", hour: 2, at: nil, knownHour: 52), complaint("d", hour: 4, knownHour: 52),
    ]
    /// What should count in the end, each told once.
    private static let settled = [later[0], later[1], later[2], later[3]]

    @Test("A corrected complaint takes the place of the one before it: in memory, in the store, for a replica and for one that reads late")
    func corrected() async throws {
        try await LogFollowerTests.withStore { store in
            let (map, _, records) = try await LogFollowerTests.load(store), late = try await LogFollowerTests.load(store)
            try await records.take(LogFollowerTests.batch(Self.first, from: 1))
            #expect(map.current.complaints.map(\.complaintID).sorted() == ["a", "b", "c"])
            #expect(map.current.complaints.first { $0.complaintID == "a" }?.amountMinorUnits == 150)
            #expect(map.current.countWithoutPlace(CubeFilter(layer: .complaints)) == 1)
            let before = Self.told(map.current)
            #expect(Self.told(try await LogFollowerTests.load(store).map.current) == before)

            try await records.take(LogFollowerTests.batch(Self.later, from: 5))
            var once = MapState()
            once.apply(once.change(for: Self.settled))
            #expect(Self.told(map.current) == Self.told(once))
            #expect(Self.told(try await LogFollowerTests.load(store).map.current) == Self.told(once))
            // Another replica reads what is stored already, in other batches.
            let all = Self.first + Self.later
            try await late.records.take(LogFollowerTests.batch(Array(all[..<6]), from: 1))
            try await late.records.take(LogFollowerTests.batch(Array(all[6...]), from: 7))
            #expect(Self.told(late.map.current) == Self.told(once))
            // Told again, nothing changes; and the past is as it was told then.
            try await records.take(LogFollowerTests.batch(Self.later, from: 5))
            #expect(Self.told(map.current) == Self.told(once))
            let past = try await store.loadPast(before: Sample.firstHour + 40)
            let counted = past.series(in: nil, hoursPerBucket: 1, CubeFilter(layer: .complaints).prepared(kinds: past.kinds, cells: nil))
            #expect(counted.mapValues(\.count) == [Sample.firstHour: 1, Sample.firstHour + 2: 1])
        }
    }

    @Test("Of what is taken away, a cell's history keeps nothing, and the rest of it stays")
    func taken() {
        let events = Sample.events(3000, seed: 77), removed = events.prefix(1200)
        var cube = Sample.cube(of: events)
        cube.apply(Sample.increments(Array(removed), in: &cube).map { increment in
            var increment = increment
            increment.tally = Tally(count: -1, riskSum: -increment.tally.riskSum)
            return increment
        })
        let rest = Sample.cube(of: Array(events.dropFirst(1200)))
        #expect(cube.entryCount == rest.entryCount && cube.totals.mapValues(\.count) == rest.totals.mapValues(\.count))
        for layer in Layer.recorded {
            let filter = CubeFilter(layer: layer)
            let own = filter.prepared(kinds: cube.kinds, cells: nil), other = filter.prepared(kinds: rest.kinds, cells: nil)
            #expect(cube.cells(in: .world, zoom: 17, own).map(\.tally.count) == rest.cells(in: .world, zoom: 17, other).map(\.tally.count))
            #expect(cube.series(in: nil, hoursPerBucket: 1, own).mapValues(\.count) == rest.series(in: nil, hoursPerBucket: 1, other).mapValues(\.count))
        }
    }

    @Test("Without a place a complaint is listed for who may see everything, and for nobody else")
    func listed() async throws {
        var state = MapState()
        state.apply(state.change(for: Self.first))
        let queries = MapQueries(state: state, forecast: nil, renderer: TileRenderer(), permitted: nil)
        let listed = try await ComplaintPages().newest([], queries, limit: 10).map(queries.payload)
        #expect(listed.count == 3 && listed.contains { $0.complaintID == "c" && $0.latitude == nil && $0.jurisdiction == nil })
        let summary = try queries.summary(QueryParameters([], allowed: []))
        #expect(summary.layers.first { $0.name == "complaints" }.map { [$0.count, $0.withoutPlace] } == [2, 1])
        let limited = MapQueries(state: state, forecast: nil, renderer: TileRenderer(), permitted: ["nowhere"])
        #expect(try await ComplaintPages().newest([], limited, limit: 10).isEmpty)
    }

    @Test("A store from before versions were kept counts complaints anew from the log, and keeps all else")
    func migrated() async throws {
        try await TemporaryPostgres.withPool(schema: "tiles") { pool in
            try await migrate(pool, migrations: Array(MapStore.migrations.prefix(3)))
            try await pool.execute("INSERT INTO kinds (signal, type) VALUES ('complaint', 'upi_fraud'), ('transaction', 'atm')")
            let hour = Int32(Sample.firstHour), cell = Int64(MapState.cell(Sample.centre))
            for kind in [Int32(1), 2] { try await pool.execute("INSERT INTO cells VALUES (\(cell), \(kind), \(hour), 7, 0)") }
            try await pool.execute("INSERT INTO late SELECT hour + 1, cell, kind, hour, count, risk_sum FROM cells")
            for consumer in ["records", "decisions"] {
                try await pool.execute("INSERT INTO log_positions VALUES (\(consumer), \(PostgresTransactionID(4)), 4)")
            }
            try await migrate(pool, migrations: MapStore.migrations)
            let store = MapStore(pool: pool)
            let (map, _, records) = try await LogFollowerTests.load(store)
            #expect(try await LogFollowerTests.consumer(store).position().sequence == 4)
            #expect(MapStateTests.count(map.current, .transactions) == 7 && MapStateTests.count(map.current, .complaints) == 0)
            try await records.take(LogFollowerTests.batch(Self.first, from: 1))
            #expect(MapStateTests.count(map.current, .complaints) == 2)
            #expect(Self.told(try await LogFollowerTests.load(store).map.current) == Self.told(map.current))
        }
    }
}
