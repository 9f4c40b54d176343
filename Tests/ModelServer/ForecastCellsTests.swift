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

@Suite struct ForecastCellsTests {
    static let now = Timestamp(CivilTime(year: 2026, month: 3, day: 10, hour: 12))

    /// Ten weeks: a card fraud a day in the west, one a week in the east, a robbery now and then beside it.
    private static let log: [IngestionV1.IngestionEvent] = {
        var events: [IngestionV1.IngestionEvent] = []
        for (id, west, east) in [("west", 74.9, 75.1), ("east", 75.1, 75.3)] {
            let corners = [(16.9, west), (16.9, east), (17.2, east), (17.2, west), (16.9, west)]
            let ring = RecordsV1.Jurisdiction.Ring(points: corners.map { .init(latitude: $0.0, longitude: $0.1) })
            events.append(.init(event: .jurisdictionRegistered(.init(jurisdictionID: id, name: id, rings: [ring])), senderID: "bank"))
        }
        func complaint(_ type: String, _ time: Timestamp, longitude: Double, reported: Timestamp? = nil) {
            let complaint = RecordsV1.Complaint(
                complaintID: "FIR-\(events.count)", crimeType: type, occurredAt: .init(time), reportedAt: .init(reported ?? time + .hours(1)),
                location: .init(latitude: 17, longitude: longitude), channel: .pos)
            events.append(.init(event: .complaintAccepted(complaint), senderID: "police"))
        }
        for day in 1...70 {
            complaint("card_fraud", now - .days(day), longitude: 75)
            if day % 7 == 0 { complaint("card_fraud", now - .days(day), longitude: 75.2) }
            if day % 10 == 0 { complaint("robbery", now - .days(day), longitude: 75.2) }
        }
        // Happened before the forecast and reported after it: nobody could know.
        for _ in 0..<50 { complaint("card_fraud", now - .days(1), longitude: 75.2, reported: now + .hours(1)) }
        return events
    }()

    private func withServer(_ body: (TestService) async throws -> Void) async throws {
        try await withTestService(
            .modelServer, environment: ["VIGIL_FEATURES_URL": "https://127.0.0.1:1", "VIGIL_INGESTION_URL": "https://127.0.0.1:1"],
            configuration: ModelServerConfiguration.init(from:), run: ModelServer.run
        ) { service in
            try await withPostgresPool(service.runtime.configuration.database) { pool in
                let records = Self.log.compactMap { StoredRecord($0) }
                try await pool.withTransaction { try await RecordStore(pool: pool).save(records, in: $0) }
            }
            try await body(service)
        }
    }

    private func ask(
        _ service: TestService, _ request: ModelsV1.ForecastCellsRequest, in jurisdictions: Set<String> = []
    ) async throws -> ModelsV1.ForecastCellsResponse {
        let token = try await TestTokens.token("analyst", scopes: [Scope.readModels], jurisdictions: jurisdictions)
        return try await service.withChannel { channel in
            try await ModelsV1.ModelService.Client(channel).forecastCells(request, options: TestService.options(token))
        }
    }

    @Test func cellsComeWithTheirHoursTheRiskiestFirst() async throws {
        try await withServer { service in
            let answer = try await ask(service, .init(crimeType: "card_fraud", at: .init(Self.now), hours: 48, withHours: true))
            let first = try #require(answer.cells.first)
            #expect(abs((first.centre?.longitude ?? 0) - 75) < 0.003 && first.hours.count == 48)
            #expect(abs(first.hours.reduce(0) { $0 + $1.expected } - first.expected) < 1e-9)
            #expect((1...3).contains(first.expected) && answer.totalExpected >= first.expected && answer.totalExpected < 3.5)
            #expect(first.wide.map { $0.lower <= 2 && $0.upper >= 2 } == true)
            #expect(answer.crimeTypes == ["card_fraud", "robbery"] && answer.incidents == 87)
        }
    }

    @Test func whatWasReportedLaterIsNotKnownAndThePastKnowsLess() async throws {
        try await withServer { service in
            let now = try await ask(service, .init(at: .init(Self.now)))
            let later = try await ask(service, .init(at: .init(Self.now + .hours(2))))
            #expect(now.incidents == 87 && later.incidents == 137)
            let before = try await ask(service, .init(at: .init(Self.now - .days(100))))
            #expect(before.cells.isEmpty && before.incidents == 0)
        }
    }

