import EventLog
import Geo
import Logging
import Postgres
import TestSupport
import Testing

@testable import HeatmapTiles

@Suite struct LogFollowerTests {
    static func withStore(_ body: (MapStore) async throws -> Void) async throws {
        try await TemporaryPostgres.withPool(schema: "tiles") { pool in
            try await migrate(pool, migrations: MapStore.migrations)
            try await body(MapStore(pool: pool))
        }
    }

    static func consumer(_ store: MapStore, _ name: String = "decisions") -> LogConsumer { LogConsumer(name: name, pool: store.pool) }

    /// What a start finds.
    static func load(_ store: MapStore) async throws -> (map: LiveMap, follower: LogFollower, records: LogFollower) {
        let consumers = [consumer(store), consumer(store, "records")]
        let (state, positions) = try await store.load(revision: 1, consumers: consumers)
        let map = LiveMap(state)
        let followers = consumers.map { LogFollower($0, store: store, map: map, position: positions[$0.name] ?? .start) }
        return (map, followers[0], followers[1])
    }

    static func batch(_ events: [MapEvent], from first: Int, following: LogPosition? = nil) -> LogConsumer.Batch<MapEvent?> {
        let positions = events.indices.map { LogPosition(transactionID: UInt64(first + $0), sequence: Int64(first + $0)) }
        let before = first == 1 ? LogPosition.start : LogPosition(transactionID: UInt64(first - 1), sequence: Int64(first - 1))
        return .init(following: following ?? before, events: zip(positions, events).map { (position: $0, event: $1) })
    }

    /// Everything that can be asked of a map.
    static func fingerprint(_ state: MapState) -> [String] {
        let totals = Layer.allCases.map { layer in
            let tally = state.cube.total(in: nil, CubeFilter(layer: layer).prepared(kinds: state.cube.kinds, cells: nil))
            return "\(layer) \(tally.count) \((tally.riskSum * 1e6).rounded())"
        }
        let cells = state.cube.cells(
            in: Tile(containing: Sample.centre, zoom: 0), zoom: Cube.cellZoom,
            CubeFilter(layer: .transactions).prepared(kinds: state.cube.kinds, cells: nil)).map { "\($0.code) \($0.tally.count)" }
        return totals + cells + state.alerts.map { "\($0)" } + ["\(state.cube.entryCount) \(state.unplaced.count) \(state.sites.count)", "\(nowhere(state))"]
            + state.areas.values.map { "\($0)" }.sorted()
    }

    private static func nowhere(_ state: MapState) -> [Int?] {
        [Layer.transactions, .fraud, .alerts].map { state.countWithoutPlace(CubeFilter(layer: $0)) } + [state.nowhere.count]
    }

    static func events(_ count: Int, seed: UInt64) -> [MapEvent] {
        Sample.events(count, seed: seed).enumerated().map { index, event in
            let time = Int64(event.hour) * CubeHour.microsecondsPerHour + Int64(index)
            guard event.kind.signal != .complaint else {
                return .complaint(.init(eventMicroseconds: time, position: event.position, crimeType: event.kind.type))
            }
            let alert = event.risk < 0.8 ? nil : AlertNote(
                decisionID: "\(seed)-\(index)", eventMicroseconds: time, decidedMicroseconds: time + 1, position: nil,
                terminalID: "T\(index % 7)", channel: event.kind.type, amountMinorUnits: index % 2 == 0 ? nil : 100, currency: "INR",
                risk: event.risk, reasons: ReasonTests.reasons)
            return .decision(.init(
                eventMicroseconds: time, position: index % 3 == 0 ? nil : event.position, terminalID: "T\(index % 7)",
                channel: event.kind.type, risk: event.risk, isFraud: event.risk > 0.5, alert: alert))
        }
    }

    @Test("A map rebuilt from the database equals the one in memory, terminals that came late and outlines included")
    func rebuilt() async throws {
        try await Self.withStore { store in
            let (map, follower, records) = try await Self.load(store)
            let events = Self.events(1200, seed: 51)
            try await follower.take(Self.batch(Array(events[..<500]), from: 1))
            let parts = [70.0, 90].map { BoundingBox(west: $0, south: 20, east: $0 + 10, north: 30) }
            let outline = try MultiPolygon(parts.map { try Polygon(box: $0) })
            let sites = (0..<5).map { index in
                let position = Sample.centre.moved(metres: Double(index) * 900, bearingDegrees: 40)
                return MapEvent.site(Site(terminalID: "T\(index)", sort: .atm, position: position, institution: ""))
            }
            let areas = [Area(id: "a", name: "A", outline: outline), Area(id: "b", name: "B", outline: nil)]
            try await records.take(Self.batch(sites + areas.map { .area($0) }, from: 1))
            try await follower.take(Self.batch(Array(events[500...]), from: 501))
            let again = try await Self.load(store)
            #expect(Self.fingerprint(again.map.current) == Self.fingerprint(map.current))
            #expect(map.current.unplaced.count == 2)
        }
    }

