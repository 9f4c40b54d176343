import Records
import Testing

@Suite struct BankIdentifiersTests {
    @Test func anAccountHasOneFormHoweverItIsWritten() {
        for text in [
            "GB82 WEST 1234 5698 7654 32", "gb82west12345698765432", "GB82WEST12345698765432", " gb82 WEST 1234569876543 2",
            "GB82-WEST-1234-5698-7654-32", "GB82\u{A0}WEST\u{A0}1234\u{202F}5698 7654 32", "\u{FEFF}GB82WEST12345698765432\u{200B}", "gb82–WEST–12345698765432",
        ] {
            #expect(IBAN.canonical(text) == "GB82WEST12345698765432")
        }
        for plain in ["AC 17", "ac-00000017", "", "GB83 WEST 1234 5698 7654 32", "zz82 west 1234 5698 7654 32", "a.Xq3 b", "GB82é", "konto\u{A0}7"] {
            #expect(IBAN.canonical(plain) == plain, "no IBAN with right check digits, hence the bank's own")
        }
    }

    @Test func aCardHasOneFormHoweverItIsWritten() {
        for text in ["4111 1111 1111 1111", "4111-1111-1111-1111", "4111111111111111", "4111\u{A0}1111\u{A0}1111\u{A0}1111"] {
            #expect(CardNumber.canonical(text) == "4111111111111111")
        }
        for other in ["CD-00000017", "17-4", "4111 1111 1111 111x", "1234-5678-9012-3456-7890"] { #expect(CardNumber.canonical(other) == other) }
    }

    @Test func whatIsWrittenAsAnIBANOfItsCountryIsOneOrIsRefused() {
        #expect(IBAN.hasForm("gb83 west 1234 5698 7654 32") && IBAN("gb83 west 1234 5698 7654 32") == nil)
        #expect(IBAN.hasForm("GB83-WEST-1234-5698-7654-32") && IBAN("GB83-WEST-1234-5698-7654-32") == nil)
        #expect(IBAN("NO93 8601 1117 947") != nil && IBAN("MT84MALT011000012345MTLCAST001S") != nil)
        // Too short for Britain, no country's, and a bank's own: numbers of another kind.
        for plain in ["GB82WEST1234569876543", "ZZ82WEST12345698765432", "AC12345678901234567890", "1234567890123456"] { #expect(!IBAN.hasForm(plain)) }
        for near in ["GB82WEST1234569876543", "DE8937040044053201300", "DE 8937 0400 4405 3201 3000 1"] { #expect(IBAN.hasAlmostForm(near)) }
        for plain in ["GB82WEST12345698765432", "DE12", "ZZ82WEST1234569876543", "1234567890123456", "DE893704004405320130001234"] {
            #expect(!IBAN.hasAlmostForm(plain))
        }
    }
}
