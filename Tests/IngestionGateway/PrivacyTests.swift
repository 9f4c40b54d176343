import Contracts
import Crypto
import Foundation
import Identity
import Postgres
import RPC
import RecordCoding
import Records
import ServiceRuntime
import TestSupport
import Testing

@testable import IngestionGateway

@Suite(.serialized) struct PrivacyTests {
    private func vault(_ names: String...) throws -> Vault {
        let lines = names.map { name in "\(name) " + String(repeating: name == "k1" ? "1a" : "2B", count: 32) }
        return try #require(Vault(lines: lines.joined(separator: "\n") + "\n"))
    }

    @Test func whatIsSealedOpensUnderItsOwnTokenOnly() throws {
        let vault = try vault("k1")
        let identifier = RawIdentifier(kind: .account, token: "a.1", value: "DE89 3704", owner: "c.1")
        let sealed = try vault.seal(identifier)
        #expect(sealed.keyID == "k1" && sealed.sealed.count == 12 + "DE89 3704".utf8.count + 16)
        #expect(!String(decoding: sealed.sealed, as: UTF8.self).contains("3704"))
        #expect(try vault.open(sealed) == identifier)
        #expect(try vault.seal(identifier).sealed != sealed.sealed, "a nonce is used once")
        let moved = SealedIdentifier(token: "a.2", kind: .account, owner: nil, keyID: "k1", sealed: sealed.sealed)
        #expect(throws: Vault.Problem.forged) { try vault.open(moved) }
    }

