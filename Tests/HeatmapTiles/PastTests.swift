import EventLog
import Geo
import RPC
import Records
import Testing

@testable import HeatmapTiles

@Suite struct PastTests {
    static func time(_ hour: Int) -> Int64 { Int64(Sample.firstHour + hour) * CubeHour.microsecondsPerHour }

    /// A transaction of one hour that became known in another.
    static func decision(_ hour: Int, known: Int, terminal: String = "", isPlaced: Bool = true) -> MapEvent {
        .decision(.init(
            eventMicroseconds: time(hour), position: isPlaced ? Sample.centre : nil, terminalID: terminal, channel: "atm", risk: 0.25,
            isFraud: false, knownMicroseconds: time(known)))
    }

    static func count(_ cube: Cube) -> Int {
        cube.total(in: nil, CubeFilter(layer: .transactions).prepared(kinds: cube.kinds, cells: nil)).count
    }

    @Test("The map as it was known before holds what had happened and was known by then, and nothing else")
    func past() async throws {
        try await LogFollowerTests.withStore { store in
            let (map, follower, _) = try await LogFollowerTests.load(store)
            let events = [(0, 0), (0, 0), (0, 5), (1, 1), (2, 3), (4, 4), (9, 9)].map { Self.decision($0.0, known: $0.1) }
            try await follower.take(LogFollowerTests.batch(events, from: 1))
            #expect(Self.count(map.current.cube) == 7)
            for (hour, expected) in [(0, 0), (1, 2), (2, 3), (3, 3), (4, 4), (5, 5), (6, 6), (9, 6), (10, 7)] {
                let cube = try await store.loadPast(before: Sample.firstHour + hour)
                #expect(Self.count(cube) == expected, "before hour \(hour)")
                #expect(cube.world.entryCount == cube.entryCount)
            }
        }
    }

    @Test("What happened at a terminal is known from when the terminal is")
    func lateTerminals() async throws {
        try await LogFollowerTests.withStore { store in
            let map = LiveMap(MapState())
            let now = Timestamp(microseconds: Self.time(7))
            let follower = LogFollower(LogFollowerTests.consumer(store), store: store, map: map, position: .start, now: { now })
            let decision = Self.decision(0, known: 0, terminal: MapStateTests.site.terminalID, isPlaced: false)
            try await follower.take(LogFollowerTests.batch([decision], from: 1))
            try await follower.take(LogFollowerTests.batch([.site(MapStateTests.site)], from: 2))
            #expect(Self.count(map.current.cube) == 1)
            #expect(try await Self.count(store.loadPast(before: Sample.firstHour + 7)) == 0)
            #expect(try await Self.count(store.loadPast(before: Sample.firstHour + 8)) == 1)
        }
    }

    @Test("A request for the past is answered from the past, and made once; one for the future from now")
    func requests() async throws {
        let map = LiveMap(QueryTests.state)
        let past = PastMaps(map: map) { hour in hour == Sample.firstHour + 1 ? Sample.cube(of: Sample.events(50, seed: 3)) : Cube() }
        try await RoutesTests.withRoutes(map, past: past) { routes in
            var routes = routes
            func count(at: String) async throws -> Int {
                let response = try await RoutesTests.tile(routes, "transactions", "0", "0", "0", "mvt", query: [("at", at)])
                #expect(response.status == 200)
                return try DecodedTile(response.bytes).layers["transactions"]?.reduce(0) { $0 + Int($1.attributes["count"] ?? 0) } ?? 0
            }
            let fifty = Self.count(Sample.cube(of: Sample.events(50, seed: 3)))
            #expect(try await count(at: "2026-01-05T00:30:00Z") == fifty)
            #expect(try await count(at: "2026-01-05T03:00:00Z") == 0)
            // Nobody knows what will be known.
            for moment in ["2089-01-05T03:00:00Z", "2030"] {
                let answer = try await RoutesTests.tile(routes, "transactions", "0", "0", "0", "mvt", query: [("at", moment)])
                #expect(answer.status == 400 && String(decoding: answer.bytes, as: UTF8.self).contains("\"message\":\"at: must"), "\(moment)")
            }
            // Nor at the end of this hour.
            routes.now = { Timestamp(iso8601: "2026-01-05T00:10:00Z") ?? .now() }
            for (moment, status) in [("2026-01-05T00:10:00Z", 200), ("2026-01-05T00:11:00Z", 400)] {
                #expect(try await RoutesTests.tile(routes, "fraud", "0", "0", "0", "mvt", query: [("at", moment)]).status == status)
            }
            let bad = try await RoutesTests.tile(routes, "transactions", "0", "0", "0", "mvt", query: [("at", "then")])
            #expect(bad.status == 400 && String(decoding: bad.bytes, as: UTF8.self).contains("\"field\":\"at\""))
        }
    }

    @Test("Complaints are kept with the map, newest first, and found again at the next start")
    func complaints() async throws {
        try await LogFollowerTests.withStore { store in
            let (map, _, records) = try await LogFollowerTests.load(store)
            let complaints = (0..<4).map { number in
                MapEvent.complaint(.init(
                    eventMicroseconds: Self.time(number), position: Sample.centre, crimeType: "robbery", reporterID: "police",
                    complaintID: "c\(number)", reportedMicroseconds: Self.time(number) + 5, amountMinorUnits: number == 0 ? nil : 500,
                    currency: "INR", district: "North"))
            }
            try await records.take(LogFollowerTests.batch(complaints, from: 1))
            #expect(map.current.complaints.map(\.complaintID) == ["c3", "c2", "c1", "c0"])
            let (again, _, _) = try await LogFollowerTests.load(store)
            #expect(again.current.complaints == map.current.complaints)
        }
    }
}
