import Geo
import RPC
import Synchronization
import Testing

@testable import HeatmapTiles

@Suite struct TileCacheTests {
    static func answer(_ tile: Tile? = nil, byteCount: Int = 10, view: TileRenderer.View? = nil, scale: HeatScale? = nil) throws -> TileCache.Answer {
        try TileCache.Answer(
            [UInt8](repeating: 7, count: byteCount), contentType: "x/y", coding: .identity,
            extent: tile.map { TileCache.Extent(zoom: $0.zoom, codes: [$0.code], view: view, scale: scale) })
    }

    final class Count: Sendable {
        let value = Mutex(0)
    }

    @Test("A changed cell takes away the answers that show it, at every zoom, and leaves all others")
    func invalidation() async throws {
        let cache = TileCache(maxBytes: 1 << 20)
        let far = Sample.centre.moved(metres: 30_000, bearingDegrees: 90)
        for zoom in 0...17 {
            for (name, place) in [("near", Sample.centre), ("far", far)] {
                let tile = Tile(containing: place, zoom: zoom)
                _ = try await cache.answer("\(name) \(zoom)", for: "asha") { try Self.answer(tile) }
            }
        }
        cache.forget(cells: [MapState.cell(Sample.centre)])
        for zoom in 0...17 {
            let isShared = Tile(containing: far, zoom: zoom) == Tile(containing: Sample.centre, zoom: zoom)
            #expect(cache.hit("near \(zoom)") == nil)
            #expect((cache.hit("far \(zoom)") == nil) == isShared)
        }
    }

    @Test("Who asks for what is being made waits for it, and it is made once")
    func coalescing() async throws {
        let cache = TileCache(maxBytes: 1 << 20)
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        let (begun, begin) = AsyncStream.makeStream(of: Void.self)
        let made = Count()
        try await withThrowingTaskGroup(of: [UInt8].self) { group in
            @Sendable func ask() async throws -> [UInt8] {
                try await cache.answer("same", for: "asha") {
                    made.value.withLock { $0 += 1 }
                    begin.yield()
                    for await _ in gate { break }
                    return try Self.answer()
                }.bytes
            }
            group.addTask { try await ask() }
            for await _ in begun { break }
            for _ in 0..<20 { group.addTask { try await ask() } }
            open.finish()
            for try await bytes in group { #expect(bytes.count == 10) }
        }
        #expect(made.value.withLock { $0 } == 1)
    }

    @Test("An answer whose cells change while it is made is given, but not kept")
    func changeMeanwhile() async throws {
        let cache = TileCache(maxBytes: 1 << 20)
        _ = try await cache.answer("k", for: "asha") {
            cache.forget(cells: [1])
            return try Self.answer(Tile(containing: Sample.centre, zoom: 3))
        }
        #expect(cache.hit("k") == nil && cache.count == 0)
    }

    @Test("A failure reaches all who waited, and is not kept")
    func failures() async throws {
        let cache = TileCache(maxBytes: 1 << 20)
        await #expect(throws: BadQuery.self) {
            try await cache.answer("k", for: "asha") { throw BadQuery(field: "x", reason: "no") }
        }
        #expect(try await cache.answer("k", for: "asha") { try Self.answer() }.bytes.count == 10)
    }

    @Test("Memory is bounded, and what is used stays longer than what is not")
    func bounded() async throws {
        let cache = TileCache(maxBytes: 100_000)
        _ = try await cache.answer("used", for: "asha") { try Self.answer(byteCount: 1000) }
        for number in 0..<1000 {
            _ = try await cache.answer("\(number)", for: "asha") { try Self.answer(Tile(zoom: 17, code: UInt64(number)), byteCount: 1000) }
            #expect(cache.byteCount <= 100_000)
            #expect(cache.hit("used") != nil)
        }
        #expect(cache.hit("0") == nil && cache.hit("999") != nil)
        cache.forgetAll()
        #expect(cache.count == 0 && cache.byteCount == 0)
    }

