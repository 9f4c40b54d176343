import Contracts
import Foundation
import Identity
import RPC
import ServiceContextModule
import ServiceRuntime
import TestSupport
import Testing

@testable import AuthGateway

/// Answers as the model server would, and says who asked.
private struct FakeModels: RPCService {
    let serviceName = ModelsV1.ModelService.fullName
    let fileDescriptors: [[UInt8]] = []

    var methods: [RPCMethod] {
        [
            .unary(ModelsV1.ModelService.Methods.getDecisions) {
                (request: ModelsV1.GetDecisionsRequest, context: CallContext) async throws -> ModelsV1.GetDecisionsResponse in
                guard request.keys.count < 3 else {
                    throw RPCError.invalidArgument([FieldViolation(field: "keys", description: "too many")])
                }
                context.setTrailingMetadata(["x-subject": context.serviceContext.principal?.subject ?? "nobody"])
                return ModelsV1.GetDecisionsResponse(decisions: [RecordsV1.Decision(decisionID: "d-1")])
            }
        ]
    }
}

@Suite struct ForwardingTests {
    /// A gateway with a model server behind it, which takes its keys from the gateway as it does in earnest.
    private func withSuite(_ body: (TestGateway, TestService, RPCChannel) async throws -> Void) async throws {
        let keys = LateKeys()
        try await withTestService(
            .modelServer, tokenKeys: keys, configuration: { _ in 0 },
            run: { _, runtime in try await runtime.withDatabase(migrations: []) { _ in try await runtime.serve(services: [FakeModels()]) } }
        ) { models in
            try await TestGateway.run(environment: ["VIGIL_MODELS_URL": models.address]) { gateway in
                try await gateway.service.withChannel { channel in
                    let published = try await channel.http(HTTPRequest(path: "/.well-known/jwks.json"))
                    keys.set(try KeySet(json: published.bytes))
                    try await body(gateway, models, channel)
                }
            }
        }
    }

    private func records(_ gateway: TestGateway) async throws -> [AuthV1.AccessRecord] {
        try await gateway.service.withChannel(as: .peer(ServiceName.operator)) { channel in
            try await AuthV1.AuthService.Client(channel).listAccessRecords(AuthV1.ListAccessRecordsRequest()).records
        }
    }

    @Test func agencysCallReachesTheServiceWithItsOwnTokenAndIsRecorded() async throws {
        try await withSuite { gateway, _, channel in
            let token = try await gateway.token(TestGateway.agency, on: channel)
            var options = TestService.options(token)
            options.metadata["vigil-purpose"] = "case 17/2026"
            let client = ModelsV1.ModelService.Client(channel)
            let answer = try await client.getDecisions(ModelsV1.GetDecisionsRequest(), options: options)
            #expect(answer.decisions.map(\.decisionID) == ["d-1"])
            let records = try await records(gateway)
            #expect(records.count == 1)
            #expect(records.first?.subject == "city-police")
            #expect(records.first?.method == "/vigil.models.v1.ModelService/GetDecisions")
            #expect(records.first?.purpose == "case 17/2026")
            #expect(records.first?.outcome == "OK")
        }
    }

    @Test func auditorReadsOnBeyondTheNewestRecords() async throws {
        try await withSuite { gateway, _, channel in
            let options = TestService.options(try await gateway.token(TestGateway.agency, on: channel))
            for _ in 0..<5 { _ = try await ModelsV1.ModelService.Client(channel).getDecisions(.init(), options: options) }
            let auditor = TestService.options(try await gateway.token(TestGateway.auditor, on: channel))
            let client = AuthV1.AuthService.Client(channel)
            var found: [Int64] = [], pages = 0
            repeat {
                let request = AuthV1.ListAccessRecordsRequest(limit: 2, beforeRecordID: found.last ?? 0)
                let page = try await client.listAccessRecords(request, options: auditor).records.map(\.recordID)
                found += page
                pages += 1
                if page.isEmpty { break }
            } while true
            #expect(found.count == 5 && pages == 4)
            #expect(found == Set(found).sorted(by: >))
        }
    }

