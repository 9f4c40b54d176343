import Contracts
import Identity
import Models
import Postgres
import RPC
import RecordCoding
import Records
import ServiceRuntime
import StandardContracts
import TestSupport
import Testing

@testable import ModelServer

@Suite struct PredictCashOutTests {
    static let noon = Timestamp(CivilTime(year: 2026, month: 3, day: 10, hour: 12))

    /// What the gateway's log would say: a victim's money, on its way from a mule to the machines in the west.
    private static let log: [IngestionV1.IngestionEvent] = {
        var events: [IngestionV1.IngestionEvent] = (0..<20).map { index in
            let longitude = index < 10 ? 75.0 : 75.2
            let place = RecordsV1.Location(latitude: 17 + Double(index % 10) / 100, longitude: longitude)
            return .init(event: .terminalRegistered(.init(terminalID: "ATM-\(index)", kind: .atm, location: place)), senderID: "bank")
        }
        for (id, west, east) in [("west", 74.9, 75.1), ("east", 75.1, 75.3)] {
            let corners = [(16.9, west), (16.9, east), (17.2, east), (17.2, west), (16.9, west)]
            let ring = RecordsV1.Jurisdiction.Ring(points: corners.map { .init(latitude: $0.0, longitude: $0.1) })
            events.append(.init(event: .jurisdictionRegistered(.init(jurisdictionID: id, name: id, rings: [ring])), senderID: "bank"))
        }
        func payment(_ id: String, _ minutes: Int, from account: String, to other: String = "", atm: String = "", rupees: Int64) {
            let transaction = RecordsV1.Transaction(
                key: .init(bankID: "bank", transactionID: id), eventTime: .init(noon + .minutes(minutes)), customerID: "c-\(account)",
                accountID: account, terminalID: atm, counterpartyAccountID: other, channel: atm.isEmpty ? .transfer : .atm,
                amount: .init(minorUnits: rupees * 100, currency: "INR"))
            events.append(.init(event: .transactionAccepted(transaction), senderID: "bank"))
        }
        payment("t1", 1, from: "victim", to: "mule-1", rupees: 30_000)
        payment("t2", 20, from: "mule-1", to: "mule-2", rupees: 28_000)
        payment("t3", 50, from: "mule-2", atm: "ATM-3", rupees: 10_000)
        events.append(.init(event: .complaintAccepted(complaint()), senderID: "police"))
        return events
    }()

    private static func complaint() -> RecordsV1.Complaint {
        RecordsV1.Complaint(
            complaintID: "FIR-1", crimeType: "upi_fraud", occurredAt: .init(noon), reportedAt: .init(noon + .minutes(60)),
            location: .init(latitude: 17.05, longitude: 75), suspectAccountIDs: ["mule-1"], channel: .transfer)
    }

    private func withServer(_ body: (TestService) async throws -> Void) async throws {
        try await withTestService(
            .modelServer, environment: ["VIGIL_FEATURES_URL": "https://127.0.0.1:1", "VIGIL_INGESTION_URL": "https://127.0.0.1:1"],
            configuration: ModelServerConfiguration.init(from:), run: ModelServer.run
        ) { service in
            try await withPostgresPool(service.runtime.configuration.database) { pool in
                let records = Self.log.compactMap { StoredRecord($0) }
                // Twice, as after a crash: the second time changes nothing.
                for _ in 0..<2 {
                    try await pool.withTransaction { try await RecordStore(pool: pool).save(records, in: $0) }
                }
            }
            try await body(service)
        }
    }

    private func ask(
        _ service: TestService, _ request: ModelsV1.PredictCashOutRequest, as token: BearerToken
    ) async throws -> ModelsV1.PredictCashOutResponse {
        try await service.withChannel { channel in
            try await ModelsV1.ModelService.Client(channel).predictCashOut(request, options: TestService.options(token))
        }
    }

    private static let submitted = ModelsV1.PredictCashOutRequest(
        subject: .submitted(.init(reporterID: "police", complaintID: "FIR-1")), at: .init(noon + .minutes(60)))

