/// What people and programs set between the groups of a number, and is no part of it: spaces, dashes and what takes no room.
enum GroupMarks {
    /// The text itself where it has none.
    static func removed(from text: String) -> String {
        guard text.utf8.contains(where: { isOne($0) || $0 >= 0x80 }) else { return text }
        if text.utf8.allSatisfy({ $0 < 0x80 }) { return String(decoding: text.utf8.filter { !isOne($0) }, as: UTF8.self) }
        return String(String.UnicodeScalarView(text.unicodeScalars.filter { !isOne($0) }))
    }

    /// Of one byte.
    static func isOne(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "-") }

    private static func isOne(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        // Spaces that keep a line together, as spreadsheets and documents have them; what joins and directs; dashes.
        case " ", "-", "\u{A0}", "\u{2007}"..."\u{2015}", "\u{202F}", "\u{2060}", "\u{2212}", "\u{FEFF}": true
        default: false
        }
    }
}

/// An account number of ISO 13616, with right check digits: two letters of a country, two check digits, and letters and digits, as many
/// as that country has them.
public struct IBAN: Sendable, Hashable, CustomStringConvertible {
    /// Without spaces, in capitals.
    public let description: String

    /// Nil unless `text` is one; spaces and dashes between groups are passed over, and small letters are as good.
    public init?(_ text: String) {
        guard IBAN.hasForm(text) else { return nil }
        let characters = GroupMarks.removed(from: text).utf8.map(\.capital)
        guard IBAN.remainder(characters) == 1 else { return nil }
        description = String(decoding: characters, as: UTF8.self)
    }

    /// Whether a text is written as an IBAN of its country is, whatever its check digits.
    public static func hasForm(_ text: String) -> Bool { characters(text).map { $0.expected == $0.count } ?? false }

    /// Whether a text begins as an IBAN does and is one or two characters short of its country's, or beyond.
    public static func hasAlmostForm(_ text: String) -> Bool {
        guard let (count, expected) = characters(text), let expected else { return false }
        return count != expected && abs(count - expected) <= 2
    }

    /// How many characters a text has that is made as an IBAN is, and how many its country's have; nil for any other.
    private static func characters(_ text: String) -> (count: Int, expected: Int?)? {
        var country: UInt16 = 0
        var length = 0
        // Most account numbers are none, and end this at their first bytes.
        for byte in text.utf8 where !GroupMarks.isOne(byte) {
            let character = byte.capital
            if byte >= 0x80 {
                let rest = GroupMarks.removed(from: text)
                return rest.utf8.allSatisfy { $0 < 0x80 } ? characters(rest) : nil
            }
            switch length {
            case 0, 1:
                guard character.isCapital else { return nil }
                country = country << 8 | UInt16(character)
            case 2, 3: guard character.isDigit else { return nil }
            default: guard character.isCapital || character.isDigit else { return nil }
            }
            length += 1
        }
        return (length, lengths[country])
    }

    /// An account number in the one form that stands for it, however it is written: an IBAN as `description` says, any other as it is.
    public static func canonical(_ text: String) -> String {
        let mayDiffer = text.utf8.contains { GroupMarks.isOne($0) || $0.capital != $0 || $0 >= 0x80 }
        return mayDiffer ? IBAN(text)?.description ?? text : text
    }

    /// By the country's two letters. Source: SWIFT, IBAN Registry.
    private static let lengths: [UInt16: Int] = {
        let registry = """
            AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 \
            FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 \
            LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 \
            SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30
            """
        let entries = registry.split(separator: " ").map { entry in
            (entry.utf8.prefix(2).reduce(UInt16(0)) { $0 << 8 | UInt16($1) }, Int(entry.dropFirst(2)) ?? 0)
        }
        return Dictionary(uniqueKeysWithValues: entries)
    }()

    /// Of the number that the rearranged account is, letters as 10 to 35, by 97. Source: ISO 7064, MOD 97-10.
    private static func remainder(_ bytes: [UInt8]) -> Int {
        (bytes[4...] + bytes[..<4]).reduce(0) { remainder, byte in
            byte.isCapital ? (remainder * 100 + Int(byte - UInt8(ascii: "A")) + 10) % 97 : (remainder * 10 + Int(byte - UInt8(ascii: "0"))) % 97
        }
    }
}

/// The number on a card, of ISO/IEC 7812.
public enum CardNumber {
    /// A card's identifier in the one form that stands for it: 12 to 19 digits without the spaces or dashes between them, any other text
    /// as it is.
    public static func canonical(_ text: String) -> String {
        // Most identifiers of cards are no numbers, and end this at their first letter.
        guard text.utf8.allSatisfy({ $0.isDigit || GroupMarks.isOne($0) || $0 >= 0x80 }) else { return text }
        let digits = GroupMarks.removed(from: text)
        return (12...19).contains(digits.utf8.count) && digits.utf8.allSatisfy(\.isDigit) ? digits : text
    }
}

/// A business identifier code of ISO 9362: four letters or digits of a party, a country's two letters, two of a place, three of a branch.
public struct BIC: Sendable, Hashable, CustomStringConvertible {
    public let description: String

    /// Nil unless `text` is one of 8 or 11 characters.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == 8 || bytes.count == 11 else { return nil }
        let isWellFormed = bytes.enumerated().allSatisfy { index, byte in
            byte.isCapital || (!(4...5).contains(index) && byte.isDigit)
        }
        guard isWellFormed else { return nil }
        description = text
    }
}

extension UInt8 {
    fileprivate var isCapital: Bool { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) }
    fileprivate var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
    fileprivate var capital: UInt8 { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self) ? self - 32 : self }
}
