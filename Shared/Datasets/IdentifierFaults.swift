import Records

extension FieldMapping.Check {
    /// What is wrong with a value; nil when nothing is.
    func fault(_ text: String) -> String? {
        switch self {
        case .iban: IBAN(text) == nil ? "is not an IBAN, or its check digits are wrong" : nil
        case .account:
            IBAN.hasAlmostForm(text)
                ? "begins as an IBAN does and is not as long as one of its country"
                : IBAN.hasForm(text) && IBAN(text) == nil ? "is an IBAN with wrong check digits" : nil
        case .bic: BIC(text) == nil ? "is not a BIC of ISO 9362" : nil
        }
    }
}

/// Tells values that name nothing from identifiers. Taken for a name, one would make the same customer or account of all that have it.
enum LostIdentifier {
    private static let wordsForNothing: Set = ["null", "(null)", "\\n", "nan", "nil", "none", "n/a", "undefined", "unknown", "-", "--", "?"]
    private static let maxWordBytes = 9

    /// Why a value is no identifier; nil where it may be one.
    static func fault(_ bytes: UnsafeBufferPointer<UInt8>) -> String? {
        if isRounded(bytes) { return "is a number that a spreadsheet has rounded; export the column as text" }
        guard bytes.count <= maxWordBytes, let first = bytes.first else { return nil }
        switch first {
        case UInt8(ascii: "#"):
            guard let last = bytes.last, last == UInt8(ascii: "!") || last == UInt8(ascii: "?") || isWord("#n/a", bytes) else { return nil }
            return "is an error of a spreadsheet"
        case UInt8(ascii: "n"), UInt8(ascii: "N"), UInt8(ascii: "u"), UInt8(ascii: "U"), UInt8(ascii: "("), UInt8(ascii: "\\"), UInt8(ascii: "-"),
            UInt8(ascii: "?"):
            let word = String(decoding: bytes, as: UTF8.self)
            guard wordsForNothing.contains(word.lowercased()) else { return nil }
            return "is the word \(word), which names nobody; where it stands for nothing, list it in the mapping's format: {missing: ['\(word)']}"
        default: return nil
        }
    }

    private static func isWord(_ word: StaticString, _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        String(decoding: bytes, as: UTF8.self).lowercased() == "\(word)"
    }

    /// `1.23457E+15`, as spreadsheets write numbers of many digits. Nobody's identifier has a sign between an E and its last two digits.
    private static func isRounded(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        let count = bytes.count
        func isDigit(_ index: Int) -> Bool { bytes[index] &- UInt8(ascii: "0") < 10 }
        guard count >= 5, bytes[count - 3] == UInt8(ascii: "+"), bytes[count - 4] | 0x20 == UInt8(ascii: "e"), isDigit(count - 1), isDigit(count - 2)
        else { return false }
        return (0..<count - 4).allSatisfy { isDigit($0) || bytes[$0] == UInt8(ascii: ".") || bytes[$0] == UInt8(ascii: ",") }
    }
}
