import Testing

@testable import Datasets

/// What of a refused row is kept and shown.
@Suite struct ShownValueTests {
    private static let typed: [Target.Form] = [
        .time, .amount, .currency, .number, .boolean, .choice(["pos"]), .merchantCategoryCode, .bic,
    ]

    private static func isShown(_ value: String, _ form: Target.Form) -> Bool {
        shown(value, of: Target(name: "field", form: form)) == value
    }

    @Test(arguments: [
        "4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111", "4.11111111111111E+15", "DE89370400440532013000", "DE89 3704 0044 0532 0130 00",
        "GB82WEST12345698765432", "asha@example.in", "a@b", "Asha Rao", "Müller", "रमेश कुमार", "customer-17", "98765 43210", "+91 98765 43210", "612.345.678",
        "00112233", "123456789012", "12345678", "192.0.2.7", "2001:db8::1", "1767225600000", "20260213", "1234567.8901", "١٢٣٤٥٦٧٨",
    ])
    func whatMayNameSomebodyIsMaskedInAnyColumnOfNumbersTimesAndCodes(value: String) {
        for form in Self.typed {
            let text = shown(value, of: Target(name: "field", form: form))
            #expect(text.hasPrefix("****") && text.count <= 6 && value.hasSuffix(text.dropFirst(4)), "\(value) as \(form)")
        }
    }

    @Test(arguments: [
        "much", "x", "-5", "NaN", "inf", "-0x10", "12.50", "1,234,567.89", "12,34,567.89", "1.234.567,89", "125050.00", "9999999", "91", "75.123456789012",
        "-179.99999999", "54", "EURO", "2026-13-45", "2026-02-30T10:00:00Z", "2026-02-30 10:00:00.123456", "2026-02-30T10:00:00+05:30", "31.02.2018 09:30",
        "1/2/2026", "24:61", "01 Jan 2018", "-",
    ])
    func aPlainNumberTimeOrCodeIsShown(value: String) {
        for form in Self.typed { #expect(Self.isShown(value, form), "\(value) as \(form)") }
    }

    @Test func whereAnythingMayStandOnlyWhatIsSurelySomebodysIsMasked() {
        for value in [
            "4111111111111111", "card 4111 1111 1111 1111", "5500-0055-5555-5559", "DE89370400440532013000", "to DE89370400440532013000 by wire",
            "asha@example.in", "Asha <asha@example.in>", "+91 98765 43210", "192.0.2.7",
        ] {
            #expect(!Self.isShown(value, .text), "\(value)")
        }
        for value in [
            "txn-00000000017", "202602010000017", "ATM-12345678", "12 High Street, 411001 Pune", "Sagarpur Central", "4111111111111112", "+1", "f-1",
        ] {
            #expect(Self.isShown(value, .text), "\(value)")
        }
    }

    @Test func aPersonalFieldAndAColumnThatIsNoFieldShowNothing() {
        #expect(shown("596", of: Target(name: "customer_id", isPersonal: true)) == "****")
        #expect(shown("59612345678", of: Target(name: "customer_id", isPersonal: true)) == "****78")
        #expect(shown("anything", of: nil) == "****ng" && shown("", of: nil) == "")
        #expect(shown("a\0b", of: Target(name: "f")) == "a\u{2400}b")
        #expect(shown(String(repeating: "x", count: 100), of: Target(name: "f")).count == 81)
    }
}
