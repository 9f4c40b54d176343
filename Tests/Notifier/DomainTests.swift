import Records
import Testing

@testable import Notifier

@Suite("An alert's words") struct DomainTests {
    static func alert() throws -> DecisionAlert {
        DecisionAlert(
            decisionID: "0a1b", key: TransactionKey(bankID: "FIRST", transactionID: "tx-7"), label: .fraud, riskScore: 0.9876,
            reasons: ["terminal had 3 frauds in the last 7 days"], modelVersion: "fraud-1",
            decidedAt: try #require(Timestamp(iso8601: "2026-11-22T10:43:21.5Z")),
            eventTime: Timestamp(iso8601: "2026-11-22T10:43:20Z"),
            amount: Money(minorUnits: 1_234_50, currency: try #require(Currency("INR"))),
            location: Coordinate(latitude: 28.6139, longitude: -77.209), terminalID: "ATM-9", channel: .atm)
    }

    static func mail(subject: String = "s", body: String = "b", id: String = "a-1", to: String = "officer@vigil.example") throws -> MailMessage {
        MailMessage(
            Alert.Content(alertID: id, subject: subject, body: body, riskScore: 0.5), raisedAt: Timestamp(seconds: 1_795_344_201),
            from: try #require(MailAddress("vigil@vigil.example")), to: try #require(MailAddress(to)))
    }

    static func text(_ mail: MailMessage) -> String { String(decoding: mail.bytes, as: UTF8.self) }

    @Test("An alert says risk, amount, time, place, terminal, transaction, reasons, decision and where to look")
    func words() throws {
        let content = try Self.alert().content(dashboard: "https://dash")
        #expect(content.subject == "Fraud alert: risk 98.7 %, 1234.50 INR, terminal ATM-9")
        for part in [
            "98.7 % (fraud)", "1234.50 INR", "2026-11-22 10:43:20 UTC", "28.61390° N, 77.20900° W", "ATM-9", "cash machine", "FIRST", "tx-7",
            "- terminal had 3 frauds in the last 7 days", "0a1b", "2026-11-22 10:43:21 UTC", "fraud-1", "https://dash/#alert=0a1b",
        ] {
            #expect(content.body.contains(part), "\(part)")
        }
        #expect(content.violations() == [])
    }

    @Test("What a bank writes cannot add lines to an alert, and long texts are cut")
    func foreignText() throws {
        var alert = try Self.alert()
        alert.terminalID = "T\r\nBcc: everyone@vigil.example\u{2028}x"
        alert.key.transactionID = "a\nDashboard     https://evil"
        alert.reasons = [String(repeating: "ü", count: 5_000)]
        let content = alert.content(dashboard: "https://dash")
        #expect(content.violations() == [])
        #expect(!content.body.contains("\nDashboard     https://evil"))
        #expect(!content.body.contains("\nBcc"))
        #expect(content.body.utf8.count < 2_000)
    }

    @Test("A subject can end no header, whatever it holds", arguments: [
        "x\r\nBcc: everyone@vigil.example", "x\nBcc: e@v.example\n\nbody", "x\r\n\r\n.\r\nMAIL FROM:<a@b>", "x\u{2028}y\u{85}z\u{0}",
        "=?utf-8?Q?=0ABcc:_x?=",
    ])
    func injection(subject: String) throws {
        let text = Self.text(try Self.mail(subject: subject))
        let head = text.prefix(upTo: try #require(text.firstRange(of: "\r\n\r\n")).lowerBound).replacing("\r\n ", with: " ")
        let names = head.split(separator: "\r\n").map { $0.prefix { $0 != ":" } }
        #expect(names == [
            "Date", "From", "To", "Subject", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
        ])
        #expect(!head.contains("\n") || head.contains("\r\n"))
    }

    @Test("Lines stay within bounds, end in CRLF and hold ASCII only")
    func lines() throws {
        let long = String(repeating: "Grüße 🚨 = ", count: 500)
        let mail = try Self.mail(subject: long, body: long + "\r\nnext \n\n.\n..\rlast\n")
        let lines = mail.bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        #expect(lines.dropLast().allSatisfy { $0.last == 0x0d && $0.count <= 78 })
        #expect(lines.last?.isEmpty == true)
        #expect(mail.bytes.allSatisfy { $0 < 0x80 && ($0 >= 0x20 || $0 == 0x0d || $0 == 0x0a) })
    }

    @Test("The date is RFC 5322's, the body plain where it can be")
    func form() throws {
        let text = Self.text(try Self.mail(subject: "Risk", body: "one\ntwo\n"))
        #expect(text.contains("Date: Sun, 22 Nov 2026 10:43:21 +0000\r\n"))
        #expect(text.contains("Subject: Risk\r\n"))
        #expect(text.hasSuffix("Content-Transfer-Encoding: 7bit\r\n\r\none\r\ntwo\r\n"))
        #expect(Self.text(try Self.mail(subject: "Grüße")).contains("Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n"))
        #expect(Self.text(try Self.mail(body: "ü = x ")).hasSuffix("quoted-printable\r\n\r\n=C3=BC =3D x=20\r\n"))
    }

    @Test("The same alert for the same recipient is the same mail, for another it is another")
    func messageID() throws {
        let mail = try Self.mail()
        #expect(mail == (try Self.mail()))
        #expect(mail.messageID.hasPrefix("<a-1."))
        #expect(mail.messageID.hasSuffix("@vigil.example>"))
        #expect(mail.messageID != (try Self.mail(to: "other@vigil.example")).messageID)
        #expect(!(try Self.mail(id: "a>\r\nx")).messageID.contains("\n"))
    }

    @Test("Only plain addresses are addresses", arguments: [
        "", "a", "@b", "a@", "a@b@c", "a b@c", "a@b\r\nRCPT TO:<x@y>", "<a@b>", "a@b>", "\"a\"@b", "ü@b", "a..b@c", "a@b..c", ".a@b", "a,b@c",
        "a@-b c",
    ])
    func addresses(text: String) {
        #expect(MailAddress(text) == nil)
    }

    @Test("Waits double with jitter up to a bound, and end")
    func retries() {
        let schedule = RetrySchedule(maxAttempts: 4, firstSeconds: 1, maxSeconds: 3)
        #expect((1...5).map { schedule.waitSeconds(afterAttempt: $0, jitter: 0) } == [0.5, 1, 1.5, nil, nil])
        #expect(schedule.waitSeconds(afterAttempt: 3, jitter: 0.999).map { $0 < 3 && $0 > 2.9 } == true)
        #expect(RetrySchedule(maxAttempts: 1_000).waitSeconds(afterAttempt: 900, jitter: 0) == 300)
    }

    @Test("What is wrong with an alert is told by field")
    func violations() {
        let bad = Alert.Content(
            alertID: "a b", subject: "x\ny", body: String(repeating: "x", count: 70_000), riskScore: .nan,
            location: Coordinate(latitude: 91, longitude: 0))
        #expect(bad.violations().map(\.field) == ["alert_id", "subject", "body", "risk_score", "location"])
        #expect(Alert.Content(alertID: "", subject: " ", body: "", riskScore: 2).violations().map(\.field) == ["alert_id", "subject", "risk_score"])
    }
}