    @Test func whoIsLimitedToDistrictsReadsNoDecisionsOfAll() async throws {
        try await withServer { service in
            let all = try await TestTokens.token("analyst", scopes: [Scope.readDecisions])
            let east = try await TestTokens.token("analyst", scopes: [Scope.readDecisions], jurisdictions: ["east"])
            try await service.withChannel { channel in
                let client = ModelsV1.ModelService.Client(channel)
                let answer = try await client.getDecisions(.init(), options: TestService.options(all))
                #expect(answer.decisions.isEmpty)
                let read = await #expect(throws: RPCError.self) { _ = try await client.getDecisions(.init(), options: TestService.options(east)) }
                #expect(read?.code == .permissionDenied)
                let replay = await #expect(throws: RPCError.self) {
                    _ = try await client.replayDecision(.init(decisionID: "00"), options: TestService.options(east))
                }
                #expect(replay?.code == .permissionDenied)
            }
        }
    }

    @Test func onlyCellsInsideTheCallersJurisdictionsAndTheAreaAreNamed() async throws {
        try await withServer { service in
            let east = try await ask(service, .init(at: .init(Self.now)), in: ["east"])
            #expect(!east.cells.isEmpty && east.cells.allSatisfy { ($0.centre?.longitude ?? 0) > 75.1 })
            let both = try await ask(service, .init(at: .init(Self.now)), in: ["east", "west"])
            #expect(both.totalExpected > 2 * east.totalExpected && both.totalCells > east.totalCells)
            let area = ModelsV1.ForecastCellsRequest.Area(west: 74, south: 16, east: 75.1, north: 18)
            let west = try await ask(service, .init(at: .init(Self.now), area: area, maxCells: 3))
            #expect(west.cells.count == 3 && west.cells.allSatisfy { ($0.centre?.longitude ?? 0) < 75.1 })
        }
    }

    @Test func whoIsLimitedIsToldTheTypesAndIncidentsOfItsOwnDistrictsAlone() async throws {
        try await withServer { service in
            let west = try await ask(service, .init(at: .init(Self.now)), in: ["west"])
            let east = try await ask(service, .init(at: .init(Self.now)), in: ["east"])
            #expect(west.crimeTypes == ["card_fraud"] && west.incidents == 70)
            #expect(east.crimeTypes == ["card_fraud", "robbery"] && east.incidents == 17)
            // A type of others is as unknown as one that nobody has.
            var words: [String] = []
            for type in ["robbery", "arson"] {
                let refusal = await #expect(throws: RPCError.self) {
                    try await ask(service, .init(crimeType: type, at: .init(Self.now)), in: ["west"])
                }
                words.append(try #require(refusal?.fieldViolations.first).description.replacing(type, with: "…"))
            }
            #expect(words[0] == words[1] && words[0].contains("card_fraud"))
            #expect(try await !ask(service, .init(crimeType: "Robbery", at: .init(Self.now)), in: ["east"]).cells.isEmpty)
        }
    }

    @Test func whatCannotBeAnsweredIsRefusedByField() async throws {
        try await withServer { service in
            let bad = ModelsV1.ForecastCellsRequest(
                hours: 73, cellMetres: 50, area: .init(west: 1, south: 2, east: 1, north: 1), maxCells: 2_001)
            let invalid = await #expect(throws: RPCError.self) { try await ask(service, bad) }
            #expect(invalid?.fieldViolations.map(\.field) == ["hours", "cell_metres", "max_cells", "area"])
            let unknown = await #expect(throws: RPCError.self) { try await ask(service, .init(crimeType: "arson", at: .init(Self.now))) }
            #expect(unknown?.fieldViolations.first?.field == "crime_type")
            let token = try await TestTokens.token("bank", kind: .bank, scopes: [Scope.readDecisions])
            let refused = await #expect(throws: RPCError.self) {
                try await service.withChannel { channel in
                    try await ModelsV1.ModelService.Client(channel).forecastCells(.init(), options: TestService.options(token))
                }
            }
            #expect(refused?.code == .permissionDenied)
        }
    }
}
