import Contracts
import Crypto
import Identity
import Postgres
import RPC
import RecordCoding
import Records
import ServiceRuntime
import TestSupport
import Testing

@testable import IngestionGateway

/// Who may say what of records that all others read by their names alone.
@Suite(.serialized) struct OwnershipTests {
    private typealias Record = IngestionV1.ImportRecordsRequest.Record

    private static let quick = ["VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS": "0"]

    private static func terminal(_ id: String, longitude: Double = 75) -> Record {
        .terminal(.init(terminalID: id, kind: .atm, location: .init(latitude: 17, longitude: longitude)))
    }

    private static func merchant(_ id: String, name: String = "Shop") -> Record { .merchant(.init(merchantID: id, name: name)) }

    private static func jurisdiction(_ id: String, east: Double = 75.2) -> Record {
        let corners = [(17.0, 75.0), (17.0, east), (17.1, east), (17.0, 75.0)]
        return .jurisdiction(
            .init(jurisdictionID: id, name: id, rings: [.init(points: corners.map { .init(latitude: $0.0, longitude: $0.1) })]))
    }

    private static func signal(_ value: Double) -> Record {
        .contextSignal(.init(signalID: "rain", kind: "weather", startsAt: .init(Timestamp.now()), value: value))
    }

    /// What becomes of one record, and the fields that are to blame.
    private func send(
        _ record: Record, _ client: IngestionV1.IngestionService.Client, _ options: CallOptions = .init()
    ) async throws -> (outcome: IngestionV1.Outcome?, fields: [String]) {
        try await client.importRecords(options: options) { writer in
            try await writer.write(.init(sequence: 1, record: record))
        } read: { responses in
            for try await response in responses { return (response.outcome, response.violations.map(\.field)) }
            return (nil, [])
        }
    }

    private func asOperator(_ path: ScoringPath, _ body: (IngestionV1.IngestionService.Client) async throws -> Void) async throws {
        try await path.gateway.withChannel(as: .peer(ServiceName.operator)) { try await body(.init($0)) }
    }

