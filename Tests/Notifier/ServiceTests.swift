import Contracts
import Foundation
import RPC
import RecordCoding
import Records
import ServiceRuntime
import StandardContracts
import TestSupport
import Testing

@testable import Notifier

@Suite("The notifier", .timeLimit(.minutes(1))) struct ServiceTests {
    static func decision(_ id: String, alert: Bool = true, hoursAgo: Int = 0) -> RecordsV1.Decision {
        let text = "terminal had 3 frauds"
        return RecordsV1.Decision(
            key: .init(bankID: "FIRST", transactionID: "tx-\(id)"), state: .decided, riskScore: 0.97, label: .fraud,
            reasons: [.init(feature: "f", value: 3, contribution: 1, text: text)], modelVersion: "m",
            decidedAt: .init(Timestamp.now() - .hours(hoursAgo)), alert: alert, decisionID: id)
    }

    static func with<R>(
        _ variables: [String: String] = [:],
        _ body: (TestService, FakeModelServer, FakeMailServer) async throws -> R
    ) async throws -> R {
        try await FakeMailServer.with { mail in
            try await FakeModelServer.with { models, modelsURL in
                var environment = [
                    "VIGIL_MODELS_URL": modelsURL, "VIGIL_NOTIFIER_SMTP_URL": mail.url, "VIGIL_NOTIFIER_SENDER": "vigil@vigil.example",
                    "VIGIL_NOTIFIER_RECIPIENTS": "officer@vigil.example, second@vigil.example", "VIGIL_NOTIFIER_DASHBOARD_URL": "https://dash/",
                ]
                environment.merge(variables) { _, own in own }
                return try await withTestService(
                    .notifier, environment: environment, configuration: NotifierConfiguration.init(from:), run: Notifier.run
                ) { service in try await body(service, models, mail) }
            }
        }
    }

    static func client(_ channel: RPCChannel) -> NotificationsV1.NotifierService.Client { .init(channel) }

    @Test("Decisions that alert become mails and a list; others, and those that come again, do not")
    func endToEnd() async throws {
        try await Self.with { service, models, mail in
            models.decide([Self.decision("d1"), Self.decision("d2", alert: false), Self.decision("d3"), Self.decision("d1")])
            try await eventually { mail.mails.count == 4 }
            try await service.withChannel(as: .peer("operator")) { channel in
                let client = Self.client(channel)
                try await eventually { try await client.listAlerts(.init(state: .delivered)).total == 2 }
                let list = try await client.listAlerts(.init())
                #expect(list.alerts.map(\.alertID) == ["d3", "d1"])
                #expect(list.total == 2)
                #expect(try await client.listAlerts(.init(limit: 1)).alerts.map(\.alertID) == ["d3"])
                let alert = try #require(list.alerts.last)
                #expect(alert.riskScore == 0.97)
                #expect(alert.subject == "Fraud alert: risk 97.0 %, 1.00 INR, terminal T-1")
                #expect(alert.body.contains("https://dash/#alert=d1"))
                #expect(alert.attempts == 2)
            }
            #expect(mail.mails.count == 4)
            #expect(mail.mails.allSatisfy { $0.contains("terminal had 3 frauds") && $0.contains("tx-d") })
        }
    }

    @Test("Alerts about old payments are listed and not mailed, however lately they were decided on")
    func oldPayments() async throws {
        try await Self.with(["VIGIL_NOTIFIER_MAX_PAYMENT_AGE_HOURS": "24"]) { service, models, mail in
            models.decide((1...5).map { Self.decision("old\($0)", hoursAgo: 0) }, eventTime: .init(Timestamp.now() - .hours(25)))
            models.decide([Self.decision("new", hoursAgo: 0)], eventTime: .init(Timestamp.now() - .hours(23)))
            try await eventually { mail.mails.count == 2 }
            try await service.withChannel(as: .peer("operator")) { channel in
                let all = try await Self.client(channel).listAlerts(.init())
                #expect(all.total == 6)
            }
            #expect(mail.mails.allSatisfy { header("Message-ID", of: $0)?.hasPrefix("<new.") == true })
        }
    }

    @Test("Old decisions are listed and not mailed")
    func old() async throws {
        try await Self.with(["VIGIL_NOTIFIER_MAX_AGE_HOURS": "2"]) { service, models, mail in
            models.decide((1...30).map { Self.decision("old\($0)", hoursAgo: 3) } + [Self.decision("new", hoursAgo: 1)])
            try await eventually { mail.mails.count == 2 }
            try await service.withChannel(as: .peer("operator")) { channel in
                let client = Self.client(channel)
                let all = try await client.listAlerts(.init())
                #expect(all.total == 31)
                try await eventually { try await client.listAlerts(.init(state: .pending)).total == 0 }
            }
            #expect(mail.mails.allSatisfy { header("Message-ID", of: $0)?.hasPrefix("<new.") == true })
        }
    }

    @Test("An alert is raised once, and taken by the officer who came first")
    func raiseAndAcknowledge() async throws {
        try await Self.with { service, _, mail in
            let request = NotificationsV1.RaiseAlertRequest(
                alertID: "case-1", subject: "Grüße", body: "Look.", riskScore: 0.5, location: .init(latitude: 1, longitude: 2),
                eventTime: .init(seconds: 1_795_344_201))
            try await service.withChannel(as: .peer("model-server")) { channel in
                let first = try await Self.client(channel).raiseAlert(request)
                #expect(!first.duplicate)
                #expect(first.alert?.location == .init(latitude: 1, longitude: 2))
                #expect(first.alert?.eventTime == .init(seconds: 1_795_344_201))
                var other = request
                other.subject = "Other"
                let second = try await Self.client(channel).raiseAlert(other)
                #expect(second.duplicate)
                #expect(second.alert?.subject == "Grüße")
            }
            try await eventually { mail.mails.count == 2 }
            try await service.withChannel { channel in
                let client = Self.client(channel)
                for officer in ["asha", "ravi"] {
                    let token = try await TestTokens.token(officer, scopes: ["alerts:write"])
                    let answer = try await client.acknowledgeAlert(.init(alertID: "case-1"), options: TestService.options(token))
                    #expect(answer.alert?.state == .acknowledged)
                    #expect(answer.alert?.acknowledgedBy == "asha")
                    #expect(answer.alert?.acknowledgedAt != nil)
                }
            }
        }
    }

    @Test("A token that is limited to jurisdictions reads and acknowledges alerts by way of the tile service alone")
    func limited() async throws {
        try await Self.with { service, models, mail in
            models.decide((1...3).map { Self.decision("l\($0)", hoursAgo: 0) })
            // Two recipients each.
            try await eventually { mail.mails.count == 6 }
            let token = try await TestTokens.token("asha", scopes: ["alerts:read", "alerts:write"], jurisdictions: ["north"])
            for peer in [nil, "auth-gateway", "ingestion-gateway"] {
                try await service.withChannel(as: peer.map { .peer($0) } ?? .anonymous) { channel in
                    let client = Self.client(channel)
                    for ids in [[], ["l2"]] {
                        await Self.expect(.permissionDenied, []) {
                            try await client.listAlerts(.init(alertIDs: ids), options: TestService.options(token))
                        }
                    }
                    await Self.expect(.permissionDenied, []) {
                        try await client.acknowledgeAlert(.init(alertID: "l2"), options: TestService.options(token))
                    }
                }
            }
            try await service.withChannel(as: .peer("heatmap-tiles")) { channel in
                let client = Self.client(channel)
                let named = try await client.listAlerts(.init(alertIDs: ["l2", "none"]), options: TestService.options(token))
                #expect(named.alerts.map(\.alertID) == ["l2"])
                let taken = try await client.acknowledgeAlert(.init(alertID: "l2"), options: TestService.options(token))
                #expect(taken.alert?.acknowledgedBy == "asha")
            }
        }
    }

    @Test("Bad requests are refused by field, and strangers are not let in")
    func refusals() async throws {
        try await Self.with { service, _, _ in
            try await service.withChannel(as: .peer("operator")) { channel in
                let client = Self.client(channel)
                await Self.expect(.invalidArgument, ["alert_id", "subject", "risk_score", "location", "event_time"]) {
                    try await client.raiseAlert(.init(
                        alertID: "x\r\nBcc: y", subject: "a\nb", riskScore: -1, location: .init(latitude: 100, longitude: 0),
                        eventTime: .init(seconds: .max)))
                }
                await Self.expect(.invalidArgument, ["limit"]) { try await client.listAlerts(.init(limit: 1_001)) }
                await Self.expect(.invalidArgument, ["alert_ids"]) {
                    try await client.listAlerts(.init(alertIDs: (0...1_000).map { "a\($0)" }))
                }
                await Self.expect(.invalidArgument, ["state"]) { try await client.listAlerts(.init(state: .unrecognized(77))) }
                await Self.expect(.invalidArgument, ["alert_id"]) { try await client.acknowledgeAlert(.init(alertID: "")) }
                await Self.expect(.notFound, []) { try await client.acknowledgeAlert(.init(alertID: "none")) }
            }
            try await service.withChannel { channel in
                await Self.expect(.unauthenticated, []) { try await Self.client(channel).listAlerts(.init()) }
                let token = try await TestTokens.token("reader", scopes: ["alerts:read"])
                await Self.expect(.permissionDenied, []) {
                    try await Self.client(channel).acknowledgeAlert(.init(alertID: "a"), options: TestService.options(token))
                }
            }
        }
    }

    private static func expect(
        _ code: StatusCode, _ fields: [String], sourceLocation: SourceLocation = #_sourceLocation, _ call: () async throws -> some Any
    ) async {
        await #expect(sourceLocation: sourceLocation) {
            _ = try await call()
        } throws: { error in
            guard let error = error as? RPCError else { return false }
            return error.code == code && error.fieldViolations.map(\.field) == fields
        }
    }

    @Test("A restart neither repeats nor loses an alert")
    func restart() async throws {
        try await TemporaryPostgres.withDatabase { database in
            try await FakeMailServer.with { mail in
                try await FakeModelServer.with { models, modelsURL in
                    let environment = [
                        "VIGIL_MODELS_URL": modelsURL, "VIGIL_NOTIFIER_SMTP_URL": mail.url, "VIGIL_NOTIFIER_SENDER": "vigil@vigil.example",
                        "VIGIL_NOTIFIER_RECIPIENTS": "officer@vigil.example",
                    ]
                    for round in 1...3 {
                        models.decide((1...5).map { Self.decision("r\(round)-\($0)") })
                        try await withTestService(
                            .notifier, environment: environment, database: database, configuration: NotifierConfiguration.init(from:),
                            run: Notifier.run
                        ) { _ in try await eventually { mail.mails.count == round * 5 } }
                    }
                    #expect(Set(mail.mails.compactMap { header("Message-ID", of: $0) }).count == 15)
                }
            }
        }
    }

    @Test("Wrong settings are told by variable", arguments: [
        (["VIGIL_NOTIFIER_RECIPIENTS": "not an address"], "VIGIL_NOTIFIER_RECIPIENTS"),
        (["VIGIL_NOTIFIER_RECIPIENTS": "a@b.example"], "VIGIL_NOTIFIER_SMTP_URL"),
        (["VIGIL_NOTIFIER_SMTP_URL": "http://host"], "VIGIL_NOTIFIER_SMTP_URL"),
        (["VIGIL_NOTIFIER_SMTP_URL": "smtp://user:secret@host"], "VIGIL_NOTIFIER_SMTP_URL"),
        (["VIGIL_NOTIFIER_SMTP_URL": "smtp://host", "VIGIL_NOTIFIER_SMTP_USERNAME": "x"], "VIGIL_NOTIFIER_SMTP_PASSWORD_FILE"),
        (["VIGIL_NOTIFIER_SENDER": "Vigil <a@b>"], "VIGIL_NOTIFIER_SENDER"), (["VIGIL_NOTIFIER_MAX_PER_MINUTE": "0"], "VIGIL_NOTIFIER_MAX_PER_MINUTE"),
    ])
    func settings(variables: [String: String], wrong: String) {
        let reader = ConfigurationReader(environment: variables)
        _ = NotifierConfiguration(from: reader)
        #expect(reader.problems.map(\.variable).contains(wrong))
        #expect(!reader.problems.contains { $0.description.contains("secret") })
    }
}
