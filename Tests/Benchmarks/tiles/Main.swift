import BenchmarkSupport
import Contracts
import Foundation
import Geo
import Postgres
import RPC
import ServiceRuntime
import SuiteProcesses

/// What tiles cost, beside PostGIS on the same events and nghttpd on a file of the same size, and how soon they show what has happened.
///
///     bench-tiles [load] [tiles] [cached] [frames] [live]
@main enum Main {
    static func main() async throws {
        let wanted = Set(CommandLine.arguments.dropFirst())
        func isWanted(_ part: String) -> Bool { wanted.isEmpty || wanted.contains(part) }
        let environment = ProcessInfo.processInfo.environment
        let quick = environment["BENCH_QUICK"] != nil
        let server = try DatabaseServer()
        defer { server.end() }
        try tune(server)
        let suite = try SuiteProcesses(server: server)
        defer { suite.end() }
        var report = BenchmarkReport(area: "tiles")
        let token = try await signIn(suite)
        if !wanted.isSubset(of: ["live"]) || wanted.isEmpty {
            let workload = Workload(events: quick ? 1_000_000 : 10_000_000)
            try await load(workload, suite, isWanted("tiles"), &report)
            if isWanted("tiles") { try await tiles(suite, token, rounds: quick ? 4 : 8, &report) }
            if isWanted("frames") { try frames(suite, token, &report) }
            if isWanted("cached") { try await cached(suite, token, requests: quick ? 20_000 : 100_000, &report) }
        }
        if isWanted("live") { try await live(suite, token, seconds: quick ? 10 : 30, &report) }
        try report.write()
    }

    /// For a machine that PostgreSQL has to itself: the peer is to do its best.
    private static func tune(_ server: DatabaseServer) throws {
        for setting in ["shared_buffers = '2GB'", "work_mem = '256MB'", "max_wal_size = '8GB'", "random_page_cost = 1.1", "jit = off"] {
            _ = try server.psql("ALTER SYSTEM SET \(setting)")
        }
        server.kill()
        try server.start()
    }

