/// A currency of ISO 4217, known by its alphabetic code. There is no value of this type for an unknown code.
public struct Currency: Sendable, Hashable {
    /// The three letters, the first in the highest of the three bytes.
    private let letters: UInt32
    /// How many decimal digits the minor unit has: 2 for the euro's cent, 0 for the yen, 3 for the Kuwaiti fils.
    public let exponent: Int8

    /// Nil for a code that ISO 4217 does not list. Lower-case letters are refused: the standard writes capitals.
    public init?(_ code: String) {
        var code = code
        guard let currency = code.withUTF8({ Currency(code: $0) }) else { return nil }
        self = currency
    }

    /// As `init(_:)`, from bytes.
    public init?(code: UnsafeBufferPointer<UInt8>) {
        guard code.count == 3 else { return nil }
        let letters = UInt32(code[0]) << 16 | UInt32(code[1]) << 8 | UInt32(code[2])
        guard let exponent = Currency.exponents[letters] else { return nil }
        self.letters = letters
        self.exponent = exponent
    }

    /// The alphabetic code, for instance `EUR`.
    public var code: String {
        String(unsafeUninitializedCapacity: 3) { bytes in
            for i in 0..<3 { bytes[i] = UInt8(truncatingIfNeeded: letters >> (16 - 8 * UInt32(i))) }
            return 3
        }
    }

    /// Minor units in one major unit: 100, 1, 1000 or 10000.
    public var minorUnitsPerMajor: Int64 {
        var factor: Int64 = 1
        for _ in 0..<exponent { factor *= 10 }
        return factor
    }

    /// Every code that `init` accepts, in alphabetic order.
    public static var allCodes: [String] { table.flatMap { $0.codes.split(separator: " ").map(String.init) }.sorted() }

    private init(listed code: String) {
        let bytes = Array(code.utf8)
        letters = UInt32(bytes[0]) << 16 | UInt32(bytes[1]) << 8 | UInt32(bytes[2])
        exponent = Currency.exponents[letters] ?? 2
    }

    public static let eur = Currency(listed: "EUR")
    public static let inr = Currency(listed: "INR")
    public static let usd = Currency(listed: "USD")

    /// Source: ISO 4217:2015, list one (current currencies and funds), and from list three those withdrawn since 2015, because
    /// history is loaded too. Left out are the codes whose minor unit is "N.A." (metals, baskets, tests): no payment is made in them.
    private static let table: [(exponent: Int8, codes: String)] = [
        (
            2,
            """
            AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU \
            CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS \
            KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB \
            PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD \
            TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG
            """
        ),
        (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
        (4, "CLF UYW"),
        (2, "ANG CUC HRK MRO SLL STD VEF ZWL"),  // withdrawn
        (0, "BYR"),  // withdrawn
    ]

    private static let exponents: [UInt32: Int8] = {
        var exponents: [UInt32: Int8] = [:]
        for (exponent, codes) in table {
            for code in codes.split(separator: " ") {
                exponents[code.utf8.reduce(0) { $0 << 8 | UInt32($1) }] = exponent
            }
        }
        return exponents
    }()
}

extension Currency: CustomStringConvertible {
    public var description: String { code }
}
