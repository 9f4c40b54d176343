import Contracts
import Foundation
import Identity
import RPC
import ServiceRuntime
import TestSupport
import Testing

@testable import AuthGateway

/// The gateway is started again with another principals file, while another service goes on.
@Suite struct LostRightsTests {
    private static func principals(_ asha: String?, ravi: String) -> String {
        let others = #"""
            {"subject": "ravi", "kind": "user", "secret": "password-of-ravi", \#(ravi)},
            {"subject": "maya", "kind": "user", "secret": "password-of-maya", "roles": ["analyst"]}
            """#
        let first = asha.map { #"{"subject": "asha", "kind": "user", "secret": "password-of-asha", \#($0)},"# } ?? ""
        return "{\"principals\": [\(first)\(others)]}"
    }

    private let before = principals(
        #""roles": ["duty-officer"]"#, ravi: #""roles": ["duty-officer"], "jurisdictions": ["north"]"#)
    private let after = principals(nil, ravi: #""roles": ["analyst"], "jurisdictions": ["south"]"#)

    private func token(_ name: String, at gateway: TestGateway) async throws -> BearerToken {
        try await gateway.service.withChannel { channel in
            let form = [("grant_type", "password"), ("username", name), ("password", "password-of-\(name)")]
            let answer = try await gateway.requestToken(form, on: channel)
            return BearerToken(answer.json["access_token"] as? String ?? "")
        }
    }

    /// What the tile service says to a browser with this session.
    private func status(_ token: BearerToken, at tiles: TestService) async throws -> Int {
        try await tiles.withChannel { channel in
            try await channel.http(HTTPRequest(path: "/session", headers: ["cookie": "vigil_session=\(token.value)"])).status
        }
    }

    /// What the gateway says to a call that it would forward.
    private func code(_ token: BearerToken, at gateway: TestGateway) async throws -> StatusCode {
        try await gateway.service.withChannel { channel in
            do {
                _ = try await TilesV1.TileService.Client(channel).listHotspots(.init(), options: TestService.options(token))
                return .ok
            } catch let error as RPCError {
                return error.code
            }
        }
    }

    private func withTiles(gatewayPort port: Int, _ body: (TestService) async throws -> Void) async throws {
        try await withTestService(
            .heatmapTiles, environment: ["VIGIL_AUTH_URL": "https://127.0.0.1:\(port)"], tokenKeys: nil, configuration: { _ in 0 },
            run: { _, runtime in
                let route = HTTPRoute("GET", "/session") { .text($0.serviceContext.principal?.subject ?? "") }
                try await runtime.serve(services: [], routes: [route], rules: ["/session": .limitedScope(Scope.readTiles)])
            }, body)
    }

    @Test(.timeLimit(.minutes(2)))
    func whoIsDismissedOrDemotedIsOutEverywhereOnceTheGatewayHasBeenStartedAgainAndNobodyElseIs() async throws {
        try await TemporaryPostgres.withDatabase { database in
            let port = try await TestGateway.run(principals: before, database: database) { $0.service.port }
            try await withTiles(gatewayPort: port) { tiles in
                let environment = ["VIGIL_LISTEN_PORT": "\(port)", "VIGIL_TILES_URL": tiles.address]
                var old: [String: BearerToken] = [:]
                try await TestGateway.run(principals: before, environment: environment, database: database) { gateway in
                    for name in ["asha", "ravi", "maya"] {
                        old[name] = try await token(name, at: gateway)
                        #expect(try await status(old[name]!, at: tiles) == 200)
                        #expect(try await code(old[name]!, at: gateway) != .unauthenticated)
                    }
                }
                // The gateway is away: what was known stays in force.
                for token in old.values { #expect(try await status(token, at: tiles) == 200) }
                try await TestGateway.run(principals: after, environment: environment, database: database) { gateway in
                    for name in ["asha", "ravi"] {
                        #expect(try await code(old[name]!, at: gateway) == .unauthenticated)
                        // Until the tile service asks again.
                        while try await status(old[name]!, at: tiles) != 401 {}
                    }
                    let new = try await token("ravi", at: gateway)
                    for token in [new, old["maya"]!] {
                        #expect(try await status(token, at: tiles) == 200)
                        #expect(try await code(token, at: gateway) != .unauthenticated)
                    }
                }
            }
        }
    }

    @Test func whoHasLostRightsIsToldToVigilsServicesAlone() async throws {
        try await TemporaryPostgres.withDatabase { database in
            try await TestGateway.run(principals: before, database: database) { _ in }
            try await TestGateway.run(principals: after, database: database) { gateway in
                func told(_ caller: TestService.Caller) async throws -> [String] {
                    try await gateway.service.withChannel(as: caller) { channel in
                        try await AuthV1.AuthService.Client(channel).getKeySet(.init()).rightsChanges.map(\.subject).sorted()
                    }
                }
                let (anyone, notifier) = try await (told(.anonymous), told(.peer(ServiceName.notifier)))
                #expect(anyone == [])
                #expect(notifier == ["asha", "ravi"])
            }
        }
    }

    @Test func anotherReplicaLearnsOfLostRightsFromTheDatabase() async throws {
        try await TemporaryPostgres.withDatabase { database in
            try await TestGateway.run(principals: before, database: database) { first in
                let old = try await token("asha", at: first)
                #expect(try await code(old, at: first) != .unauthenticated)
                try await TestGateway.run(principals: after, database: database) { _ in
                    while try await code(old, at: first) != .unauthenticated {}
                }
            }
        }
    }
}