    /// A token that may read tiles, from the auth gateway as anybody gets one.
    private static func signIn(_ suite: SuiteProcesses) async throws -> String {
        let folder = FileManager.default.temporaryDirectory.appending(path: "bench-tiles-auth-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let secret = UUID().uuidString, key = folder.appending(path: "key"), principals = folder.appending(path: "principals.json")
        try Data(String(repeating: "0123456789abcdef", count: 4).utf8).write(to: key)
        try Data(#"{"principals":[{"subject":"bench","kind":"agency","secret":"\#(secret)","roles":[],"scopes":["tiles:read"]}]}"#.utf8)
            .write(to: principals)
        for file in [key, principals] { try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path) }
        try suite.start(.authGateway, [
            "VIGIL_AUTH_KEY_ENCRYPTION_FILE": key.path, "VIGIL_AUTH_PRINCIPALS_FILE": principals.path,
            "VIGIL_AUTH_CLIENT_TOKEN_SECONDS": "7200",
        ])
        return try await suite.caller.withChannel(to: .authGateway) { channel in
            let grant = AuthV1.IssueTokenRequest(grant: .clientCredentials(.init(clientID: "bench", clientSecret: secret)))
            return try await AuthV1.AuthService.Client(channel).issueToken(grant, options: CallOptions(timeout: .seconds(60), waitForReady: true))
                .accessToken
        }
    }

    /// Starts the tile service; returns when it answers, with the seconds that took.
    private static func startTiles(_ suite: SuiteProcesses) async throws -> Double {
        let started = ContinuousClock.now
        try suite.start(.heatmapTiles, ["VIGIL_TILES_MAPLIBRE_DIR": ".build/maplibre"])
        return try await suite.caller.withChannel(to: .heatmapTiles) { channel in
            _ = try await TilesV1.TileService.Client(channel)
                .listHotspots(.init(limit: 1), options: CallOptions(timeout: .seconds(300), waitForReady: true))
            return (ContinuousClock.now - started) / .seconds(1)
        }
    }

    private static func load(
        _ workload: Workload, _ suite: SuiteProcesses, _ withIndexes: Bool, _ report: inout BenchmarkReport
    ) async throws {
        let empty = try await startTiles(suite)
        let emptyBytes = suite.residentBytes(.heatmapTiles)
        suite.stop(.heatmapTiles)
        let started = ContinuousClock.now
        try workload.makeEvents(suite.server)
        let entries = try workload.count(suite.server)
        if withIndexes { try workload.index(suite.server) }
        say("  \(workload.events) events in \(entries) entries, made in \((ContinuousClock.now - started) / .seconds(1)) s")
        let rebuilt = try await startTiles(suite)
        say("  started empty in \(empty) s; with them in \(rebuilt) s, \(suite.cpuSeconds(.heatmapTiles)) s of processor")
        report.compare("rebuild of \(workload.events) events", unit: "s", ours: rebuilt, peer: 20, "20 s", .atMost(1))
        let bytes = Double(suite.residentBytes(.heatmapTiles) - emptyBytes) / Double(entries)
        report.compare("memory of the cube", unit: "bytes/entry", ours: bytes, peer: 24, "24 bytes", .atMost(1))
    }

    private static func request(_ token: String, _ path: String, _ filter: Workload.Filter? = nil) -> HTTPRequest {
        HTTPRequest(path: path, query: filter?.query ?? [], headers: ["authorization": "Bearer \(token)"])
    }

    private static func fetch(_ channel: RPCChannel, _ request: HTTPRequest) async throws -> [UInt8] {
        let answer = try await channel.http(request, options: CallOptions(timeout: .seconds(60)))
        guard answer.status == 200 else {
            throw BenchmarkProblem("\(request.path) answered \(answer.status): \(String(decoding: answer.bytes.prefix(200), as: UTF8.self))")
        }
        return answer.bytes
    }

    private static func milliseconds<R>(_ body: () async throws -> R) async rethrows -> (Double, R) {
        let started = ContinuousClock.now
        let result = try await body()
        return ((ContinuousClock.now - started) / .milliseconds(1), result)
    }

    private static func tiles(_ suite: SuiteProcesses, _ token: String, rounds: Int, _ report: inout BenchmarkReport) async throws {
        try await withPostgresPool(try PostgresConfiguration(url: suite.server.url)) { pool in
            let peer = PostGISPeer(pool: pool)
            try await suite.caller.withChannel(to: .heatmapTiles) { channel in
                try await check(peer, channel, token)
                var ours: [Double] = [], pictures: [Double] = [], best: [Double] = []
                var byZoom: [Int: [(ours: Double, picture: Double, geometry: Double, code: Double)]] = [:]
                for (number, tile) in Workload.tiles(ofEachZoom: rounds).enumerated() {
                    // Each in a span of its own, so that none was made before; what is not measured comes first and warms both up. The
                    // texts of queries and requests are written before any clock runs.
                    let filter = Workload.Filter(firstDay: number % 30), path = "/tiles/transactions/\(tile.zoom)/\(tile.x)/\(tile.y)"
                    let queries = PostGISPeer.Plan.allCases.map { PostGISPeer.query(tile, filter, $0) }
                    let requests = [".mvt", ".png"].map { request(token, path + $0, filter) }
                    for query in queries { _ = try await peer.tile(query) }
                    // Of another span, so that what is measured is not made yet: the peer's warming is of the very query.
                    let other = Workload.Filter(firstDay: (number + 15) % 30)
                    for form in [".mvt", ".png"] { _ = try await fetch(channel, request(token, path + form, other)) }
                    let (geometry, first) = try await milliseconds { try await peer.tile(queries[0]) }
                    let (code, _) = try await milliseconds { try await peer.tile(queries[1]) }
                    let (vector, bytes) = try await milliseconds { try await fetch(channel, requests[0]) }
                    let (picture, _) = try await milliseconds { try await fetch(channel, requests[1]) }
                    guard first.isEmpty == bytes.isEmpty else { throw BenchmarkProblem("\(path): one of the two tiles is empty") }
                    ours.append(vector)
                    pictures.append(picture)
                    best.append(min(geometry, code))
                    byZoom[tile.zoom, default: []].append((vector, picture, geometry, code))
                }
                for (zoom, times) in byZoom.sorted(by: { $0.key < $1.key }) {
                    let line = [times.map(\.ours), times.map(\.picture), times.map(\.geometry), times.map(\.code)].map { String(format: "%.2f", median($0)) }
                    say("  zoom \(zoom): ms: mvt \(line[0]), png \(line[1]), PostGIS by geometry \(line[2]), by code \(line[3])")
                }
                report.compare(
                    "vector tile, filtered, uncached, p50", unit: "ms", ours: median(ours), peer: median(best),
                    "PostGIS ST_AsMVT, the better of two indexes", .atMost(1.0 / 20))
                report.compare("PNG, filtered, uncached, p50", unit: "ms", ours: median(pictures), peer: median(ours), "the vector tile", .atMost(3))
            }
        }
    }

    /// Both must count the same, or the times say nothing.
    private static func check(_ peer: PostGISPeer, _ channel: RPCChannel, _ token: String) async throws {
        struct Series: Decodable { var counts: [Int] }
        let filter = Workload.Filter(firstDay: 3)
        let answer = try await channel.http(
            HTTPRequest(path: "/api/series", query: filter.query + [("layer", "transactions")], headers: ["authorization": "Bearer \(token)"]))
        let ours = try JSONDecoder().decode(Series.self, from: Data(answer.bytes)).counts.reduce(0, +)
        let theirs = try await peer.total(filter)
        guard ours == theirs, ours > 0 else { throw BenchmarkProblem("the tile service counts \(ours) events, PostGIS \(theirs)") }
        say("  both count \(ours) events under the filter")
    }

    private static func cached(_ suite: SuiteProcesses, _ token: String, requests: Int, _ report: inout BenchmarkReport) async throws {
        let middle = Tile(containing: Workload.centre, zoom: 13), path = "/tiles/transactions/13/\(middle.x)/\(middle.y).mvt"
        let bytes = try await suite.caller.withChannel(to: .heatmapTiles) { try await fetch($0, request(token, path)) }
        let files = try FileServer(bytes: bytes, certificate: suite.certificateFile(.heatmapTiles), key: suite.keyFile(.heatmapTiles))
        defer { files.stop() }
        let ours = Load(url: "https://127.0.0.1:\(suite.port(of: .heatmapTiles))\(path)", headers: ["authorization: Bearer \(token)"])
        let theirs = Load(url: "https://127.0.0.1:\(files.port)/tile")
        try ours.run(requests / 10)
        try theirs.run(requests / 10)
        let result = try paired(rounds: 5) {
            try ours.perProcessorSecond(requests) { suite.cpuSeconds(.heatmapTiles) }
        } peer: {
            try theirs.perProcessorSecond(requests) { files.cpuSeconds }
        }
        report.compare(
            "cached tile of \(bytes.count) bytes, TLS", unit: "requests/CPU-s", ours: result.ours, peer: result.peer, "nghttpd on a file",
            .atLeast(0.5))
    }

    private static func live(_ suite: SuiteProcesses, _ token: String, seconds: Int, _ report: inout BenchmarkReport) async throws {
        try suite.start(.ingestionGateway)
        try suite.start(.featureStore)
        try suite.start(.modelServer)
        if suite.cpuSeconds(.heatmapTiles) == 0 { _ = try await startTiles(suite) }
        try await suite.promoteModel()
        let live = LiveTiles(caller: suite.caller, token: token, perSecond: 2000)
        _ = try await live.stream(seconds: 5, prefix: "warm")
        let result = try await live.run(seconds: seconds)
        let slowest = result.seconds.last ?? .infinity
        say("  \(Int(result.perSecond)) payments/s came in; \(result.seconds.count) looked for, p50 \(median(result.seconds)) s, slowest \(slowest) s")
        report.compare("acknowledged payment in its tile, p50, at 2,000/s", unit: "s", ours: median(result.seconds), peer: 1, "1 s", .atMost(1))
        report.compare("acknowledged payment in its tile, slowest, at 2,000/s", unit: "s", ours: slowest, peer: 1, "1 s", .atMost(1))
        guard let python = Screen.python else { return say("  no Chromium or playwright here: the screen is not measured") }
        let screen = Screen(address: address(suite), token: token)
        // The map shows what the complaints change, or what all the payments change.
        for shown in ["complaints", "transactions"] {
            // Payments come for as long as somebody watches: a stream of a set length was over before the browser was ready.
            let (begin, begun) = AsyncStream.makeStream(of: Void.self), end = LiveTiles.End()
            async let streamed = {
                for await _ in begin { return try await live.stream(seconds: 600, prefix: "screen-\(shown)", until: end) }
                return 0
            }()
            let caller = suite.caller
            let seen = try await {
                defer {
                    end.come()
                    begun.finish()
                }
                return try await screen.look(python, caller, count: seconds / 2, showing: shown) {
                    begun.yield()
                    try await Task.sleep(for: .seconds(5))
                }
            }()
            let perSecond = try await streamed
            guard perSecond > 1900 else { throw BenchmarkProblem("only \(perSecond) payments/s came in") }
            say("  \(Int(perSecond)) payments/s came in")
            let figures = [("acknowledged complaint in the counter of", seen.counter), ("acknowledged event in the cells of", seen.map)]
            for (what, seconds) in figures {
                let name = "\(what) the screen that shows \(shown)"
                say("  \(name): \(seconds.map { String(format: "%.2f", $0) }) s")
                report.compare("\(name), p50, at 2,000/s", unit: "s", ours: median(seconds), peer: 2, "2 s", .atMost(1))
                report.compare("\(name), slowest, at 2,000/s", unit: "s", ours: seconds.last ?? .infinity, peer: 2, "2 s", .atMost(1))
            }
        }
    }

    private static func address(_ suite: SuiteProcesses) -> String { "https://127.0.0.1:\(suite.port(of: .heatmapTiles))" }

    /// A whole city's cells on the screen while the map is dragged: 60 frames a second are 16.7 ms each.
    private static func frames(_ suite: SuiteProcesses, _ token: String, _ report: inout BenchmarkReport) throws {
        guard let python = Screen.python else { return say("  no Chromium or playwright here: frames are not measured") }
        let screen = Screen(address: address(suite), token: token)
        let empty = try screen.frames(python, fragment: "empty", seconds: 10)
        say("  MapLibre with nothing to draw: \(empty.frames) frames, median \(empty.median) ms, p95 \(empty.p95) ms, slowest \(empty.slowest) ms")
        for (name, zoom) in [("heat of 20,164 cells", 11.0), ("single cells", 14.5)] {
            let place = "\(Workload.centre.latitude),\(Workload.centre.longitude),\(zoom)"
            let fragment = "layer=transactions&span=all&place=\(place)"
            let found = try screen.frames(python, fragment: fragment, seconds: 10)
            say("  \(name): whole after \(found.first ?? .nan) ms")
            say("  \(name): \(found.frames) frames, median \(found.median) ms, p95 \(found.p95) ms, slowest \(found.slowest) ms")
            report.compare(
                "\(name), dragged, median frame, drawn without a graphics card", unit: "ms", ours: found.median, peer: 1000 / 60, "60 frames/s",
                .atMost(1.05))
            // All the same, drawn on fewer pixels: what the processor fills here in place of a graphics card goes, all else stays.
            for part in [0.5, 0.25, 0.125] {
                let fewer = try screen.frames(python, fragment: fragment, seconds: 5, part: part)
                say("  \(name), on \(Int(1280 * part)) × \(Int(720 * part)) pixels: median \(fewer.median) ms, p95 \(fewer.p95) ms")
            }
            // Without a graphics card, drawing hides what the page itself takes: that is what a faster machine is left with.
            let work = try screen.work(python, fragment: fragment, seconds: 10)
            for (how, frames) in [("dragged", work.dragged), ("zoomed", work.zoomed), ("played", work.played)] {
                let times = "median \(frames.median) ms, p95 \(frames.p95) ms, slowest \(frames.slowest) ms"
                say("  \(name), \(how): the page's thread: \(frames.frames) frames, \(times); between frames at most \(frames.between ?? .nan) ms at once; "
                    + "busy \(frames.busy ?? .nan) of the time")
                report.compare(
                    "\(name), \(how), the page's own work a frame, p95", unit: "ms", ours: frames.p95, peer: 1000 / 60, "60 frames/s", .atMost(1))
            }
        }
    }
}

/// Prints a line at once: what is measured takes minutes.
func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }
