import RPC

/// Server-sent events that say that the map has changed. What changed, a page asks for itself, so that it hears only what it may.
struct LiveStream: Sendable {
    let map: LiveMap
    let maxListeners: Int
    /// A listener hears at most one event in this time.
    var pace: Duration = .seconds(1)
    /// Without news, a comment goes out this often, so that a peer that has gone is noticed.
    var heartbeat: Duration = .seconds(15)
    /// A stream ends after this long; the browser comes again, with a session that is checked again.
    var life: Duration = .seconds(600)
    var clock: any Clock<Duration> = ContinuousClock()

    func response(to request: HTTPRequest) throws -> HTTPResponse {
        guard let subscription = map.subscribe(limit: maxListeners) else {
            throw RPCError(.resourceExhausted, "\(maxListeners) dashboards are listening already")
        }
        // What the browser has seen before its connection broke.
        let seen = request.headers["last-event-id"].flatMap { UInt64($0) }
        return HTTPResponse(
            headers: ["content-type": "text/event-stream", "cache-control": "no-store"],
            body: .stream { writer in try await send(subscription, after: seen, to: writer) })
    }

    private func send(_ subscription: LiveMap.Subscription, after seen: UInt64?, to writer: HTTPBodyWriter) async throws {
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
                    let revision = map.current.revision
                    if revision == seen {
                        try await writer.write(": still here\n\n")
                    } else {
                        try await writer.writeEvent(name: "change", data: "{\"revision\":\(revision)}", id: String(revision))
                        seen = revision
                    }
                    try await clock.sleep(for: pace)
                }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }
}
