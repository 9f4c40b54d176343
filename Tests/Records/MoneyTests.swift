import Records
import Testing

@Suite struct MoneyTests {
    @Test(arguments: [
        ("57.16", "EUR", 5_716), ("57", "EUR", 5_700), ("57.1", "EUR", 5_710), ("0.00", "EUR", 0), ("-3.50", "EUR", -350), ("+1", "JPY", 1),
        ("1.234", "KWD", 1_234), ("100", "KRW", 100), ("57.1600", "EUR", 5_716), (".5", "USD", 50), ("5.", "USD", 500), ("12.00", "JPY", 12),
        ("0.0001", "CLF", 1),
    ])
    func readsDecimalsExactly(text: String, code: String, minorUnits: Int64) throws {
        #expect(try Money(decimal: text, currency: #require(Currency(code))).minorUnits == minorUnits)
    }

    @Test(arguments: ["", "-", ".", "abc", "1,000.00", "1e3", "0x10", "NaN", " 5", "5 ", "1.2.3", "٣"])
    func refusesWhatIsNoDecimalNumber(text: String) {
        #expect(throws: Money.DecimalError.notANumber) { try Money(decimal: text, currency: .eur) }
    }

    @Test func refusesMoreDecimalsThanTheCurrencyHas() {
        #expect(throws: Money.DecimalError.tooManyDecimals(allowed: 2)) { try Money(decimal: "1.005", currency: .eur) }
        #expect(throws: Money.DecimalError.tooManyDecimals(allowed: 0)) { try Money(decimal: "1.5", currency: Currency("JPY")!) }
    }

    @Test func refusesWhatDoesNotFit() {
        #expect(throws: Money.DecimalError.outOfRange) { try Money(decimal: "92233720368547758.08", currency: .eur) }
        #expect(throws: Never.self) { try Money(decimal: "92233720368547758.07", currency: .eur) }
    }

    @Test func printsTheMajorUnitWithAllDecimals() {
        #expect(Money(minorUnits: 5_716, currency: .eur).description == "57.16 EUR")
        #expect(Money(minorUnits: -5, currency: .eur).description == "-0.05 EUR")
        #expect(Money(minorUnits: 7, currency: Currency("JPY")!).description == "7 JPY")
        #expect(Money(minorUnits: 1_005, currency: Currency("BHD")!).description == "1.005 BHD")
        #expect(Money(minorUnits: .min, currency: .eur).description == "-92233720368547758.08 EUR")
    }

    @Test func knowsTheCurrenciesOfISO4217() {
        #expect(Currency.allCodes.count >= 170)
        #expect(Set(Currency.allCodes).count == Currency.allCodes.count)
        for code in Currency.allCodes { #expect(Currency(code)?.code == code) }
        for (code, exponent) in [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("INR", 2), ("ISK", 0), ("TND", 3), ("VND", 0)] {
            #expect(Currency(code).map { Int($0.exponent) } == exponent)
        }
        for code in ["", "EU", "EURO", "eur", "XXX", "XAU", "ABC", "€€€", "E R"] { #expect(Currency(code) == nil) }
    }

    @Test func acceptsMerchantCategoryCodesOfFourDigitsOnly() {
        #expect(MerchantCategoryCode("0742")?.description == "0742")
        #expect(MerchantCategoryCode("5411")?.number == 5_411)
        for text in ["", "742", "05411", "54a1", "-541", "٥٤١١"] { #expect(MerchantCategoryCode(text) == nil) }
    }
}
