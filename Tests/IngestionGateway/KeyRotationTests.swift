import Contracts
import Crypto
import Foundation
import Postgres
import RPC
import RecordCoding
import Records
import ServiceRuntime
import TestSupport
import Testing

@testable import IngestionGateway

@Suite(.serialized) struct KeyRotationTests {
    private func vault(_ names: String..., digits: String = "1a") throws -> Vault {
        let lines = names.map { name in "\(name) " + String(repeating: name == "k1" ? digits : "2b", count: 32) }
        return try #require(Vault(lines: lines.joined(separator: "\n")))
    }

    private func withPool(_ body: (PostgresPool) async throws -> Void) async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: IngestionDatabase.migrations)
            try await body(pool)
        }
    }

    private func intake(_ pool: PostgresPool, _ vault: Vault) -> FileIntake {
        FileIntake(database: FileDatabase(pool: pool), vault: vault, metrics: IntakeMetrics(MetricsRegistry()))
    }

    private func keep(_ token: String, under vault: Vault, in pool: PostgresPool) async throws {
        let sealed = try vault.seal(RawIdentifier(kind: .card, token: token, value: "of \(token)", owner: nil))
        _ = try await pool.pipeline(PrivacyDatabase.keep([sealed]))
    }

    @Test func piecesOfAFileOnItsWayAreSealedWithTheActiveKeyAnew() async throws {
        try await withPool { pool in
            let name = FileName(senderID: "bank", contentSHA256: Array(SHA256.hash(data: [1, 2, 3])))
            let old = intake(pool, try vault("k1"))
            try await old.database.begin(name, sizeBytes: 3, mapping: "", title: "")
            for (offset, piece) in [(0, [1, 2]), (2, [3])] as [(Int64, [UInt8])] {
                let sealed = try old.vault.seal(piece, of: name, at: offset)
                #expect(try await old.database.append(sealed, ofBytes: piece.count, at: offset, to: name))
            }
            #expect(try await intake(pool, try vault("k2")).missingKeys() == ["k1"])
            try await intake(pool, try vault("k1", "k2")).reseal(logger: testLogger)
            let new = intake(pool, try vault("k2"))
            #expect(try await new.missingKeys().isEmpty)
            var content: [UInt8] = []
            try await new.database.forEachChunk(of: name) { content += try new.vault.open($1, of: name, at: $0) }
            #expect(content == [1, 2, 3])
        }
    }

    @Test func aFileWhosePiecesCannotBeReadBeginsAnewAndItsSenderIsNotBlamed() async throws {
        try await ScoringPath.run(["VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS": "0"]) { path in
            try await path.asBank { client, options in
                let file = Array("id,at,who,sum\nf-1,2026-02-01T10:00:00Z,x,1\n".utf8)
                func send(from offset: Int, to end: Int) async throws -> IngestionV1.ImportFileResponse {
                    let header = IngestionV1.FileHeader(
                        contentSha256: Array(SHA256.hash(data: file)), sizeBytes: UInt64(file.count), offsetBytes: UInt64(offset),
                        mapping: """
                            record: transactions
                            fields: {transaction_id: id, event_time: at, customer_id: who, amount: sum, currency: {constant: INR}}
                            """)
                    return try await client.importFile(options: options) { writer in
                        try await writer.write(.init(part: .header(header)))
                        try await writer.write(.init(part: .chunk(Array(file[offset..<end]))))
                    }
                }
                _ = try await send(from: 0, to: 20)
                // As if the key had been another one: "derived" becomes "deriveX".
                try await withPostgresPool(path.gateway.runtime.configuration.database, logger: testLogger) { pool in
                    try await pool.execute("UPDATE file_chunks SET chunk = set_byte(chunk, 7, 88)")
                }
                let error = await #expect(throws: RPCError.self) { try await send(from: 20, to: file.count) }
                #expect(error?.code == .aborted && error?.message.contains("deriveX") == true && error?.fieldViolations.isEmpty == true)
                #expect(try await send(from: 0, to: file.count).accepted == 1)
            }
        }
    }

    @Test func aRevealThatFailedForLackOfTheKeyIsRecordedAsSuch() async throws {
        try await withPool { pool in
            let database = PrivacyDatabase(pool: pool)
            try await keep("t1", under: vault("k1"), in: pool)
            for key in ["k2", "k1"] {
                let keeper = IdentifierKeeper(vault: try vault(key))
                let revealed = try? await database.reveal(
                    token: "t1", actor: "officer", bankID: nil, reason: "order 7", isOwn: { _ in false }, open: keeper.open)
                #expect(revealed?.value == (key == "k1" ? "of t1" : nil))
            }
            #expect(try await database.records(limit: 10).map(\.count) == [1, 0], "newest first")
        }
    }

    @Test func anotherKeyUnderAKnownNameIsFound() async throws {
        try await withPool { pool in
            let database = PrivacyDatabase(pool: pool)
            try await keep("t1", under: vault("k1"), in: pool)
            #expect(try await IdentifierKeeper(vault: vault("k1", "k2")).otherKeys(database).isEmpty)
            #expect(try await IdentifierKeeper(vault: vault("k1", "k2", digits: "3c")).otherKeys(database) == ["k1"])
        }
    }

    @Test func aGatewayWithAnotherKeyUnderAKnownNameDoesNotStart() async throws {
        let folder = FileManager.default.temporaryDirectory
        let (token, keys) = (folder.appending(path: "token-\(UUID().uuidString)"), folder.appending(path: "keys-\(UUID().uuidString)"))
        defer { for file in [token, keys] { try? FileManager.default.removeItem(at: file) } }
        try Data(String(repeating: "0123456789abcdef", count: 4).utf8).write(to: token)
        func start(_ digits: String, _ database: PostgresConfiguration, _ body: (TestService) async throws -> Void) async throws {
            try Data("k1 \(String(repeating: digits, count: 32))\n".utf8).write(to: keys)
            let environment = ["VIGIL_INGESTION_TOKEN_KEY_FILE": token.path, "VIGIL_INGESTION_VAULT_KEYS_FILE": keys.path]
            try await withTestService(
                .ingestionGateway, environment: environment, database: database,
                configuration: IngestionGatewayConfiguration.init(from:), run: IngestionGateway.run, body)
        }
        try await TemporaryPostgres.withDatabase { database in
            try await start("1a", database) { gateway in
                try await withPostgresPool(gateway.runtime.configuration.database, logger: testLogger) { pool in
                    try await keep("t1", under: vault("k1"), in: pool)
                }
            }
            try await start("1a", database) { _ in }
            let refusal = await #expect(throws: ServiceError.self) { try await start("3c", database) { _ in } }
            #expect(refusal != nil)
        }
    }
}