    @Test("The store has the complaints that memory has no room for, by time and place")
    func storedComplaints() async throws {
        try await Self.withStore { store in
            let (map, _, records) = try await Self.load(store)
            let complaints = (0..<700).map { number in
                MapEvent.complaint(ComplaintNote(
                    eventMicroseconds: Int64(Sample.firstHour + number % 2) * CubeHour.microsecondsPerHour,
                    position: number % 3 == 0 ? nil : Position(latitude: 17, longitude: Double(number % 3)), crimeType: "robbery",
                    reporterID: "police", complaintID: "c\(number)", reportedMicroseconds: Int64(number)))
            }
            try await records.take(Self.batch(complaints, from: 1))
            let last = try #require(map.current.complaints.last)
            #expect(map.current.complaints.count == MapState.maxComplaints && last.complaintID == "c200")
            func found(_ hours: Range<Int>? = nil, _ box: BoundingBox? = nil) async throws -> [String] {
                try await store.complaints(.init(hours: hours, box: box, after: last.place)).map(\.complaintID)
            }
            let rest = (0..<200).reversed()
            #expect(try await found() == rest.map { "c\($0)" })
            let first = Sample.firstHour..<Sample.firstHour + 1
            #expect(try await found(first) == rest.filter { $0 % 2 == 0 }.map { "c\($0)" })
            let box = BoundingBox(west: 1.5, south: 16, east: 2.5, north: 18)
            #expect(try await found(first, box) == rest.filter { $0 % 2 == 0 && $0 % 3 == 2 }.map { "c\($0)" })
        }
    }

    @Test("A batch that comes again, whole or in part, counts once in memory and in the database")
    func again() async throws {
        try await Self.withStore { store in
            let (map, follower, _) = try await Self.load(store)
            let events = Self.events(300, seed: 52)
            try await follower.take(Self.batch(Array(events[..<200]), from: 1))
            let once = Self.fingerprint(map.current)
            try await follower.take(Self.batch(Array(events[..<200]), from: 1))
            #expect(Self.fingerprint(map.current) == once)
            try await follower.take(Self.batch(Array(events[100...]), from: 101))
            let whole = Self.fingerprint(map.current)
            #expect(Self.fingerprint(try await Self.load(store).map.current) == whole)
            var expected = MapState()
            expected.apply(expected.change(for: events))
            #expect(Self.fingerprint(expected).prefix(5) == whole.prefix(5))
        }
    }

    @Test("What another replica has stored, memory takes in and the database does not count again")
    func replicas() async throws {
        try await Self.withStore { store in
            let first = try await Self.load(store), second = try await Self.load(store)
            let events = Self.events(200, seed: 53)
            try await first.follower.take(Self.batch(events, from: 1))
            try await second.follower.take(Self.batch(events, from: 1))
            #expect(Self.fingerprint(first.map.current) == Self.fingerprint(second.map.current))
            #expect(Self.fingerprint(try await Self.load(store).map.current) == Self.fingerprint(first.map.current))
        }
    }

    @Test("When the log goes on beyond what memory has, the follower ends instead of leaving a hole")
    func holes() async throws {
        try await Self.withStore { store in
            let first = try await Self.load(store), second = try await Self.load(store)
            let events = Self.events(20, seed: 54)
            try await first.follower.take(Self.batch(Array(events[..<10]), from: 1))
            await #expect(throws: LogFollower.MemoryBehind.self) {
                try await second.follower.take(Self.batch(Array(events[10...]), from: 11))
            }
        }
    }

    @Test("Only the newest alerts are stored; one that is not shown any more is found as long as it is")
    func pruned() async throws {
        try await Self.withStore { store in
            var store = store
            store.maxStoredAlerts = 900
            let (map, follower, _) = try await Self.load(store)
            let events = (0..<1300).map { MapStateTests.decision($0, risk: 0.95) }
            try await follower.take(Self.batch(Array(events[..<700]), from: 1))
            try await follower.take(Self.batch(Array(events[700...]), from: 701))
            let rows = try await store.pool.query("SELECT count(*) FROM alerts")
            #expect(try rows[0].decode(Int64.self) == 900)
            let (shown, kept, gone) = (map.current.alerts[0].decisionID, "d401", "d399")
            #expect(map.current.alerts.count == MapState.maxAlerts && !map.current.alerts.contains { $0.decisionID == kept })
            #expect(try await store.alert(shown) == map.current.alerts[0])
            #expect(try await store.alert(kept)?.decisionID == kept)
            #expect(try await store.alert(gone) == nil)
            let ofSpan = try await store.alerts(in: Sample.firstHour..<Sample.firstHour + 1), before = try await store.alerts(in: 0..<Sample.firstHour)
            #expect(ofSpan == map.current.alerts && before.isEmpty)
            let next = try await store.alerts(in: 0..<CubeHour.range.upperBound, after: ofSpan.last?.place)
            #expect(next.count == 400 && next.first.map { $0.place > ofSpan[499].place } == true && next.last?.decisionID == "d400")
            #expect(try await Self.load(store).map.current.alerts == map.current.alerts)
        }
    }
}
