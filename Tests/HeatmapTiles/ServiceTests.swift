import Contracts
import EventLog
import Geo
import Identity
import Postgres
import RPC
import RecordCoding
import Records
import ServiceRuntime
import StandardContracts
import Synchronization
import TestSupport
import Testing

@testable import HeatmapTiles

/// A producer's log in memory, served as the real ones are.
final class FakeLog<Entry: Sendable>: Sendable {
    private struct State {
        var entries: [Entry] = []
        var listeners: [AsyncStream<Void>.Continuation] = []
    }

    private let state = Mutex(State())

    func append(_ entries: [Entry]) {
        state.withLock { state in
            state.entries += entries
            for listener in state.listeners { listener.yield() }
        }
    }

    /// Positions are 1, 2, 3, …
    func serve(after: EventLogV1.LogPosition?, batch: Int, write: ([(EventLogV1.LogPosition, Entry)]) async throws -> Void) async throws {
        var next = Int(after?.sequence ?? 0)
        let (news, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        state.withLock { $0.listeners.append(continuation) }
        continuation.yield()
        for await _ in news {
            while true {
                let entries = state.withLock { Array($0.entries.dropFirst(next).prefix(batch)) }
                guard !entries.isEmpty else { break }
                try await write(entries.enumerated().map { index, entry in
                    (EventLogV1.LogPosition(transactionID: UInt64(next + index + 1), sequence: Int64(next + index + 1)), entry)
                })
                next += entries.count
            }
        }
    }
}

/// Serves the one method of the model server that is tailed.
struct FakeModels: RPCService {
    typealias V1 = ModelsV1
    let log: FakeLog<V1.LoggedDecision>

    var serviceName: String { V1.ModelService.fullName }
    var fileDescriptors: [[UInt8]] { [] }
    var methods: [RPCMethod] {
        [.serverStreaming(V1.ModelService.Methods.tailDecisions) { try await tail($0, to: $1, context: $2) }]
    }

    private func tail(
        _ request: V1.TailDecisionsRequest, to responses: ResponseWriter<V1.TailDecisionsResponse>, context: CallContext
    ) async throws {
        try await log.serve(after: request.after, batch: 37) { entries in
            try await responses.write(.init(decisions: entries.map { position, decision in
                var decision = decision
                decision.position = position
                return decision
            }))
        }
    }
}

struct FakeIngestion: IngestionV1.IngestionService.Handlers {
    typealias V1 = IngestionV1
    let log: FakeLog<V1.IngestionEvent>

    func tailEvents(
        _ request: V1.TailEventsRequest, to responses: ResponseWriter<V1.TailEventsResponse>, context: CallContext
    ) async throws {
        try await log.serve(after: request.after, batch: 50) { entries in
            try await responses.write(.init(events: entries.map { .init(position: $0, event: $1) }))
        }
    }

    private var unused: RPCError { RPCError(.unimplemented, "not in this test") }
    func submitTransaction(
        _ request: V1.SubmitTransactionRequest, context: CallContext
    ) async throws -> V1.SubmitTransactionResponse { throw unused }
    func streamTransactions(
        _ requests: RequestStream<V1.StreamTransactionsRequest>, to responses: ResponseWriter<V1.StreamTransactionsResponse>,
        context: CallContext
    ) async throws { throw unused }
    func submitComplaint(_ request: V1.SubmitComplaintRequest, context: CallContext) async throws -> V1.SubmitComplaintResponse {
        throw unused
    }
    func submitLabel(_ request: V1.SubmitLabelRequest, context: CallContext) async throws -> V1.SubmitLabelResponse { throw unused }
    func importRecords(
        _ requests: RequestStream<V1.ImportRecordsRequest>, to responses: ResponseWriter<V1.ImportRecordsResponse>, context: CallContext
    ) async throws { throw unused }
    func getStatistics(_ request: V1.GetStatisticsRequest, context: CallContext) async throws -> V1.GetStatisticsResponse { throw unused }
}

struct FakeAuth: AuthV1.AuthService.Handlers {
    func issueToken(_ request: AuthV1.IssueTokenRequest, context: CallContext) async throws -> AuthV1.IssueTokenResponse {
        if case .password(let password) = request.grant, password.username == "hasty" {
            throw RPCError.resourceExhausted("too many attempts; try again in 30 s", retryAfter: .seconds(30))
        }
        guard case .password(let password) = request.grant, password.password == "right" else {
            throw RPCError(.unauthenticated, "no")
        }
        let scopes: Set<String> = password.username == "clerk" ? [] : [Scope.readTiles]
        let token = try await TestTokens.token(password.username, scopes: scopes)
        return .init(accessToken: token.value, tokenType: "Bearer", expiresIn: 900, scope: scopes.sorted().joined(separator: " "))
    }

