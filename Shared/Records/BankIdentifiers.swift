/// An account number of ISO 13616, with right check digits: two letters of a country, two check digits, 11 to 30 letters and digits.
public struct IBAN: Sendable, Hashable, CustomStringConvertible {
    /// Without spaces, in capitals.
    public let description: String

    /// Nil unless `text` is one; spaces between groups are passed over.
    public init?(_ text: String) {
        let characters = Array(text.utf8.filter { $0 != UInt8(ascii: " ") }).map { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) ? byte - 32 : byte
        }
        guard IBAN.hasForm(characters), IBAN.remainder(characters) == 1 else { return nil }
        description = String(decoding: characters, as: UTF8.self)
    }

    /// Whether a text is written as an IBAN is, whatever its check digits.
    public static func hasForm(_ text: String) -> Bool { hasForm(text.utf8.filter { $0 != UInt8(ascii: " ") }) }

    private static func hasForm(_ bytes: [UInt8]) -> Bool {
        guard (15...34).contains(bytes.count) else { return false }
        return bytes.enumerated().allSatisfy { index, byte in
            switch index {
            case 0, 1: (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
            case 2, 3: (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            default: (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
            }
        }
    }

    /// Of the number that the rearranged account is, letters as 10 to 35, by 97. Source: ISO 7064, MOD 97-10.
    private static func remainder(_ bytes: [UInt8]) -> Int {
        (bytes[4...] + bytes[..<4]).reduce(0) { remainder, byte in
            byte >= UInt8(ascii: "A")
                ? (remainder * 100 + Int(byte - UInt8(ascii: "A")) + 10) % 97 : (remainder * 10 + Int(byte - UInt8(ascii: "0"))) % 97
        }
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
            let isLetter = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
            return isLetter || (!(4...5).contains(index) && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte))
        }
        guard isWellFormed else { return nil }
        description = text
    }
}