    @Test func tokensAreTheirKeysHMACs() throws {
        let key = String(repeating: "0123456789abcdef", count: 4)
        let tokens = try #require(KeyedTokens(hexadecimal: key))
        let symmetric = SymmetricKey(data: try #require(hexadecimalBytes(key, count: 32)))
        for kind in IdentifierKind.allCases {
            for text in ["", "é", "customer-17", String(repeating: "x", count: 55), String(repeating: "long ", count: 400)] {
                let code = HMAC<SHA256>.authenticationCode(for: Array("\(kind.rawValue)\n\(text)".utf8), using: symmetric)
                let base64 = Data(code.prefix(16)).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
                #expect(tokens.token(kind, "", text) == "\(kind.rawValue.prefix(1)).\(base64)")
            }
        }
    }

    @Test func aNewKeySealsAndTheOldOneStillOpens() throws {
        let sealed = try vault("k1").seal(RawIdentifier(kind: .card, token: "c", value: "4111", owner: nil))
        let rotated = try vault("k1", "k2")
        #expect(rotated.activeKeyID == "k2")
        #expect(try rotated.open(sealed).value == "4111")
        #expect(try rotated.seal(rotated.open(sealed)).keyID == "k2")
        #expect(throws: Vault.Problem.unknownKey("k1")) { try vault("k2").open(sealed) }
        #expect(Vault(lines: "") == nil && Vault(lines: "k1 12") == nil && Vault(lines: "k1 \(String(repeating: "g", count: 64))") == nil)
    }

    @Test func theBackgroundSealsWithTheActiveKeyWhatAnEarlierOneSealed() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: IngestionDatabase.migrations)
            let database = PrivacyDatabase(pool: pool)
            let old = try vault("k1")
            for number in 0..<25 {
                let sealed = try old.seal(RawIdentifier(kind: .card, token: "t\(number)", value: "v\(number)", owner: nil))
                _ = try await pool.pipeline(PrivacyDatabase.keep([sealed]))
            }
            try await IdentifierKeeper(vault: vault("k1", "k2")).reseal(database, logger: testLogger, batchRows: 10)
            #expect(try await database.keyIDs() == ["k2"])
            let kept = try await database.sealed(under: ["k2"], limit: 100)
            #expect(kept.count == 25)
            let values = try kept.map { try vault("k2").open($0).value }
            #expect(Set(values) == Set((0..<25).map { "v\($0)" }))
        }
    }

    @Test func keysOfTheirOwnReplaceTheDerivedOneAndAKeyThatIsGoneHoldsNothingUp() async throws {
        let derived = Vault(derivedFrom: SymmetricKey(size: .bits256))
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: IngestionDatabase.migrations)
            let database = PrivacyDatabase(pool: pool)
            #expect(try await database.keyIDs().isEmpty)
            for (vault, token) in [(derived, "t1"), (try vault("k1"), "t2"), (derived, "t3")] {
                let sealed = try vault.seal(RawIdentifier(kind: .card, token: token, value: "of \(token)", owner: nil))
                _ = try await pool.pipeline(PrivacyDatabase.keep([sealed]))
            }
            let vault = try vault("k2").opening(derived)
            let keeper = IdentifierKeeper(vault: vault)
            #expect(vault.activeKeyID == "k2")
            #expect(try await keeper.missingKeys(database) == ["k1"])
            try await keeper.reseal(database, logger: testLogger)
            let values = try await database.sealed(under: ["k2"], limit: 10).map { try vault.open($0).value }
            #expect(values == ["of t1", "of t3"])
            #expect(try await database.keyIDs() == ["k1", "k2"])
        }
    }

    @Test func aFileOfKeysLeavesTheDerivedKeyReadable() throws {
        let folder = FileManager.default.temporaryDirectory
        let (token, keys) = (folder.appending(path: "token-\(UUID().uuidString)"), folder.appending(path: "keys-\(UUID().uuidString)"))
        defer { for file in [token, keys] { try? FileManager.default.removeItem(at: file) } }
        let secret = String(repeating: "0123456789abcdef", count: 4)
        try Data(secret.utf8).write(to: token)
        try Data("k1 \(secret)\n".utf8).write(to: keys)
        func vault(_ more: [String: String]) throws -> Vault {
            let environment = ["VIGIL_INGESTION_TOKEN_KEY_FILE": token.path].merging(more) { $1 }
            return try #require(IngestionGatewayConfiguration(from: ConfigurationReader(environment: environment)).vault)
        }
        let sealed = try vault([:]).seal(RawIdentifier(kind: .card, token: "c", value: "4111", owner: nil))
        let later = try vault(["VIGIL_INGESTION_VAULT_KEYS_FILE": keys.path])
        #expect(try later.activeKeyID == "k1" && later.open(sealed).value == "4111")
    }

    @Test func erasureTakesAllOfOnePersonAndKeepsNothingOfItAgain() async throws {
        try await ScoringPath.run { path in
            try await path.asBank { client, options in
                _ = try await client.submitTransaction(.init(transaction: payment("t-1", customer: "Asha Rao")), options: options)
                _ = try await client.submitTransaction(.init(transaction: payment("t-2", customer: "Ravi")), options: options)
                let tokens = try await tokens(path)
                let customer = try #require(tokens.first)
                let revealed = try await client.revealIdentifier(.init(token: customer, reason: "court order 7"), options: options)
                #expect(revealed.kind == "customer" && revealed.identifier == "Asha Rao")

                let erasure = IngestionV1.EraseIdentifiersRequest(customerID: "Asha Rao", reason: "asked for it")
                let erased = try await client.eraseIdentifiers(erasure, options: options)
                #expect(erased.erased == 3, "customer, account and card")
                let gone = await #expect(throws: RPCError.self) {
                    try await client.revealIdentifier(.init(token: customer, reason: "again"), options: options)
                }
                #expect(gone?.code == .notFound)
                _ = try await client.submitTransaction(.init(transaction: payment("t-3", customer: "Asha Rao")), options: options)
                _ = await #expect(throws: RPCError.self) {
                    try await client.revealIdentifier(.init(token: customer, reason: "later"), options: options)
                }
                let log = try await client.listPrivacyRecords(.init(), options: options).records
                #expect(log.map(\.action) == ["reveal", "reveal", "erasure", "reveal"])
                #expect(log[2].subject == customer && log[2].count == 3 && log[2].actor == ScoringPath.bank)
                #expect(!log.contains { $0.subject.contains("Asha") })
            }
        }
    }

    @Test func mailPhoneAndInternetAddressAreTokensWhicheverWayTheyAreWrittenAndGoWithTheirCustomer() async throws {
        try await ScoringPath.run { path in
            try await path.asBank { client, options in
                let ways = [("192.0.2.7", "Asha@Example.in", "+91 98765-43210"), ("192.0.2.7", "asha@example.in", "0091 9876543210")]
                for (number, (address, email, phone)) in ways.enumerated() {
                    var payment = payment("t-\(number)", customer: "Asha")
                    payment.details = .init(ipAddress: address, email: email, phone: phone, creditorAgentBIC: "SBININBB104")
                    _ = try await client.submitTransaction(.init(transaction: payment), options: options)
                }
                let logged = try await transactions(path, count: 2).compactMap(\.details)
                #expect(logged.count == 2 && Set(logged).count == 1)
                let details = try #require(logged.first)
                #expect(details.creditorAgentBIC == "SBININBB104")
                for (token, kind) in [(details.ipAddress, "ip"), (details.email, "email"), (details.phone, "phone")] {
                    let revealed = try await client.revealIdentifier(.init(token: token, reason: "court order 8"), options: options)
                    #expect(revealed.kind == kind && !token.contains("98765") && !token.contains("@"))
                }
                let erased = try await client.eraseIdentifiers(.init(customerID: "Asha", reason: "asked for it"), options: options)
                #expect(erased.erased == 6)
            }
        }
    }

    @Test func theFeatureStoreIsNotToldWhatNoFeatureRestsOn() throws {
        let details = TransactionDetails(ipAddress: "token", email: "token", phone: "token", creditorAgentBIC: BIC("SBININBB104"))
        var transaction = Transaction(
            key: .init(bankID: "b", transactionID: "t"), eventTime: .now(), timeZone: "+05:30", customerID: "c",
            amount: Money(minorUnits: 1, currency: .inr), details: details)
        let incoming = IncomingTransaction(transaction, identifiers: [], isAsked: true, isBrief: false) { _, _ in }
        let logged = try Payload.decode(IngestionV1.IngestionEvent.self, incoming.logEntry)
        #expect(logged.event == .transactionAccepted(.init(transaction)))
        transaction.details = nil
        #expect(incoming.question?.transaction == .init(transaction))
    }

    @Test func erasureTakesWhatWasFirstSeenWithoutThePersonOrWithAnother() async throws {
        try await ScoringPath.run(["VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS": "0"]) { path in
            try await path.asBank { client, options in
                func submit(_ id: String, _ customer: String, account: String, to counterparty: String = "", device: String = "") async throws {
                    var payment = payment(id, customer: customer)
                    (payment.accountID, payment.cardID, payment.counterpartyAccountID, payment.deviceID) = (account, "", counterparty, device)
                    _ = try await client.submitTransaction(.init(transaction: payment), options: options)
                }
                func isKept(_ kind: IdentifierKind, _ identifier: String) async throws -> Bool {
                    let tokens = try #require(KeyedTokens(hexadecimal: String(repeating: "0123456789abcdef", count: 4)))
                    let request = IngestionV1.RevealIdentifierRequest(token: tokens.token(kind, "", identifier), reason: "test")
                    do {
                        return try await path.gateway.withChannel(as: .peer(ServiceName.operator)) { channel in
                            try await IngestionV1.IngestionService.Client(channel).revealIdentifier(request).identifier == identifier
                        }
                    } catch let error as RPCError where error.code == .notFound {
                        return false
                    }
                }
                // First as whom somebody pays, and on somebody's device; then as the person's own.
                try await submit("t-1", "Q", account: "ACC-Q", to: "ACC-P", device: "shared")
                try await submit("t-2", "P", account: "ACC-P", to: "ACC-Q", device: "shared")
                let erased = try await client.eraseIdentifiers(.init(customerID: "P", reason: "asked for it"), options: options)
                #expect(erased == .init(erased: 2, shared: 1), "customer and account; the device is Q's too")
                #expect(try await !isKept(.account, "ACC-P"))
                #expect(try await isKept(.device, "shared"))
                #expect(try await isKept(.account, "ACC-Q"), "whom the person paid is somebody else")
                // What comes to light as the person's only later goes then.
                try await submit("t-3", "Q", account: "ACC-Q", to: "ACC-P2")
                #expect(try await isKept(.account, "ACC-P2"))
                try await submit("t-4", "P", account: "ACC-P2")
                #expect(try await !isKept(.account, "ACC-P2"))
                try await submit("t-5", "R", account: "ACC-R", to: "ACC-P2")
                #expect(try await !isKept(.account, "ACC-P2"))
            }
        }
    }

    @Test func anOperatorIsToldTheTokenOfAnIdentifierOnTheRecord() async throws {
        let request = IngestionV1.TokenizeIdentifierRequest(identifier: "Asha Rao", bankID: ScoringPath.bank, reason: "case 7")
        try await ScoringPath.run { path in
            try await path.asBank { client, options in
                for id in ["t-1", "t-2"] { _ = try await client.submitTransaction(.init(transaction: payment(id, customer: "Asha Rao")), options: options) }
                let error = await #expect(throws: RPCError.self) { try await client.tokenizeIdentifier(request, options: options) }
                #expect(error?.code == .permissionDenied)
            }
            let customer = try #require(try await tokens(path).first)
            try await path.gateway.withChannel(as: .peer(ServiceName.operator)) { channel in
                let client = IngestionV1.IngestionService.Client(channel)
                #expect(try await client.tokenizeIdentifier(request).token == customer)
                let record = try #require(try await client.listPrivacyRecords(.init()).records.first)
                #expect(record.action == "token" && record.subject == customer && record.reason == "case 7")
                for (request, field) in [
                    (.init(identifier: "A", reason: "x"), "bank_id"), (.init(identifier: "A", kind: "cat", reason: "x"), "kind"),
                ] as [(IngestionV1.TokenizeIdentifierRequest, String)] {
                    let error = await #expect(throws: RPCError.self) { try await client.tokenizeIdentifier(request) }
                    #expect(error?.code == .invalidArgument && error?.fieldViolations.map(\.field) == [field])
                }
            }
        }
    }

    @Test func erasureOfAnotherBanksCustomerAndWithoutAReasonIsRefused() async throws {
        try await ScoringPath.run { path in
            try await path.asBank { client, options in
                for request in [
                    IngestionV1.EraseIdentifiersRequest(customerID: "C", bankID: "other", reason: "x"),
                    IngestionV1.EraseIdentifiersRequest(customerID: "C"), IngestionV1.EraseIdentifiersRequest(reason: "x"),
                ] {
                    let error = await #expect(throws: RPCError.self) { try await client.eraseIdentifiers(request, options: options) }
                    #expect(error?.code == .invalidArgument)
                }
            }
            try await path.asBank(scopes: ["transactions:write"]) { client, options in
                let error = await #expect(throws: RPCError.self) {
                    try await client.eraseIdentifiers(.init(customerID: "C", reason: "x"), options: options)
                }
                #expect(error?.code == .permissionDenied)
            }
        }
    }

    @Test func aBankRevealsItsOwnCustomersAndIsToldOfItsOwnRecordsAlone() async throws {
        try await ScoringPath.run(["VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS": "0"]) { path in
            for (bank, customer) in [("bank-a", "Asha"), ("bank-b", "Ravi")] {
                try await path.asBank(bank) { client, options in
                    var payment = payment("t-1", customer: customer)
                    (payment.cardID, payment.deviceID, payment.counterpartyAccountID) = ("", "shared", "ACC-P")
                    _ = try await client.submitTransaction(.init(transaction: payment), options: options)
                }
            }
            let tokens = try #require(KeyedTokens(hexadecimal: String(repeating: "0123456789abcdef", count: 4))).tokeniser
            let asha = tokens.customerToken(bankID: "bank-a", customerID: "Asha")
            func reveal(_ token: String, as bank: String) async throws -> String? {
                try await path.asBank(bank) { client, options in
                    do {
                        return try await client.revealIdentifier(.init(token: token, reason: "case 7"), options: options).identifier
                    } catch let error as RPCError where error.code == .notFound {
                        #expect(error.message == "nothing is kept behind this token")
                        return nil
                    }
                }
            }
            let shared = tokens.token(of: "shared", .device, bankID: "")
            for (token, raw, banks) in [
                (asha, "Asha", ["bank-a"]), (tokens.token(of: "AC-Asha", .account, bankID: ""), "AC-Asha", ["bank-a"]),
                (shared, "shared", ["bank-a", "bank-b"]), (tokens.token(of: "ACC-P", .account, bankID: ""), "ACC-P", []),
            ] {
                for bank in ["bank-a", "bank-b"] {
                    #expect(try await reveal(token, as: bank) == (banks.contains(bank) ? raw : nil), "\(raw) to \(bank)")
                }
            }
            // Another bank's customer goes, and what was both banks' stays the other's.
            try await path.asBank("bank-b") { client, options in
                _ = try await client.eraseIdentifiers(.init(customerID: "Ravi", reason: "asked for it"), options: options)
            }
            #expect(try await reveal(shared, as: "bank-a") == "shared")
            #expect(try await reveal(shared, as: "bank-b") == nil)
            try await path.asBank("bank-b") { client, options in
                let records = try await client.listPrivacyRecords(.init(), options: options).records
                #expect(records.map(\.action) == ["reveal", "erasure", "reveal", "reveal", "reveal", "reveal"])
                #expect(records.map(\.count) == [0, 2, 0, 1, 0, 0] && records.allSatisfy { $0.actor == "bank-b" })
                for isDry in [true, false] {
                    let retention = await #expect(throws: RPCError.self) {
                        try await client.applyRetention(.init(keepDays: 62, dryRun: isDry), options: options)
                    }
                    #expect(retention?.code == .permissionDenied && retention?.message.contains("all banks") == true)
                }
            }
            try await path.gateway.withChannel(as: .peer(ServiceName.operator)) { channel in
                let client = IngestionV1.IngestionService.Client(channel)
                #expect(try await client.revealIdentifier(.init(token: asha, reason: "order")).identifier == "Asha")
                _ = try await client.eraseIdentifiers(.init(customerID: "Asha", bankID: "bank-a", reason: "order"))
                #expect(try await client.listPrivacyRecords(.init()).records.count == 13)
                _ = try await client.applyRetention(.init(keepDays: 62, dryRun: true))
            }
            try await path.asBank("bank-a") { client, options in
                let records = try await client.listPrivacyRecords(.init(), options: options).records
                #expect(records.first?.actor == ServiceName.operator && records.first?.action == "erasure", "what is done to its customers")
                #expect(records.count == 6 && records.dropFirst().allSatisfy { $0.actor == "bank-a" })
            }
        }
    }

    @Test func retentionDropsWholePartitionsAndSaysSo() async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: IngestionDatabase.migrations)
            let database = PrivacyDatabase(pool: pool)
            try await pool.execute("SELECT create_log_partition(now() - interval '200 days')")
            try await pool.execute("INSERT INTO event_log (recorded_at, payload) VALUES (now() - interval '200 days', 'x'), (now(), 'y')")
            let wouldDrop = try await database.applyRetention(keepDays: 100, dryRun: true, actor: "test").partitions
            #expect(wouldDrop.count == 1)
            let before = try await pool.query("SELECT count(*) FROM event_log").first?.decode(Int64.self)
            #expect(before == 2)
            let dropped = try await database.applyRetention(keepDays: 100, dryRun: false, actor: "test").partitions
            #expect(dropped == wouldDrop)
            let after = try await pool.query("SELECT count(*) FROM event_log").first?.decode(Int64.self)
            #expect(after == 1)
            let records = try await database.records(limit: 10)
            #expect(records.map(\.action) == ["retention"] && records[0].subject == dropped[0].name && records[0].count == 1)
            #expect(try await database.applyRetention(keepDays: 100, dryRun: false, actor: "test").partitions.isEmpty)
        }
    }

    @Test func anAccountAndACardHaveOneTokenHoweverAndByWhomeverTheyAreSent() async throws {
        try await ScoringPath.run(["VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS": "0"]) { path in
            func payment(_ id: String, account: String, card: String) -> RecordsV1.Transaction {
                var payment = IngestionGatewayTests.payment(id)
                (payment.accountID, payment.cardID) = (account, card)
                return payment
            }
            try await path.asBank { client, options in
                let spaced = payment("t-1", account: "GB82 WEST 1234 5698 7654 32", card: "4111 1111 1111 1111")
                _ = try await client.submitTransaction(.init(transaction: spaced), options: options)
                let compact = payment("t-2", account: "GB82WEST12345698765432", card: "4111111111111111")
                _ = try await client.submitTransaction(.init(transaction: compact), options: options)
                let mistyped = payment("t-3", account: "GB83 WEST 1234 5698 7654 32", card: "4111111111111111")
                let refused = await #expect(throws: RPCError.self) {
                    try await client.submitTransaction(.init(transaction: mistyped), options: options)
                }
                #expect(refused?.code == .invalidArgument && refused?.message.contains("transaction.account_id") == true)
            }
            try await path.asBank("other-bank") { client, options in
                let small = payment("t-1", account: "gb82west12345698765432", card: "4111-1111-1111-1111")
                _ = try await client.submitTransaction(.init(transaction: small), options: options)
            }
            let logged = try await transactions(path, count: 3)
            let tokens = try #require(KeyedTokens(hexadecimal: String(repeating: "0123456789abcdef", count: 4)))
            #expect(Set(logged.map(\.accountID)) == [tokens.token(.account, "", "GB82WEST12345698765432")])
            #expect(Set(logged.map(\.cardID)) == [tokens.token(.card, "", "4111111111111111")])
        }
    }

    @Test func retentionLeavesAsManyDaysAsNamesAreLookedUpAndSaysWhy() async throws {
        try await ScoringPath.run { path in
            try await path.gateway.withChannel(as: .peer(ServiceName.operator)) { channel in
                let client = IngestionV1.IngestionService.Client(channel)
                let refused = await #expect(throws: RPCError.self) { try await client.applyRetention(.init(keepDays: 61)) }
                #expect(refused?.code == .invalidArgument)
                #expect(refused?.message.contains("62 to 36500: names of transactions") == true)
                let applied = try await client.applyRetention(.init(keepDays: 62))
                #expect(applied.dropped.isEmpty && applied.identifiers == 0)
            }
        }
    }

    /// Customers' tokens in the order of the log.
    private func tokens(_ path: ScoringPath) async throws -> [String] { try await transactions(path, count: 2).map(\.customerID) }

    /// So many transactions of the log, at least.
    private func transactions(_ path: ScoringPath, count: Int) async throws -> [RecordsV1.Transaction] {
        try await path.gateway.withChannel(as: .peer("feature-store")) { channel in
            try await IngestionV1.IngestionService.Client(channel).tailEvents(.init()) { responses in
                var transactions: [RecordsV1.Transaction] = []
                for try await response in responses {
                    for event in response.events {
                        if case .transactionAccepted(let transaction) = event.event?.event { transactions.append(transaction) }
                    }
                    if transactions.count >= count { return transactions }
                }
                return transactions
            }
        }
    }
}
