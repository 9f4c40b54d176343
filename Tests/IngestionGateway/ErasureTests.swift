import Contracts
import Identity
import Postgres
import RPC
import ServiceRuntime
import TestSupport
import Testing

@testable import IngestionGateway

/// What goes with whom, and what stays.
@Suite(.serialized) struct ErasureTests {
    private struct Kept {
        let pool: PostgresPool

        var database: PrivacyDatabase { PrivacyDatabase(pool: pool) }

        /// Keeps what comes in one batch, each with the customer that it is seen with.
        func keep(_ seen: (token: String, owner: String?)...) async throws {
            let sealed = seen.map { SealedIdentifier(token: $0.token, kind: .account, owner: $0.owner, keyID: "k", sealed: [1]) }
            _ = try await pool.pipeline(PrivacyDatabase.keep(sealed))
        }

        func tokens() async throws -> Set<String> { Set(try await pool.query("SELECT token FROM identifiers").decode(String.self)) }

        func erase(_ token: String) async throws -> Erasure { try await database.erase(token: token, actor: "test", reason: "asked for it") }
    }

    private func withKept(_ body: (Kept) async throws -> Void) async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: IngestionDatabase.migrations)
            try await body(Kept(pool: pool))
        }
    }

    @Test func anErasedCustomersPaymentTakesNothingFromOthersAndWhatItWithdrawsIsOnTheRecord() async throws {
        try await withKept { kept in
            try await kept.keep(("victim", nil), ("account", "victim"), ("mail", "victim"), ("payee", nil), ("gone", nil))
            #expect(try await kept.erase("gone") == Erasure(erased: 1, shared: 0, erasedBefore: nil))
            try await kept.keep(("gone", nil), ("account", "gone"), ("mail", "gone"), ("payee", "gone"), ("new", "gone"))
            #expect(try await kept.tokens() == ["victim", "account", "mail"])
            let records = try await kept.database.records(limit: 10)
            #expect(records.map(\.subject) == ["payee", "gone"] && records.allSatisfy { $0.action == "erasure" && $0.count == 1 })
            #expect(records.first?.reason == "seen with gone, which was erased")
            #expect(try await kept.erase("victim") == Erasure(erased: 3, shared: 0, erasedBefore: nil), "none of it is the erased customer's")
        }
    }

    @Test func whatAnErasedCustomerClaimsIsKeptForALivingOneAndForNoCounterparty() async throws {
        try await withKept { kept in
            try await kept.keep(("gone", nil), ("old", "gone"))
            #expect(try await kept.erase("gone") == Erasure(erased: 2, shared: 0, erasedBefore: nil))
            try await kept.keep(("gone", nil), ("account", "gone"))
            try await kept.keep(("account", nil), ("old", nil), ("old", "gone"))
            #expect(try await kept.tokens().isEmpty)
            try await kept.keep(("victim", nil), ("account", "victim"), ("account", "gone"), ("old", "victim"))
            #expect(try await kept.tokens() == ["victim", "account", "old"])
            try await kept.keep(("account", "gone"), ("account", nil))
            #expect(try await kept.tokens() == ["victim", "account", "old"])
        }
    }

    @Test func whatTwoCustomersShareGoesWithTheLastOfThem() async throws {
        try await withKept { kept in
            try await kept.keep(("a", nil), ("b", nil), ("joint", "a"), ("joint", "b"), ("paid", nil), ("paid", "a"), ("paid", "b"))
            #expect(try await kept.erase("a") == Erasure(erased: 1, shared: 2, erasedBefore: nil))
            #expect(try await kept.tokens() == ["b", "joint", "paid"])
            #expect(try await kept.erase("b") == Erasure(erased: 3, shared: 0, erasedBefore: nil))
            #expect(try await kept.tokens().isEmpty)
        }
    }

    @Test func anIdentifierNamedItselfGoesForEverybodyAndWhatIsUnknownIsNotMarked() async throws {
        try await withKept { kept in
            try await kept.keep(("a", nil), ("b", nil), ("joint", "a"), ("joint", "b"))
            #expect(try await kept.erase("joint") == Erasure(erased: 1, shared: 0, erasedBefore: nil))
            try await kept.keep(("joint", "a"), ("joint", "c"), ("joint", nil))
            #expect(try await kept.tokens() == ["a", "b"])
            #expect(try await kept.erase("unknown") == Erasure(erased: 0, shared: 0, erasedBefore: nil))
            try await kept.keep(("unknown", nil))
            #expect(try await kept.tokens() == ["a", "b", "unknown"])
            #expect(try await kept.database.records(limit: 10).map(\.count) == [0, 1])
        }
    }

    @Test func anOperatorErasesWhoIsNobodysCustomerAndABankDoesNot() async throws {
        try await ScoringPath.run(["VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS": "0"]) { path in
            let payee = IngestionV1.EraseIdentifiersRequest(reason: "asked for it", kind: "account", identifier: "gb82 west 1234 5698 7654 32")
            let tokens = try #require(KeyedTokens(hexadecimal: String(repeating: "0123456789abcdef", count: 4)))
            let mail = tokens.token(.email, "", "asha@example.in")
            try await path.asBank { client, options in
                var payment = payment("t-1", customer: "Asha")
                payment.counterpartyAccountID = "GB82WEST12345698765432"
                payment.details = .init(email: "asha@example.in")
                _ = try await client.submitTransaction(.init(transaction: payment), options: options)
                for request in [payee, .init(reason: "asked for it", token: mail)] {
                    let refused = await #expect(throws: RPCError.self) { try await client.eraseIdentifiers(request, options: options) }
                    #expect(refused?.code == .permissionDenied)
                }
            }
            try await path.gateway.withChannel(as: .peer(ServiceName.operator)) { channel in
                let client = IngestionV1.IngestionService.Client(channel)
                var erased: [Int64] = []
                var marked: [Bool] = []
                for request in [payee, payee, .init(reason: "asked for it", token: mail)] {
                    let erasure = try await client.eraseIdentifiers(request)
                    erased.append(erasure.erased)
                    marked.append(erasure.erasedBefore != nil)
                }
                #expect(marked == [false, true, false])
                #expect(erased == [1, 0, 1], "nothing was kept any more the second time")
                for request: IngestionV1.EraseIdentifiersRequest in [
                    .init(reason: "x", kind: "iban", identifier: "A"), .init(reason: "x", identifier: "A"), .init(reason: "x"),
                    .init(customerID: "C", bankID: "b", reason: "x", token: "t"),
                    .init(bankID: "b", reason: "x", kind: "account", identifier: "GB82WEST12345698765432"),
                ] {
                    let refused = await #expect(throws: RPCError.self) { try await client.eraseIdentifiers(request) }
                    #expect(refused?.code == .invalidArgument)
                }
            }
        }
    }
}
