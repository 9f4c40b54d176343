import Geo
import Identity
import RPC

/// Server-sent events that say that the map has changed, and in which cells the listener may see. What is in them now, a page asks for.
struct LiveStream: Sendable {
    let map: LiveMap
    let maxListeners: Int
    /// A listener hears at most one event in this time.
    var pace: Duration = .seconds(1)
    /// Without news, an event `alive` goes out this often: so is a peer noticed that has gone, and so does a page know that this service has not.
    var heartbeat: Duration = .seconds(15)
    /// A stream ends after this long; the browser comes again, with a session that is checked again.
    var life: Duration = .seconds(600)
    var clock: any Clock<Duration> = ContinuousClock()

    /// Nobody takes all listeners' places away from the others.
    static let maxListenersOfCaller = 100
    /// More changed cells than these are not told one by one.
    static let maxCells = 200

    func response(to request: HTTPRequest) throws -> HTTPResponse {
        let caller = request.serviceContext.principal?.subject ?? ""
        guard let subscription = map.subscribe(caller, limit: maxListeners, limitOfCaller: Self.maxListenersOfCaller) else {
            throw RPCError.resourceExhausted(
                "\(maxListeners) dashboards are listening already, or \(Self.maxListenersOfCaller) of yours", retryAfter: .seconds(5))
        }
        // What the browser has seen before its connection broke.
        let seen = request.headers["last-event-id"].flatMap { UInt64($0) }
        let permitted = request.serviceContext.principal?.permittedJurisdictions
        return HTTPResponse(
            headers: ["content-type": "text/event-stream", "cache-control": "no-store"],
            body: .stream { writer in try await send(subscription, permitted, after: seen, to: writer) })
    }

    private func send(
        _ subscription: LiveMap.Subscription, _ permitted: Set<String>?, after seen: UInt64?, to writer: HTTPBodyWriter
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while true {
                    try await clock.sleep(for: heartbeat)
                    subscription.nudge()
                }
            }
            group.addTask { try await clock.sleep(for: life) }
            group.addTask {
                var seen = seen
                try await writer.write("retry: 2000\n\n")
                for await _ in subscription.wakes {
                    let (revision, effect) = map.changes(since: seen)
                    if revision != seen, let news = Self.news(revision, effect, permitted, map) {
                        try await writer.writeEvent(name: "change", data: news, id: String(revision))
                    } else {
                        try await writer.writeEvent(name: "alive", data: "")
                    }
                    seen = revision
                    try await clock.sleep(for: pace)
                }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// What is told: `{"revision":12,"layers":["complaints"],"cells":["0231…"]}`, without `cells` when much has changed and without both when
    /// all has; nil when nothing has that the listener may see. Who may not see everything is not told of layers, for what has changed in
    /// them may lie elsewhere.
    private static func news(_ revision: UInt64, _ effect: LiveMap.Effect?, _ permitted: Set<String>?, _ map: LiveMap) -> String? {
        guard let effect else { return "{\"revision\":\(revision)}" }
        var tiles = effect.cells.compactMap { Tile(zoom: Cube.cellZoom, code: $0) }
        var news = "{\"revision\":\(revision)"
        if let permitted {
            let state = map.current
            tiles = tiles.filter { state.isPosition($0.centre, inAnyOf: permitted) }
            guard !tiles.isEmpty else { return nil }
        } else {
            news += ",\"layers\":[\(list(Layer.allCases.filter { effect.signals.contains($0.signal) }.map(\.rawValue)))]"
        }
        if tiles.count <= maxCells { news += ",\"cells\":[\(list(tiles.map(\.quadkey).sorted()))]" }
        return news + "}"
    }

    private static func list(_ names: [String]) -> String { names.map { "\"\($0)\"" }.joined(separator: ",") }
}
