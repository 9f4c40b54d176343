/// A value that names nothing where an identifier was meant. Taken for a name, one would make the same customer or account of all that
/// have it.
public enum LostIdentifier: Sendable, Hashable {
    /// `NULL`, `unknown`, `-`.
    case word(String)
    /// `#N/A`, `#REF!`.
    case spreadsheetError
    /// `1.23457E+15`, `1.23457E15`.
    case roundedNumber

    private static let wordsForNothing: Set = [
        "null", "(null)", "<null>", "\\n", "nan", "nil", "none", "n/a", "undefined", "unknown", "-", "--", "---", "?",
    ]
    private static let maxWordBytes = 9

    /// Nil where a value may be an identifier.
    public init?(_ bytes: UnsafeBufferPointer<UInt8>) {
        if Self.isRounded(bytes) {
            self = .roundedNumber
            return
        }
        guard bytes.count <= Self.maxWordBytes, let first = bytes.first else { return nil }
        switch first {
        case UInt8(ascii: "#"):
            guard let last = bytes.last, last == UInt8(ascii: "!") || last == UInt8(ascii: "?") || Self.isWord("#n/a", bytes) else { return nil }
            self = .spreadsheetError
        case UInt8(ascii: "n"), UInt8(ascii: "N"), UInt8(ascii: "u"), UInt8(ascii: "U"), UInt8(ascii: "("), UInt8(ascii: "<"), UInt8(ascii: "\\"),
            UInt8(ascii: "-"), UInt8(ascii: "?"):
            let word = String(decoding: bytes, as: UTF8.self)
            guard Self.wordsForNothing.contains(word.lowercased()) else { return nil }
            self = .word(word)
        default: return nil
        }
    }

    /// In words that go on from the field's name.
    public var reason: String {
        switch self {
        case .word(let word): "is the word \(word), which names nobody"
        case .spreadsheetError: "is an error of a spreadsheet"
        case .roundedNumber: "is a number that a spreadsheet or a program has rounded; export the column as text"
        }
    }

    private static func isWord(_ word: StaticString, _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        String(decoding: bytes, as: UTF8.self).lowercased() == "\(word)"
    }

    /// As spreadsheets and programs write numbers of many digits. Nobody's identifier has a sign between an E and its last two digits, or is a
    /// fraction before an E.
    private static func isRounded(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }
        func isMark(_ byte: UInt8) -> Bool { byte == UInt8(ascii: ".") || byte == UInt8(ascii: ",") }
        // Most end here.
        guard let last = bytes.last, isDigit(last), let first = bytes.first, isDigit(first),
            let place = bytes.suffix(4).firstIndex(where: { $0 | 0x20 == UInt8(ascii: "e") }), bytes[..<place].allSatisfy({ isDigit($0) || isMark($0) })
        else { return false }
        let exponent = bytes[(place + 1)...]
        if exponent.first == UInt8(ascii: "+") { return exponent.count == 3 && exponent.dropFirst().allSatisfy(isDigit) }
        return bytes[..<place].contains(where: isMark) && exponent.count <= 2 && exponent.allSatisfy(isDigit)
    }
}
