import Identity
import Testing

@Suite struct AccessPolicyTests {
    let policy = AccessPolicy([
        "/vigil.models.v1.ModelService/Score": .peers(["ingestion-gateway"]),
        "/vigil.models.v1.ModelService/GetDecisions": .anyOf([.bankScope("decisions:read"), .peers(["ingestion-gateway"])]),
        "/grpc.health.v1.Health/": .open,
        "/tiles/": .scope("tiles:read"),
        "/tiles/public/": .open,
        "/": .authenticated,
    ])
    let gateway = Principal(subject: "ingestion-gateway", kind: .service)
    let bank = Principal(subject: "ingestion-gateway", kind: .bank, scopes: ["decisions:read"])

    @Test func pathWithoutARuleIsRefused() {
        #expect(policy.rule(for: "/vigil.models.v1.ModelService/Unknown") == nil)
        #expect(policy.rule(for: "/other") == nil)
        #expect(policy.rule(for: "") == nil)
        #expect(AccessPolicy().rule(for: "/grpc.health.v1.Health/Check") == nil)
    }

    @Test func mostParticularPrefixDecides() {
        #expect(policy.rule(for: "/tiles/risk/1/2/3.mvt") == .scope("tiles:read"))
        #expect(policy.rule(for: "/tiles/public/x") == .open)
        #expect(policy.rule(for: "/") == .authenticated)
        #expect(policy.rule(for: "/grpc.health.v1.Health/Check") == .open)
        #expect(policy.rule(for: "/tilesX") == nil)
    }

    @Test func peerRuleAsksForTheCertificateNotTheName() throws {
        let rule = try #require(policy.rule(for: "/vigil.models.v1.ModelService/Score"))
        #expect(rule.admits(gateway, isPeer: true))
        #expect(!rule.admits(bank, isPeer: false))
        #expect(!rule.admits(Principal(subject: "notifier", kind: .service), isPeer: true))
    }

    @Test func oneOfSeveralRulesIsEnough() throws {
        let rule = try #require(policy.rule(for: "/vigil.models.v1.ModelService/GetDecisions"))
        #expect(rule.admits(bank, isPeer: false))
        #expect(rule.admits(gateway, isPeer: true))
        #expect(!rule.admits(Principal(subject: "x", kind: .user), isPeer: false))
        #expect(rule.requirement == "scope decisions:read, or the certificate of service ingestion-gateway")
        #expect(!rule.isOpen)
    }

    @Test func tokenLimitedToJurisdictionsPassesWhereThatIsSaidOnly() {
        let limited = Principal(subject: "asha", kind: .user, scopes: ["alerts:read"], jurisdictions: ["north"])
        var unlimited = limited
        unlimited.jurisdictions = []
        #expect(!AccessRule.scope("alerts:read").admits(limited, isPeer: false))
        #expect(AccessRule.limitedScope("alerts:read").admits(limited, isPeer: false))
        #expect(!AccessRule.limitedScope("alerts:write").admits(limited, isPeer: false))
        let relayed = AccessRule.relayedScope("alerts:read", by: ["heatmap-tiles"])
        #expect(relayed.admits(limited, isPeer: false, relay: "heatmap-tiles"))
        #expect(!relayed.admits(limited, isPeer: false, relay: "notifier"))
        #expect(!relayed.admits(limited, isPeer: false) && !relayed.admits(unlimited, isPeer: false))
        #expect(AccessRule.scope("alerts:read").admits(unlimited, isPeer: false))
        #expect(AccessRule.scope("alerts:read").refusal(of: limited, isPeer: false).contains("not told by jurisdiction"))
        #expect(AccessRule.scope("tiles:read").refusal(of: limited, isPeer: false) == "this needs scope tiles:read")
    }

    /// What is added here must keep to the caller's jurisdictions, or be about no place.
    @Test func tokenLimitedToJurisdictionsCallsTheseMethodsAlone() {
        let limited = Principal(subject: "asha", kind: .user, scopes: Scope.all, jurisdictions: ["north"])
        let called = MethodRules.all.filter { !$0.value.isOpen && $0.value.admits(limited, isPeer: false) }.keys
            .map { $0.split(separator: "/").last.map(String.init) ?? "" }
        let writing = [
            "SubmitTransaction", "StreamTransactions", "SubmitComplaint", "SubmitLabel", "ImportRecords", "ImportFile", "GetFileImport", "RaiseAlert",
        ]
        let ofNoPlace = ["DescribeFeatureSet", "ListModels", "GetModelHealth"]
        let limitedByTheHandler = ["PredictCashOut", "ForecastCells", "ListHotspots", "GetTimeSeries"]
        #expect(called.sorted() == (writing + ofNoPlace + limitedByTheHandler).sorted())
    }

    @Test func tokenOfOneBankPassesWhereThatIsSaidOnly() {
        let clerk = Principal(subject: "clerk", kind: .user, scopes: ["audit:read"], bankID: "first")
        for bank in [clerk, Principal(subject: "first", kind: .bank, scopes: ["audit:read"])] {
            #expect(!AccessRule.scope("audit:read").admits(bank, isPeer: false))
            #expect(AccessRule.bankScope("audit:read").admits(bank, isPeer: false))
            #expect(!AccessRule.bankScope("audit:write").admits(bank, isPeer: false))
            #expect(AccessRule.scope("audit:read").refusal(of: bank, isPeer: false).contains("concerns all banks"))
            #expect(AccessRule.scope("tiles:read").refusal(of: bank, isPeer: false) == "this needs scope tiles:read")
        }
        var limited = clerk
        limited.jurisdictions = ["north"]
        #expect(!AccessRule.bankScope("audit:read").admits(limited, isPeer: false))
        #expect(AccessRule.bankScope("audit:read").refusal(of: limited, isPeer: false).contains("not told by jurisdiction"))
        #expect(clerk.maySee(bank: "first") && !clerk.maySee(bank: "second") && !clerk.maySee(bank: ""))
        #expect(Principal(subject: "asha", kind: .user).maySee(bank: "second"))
    }

    /// What is added here must keep to the caller's bank, or tell nothing of one.
    @Test func tokenOfOneBankCallsTheseMethodsAlone() {
        let bank = Principal(subject: "first", kind: .bank, scopes: Scope.all, bankID: "first")
        let called = MethodRules.all.filter { !$0.value.isOpen && $0.value.admits(bank, isPeer: false) }.keys
            .map { $0.split(separator: "/").last.map(String.init) ?? "" }
        let writing = [
            "SubmitTransaction", "StreamTransactions", "SubmitComplaint", "SubmitLabel", "ImportRecords", "ImportFile", "GetFileImport", "RaiseAlert",
        ]
        let limitedByTheHandler = [
            "EraseIdentifiers", "RevealIdentifier", "ListPrivacyRecords", "GetStatistics", "GetDecisions", "ReplayDecision", "PredictCashOut",
        ]
        let ofNoBank = ["DescribeFeatureSet", "ListModels", "GetModelHealth", "ForecastCells", "ListHotspots", "GetTimeSeries"]
        #expect(called.sorted() == (writing + limitedByTheHandler + ofNoBank).sorted())
    }

    @Test func uncoveredPathsAreListed() {
        #expect(policy.uncovered(among: ["/tiles/a", "/b", "/a"]) == ["/a", "/b"])
        #expect(policy.listing.map(\.path) == policy.listing.map(\.path).sorted())
    }
}