    private func analyst(in jurisdictions: Set<String> = []) async throws -> BearerToken {
        try await TestTokens.token("analyst", scopes: [Scope.readModels], jurisdictions: jurisdictions)
    }

    @Test func aSubmittedComplaintGetsMachinesHoursAndTheChanceThatTheMoneyIsGone() async throws {
        try await withServer { service in
            let answer = try await ask(service, Self.submitted, as: analyst())
            #expect(answer.traced && answer.atms.count == 5 && answer.windows.count == 24)
            #expect(answer.atms.first?.terminalID == "ATM-3")
            let place = answer.goneProbability + answer.atms.reduce(0) { $0 + $1.probability } + answer.elsewhereProbability
            let when = answer.goneProbability + answer.windows.reduce(0) { $0 + $1.probability } + answer.laterProbability
            #expect(abs(place - 1) < 1e-9 && abs(when - 1) < 1e-9)
            #expect(answer.atms.allSatisfy { $0.windowProbabilities.count == 24 })
        }
    }

    @Test func aComplaintThatComesWithTheQuestionIsAnsweredAlike() async throws {
        try await withServer { service in
            var request = Self.submitted
            let first = try await ask(service, request, as: analyst())
            request.subject = .complaint(Self.complaint())
            let second = try await ask(service, request, as: analyst())
            #expect(first.atms.map(\.terminalID) == second.atms.map(\.terminalID))
            request.subject = .complaint(.init(complaintID: "x"))
            let invalid = await #expect(throws: RPCError.self) { try await ask(service, request, as: analyst()) }
            #expect(invalid?.code == .invalidArgument)
        }
    }

    @Test func onlyMachinesInsideTheCallersJurisdictionsAreNamed() async throws {
        try await withServer { service in
            let west = try await ask(service, Self.submitted, as: analyst(in: ["west"]))
            #expect(!west.atms.isEmpty && west.atms.allSatisfy { ($0.location?.longitude ?? 0) < 75.1 })
            // The complaint's place is in the west, so the east is not told that there is one.
            let east = await #expect(throws: RPCError.self) { try await ask(service, Self.submitted, as: analyst(in: ["east"])) }
            #expect(east?.code == .notFound)
            var own = Self.submitted
            own.subject = .submitted(.init(complaintID: "FIR-1"))
            let police = try await TestTokens.token("police", kind: .agency, scopes: [Scope.readModels], jurisdictions: ["east"])
            let answer = try await ask(service, own, as: police)
            #expect(answer.atms.allSatisfy { ($0.location?.longitude ?? 0) > 75.1 })
        }
    }

    @Test func aBankAsksAboutItsOwnComplaintsAlone() async throws {
        try await withServer { service in
            let bank = try await TestTokens.token("bank", kind: .bank, scopes: [Scope.readModels], bankID: "bank")
            let others = await #expect(throws: RPCError.self) { try await ask(service, Self.submitted, as: bank) }
            #expect(others?.code == .notFound)
            let clerk = try await TestTokens.token("clerk", scopes: [Scope.readModels], bankID: "police")
            #expect(try await !ask(service, Self.submitted, as: clerk).atms.isEmpty)
        }
    }

    @Test func whoMayNotAskIsRefusedAndLimitsAreNamed() async throws {
        try await withServer { service in
            let bank = try await TestTokens.token("bank", kind: .bank, scopes: [Scope.readDecisions])
            let refused = await #expect(throws: RPCError.self) { try await ask(service, Self.submitted, as: bank) }
            #expect(refused?.code == .permissionDenied)
            var request = Self.submitted
            request.hours = 73
            request.maxATMs = 101
            let invalid = await #expect(throws: RPCError.self) { try await ask(service, request, as: analyst()) }
            #expect(invalid?.fieldViolations.map(\.field) == ["max_atms", "hours"])
            let unknown = ModelsV1.PredictCashOutRequest(subject: .submitted(.init(reporterID: "police", complaintID: "none")))
            let missing = await #expect(throws: RPCError.self) { try await ask(service, unknown, as: analyst()) }
            #expect(missing?.code == .notFound)
        }
    }
}
