import Geo
import Identity
import RPC
import Records
import ServiceContextModule
import Testing

@testable import HeatmapTiles

/// Who may see one district only must not hear from the live stream that anything happens in another.
@Suite struct LimitedLiveTests {
    private static let north = Sample.centre.moved(metres: 5_000, bearingDegrees: 0)
    private static let south = Sample.centre.moved(metres: 5_000, bearingDegrees: 180)

    private let map = LiveMap(JurisdictionTests.everywhere)

    private var live: LiveStream {
        var live = LiveStream(map: map, maxListeners: 2)
        live.pace = .milliseconds(1)
        // `alive` comes once, at the beginning where there is nothing to tell.
        live.heartbeat = .seconds(3600)
        return live
    }

    private func happen(_ number: Int, at position: Position) {
        map.apply(map.current.change(for: [MapStateTests.decision(number, position: position)]))
    }

    /// Hears what a viewer of `north` does who has seen an event.
    private func listen(
        to live: LiveStream, after seen: String? = nil, _ body: (AsyncStream<String>) async throws -> Void
    ) async throws {
        var context = ServiceContext.topLevel
        context.principal = Principal(subject: "asha", kind: .user, scopes: [Scope.readTiles], jurisdictions: ["north"])
        let response = try live.response(to: HTTPRequest(
            path: "/live", headers: seen.map { ["last-event-id": $0] } ?? [:], serviceContext: context))
        guard case .stream(let write) = response.body else { throw RPCError(.internal, "no stream") }
        let (events, continuation) = AsyncStream.makeStream(of: String.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await write(HTTPBodyWriter { continuation.yield(String(decoding: $0, as: UTF8.self)) }) }
            let begin = try await Self.next(events)
            #expect(begin == "retry: 2000\n\n")
            try await body(events)
            group.cancelAll()
        }
    }

    private static func next(_ events: AsyncStream<String>) async throws -> String {
        for await event in events { return event }
        throw RPCError(.internal, "the stream has ended")
    }

    /// The identifier and the data of a `change`.
    private static func change(_ event: String) throws -> (id: String, data: String) {
        let lines = event.split(separator: "\n").map(String.init)
        try #require(lines.count == 3 && lines[0] == "event: change", "\(lines)")
        return (String(lines[1].dropFirst("id: ".count)), String(lines[2].dropFirst("data: ".count)))
    }

    @Test("Changes elsewhere are silent: they neither wake the stream nor show in a number, and a viewer resumes where it left")
    func silence() async throws {
        let live = live, map = map
        let cell = Tile(containing: Self.north, zoom: Cube.cellZoom).quadkey
        try await listen(to: live) { events in
            let first = try Self.change(try await Self.next(events))
            #expect(first.data == "{}")
            for number in 0..<50 { happen(number, at: Self.south) }
            happen(50, at: Self.north)
            let second = try Self.change(try await Self.next(events))
            #expect(second.data == "{\"cells\":[\"\(cell)\"]}")
            #expect(!second.id.contains("\(map.current.revision)") && UInt64(second.id) == nil)
            for number in 51..<60 { happen(number, at: Self.south) }
            try await resume(live, after: second.id, hears: "event: alive\ndata: \n\n")
            try await resume(live, after: first.id, hears: "data: \(second.data)\n\n")
            // Another process's, or made up.
            for strange in ["\(map.current.revision)", "AAAA", try RevisionSeal().text(map.current.revision)] {
                try await resume(live, after: strange, hears: "data: {}\n\n")
            }
        }
    }

    private func resume(_ live: LiveStream, after id: String, hears end: String) async throws {
        try await listen(to: live, after: id) { events in
            let event = try await Self.next(events)
            #expect(event.hasSuffix(end))
        }
    }

    @Test("A district elsewhere that is redrawn is no news, one's own is")
    func redrawn() throws {
        let before = map.current.revision
        func redraw(_ id: String) throws {
            map.apply(map.current.change(for: [.area(try #require(map.current.areas[id]))]))
        }
        try redraw("south")
        #expect(map.changes(since: before).effect == nil)
        #expect(map.changes(since: before, in: ["north"]).effect?.cells == [])
        try redraw("north")
        #expect(map.changes(since: before, in: ["north"]).effect == nil)
    }

    @Test("So many changes elsewhere that they are not known one by one any more are no news either; one in one's own district among them is")
    func flooded() throws {
        let start = map.current.revision
        func flood(_ count: Int) {
            var number = 0
            while number < count {
                let places = (number..<number + 500).map { Self.south.moved(metres: Double($0) * 400, bearingDegrees: 180) }
                map.apply(map.current.change(for: places.enumerated().map { MapStateTests.decision(number + $0, position: $1) }))
                number += 500
            }
        }
        flood(ChangeJournal.maxCells + 5000)
        #expect(map.changes(since: start).effect == nil)
        let told = try #require(map.changes(since: start, in: ["north"]).effect)
        #expect(!told.cells.contains(MapState.cell(Self.north)))
        let before = map.current.revision
        happen(1, at: Self.north)
        flood(ChangeJournal.maxCells + 5000)
        #expect(map.changes(since: before, in: ["north"]).effect == nil)
        #expect(map.changes(since: before, in: ["elsewhere"]).effect != nil)
    }

    @Test("The summary's revision, which counts everybody's changes, is for those alone who see everything")
    func revisionOfSummary() async throws {
        try await RoutesTests.withRoutes(map) { routes in
            let everything = try await RoutesTests.get(routes, "/api/summary")
            let limited = try await RoutesTests.get(routes, "/api/summary", jurisdictions: ["north"])
            #expect(String(decoding: everything.bytes, as: UTF8.self).contains("\"revision\":"))
            #expect(!String(decoding: limited.bytes, as: UTF8.self).contains("revision"))
            happen(1, at: Self.south)
            #expect(try await RoutesTests.get(routes, "/api/summary", jurisdictions: ["north"]).bytes == limited.bytes)
        }
    }
}