    @Test func callOfWhoIsLimitedToJurisdictionsIsNotForwardedToWhatIsNotToldByThem() async throws {
        try await withSuite { gateway, _, channel in
            let options = TestService.options(try await gateway.token(TestGateway.limitedAgency, on: channel))
            let refused = await #expect(throws: RPCError.self) {
                _ = try await ModelsV1.ModelService.Client(channel).getDecisions(ModelsV1.GetDecisionsRequest(), options: options)
            }
            #expect(refused?.code == .permissionDenied)
            #expect(refused?.message.contains("limited") == true)
            #expect(try await records(gateway).map(\.outcome) == ["PERMISSION_DENIED"])
        }
    }

    @Test func curlCallsInJSON() async throws {
        try await withSuite { gateway, _, channel in
            let token = try await gateway.token(TestGateway.agency, on: channel)
            let output = try await curl(
                "--http2", "--cacert", TestCertificates.trustFile, "-H", "authorization: Bearer \(token.value)",
                "-H", "content-type: application/json", "-d", "{}", "-w", "\n%{http_code} %{http_version}",
                "\(gateway.service.address)/vigil.models.v1.ModelService/GetDecisions")
            let lines = output.split(separator: "\n").map(String.init)
            #expect(lines.last == "200 2")
            let json = try JSONSerialization.jsonObject(with: Data((lines.first ?? "").utf8)) as? [String: [[String: Any]]]
            #expect(json?["decisions"]?.first?["decisionId"] as? String == "d-1")
        }
    }

    @Test func getIsForwardedToMethodsWithoutSideEffectsAlone() async throws {
        try await withSuite { gateway, _, channel in
            let token = try await gateway.token(TestGateway.agency, on: channel)
            func get(_ method: String) async throws -> [Substring] {
                try await curl(
                    "--http2", "--cacert", TestCertificates.trustFile, "-H", "authorization: Bearer \(token.value)",
                    "-w", "\n%{http_code}", "\(gateway.service.address)/\(method)?encoding=json&message=%7B%7D"
                ).split(separator: "\n")
            }
            let answer = try await get("vigil.models.v1.ModelService/GetDecisions")
            #expect(answer.last == "200")
            #expect(answer.first?.contains("d-1") == true)
            let refusal = try await get("vigil.notifications.v1.NotifierService/AcknowledgeAlert")
            #expect(refusal.last == "501")
            #expect(refusal.first?.contains("called by POST") == true)
        }
    }

    @Test func serviceErrorComesBackAsItIs() async throws {
        try await withSuite { gateway, _, channel in
            let token = try await gateway.token(TestGateway.agency, on: channel)
            let request = ModelsV1.GetDecisionsRequest(keys: Array(repeating: RecordsV1.TransactionKey(), count: 3))
            let error = await #expect(throws: RPCError.self) {
                try await ModelsV1.ModelService.Client(channel).getDecisions(request, options: TestService.options(token))
            }
            #expect(error?.code == .invalidArgument)
            #expect(error?.fieldViolations == [FieldViolation(field: "keys", description: "too many")])
            let outcomes = try await records(gateway).map(\.outcome)
            #expect(outcomes == ["INVALID_ARGUMENT"])
        }
    }

    @Test func callWithoutTheScopeIsRefusedNamedAndRecorded() async throws {
        try await withSuite { gateway, _, channel in
            let token = try await gateway.token(TestGateway.auditor, on: channel)
            let error = await #expect(throws: RPCError.self) {
                try await ModelsV1.ModelService.Client(channel).getDecisions(.init(), options: TestService.options(token))
            }
            #expect(error?.code == .permissionDenied)
            #expect(error?.message.contains("decisions:read") == true)
            let records = try await records(gateway)
            #expect(records.map(\.outcome) == ["PERMISSION_DENIED"])
            #expect(records.map(\.subject) == ["audit-office"])
        }
    }

    @Test func gatewaysCertificateLendsNoRightToABearer() async throws {
        try await withSuite { gateway, models, channel in
            // The bank's token at a method that is for services only: neither through the gateway nor directly.
            let token = try await gateway.token(TestGateway.bank, on: channel)
            for caller in [TestService.Caller.anonymous, .peer(ServiceName.ingestionGateway)] {
                try await models.withChannel(as: caller) { direct in
                    let error = await #expect(throws: RPCError.self) {
                        try await ModelsV1.ModelService.Client(direct).score(.init(), options: TestService.options(token))
                    }
                    #expect(error?.code == .permissionDenied || error?.code == .unimplemented)
                }
            }
            let error = await #expect(throws: RPCError.self) {
                try await ModelsV1.ModelService.Client(channel).score(.init(), options: TestService.options(token))
            }
            #expect(error?.code == .permissionDenied)
        }
    }

    @Test func callsWithoutAValidTokenAreUnauthenticated() async throws {
        try await withSuite { gateway, models, channel in
            let foreign = try await TestTokens.token("city-police", kind: .agency, scopes: ["decisions:read"])
            for (options, reason) in [(CallOptions(), "no token"), (TestService.options(foreign), "unknown key")] {
                let error = await #expect(throws: RPCError.self) {
                    try await ModelsV1.ModelService.Client(channel).getDecisions(.init(), options: options)
                }
                #expect(error?.code == .unauthenticated)
                #expect(error?.message.contains(reason) == true)
            }
            try await models.withChannel { direct in
                let error = await #expect(throws: RPCError.self) {
                    try await ModelsV1.ModelService.Client(direct).getDecisions(.init())
                }
                #expect(error?.code == .unauthenticated)
            }
        }
    }

    @Test func servicesFetchTheKeysFromTheGateway() async throws {
        try await TestGateway.run { gateway in
            let token = try await gateway.service.withChannel { try await gateway.token(TestGateway.agency, on: $0) }
            try await withTestService(
                .heatmapTiles, environment: ["VIGIL_AUTH_URL": gateway.service.address], tokenKeys: nil, configuration: { _ in 0 },
                run: { _, runtime in
                    let route = HTTPRoute("GET", "/tiles/{z}") { _ in .text("a tile") }
                    try await runtime.serve(services: [], routes: [route], rules: ["/tiles/{z}": .limitedScope(Scope.readTiles)])
                }
            ) { tiles in
                try await tiles.withChannel { channel in
                    let answer = try await channel.http(
                        HTTPRequest(path: "/tiles/1", headers: ["authorization": "Bearer \(token.value)"]))
                    #expect(answer.status == 200)
                }
            }
        }
    }

    @Test func unknownAndStreamingMethodsAreNotForwarded() async throws {
        try await withSuite { gateway, _, channel in
            let token = try await gateway.token(TestGateway.agency, on: channel)
            for path in ["/vigil.models.v1.ModelService/TailDecisions", "/vigil.models.v1.ModelService/Nothing", "/a.B/C"] {
                let error = await #expect(throws: RPCError.self) {
                    try await channel.forwardUnary(
                        path: path, contentType: "application/proto", body: [], options: TestService.options(token))
                }
                #expect(error?.code == .permissionDenied || error?.code == .unimplemented)
            }
        }
    }

    @Test func deadServiceIsUnavailableAndRecorded() async throws {
        try await TestGateway.run(environment: ["VIGIL_NOTIFIER_URL": "https://127.0.0.1:1"]) { gateway in
            try await gateway.service.withChannel { channel in
                let token = try await gateway.token(TestGateway.agency, on: channel)
                let error = await #expect(throws: RPCError.self) {
                    try await NotificationsV1.NotifierService.Client(channel).listAlerts(.init(), options: TestService.options(token))
                }
                #expect(error?.code == .unavailable)
                let outcomes = try await records(gateway).map(\.outcome)
                #expect(outcomes.contains("UNAVAILABLE"))
            }
        }
    }

    private func curl(_ arguments: String...) async throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/curl")
        process.arguments = ["-sS", "--max-time", "20"] + arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        return try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(with: Result { String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self) })
            }
        }
    }
}