    @Test func noBankDrawsJurisdictionsNorWhoIsLimitedToSome() async throws {
        try await ScoringPath.run(Self.quick) { path in
            try await path.gateway.withChannel { channel in
                let client = IngestionV1.IngestionService.Client(channel)
                func refused(_ body: () async throws -> Void) async {
                    let error = await #expect(throws: RPCError.self) { try await body() }
                    #expect(error?.code == .permissionDenied)
                }
                let scopes: Set<String> = [Scope.writeJurisdictions, Scope.writeRegistry]
                let bank = TestService.options(try await TestTokens.token("bank-b", kind: .bank, scopes: scopes, bankID: "bank-b"))
                let clerk = TestService.options(try await TestTokens.token("clerk", scopes: scopes, bankID: "bank-b"))
                let limited = TestService.options(try await TestTokens.token("station", kind: .agency, scopes: scopes, jurisdictions: ["sagarpur-3"]))
                let registry = TestService.options(try await TestTokens.token("registrar", scopes: [Scope.writeRegistry]))
                for options in [bank, clerk, limited, registry] {
                    await refused { _ = try await send(Self.jurisdiction("sagarpur-3", east: 99), client, options) }
                }
                let file = Array(#"{"id": "sagarpur-3"}"#.utf8)
                let mapping = "record: jurisdictions\nfields: {jurisdiction_id: id, name: id, rings: shape}"
                await refused {
                    _ = try await client.importFile(options: bank) { writer in
                        try await writer.write(
                            .init(part: .header(.init(
                                contentSha256: Array(SHA256.hash(data: file)), sizeBytes: UInt64(file.count), mapping: mapping))))
                        try await writer.write(.init(part: .chunk(file)))
                    }
                }
                let police = TestService.options(try await TestTokens.token("police", kind: .agency, scopes: [Scope.writeJurisdictions]))
                #expect(try await send(Self.jurisdiction("sagarpur-3"), client, police).outcome == .accepted)
                #expect(try await send(Self.jurisdiction("sagarpur-3"), client, police).outcome == .duplicate)
            }
            try await asOperator(path) { client async throws in
                #expect(try await send(Self.jurisdiction("sagarpur-3", east: 75.3), client).outcome == .accepted)
                #expect(try await client.getStatistics(.init()).jurisdictions == 1)
            }
        }
    }

    @Test(arguments: ["terminal", "merchant"]) func aNameIsTheBanksThatRegisteredItFirst(_ kind: String) async throws {
        let (own, moved) =
            kind == "terminal"
            ? (Self.terminal("ATM-1"), Self.terminal("ATM-1", longitude: 76)) : (Self.merchant("M-1"), Self.merchant("M-1", name: "Other"))
        try await ScoringPath.run(Self.quick) { path in
            try await path.asBank("bank-a") { client, options async throws in
                #expect(try await send(own, client, options).outcome == .accepted)
            }
            try await path.asBank("bank-b") { client, options async throws in
                for record in [own, moved] {
                    let answer = try await send(record, client, options)
                    #expect(answer.outcome == .rejected && answer.fields == ["\(kind).\(kind)_id"])
                }
                let statistics = try await client.getStatistics(.init(), options: options)
                #expect(statistics.terminals == 0 && statistics.merchants == 0)
            }
            // What an operator puts right or wrong takes effect, and so does what the owner says after that.
            try await asOperator(path) { client async throws in #expect(try await send(moved, client).outcome == .accepted) }
            try await path.asBank("bank-a") { client, options async throws in
                #expect(try await send(own, client, options).outcome == .accepted)
                #expect(try await send(own, client, options).outcome == .duplicate)
                #expect(try await send(moved, client, options).outcome == .accepted)
                let statistics = try await client.getStatistics(.init(), options: options)
                #expect(statistics.terminals + statistics.merchants == 1)
            }
            try await path.asBank("bank-b") { client, options async throws in
                #expect(try await send(moved, client, options).outcome == .rejected)
            }
        }
    }

    @Test func whatAnOperatorRegisteredIsNoBanks() async throws {
        try await ScoringPath.run(Self.quick) { path in
            try await asOperator(path) { client async throws in #expect(try await send(Self.terminal("ATM-1"), client).outcome == .accepted) }
            try await path.asBank("bank-a") { client, options async throws in
                #expect(try await send(Self.terminal("ATM-1", longitude: 76), client, options).outcome == .rejected)
                #expect(try await send(Self.signal(1), client, options).outcome == .accepted)
            }
            // Signals go by their sender's name too, and touch nobody else's.
            try await path.asBank("bank-b") { client, options async throws in
                #expect(try await send(Self.signal(2), client, options).outcome == .accepted)
            }
        }
    }

    private static func row(_ id: String, of bank: String?, content: UInt8) -> RecordRow {
        RecordRow(kind: .terminal, senderID: "", recordID: id, ownerBankID: bank, message: [content], logEntry: [content])
    }

    @Test func ofBanksThatRegisterOneNameAtOnceOneHasIt() async throws {
        try await TemporaryPostgres.withDatabase { configuration in
            try await withPostgresPool(configuration, logger: testLogger) { first in
                try await migrate(first, migrations: IngestionDatabase.migrations)
                // Two gateways, each with connections of its own.
                try await withPostgresPool(configuration, logger: testLogger) { second in
                    let databases = [IngestionDatabase(pool: first), IngestionDatabase(pool: second)]
                    let names = (0..<40).map { "ATM-\($0)" }
                    let answers = try await withThrowingTaskGroup(of: (written: Set<RecordName>, refused: Set<RecordName>).self) { group in
                        for bank in 0..<8 {
                            let order = bank % 2 == 0 ? names : names.reversed()
                            group.addTask {
                                try await databases[bank % 2].upsert(
                                    order.map { Self.row($0, of: "bank-\(bank)", content: UInt8(bank)) }, sealed: [])
                            }
                        }
                        return try await group.reduce(into: []) { $0.append($1) }
                    }
                    #expect(answers.allSatisfy { $0.written.isDisjoint(with: $0.refused) && $0.written.count + $0.refused.count == names.count })
                    #expect(answers.reduce(0) { $0 + $1.written.count } == names.count)
                    let logged = try await first.query("SELECT count(*) FROM event_log").first?.decode(Int64.self)
                    #expect(logged == Int64(names.count))
                }
            }
        }
    }

    @Test func recordsOfBeforeBelongToWhoSentThemFirstAndTheirTrueContentIsNoDuplicate() async throws {
        try await TemporaryPostgres.withPool { pool in
            let before = IngestionDatabase.migrations.prefix { $0.name < "0010" }
            try await migrate(pool, migrations: Array(before))
            try await pool.execute(
                """
                INSERT INTO records (kind, sender_id, record_id, received_at, message) VALUES
                    ('terminal', 'bank-a', 'contested', now() - interval '2 days', '\\x01'), ('terminal', 'bank-b', 'contested', now(), '\\x02'),
                    ('terminal', 'bank-a', 'own', now(), '\\x01'), ('terminal', 'operator', 'public', now(), '\\x01'),
                    ('jurisdiction', 'bank-b', 'district', now(), '\\x02'), ('customer', 'bank-a', 'customer', now(), '\\x01')
                """)
            try await migrate(pool, migrations: IngestionDatabase.migrations)
            let database = IngestionDatabase(pool: pool)
            let names = ["contested", "own", "public"]
            func written(by bank: String?, _ content: UInt8) async throws -> Set<String> {
                Set(try await database.upsert(names.map { Self.row($0, of: bank, content: content) }, sealed: []).written.map(\.recordID))
            }
            #expect(try await written(by: "bank-b", 2).isEmpty)
            #expect(try await written(by: "bank-a", 1) == ["contested"], "whatever its readers have")
            #expect(try await written(by: nil, 3) == Set(names))
            let counts = try await database.counts()
            #expect(counts.records(of: nil) == [.terminal: 3, .jurisdiction: 1, .customer: 1])
            #expect(counts.records(of: "bank-a") == [.terminal: 2, .customer: 1] && counts.records(of: "bank-b").isEmpty)
        }
    }
}