    func getKeySet(_ request: AuthV1.GetKeySetRequest, context: CallContext) async throws -> AuthV1.GetKeySetResponse {
        throw RPCError(.unimplemented, "not in this test")
    }
    func listAccessRecords(
        _ request: AuthV1.ListAccessRecordsRequest, context: CallContext
    ) async throws -> AuthV1.ListAccessRecordsResponse { throw RPCError(.unimplemented, "not in this test") }
}

@Suite struct ServiceTests {
    struct Surroundings {
        var decisions = FakeLog<ModelsV1.LoggedDecision>()
        var records = FakeLog<IngestionV1.IngestionEvent>()
    }

    /// The service on a database, among fakes of the services it calls.
    static func withService<R>(
        _ surroundings: Surroundings, database: PostgresConfiguration? = nil, _ body: (TestService) async throws -> R
    ) async throws -> R {
        let services: [any RPCService] = [
            FakeModels(log: surroundings.decisions), FakeIngestion(log: surroundings.records), FakeAuth(),
        ]
        return try await withServer(
            ServerConfiguration(host: "127.0.0.1", port: 0), services: services, health: HealthRegistry(), logger: testLogger
        ) { server in
            let address = "http://127.0.0.1:\(server.port)"
            return try await withTestService(
                .heatmapTiles, environment: ["VIGIL_MODELS_URL": address, "VIGIL_INGESTION_URL": address, "VIGIL_AUTH_URL": address],
                database: database, configuration: HeatmapTilesConfiguration.init(from:), run: Main.run, body)
        }
    }

    static func decision(_ event: SampleEvent, _ number: Int) -> ModelsV1.LoggedDecision {
        let isPlaced = number % 4 != 0
        return .init(
            decision: .init(
                key: .init(bankID: "b", transactionID: "\(number)"), state: .decided, riskScore: event.risk,
                label: event.risk > 0.5 ? .fraud : .legitimate, decidedAt: .init(seconds: Int64(event.hour) * 3600 + Int64(number)),
                alert: event.risk > 0.8, decisionID: "d\(number)"),
            eventTime: .init(seconds: Int64(event.hour) * 3600), amount: .init(minorUnits: 100, currency: "INR"),
            location: isPlaced ? .init(latitude: event.position.latitude, longitude: event.position.longitude) : nil, terminalID: "T1",
            channel: .atm)
    }

    static let terminal = IngestionV1.IngestionEvent(
        event: .terminalRegistered(.init(
            terminalID: "T1", kind: .atm, location: .init(latitude: Sample.centre.latitude, longitude: Sample.centre.longitude))),
        senderID: "b")

    static func complaint(_ number: Int) -> IngestionV1.IngestionEvent {
        let time = GoogleProtobuf.Timestamp(seconds: Int64(Sample.firstHour) * 3600)
        return .init(
            event: .complaintAccepted(.init(
                complaintID: "c\(number)", crimeType: "upi_fraud", occurredAt: time, reportedAt: time,
                location: .init(latitude: Sample.centre.latitude, longitude: Sample.centre.longitude))),
            senderID: "police")
    }

    /// The count of each hour of a layer, asked for as a program would.
    static func count(_ channel: RPCChannel, _ layer: String, _ options: CallOptions) async throws -> Int64 {
        let response = try await TilesV1.TileService.Client(channel).getTimeSeries(.init(filter: .init(layer: layer)), options: options)
        return response.buckets.reduce(0) { $0 + $1.count }
    }

    /// Asks until the answer is the one expected, woken by the live stream; ends after half a minute.
    static func settle(_ channel: RPCChannel, _ token: BearerToken, _ expected: [String: Int64]) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while true {
            var found: [String: Int64] = [:]
            for layer in expected.keys { found[layer] = try await count(channel, layer, TestService.options(token)) }
            if found == expected || ContinuousClock.now > deadline { return #expect(found == expected) }
            await Task.yield()
        }
    }