    @Test("Of what a caller asks for at once little is drawn at a time, too much is refused with a time to come again; others are served")
    func floods() async throws {
        let cache = TileCache(maxBytes: 1 << 20)
        let (gate, open) = AsyncStream.makeStream(of: Void.self), (begun, begin) = AsyncStream.makeStream(of: Void.self)
        let drawn = Count()
        try await withThrowingTaskGroup(of: Bool.self) { group in
            // One of them is too much: it is refused at once, for none of the others is drawn before the gate opens.
            for number in 0...TileCache.maxFlightsOfSubject {
                group.addTask {
                    do {
                        _ = try await cache.answer("\(number)", for: "flood") {
                            begin.yield()
                            drawn.value.withLock { $0 += 1 }
                            for await _ in gate { break }
                            return try Self.answer()
                        }
                        return true
                    } catch let error as RPCError where error.code == .resourceExhausted {
                        #expect(error.retryDelay == .seconds(1) && error.metadata["retry-after"] == "1")
                        return false
                    }
                }
            }
            #expect(try await group.next() == false)
            var drawing = 0
            for await _ in begun { drawing += 1; if drawing == TileCache.maxDrawingOfSubject { break } }
            #expect(try await cache.answer("mine", for: "asha") { try Self.answer() }.bytes.count == 10)
            #expect(drawn.value.withLock { $0 } == TileCache.maxDrawingOfSubject)
            open.finish()
            for try await isMade in group { #expect(isMade) }
        }
        #expect(drawn.value.withLock { $0 } == TileCache.maxFlightsOfSubject)
        #expect(try await cache.answer("more", for: "flood") { try Self.answer() }.bytes.count == 10)
    }

    @Test("Answers of a view go when its scale has moved on, and those of others stay")
    func scales() async throws {
        let cache = TileCache(maxBytes: 1 << 20)
        let tile = Tile(containing: Sample.centre, zoom: 9), scale = HeatScale(hottest: 5)
        for layer in [Layer.risk, .alerts] {
            let view = TileRenderer.View(filter: CubeFilter(layer: layer), cellZoom: 15)
            _ = try await cache.answer(layer.rawValue, for: "asha") { try Self.answer(tile, view: view, scale: scale) }
        }
        cache.forgetViews { view, _ in view.filter.layer == .risk }
        #expect(cache.hit("risk") == nil && cache.hit("alerts") != nil)
    }

    @Test("Two callers of different jurisdictions never share an answer")
    func scopes() {
        let request = HTTPRequest(path: "/tiles/risk/0/0/0.mvt", query: [("from", "2026-01-01T00:00:00Z")])
        let scopes: [Set<String>?] = [nil, [], ["north"], ["south"], ["north", "south"], ["north 5 south"], ["north/tiles"]]
        let keys = scopes.map { TileCache.key(request, coding: "br", permitted: $0) }
        #expect(Set(keys).count == scopes.count)
        #expect(TileCache.key(request, coding: "gzip", permitted: nil) != keys[0])
    }

    @Test("A tile that nobody touched is answered from the cache, and a new event in it shows in the next answer")
    func freshTiles() async throws {
        let cache = TileCache(maxBytes: 1 << 20)
        let map = LiveMap(QueryTests.state) { cache.forget($0) }
        try await RoutesTests.withRoutes(map, cache: cache) { routes in
            func count() async throws -> Int {
                let response = try await RoutesTests.tile(routes, "transactions", "0", "0", "0", "mvt")
                return try DecodedTile(response.bytes).layers["transactions"]?.reduce(0) { $0 + Int($1.attributes["count"] ?? 0) } ?? 0
            }
            let first = try await count()
            #expect(cache.count == 1)
            #expect(try await count() == first)
            map.apply(map.current.change(for: [MapStateTests.decision(1)]))
            #expect(cache.count == 0)
            #expect(try await count() == first + 1)
        }
    }

    @Test("An answer holds no more memory than its bytes need, so that a flood of tiles stays within the cache's limit")
    func exactMemory() throws {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(100_000)
        // With an array's own 32 bytes just within one of the allocator's sizes, 1024.
        bytes.append(contentsOf: [UInt8](repeating: 7, count: 980))
        for coding in ContentCoding.allCases {
            let answer = try TileCache.Answer(bytes, contentType: "image/png", coding: coding)
            #expect(answer.bytes.capacity < 1100)
        }
    }

    @Test("A flood of different tiles from one caller leaves no more than the limit")
    func flood() async throws {
        let cache = TileCache(maxBytes: 1 << 20), map = LiveMap(QueryTests.state) { cache.forget($0) }
        try await RoutesTests.withRoutes(map, cache: cache) { routes in
            for number in 0..<600 {
                let answer = try await RoutesTests.tile(routes, "transactions", "17", "\(93_000 + number % 30)", "\(59_000 + number / 30)", "png")
                #expect(answer.status == 200)
                if number % 100 == 99 { #expect(cache.byteCount <= 1 << 20) }
            }
            #expect(cache.count > 20 && cache.count < 600)
        }
    }
}