@Suite struct MethodRulesTests {
    private let methods = IngestionV1.IngestionService.Methods.all + FeaturesV1.FeatureStoreService.Methods.all
        + ModelsV1.ModelService.Methods.all + TilesV1.TileService.Methods.all + NotificationsV1.NotifierService.Methods.all
        + AuthV1.AuthService.Methods.all

    @Test func everyMethodHasARuleAndEveryRuleAMethod() {
        let paths = methods.map(\.path)
        #expect(AccessPolicy(MethodRules.all).uncovered(among: paths).isEmpty)
        let ruled = MethodRules.all.keys.filter { $0.hasPrefix("/vigil.") }
        #expect(Set(ruled).subtracting(paths).isEmpty)
    }

    @Test func onlyTokensAndKeysAreOpen() {
        let open = MethodRules.all.filter { $0.value.isOpen }.map(\.key).sorted()
        #expect(open == [
            "/grpc.health.v1.Health/", "/grpc.reflection.v1.ServerReflection/", "/grpc.reflection.v1alpha.ServerReflection/", "/readyz",
            "/vigil.auth.v1.AuthService/GetKeySet", "/vigil.auth.v1.AuthService/IssueToken",
        ])
    }

    @Test func rolesNameScopesThatExist() {
        for role in Role.allCases { #expect(role.scopes.isSubset(of: Scope.all)) }
        #expect(Role.administrator.scopes == Scope.all)
    }
}