    @Test("Events reach the tiles through both logs, and a service started again on its database shows the same")
    func endToEnd() async throws {
        let surroundings = Surroundings()
        let events = Sample.events(600, seed: 61).enumerated().map { Self.decision($1, $0) }
        let risks = events.compactMap { $0.decision?.riskScore }
        var expected = [
            "transactions": Int64(600), "fraud": Int64(risks.filter { $0 > 0.5 }.count), "alerts": Int64(risks.filter { $0 > 0.8 }.count),
            "complaints": 25,
        ]
        let token = try await TestTokens.token("asha", scopes: [Scope.readTiles])
        try await TemporaryPostgres.withDatabase { database in
            try await Self.withService(surroundings, database: database) { service in
                try await service.withChannel { channel in
                    surroundings.decisions.append(events)
                    surroundings.records.append((0..<25).map { Self.complaint($0) } + [Self.terminal])
                    try await Self.settle(channel, token, expected)
                    let world = try await channel.http(HTTPRequest(
                        path: "/tiles/transactions/0/0/0.mvt", headers: ["authorization": "Bearer \(token.value)"]))
                    let counted = try DecodedTile(world.bytes).layers["transactions"]?.reduce(0) { $0 + Int($1.attributes["count"] ?? 0) }
                    #expect(world.status == 200 && counted == 600)
                }
            }
            let late = SampleEvent(position: Sample.centre, hour: Sample.firstHour, kind: Sample.kinds[0], risk: 0.1)
            surroundings.decisions.append((600..<650).map { Self.decision(late, $0) })
            expected["transactions"] = 650
            try await Self.withService(surroundings, database: database) { service in
                try await service.withChannel { channel in try await Self.settle(channel, token, expected) }
            }
        }
    }

    @Test("Nobody sees anything without the scope; a person signs in with a password and gets a cookie that no script can read")
    func sessions() async throws {
        try await Self.withService(Surroundings()) { service in
            try await service.withChannel { channel in
                for path in ["/session", "/live", "/api/summary", "/api/alerts", "/tiles/risk/0/0/0.mvt", "/tiles/risk.json"] {
                    #expect(try await channel.http(HTTPRequest(path: path)).status == 401)
                }
                #expect(try await channel.http(HTTPRequest(path: "/")).status == 200)
                let refused = try await channel.http(HTTPRequest(path: "/api/summary"))
                #expect(refused.headers["content-type"] == "application/json")
                #expect(String(decoding: refused.bytes, as: UTF8.self).hasPrefix("{\"code\":\"unauthenticated\""))
                func login(_ user: String, _ password: String, type: String = "application/json") async throws -> HTTPResponse {
                    try await channel.http(HTTPRequest(
                        method: "POST", path: "/login", headers: ["content-type": type],
                        body: Array(#"{"username":"\#(user)","password":"\#(password)"}"#.utf8)))
                }
                #expect(try await login("asha", "wrong").status == 401)
                let tooMany = try await login("hasty", "right")
                #expect(tooMany.status == 429 && tooMany.headers["retry-after"] == "30")
                #expect(try await login("asha", "right", type: "text/plain").status == 415)
                let granted = try await login("asha", "right")
                let cookie = try #require(granted.headers["set-cookie"])
                #expect(granted.status == 204)
                for attribute in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/", "Max-Age=900"] { #expect(cookie.contains(attribute)) }
                let pair = String(cookie.prefix { $0 != ";" })
                let session = try await channel.http(HTTPRequest(path: "/session", headers: ["cookie": pair]))
                #expect(String(decoding: session.bytes, as: UTF8.self).contains(#""subject":"asha""#))
                let unknown = try await channel.http(HTTPRequest(path: "/live", query: [("since", "7")], headers: ["cookie": pair]))
                #expect(unknown.status == 400)
                let clerk = try await login("clerk", "right")
                #expect(clerk.status == 403 && clerk.headers["set-cookie"] == nil)
            }
        }
    }

    @Test("Bad requests to the RPCs name the field")
    func badRequests() async throws {
        let token = try await TestTokens.token("asha", scopes: [Scope.readTiles])
        try await Self.withService(Surroundings()) { service in
            try await service.withChannel { channel in
                let client = TilesV1.TileService.Client(channel)
                let bad: [(TilesV1.ListHotspotsRequest, String)] = [
                    (.init(filter: .init(layer: "love")), "filter.layer"), (.init(limit: 100_000), "limit"), (.init(zoom: 18), "zoom"),
                    (.init(filter: .init(layer: "complaints", types: ["x"])), "filter.types"),
                    (.init(filter: .init(from: .init(seconds: 100_000), to: .init(seconds: 0))), "filter.to"),
                    (.init(filter: .init(from: .init(seconds: .max))), "filter.from"),
                ]
                for (request, field) in bad {
                    let error = await #expect(throws: RPCError.self) {
                        try await client.listHotspots(request, options: TestService.options(token))
                    }
                    #expect(error?.code == .invalidArgument && error?.fieldViolations.first?.field == field)
                }
                let area = TilesV1.BoundingBox(west: 10, south: 0, east: -10, north: 1)
                let error = await #expect(throws: RPCError.self) {
                    try await client.getTimeSeries(.init(area: area), options: TestService.options(token))
                }
                #expect(error?.fieldViolations.first?.field == "area")
            }
        }
    }
}
