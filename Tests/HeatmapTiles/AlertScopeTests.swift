import Contracts
import Foundation
import Identity
import RPC
import ServiceContextModule
import Synchronization
import TestSupport
import Testing

@testable import HeatmapTiles

/// Where alerts stand, and who takes them, is no business of who may not see them.
@Suite struct AlertScopeTests {
    private func withCases<R>(_ body: (CaseRoutes, FakeNotifier) async throws -> R) async throws -> R {
        let notifier = FakeNotifier()
        return try await withServer(ServerConfiguration(), services: [notifier], health: HealthRegistry(), logger: testLogger) { server in
            try await withChannel(ChannelConfiguration(target: "http://127.0.0.1:\(server.port)"), logger: testLogger) { channel in
                try await body(
                    CaseRoutes(
                        notifier: .init(channel), models: .init(channel), map: LiveMap(JurisdictionTests.everywhere), renderer: TileRenderer()),
                    notifier)
            }
        }
    }

    private func call(
        _ cases: CaseRoutes, _ pattern: String, _ id: String = "", body: String = "{}", query: [(name: String, value: String)] = [],
        jurisdictions: Set<String>
    ) async throws -> (status: Int, json: Any) {
        let route = try #require(cases.all.first { $0.pattern == pattern })
        let token = try await TestTokens.token("asha", jurisdictions: jurisdictions)
        var context = ServiceContext.topLevel
        context.principal = Principal(subject: "asha", kind: .user, jurisdictions: jurisdictions)
        context.bearerToken = token
        let response = try await route.handler(HTTPRequest(
            method: route.method, path: pattern, query: query, headers: ["content-type": "application/json"], body: Array(body.utf8),
            pathParameters: ["id": id], serviceContext: context))
        return (response.status, try JSONSerialization.jsonObject(with: Data(response.bytes)))
    }

    /// Ids by district, of the alerts of the map.
    private func ids(_ area: String) -> Set<String> {
        Set(JurisdictionTests.everywhere.alerts.filter { JurisdictionTests.everywhere.shows($0, to: [area]) }.map(\.decisionID))
    }

    @Test func whatTakesNoParametersRefusesAny() async throws {
        try await withCases { cases, _ in
            for pattern in ["/models", "/models/health", "/complaints/{reporter}/{id}/cash-out"] {
                let (status, json) = try await call(cases, pattern, query: [("days", "1000")], jurisdictions: [])
                #expect(status == 400 && ((json as? [String: Any])?["message"] as? String)?.hasPrefix("days: unknown parameter; this takes none") == true)
            }
        }
    }

    @Test func aLimitedCallerIsToldOfItsOwnAlertsOnly() async throws {
        let (north, south) = (ids("north"), ids("south"))
        #expect(!north.isEmpty && !south.isEmpty)
        try await withCases { cases, notifier in
            let (status, json) = try await call(cases, "/alerts/states", jurisdictions: ["north"])
            #expect(status == 200)
            #expect(Set((json as? [[String: Any]] ?? []).compactMap { $0["alertID"] as? String }) == north)
            #expect(notifier.asked == north)
            let nothing = try await call(cases, "/alerts/states", jurisdictions: ["nowhere"])
            #expect(nothing.status == 200 && (nothing.json as? [Any])?.isEmpty == true)
            let page = try await call(cases, "/alerts/states", query: [("limit", "2")], jurisdictions: ["north"])
            #expect((page.json as? [Any])?.count == 2)
            #expect(try await call(cases, "/alerts/states", query: [("after", "nothing")], jurisdictions: ["north"]).status == 400)
            let all = try await call(cases, "/alerts/states", jurisdictions: [])
            #expect((all.json as? [Any])?.count == JurisdictionTests.everywhere.alerts.count)
        }
    }

    @Test func aLimitedCallerAcknowledgesItsOwnAlertsOnly() async throws {
        let (north, south) = (try #require(ids("north").min()), try #require(ids("south").min()))
        try await withCases { cases, notifier in
            func status(_ id: String, _ jurisdictions: Set<String>) async throws -> Int {
                try await call(cases, "/alerts/{id}/acknowledge", id, jurisdictions: jurisdictions).status
            }
            let (others, missing) = (try await status(south, ["north"]), try await status("none", []))
            #expect(others == 404 && missing == 404)
            #expect(notifier.acknowledged.isEmpty)
            let (own, any) = (try await status(north, ["north"]), try await status(south, []))
            #expect(own == 200 && any == 200)
            #expect(notifier.acknowledged == [north, south])
        }
    }

    @Test("A body that is no JSON object acknowledges nothing", arguments: ["not json", "", "[]", "{"])
    func badBodies(body: String) async throws {
        let id = try #require(ids("north").min())
        try await withCases { cases, notifier in
            let (status, json) = try await call(cases, "/alerts/{id}/acknowledge", id, body: body, jurisdictions: [])
            #expect(status == 400 && (json as? [String: Any])?["code"] as? String == "invalid_argument")
            #expect(notifier.acknowledged.isEmpty)
        }
    }
}

/// Has every alert that it is asked for.
private final class FakeNotifier: NotificationsV1.NotifierService.Handlers {
    private let state = Mutex<(asked: Set<String>, acknowledged: Set<String>)>(([], []))

    var asked: Set<String> { state.withLock { $0.asked } }
    var acknowledged: Set<String> { state.withLock { $0.acknowledged } }

    func raiseAlert(_ request: NotificationsV1.RaiseAlertRequest, context: CallContext) async throws -> NotificationsV1.RaiseAlertResponse {
        throw RPCError(.unimplemented, "nobody raises one here")
    }

    func listAlerts(_ request: NotificationsV1.ListAlertsRequest, context: CallContext) async throws -> NotificationsV1.ListAlertsResponse {
        state.withLock { $0.asked = Set(request.alertIDs) }
        return .init(alerts: request.alertIDs.map { .init(alertID: $0, state: .delivered) }, total: Int64(request.alertIDs.count))
    }

    func acknowledgeAlert(
        _ request: NotificationsV1.AcknowledgeAlertRequest, context: CallContext
    ) async throws -> NotificationsV1.AcknowledgeAlertResponse {
        state.withLock { _ = $0.acknowledged.insert(request.alertID) }
        return .init(alert: .init(alertID: request.alertID, state: .acknowledged, acknowledgedBy: "asha"))
    }
}
