import Contracts
import RecordCoding
import Records
import StandardContracts
import Testing

@Suite struct TransactionCodingTests {
    private let transaction = Transaction(
        key: TransactionKey(bankID: "bank", transactionID: "t-1"), eventTime: Timestamp(microseconds: 1_700_000_000_123_456),
        timeZone: "Asia/Kolkata", customerID: "C1", accountID: "A1", cardID: "D1", terminalID: "T1",
        merchantID: "M1", merchantCategoryCode: MerchantCategoryCode("5411"), counterpartyAccountID: "A2", deviceID: "V1", channel: .transfer,
        amount: Money(minorUnits: 12_345, currency: .inr), location: Coordinate(latitude: 17.2, longitude: 75.3),
        details: TransactionDetails(
            ipAddress: "192.0.2.7", email: "asha@example.in", phone: "+919876543210", debtorAgentBIC: BIC("DEUTDEFF"), creditorAgentBIC: BIC("SBININBB104")))

    @Test func aTransactionComesBackAsItWas() throws {
        #expect(try Transaction(RecordsV1.Transaction(transaction)) == transaction)
    }

    @Test(arguments: ["bank", "", String(repeating: "b", count: 200)]) func anAcceptedTransactionIsTheEventThatSaysSo(sender: String) {
        let message = RecordsV1.Transaction(transaction)
        let event = IngestionV1.IngestionEvent(event: .transactionAccepted(message), senderID: sender)
        #expect(Payload.encode(accepted: message, senderID: sender) == Payload.encode(event))
    }

    @Test func aMerchantComesBackAsItWas() throws {
        let merchant = Merchant(
            merchantID: "M1", name: "Asha Sweets", merchantCategoryCode: MerchantCategoryCode("5441"),
            location: Coordinate(latitude: 17.2, longitude: 75.3), city: "Solapur")
        #expect(try Merchant(RecordsV1.Merchant(merchant)) == merchant)
        #expect(try Merchant(RecordsV1.Merchant(Merchant(merchantID: "M2"))) == Merchant(merchantID: "M2"))
    }

    @Test func allFaultsAreToldAtOnceByTheirPaths() {
        var message = RecordsV1.Transaction(transaction)
        message.key?.transactionID = ""
        message.amount?.currency = "NOPE"
        message.customerID = ""
        message.details?.creditorAgentBIC = "SBI"
        let error = #expect(throws: InvalidRecord.self) { try Transaction(message, sender: "other") }
        let fields = error?.violations.map(\.field) ?? []
        #expect(Set(fields) == ["key.bank_id", "key.transaction_id", "amount.currency", "customer_id", "details.creditor_agent_bic"])
    }

    @Test func aSenderIsAskedForAmountAndPlaceAndAnEarlierVersionsZeroIsZero() throws {
        var message = RecordsV1.Transaction(transaction)
        message.amount?.minorUnits = nil
        message.location = .init(latitude: 17.2)
        let error = #expect(throws: InvalidRecord.self) { try Transaction(message, isIncoming: true) }
        #expect(error?.violations.map(\.description) == ["amount.minor_units is missing", "location.longitude is missing"])
        let stored = try Transaction(message)
        #expect(stored.amount.minorUnits == 0 && stored.location == Coordinate(latitude: 17.2, longitude: 0))
        #expect(try Transaction(RecordsV1.Transaction(stored), isIncoming: true) == stored)
        let decoded = try Payload.decode(RecordsV1.Transaction.self, Payload.encode(RecordsV1.Transaction(stored)))
        #expect(try Transaction(decoded, isIncoming: true) == stored, "zeros that are said are written")
    }

    @Test func whatIsNotSaidInOtherRecordsIsNamedByItsPath() throws {
        func faults(_ read: () throws -> Void) -> [String] { (#expect(throws: InvalidRecord.self) { try read() })?.violations.map(\.field) ?? [] }
        let half = RecordsV1.Location(longitude: 75)
        let label = RecordsV1.Label(key: .init(bankID: "b", transactionID: "t"), knownAt: .init(seconds: 1), source: "chargeback")
        #expect(faults { _ = try Label(label, isIncoming: true) } == ["is_fraud"])
        #expect(try !Label(label).isFraud)
        #expect(faults { _ = try Terminal(.init(terminalID: "T", kind: .atm, location: half), isIncoming: true) } == ["location.latitude"])
        #expect(faults { _ = try Customer(.init(customerID: "C", home: half), isIncoming: true) } == ["home.latitude"])
        #expect(faults { _ = try Merchant(.init(merchantID: "M", location: half), isIncoming: true) } == ["location.latitude"])
        let ring = RecordsV1.Jurisdiction.Ring(points: [.init(latitude: 1, longitude: 1), half])
        let area = RecordsV1.Jurisdiction(jurisdictionID: "J", name: "J", rings: [ring])
        #expect(faults { _ = try Jurisdiction(area, isIncoming: true) } == ["rings[0].points[1].latitude"])
    }

    @Test func aKeyWithoutABankIsTheSenders() throws {
        var message = RecordsV1.Transaction(transaction)
        message.key?.bankID = ""
        #expect(try Transaction(message, sender: "mine").key.bankID == "mine")
    }
}
