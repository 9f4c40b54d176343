import Records
import Testing

@Suite struct ValidationTests {
    let now = Timestamp(iso8601: "2018-06-01T00:00:00Z")!

    func transaction(_ change: (inout Transaction) -> Void = { _ in }) -> Transaction {
        var transaction = Transaction(
            key: TransactionKey(bankID: "b1", transactionID: "t1"), eventTime: now - .days(1), customerID: "c1", terminalID: "9",
            channel: .pos, amount: Money(minorUnits: 100, currency: .eur), location: Coordinate(latitude: 28.6, longitude: 77.2))
        change(&transaction)
        return transaction
    }

    func fields(_ change: (inout Transaction) -> Void) -> [String] { transaction(change).validate(now: now).map(\.field) }

    @Test func acceptsAGoodTransactionAndOneOfAmountZero() {
        #expect(transaction().validate(now: now).isEmpty)
        #expect(fields { $0.amount.minorUnits = 0 }.isEmpty)
    }

    @Test func addressesOfTheInternetOfMailAndOfPhonesHaveOneForm() {
        for (text, form) in [("192.0.2.7", "192.0.2.7"), ("2001:DB8:0:0::1", "2001:db8::1"), ("::ffff:192.0.2.7", "::ffff:192.0.2.7")] {
            #expect(IPAddress(text)?.description == form)
        }
        for text in ["", "1.2.3", "1.2.3.256", "192.0.2.7:80", "fe80::1%eth0", "::1\0", "01.2.3.4", " 1.2.3.4"] { #expect(IPAddress(text) == nil, "\(text)") }
        #expect(EmailAddress("Asha.Rao+bank@Example.IN")?.description == "asha.rao+bank@example.in")
        for text in ["", "a", "a@b", "@b.c", "a@b@c.d", "a b@c.d", "a@b..c", "a@b.c\n", String(repeating: "a", count: 251) + "@b.c"] {
            #expect(EmailAddress(text) == nil, "\(text)")
        }
        for text in ["+91 98765-43210", "0091 (98765) 43210", "+919876543210", "+91 (0) 98765\u{A0}43210", "+91 (0)98765 43210"] {
            #expect(PhoneNumber(text)?.description == "+919876543210")
        }
        for text in ["", "9876543210", "+0123456789", "+123456", "+1234567890123456", "+91x8765432"] { #expect(PhoneNumber(text) == nil, "\(text)") }
    }

    @Test func namesTheFieldOfEachFault() {
        #expect(fields { $0.details = TransactionDetails(ipAddress: "1.2.3", email: "a", phone: "1") }
            == ["details.ip_address", "details.email", "details.phone"])
        #expect(fields { $0.key.bankID = "" } == ["key.bank_id"])
        #expect(fields { $0.key.transactionID = String(repeating: "x", count: 129) } == ["key.transaction_id"])
        #expect(fields { $0.eventTime = now + .minutes(11) } == ["event_time"])
        #expect(fields { $0.eventTime = Timestamp(iso8601: "1989-12-31")! } == ["event_time"])
        #expect(fields { $0.timeZone = "Mars/Olympus" } == ["time_zone"])
        #expect(fields { $0.timeZone = "5:30" } == ["time_zone"])
        #expect(fields { $0.timeZone = "Asia/Kolkata" }.isEmpty)
        #expect(fields { $0.timeZone = "-03:30" }.isEmpty)
        #expect(fields { $0.customerID = "a\u{0}b" } == ["customer_id"])
        #expect(fields { $0.accountID = "" } == ["account_id"])
        #expect(fields { $0.accountID = "GB83 WEST 1234 5698 7654 32" } == ["account_id"])
        #expect(fields { $0.counterpartyAccountID = "de00370400440532013000" } == ["counterparty_account_id"])
        #expect(fields { $0.counterpartyAccountID = "de89 3704 0044 0532 0130 00" }.isEmpty)
        #expect(fields { $0.merchantID = "a\u{85}b" } == ["merchant_id"])
        #expect(fields { $0.deviceID = "a\u{85}b" } == ["device_id"])
        #expect(fields { $0.amount.minorUnits = -1 } == ["amount.minor_units"])
        #expect(fields { $0.amount.minorUnits = .max } == ["amount.minor_units"])
        #expect(fields { $0.amount = Money(minorUnits: 1_000_000_000_000_000, currency: .eur) }.isEmpty)
        #expect(fields { $0.amount = Money(minorUnits: 1_000_000_000_000_001, currency: .eur) } == ["amount.minor_units"])
        // Ten trillion in a currency without decimals too.
        #expect(fields { $0.amount = Money(minorUnits: 10_000_000_000_000, currency: Currency("JPY")!) }.isEmpty)
        #expect(fields { $0.amount = Money(minorUnits: 10_000_000_000_001, currency: Currency("JPY")!) } == ["amount.minor_units"])
        #expect(fields { $0.location?.latitude = 90.01 } == ["location.latitude"])
        #expect(fields { $0.location?.longitude = .nan } == ["location.longitude"])
    }

    @Test(arguments: [
        "NULL", "unknown", "<null>", "#N/A", "#REF!", "1.23457E+15", "1.23457E15", "4,11e7", " c", "c ", "\u{A0}c", "c\u{3000}", "\u{200B}c",
        "c\u{FEFF}", " ",
    ])
    func whatNamesNobodyOrHasASpaceAtItsEndIsNoIdentifier(text: String) {
        #expect(fields { $0.customerID = text } == ["customer_id"])
        #expect(fields { $0.terminalID = text } == ["terminal_id"])
        #expect(fields { $0.counterpartyAccountID = text } == ["counterparty_account_id"])
        #expect(fields { $0.key.transactionID = text } == ["key.transaction_id"])
    }

    @Test(arguments: ["N-1", "none-7", "0", "-1", "#12", "1E15", "12E5", "a c", "E+15", "7.5E+1x", "nullmann", "1.5", "\u{645}\u{644}", "1.2E+155"])
    func whatMayBeANameIsOne(text: String) { #expect(fields { $0.customerID = text }.isEmpty) }

    @Test func allowsAClockThatRunsALittleAhead() {
        #expect(fields { $0.eventTime = now + .minutes(10) }.isEmpty)
    }

    @Test func reportsAllFaultsAtOnce() {
        let violations = transaction { $0.customerID = ""; $0.amount.minorUnits = -5; $0.location?.latitude = -91 }.validate(now: now)
        #expect(violations.map(\.field) == ["customer_id", "amount.minor_units", "location.latitude"])
        #expect(violations[1].within("transaction").description == "transaction.amount.minor_units is negative")
    }

    @Test func aComplaintIsNotReportedBeforeItHappened() {
        let complaint = Complaint(
            reporter: .init(kind: .agency, id: "police"), complaintID: "1", crimeType: "robbery", occurredAt: now - .hours(1),
            reportedAt: now - .hours(2), suspectAccountIDs: ["ok", ""])
        #expect(complaint.validate(now: now).map(\.field) == ["reported_at", "suspect_account_ids[1]"])
    }

    @Test func onlyAnOnlineTerminalMayBeNowhere() {
        #expect(Terminal(terminalID: "1", kind: .atm).validate(now: now).map(\.field) == ["location"])
        #expect(Terminal(terminalID: "1", kind: .online).validate(now: now).isEmpty)
    }

    @Test func aJurisdictionNeedsRealRings() {
        let corner = Coordinate(latitude: 1, longitude: 1)
        #expect(Jurisdiction(id: "j", name: "J", rings: [[corner, corner, corner]]).validate(now: now).map(\.field) == ["rings[0]"])
        let off = [corner, Coordinate(latitude: 2, longitude: 1), Coordinate(latitude: 2, longitude: 181)]
        #expect(Jurisdiction(id: "j", name: "J", rings: [off]).validate(now: now).map(\.field) == ["rings[0][2].longitude"])
        #expect(Jurisdiction(id: "j", name: "", rings: []).validate(now: now).map(\.field) == ["name", "rings"])
        let bow = [(0, 0), (1, 1), (0, 1), (1, 0)].map { Coordinate(latitude: $0.0, longitude: $0.1) }
        let crossed = Violation(field: "rings", reason: "bound no area: ring 1: edges 1 and 3 touch or cross")
        #expect(Jurisdiction(id: "j", name: "J", rings: [bow]).validate(now: now) == [crossed])
    }

    @Test func aContextSignalMayLieAheadButNotEndBeforeItBegins() {
        var signal = ContextSignal(signalID: "s", kind: "festival", start: now + .days(100), attributes: ["name": "Diwali"])
        #expect(signal.validate(now: now).isEmpty)
        signal.end = now
        signal.attributes["x"] = "a\u{1}"
        signal.value = .infinity
        #expect(signal.validate(now: now).map(\.field) == ["ends_at", "value", "attributes.x"])
    }

    @Test func aDecisionHasAScoreBetweenZeroAndOne() {
        let decision = Decision(
            key: transaction().key, label: .fraud, riskScore: 1.5, reasons: [.init(feature: "f", text: "t", value: 1, contribution: .nan)],
            modelVersion: "m", decidedAt: now)
        #expect(decision.validate(now: now).map(\.field) == ["risk_score", "reasons[0].contribution"])
    }
}
