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
    private let seal = RevisionSeal()

    init(map: LiveMap, maxListeners: Int) {
        self.map = map
        self.maxListeners = maxListeners
    }

    /// Nobody takes all listeners' places away from the others.
    static let maxListenersOfCaller = 100
    /// More changed cells than these are not told one by one.
    static let maxCells = 200

    func response(to request: HTTPRequest) throws -> HTTPResponse {
        do { _ = try QueryParameters(request.query, allowed: []) } catch let error as BadQuery { return try Routes.refusal(error) }
        let caller = request.serviceContext.principal?.subject ?? ""
        guard let subscription = map.subscribe(caller, limit: maxListeners, limitOfCaller: Self.maxListenersOfCaller) else {
            throw RPCError.resourceExhausted(
                "\(maxListeners) dashboards are listening already, or \(Self.maxListenersOfCaller) of yours", retryAfter: .seconds(5))
        }
        // What the browser has seen before its connection broke.
        let seen = request.headers["last-event-id"]
        let permitted = request.serviceContext.principal?.permittedJurisdictions
        return HTTPResponse(
            headers: ["content-type": "text/event-stream", "cache-control": "no-store"],
            body: .stream { writer in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await clock.sleep(for: life) }
                    if let permitted {
                        // The place among the listeners is kept as long as its wakes are waited for.
                        group.addTask { for await _ in subscription.wakes {} }
                        group.addTask { try await tellByTheClock(permitted, after: seen.flatMap { seal.open($0) }, to: writer) }
                    } else {
                        group.addTask {
                            while true {
                                try await clock.sleep(for: heartbeat)
                                subscription.nudge()
                            }
                        }
                        group.addTask { try await tell(subscription, after: seen.flatMap { UInt64($0) }, to: writer) }
                    }
                    defer { group.cancelAll() }
                    try await group.next()
                }
            })
    }

    /// Tells who may see everything, as soon as something has changed.
    private func tell(_ subscription: LiveMap.Subscription, after seen: UInt64?, to writer: HTTPBodyWriter) async throws {
        var seen = seen
        try await writer.write("retry: 2000\n\n")
        for await _ in subscription.wakes {
            let (revision, effect) = map.changes(since: seen)
            if revision != seen {
                try await writer.writeEvent(name: "change", data: Self.news(revision, effect), id: String(revision))
            } else {
                try await writer.writeEvent(name: "alive", data: "")
            }
            seen = revision
            try await clock.sleep(for: pace)
        }
    }

    /// Tells who may see some districts only. When something is told, the clock alone decides; what happens elsewhere does not show, neither by
    /// an event, nor by its moment, nor by a number that counts everybody's changes.
    private func tellByTheClock(_ permitted: Set<String>, after seen: UInt64?, to writer: HTTPBodyWriter) async throws {
        var seen = seen, silence = heartbeat
        try await writer.write("retry: 2000\n\n")
        while true {
            let (revision, effect) = map.changes(since: seen, in: permitted)
            if revision != seen, let news = Self.news(effect, permitted, map.current) {
                try await writer.writeEvent(name: "change", data: news, id: try seal.text(revision))
                silence = .zero
            } else if silence >= heartbeat {
                try await writer.writeEvent(name: "alive", data: "")
                silence = .zero
            }
            seen = revision
            try await clock.sleep(for: pace)
            silence += pace
        }
    }

    /// What is told: `{"revision":12,"layers":["complaints"],"cells":["0231…"]}`, without `cells` when much has changed and without both when
    /// all has.
    private static func news(_ revision: UInt64, _ effect: LiveMap.Effect?) -> String {
        guard let effect else { return "{\"revision\":\(revision)}" }
        let layers = list(Layer.allCases.filter { effect.signals.contains($0.signal) }.map(\.rawValue))
        return "{\"revision\":\(revision),\"layers\":[\(layers)]\(cells(effect.cells.compactMap { Tile(zoom: Cube.cellZoom, code: $0) }))}"
    }

    /// What a listener of some districts is told; nil when nothing has changed that they may see. They are told no layers, for what has changed
    /// in them may lie elsewhere.
    private static func news(_ effect: LiveMap.Effect?, _ permitted: Set<String>, _ state: MapState) -> String? {
        guard let effect else { return "{}" }
        let own = effect.cells.compactMap { Tile(zoom: Cube.cellZoom, code: $0) }.filter { state.isPosition($0.centre, inAnyOf: permitted) }
        return own.isEmpty ? nil : "{\(cells(own).dropFirst())}"
    }

    private static func cells(_ tiles: [Tile]) -> String {
        tiles.count <= maxCells ? ",\"cells\":[\(list(tiles.map(\.quadkey).sorted()))]" : ""
    }

    private static func list(_ names: [String]) -> String { names.map { "\"\($0)\"" }.joined(separator: ",") }
}
