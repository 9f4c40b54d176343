import Records

/// A value as may be kept and shown of a row that was refused: cut when long, a NUL as its symbol, and only the last two characters of what
/// names a person, or may: by its field, and by what it looks like, since in a row that is refused it may be in another's column.
///
/// - Parameter target: nil for a column that is no field.
func shown(_ value: String, of target: Target?) -> String {
    let value = value.utf8.contains(0) ? String(String.UnicodeScalarView(value.unicodeScalars.map { $0.value == 0 ? "\u{2400}" : $0 })) : value
    // A word of a closed list names nobody.
    if let target, !target.isPersonal, case .choice(let words) = target.form, words.contains(value) { return value }
    guard let target, !target.isPersonal, target.form.isFree ? !MaskedValue.isIn(value) : MaskedValue.isNone(value) else {
        return value.isEmpty ? "" : "****" + (value.count >= 8 ? value.suffix(2) : "")
    }
    let maxShown = 80
    return value.count <= maxShown ? value : value.prefix(maxShown) + "…"
}

extension Target.Form {
    /// Whether anything may stand there, as in a transaction's identifier or an address.
    fileprivate var isFree: Bool {
        switch self {
        case .text, .list, .area: true
        case .time, .amount, .currency, .number, .boolean, .choice, .merchantCategoryCode, .bic: false
        }
    }
}

/// Whether what stands where a column's name is expected is a value: no bank calls a column by a number, a time, an address or an account.
func isData(_ head: String) -> Bool {
    head.contains(where: \.isNumber) && (Double(head) != nil || TimeStyle([head]) != nil || head.count(where: \.isNumber) >= maxDigitsOfName)
        || MaskedValue.isIn(head)
}

/// `account_2` has one, `window_20260101` has eight.
private let maxDigitsOfName = 10

/// Tells values that may name a person or a person's account, card, phone or address from those that do not.
private enum MaskedValue {
    private static let maxShownDigits = 7
    private static let maxShownLetters = 4

    /// Whether a value is surely none: a code, a number or a time. In doubt it is one.
    static func isNone(_ value: String) -> Bool {
        guard !value.contains("@"), IPAddress(value) == nil else { return false }
        if value.count(where: \.isLetter) > maxShownLetters { return false }
        return value.count(where: \.isNumber) <= maxShownDigits
            || [sum, coordinate, time].contains { value.wholeMatch(of: $0) != nil }
    }

    /// Whether there surely is one in a text that may say anything: nobody's name or account can be told from other words and numbers there.
    static func isIn(_ text: String) -> Bool {
        text.contains("@") || IPAddress(text) != nil || IBAN.hasForm(text) || text.split(separator: " ").contains { IBAN.hasForm(String($0)) }
            || text.hasPrefix("+") && PhoneNumber(text) != nil || text.matches(of: digits).contains { isCardNumber($0.output) }
    }

    /// ISO/IEC 7812-1: 13 to 19 digits with a check digit, the first of an issuer of cards for payment.
    private static func isCardNumber(_ text: Substring) -> Bool {
        let digits = text.compactMap(\.wholeNumberValue)
        guard (13...19).contains(digits.count), digits.allSatisfy({ $0 < 10 }) else { return false }
        let issuer = digits.prefix(4).reduce(0) { $0 * 10 + $1 }
        guard (3_000...6_999).contains(issuer) || (2_221...2_720).contains(issuer) else { return false }
        let sum = digits.reversed().enumerated().reduce(0) { sum, digit in
            let doubled = digit.element * (digit.offset % 2 + 1)
            return sum + doubled / 10 + doubled % 10
        }
        return sum % 10 == 0
    }

    private static var digits: Regex<Substring> { #/\d(?:[ \-\u{A0}\u{202F}]?\d)+/# }

    /// With a point, and with groups as English, Indian and continental sums have them; not with those of phone numbers.
    private static var sum: Regex<Substring> {
        #/[+\-]?(?:\d{1,7}[.,]\d{1,3}|(?:\d{1,3}(?:,\d{3}){1,2}|\d{1,2}(?:,\d{2}){1,2},\d{3})(?:\.\d{1,3})?|\d{1,3}(?:\.\d{3}){1,2},\d{1,3})/#
    }

    private static var coordinate: Regex<Substring> { #/[+\-]?\d{1,3}[.,]\d+/# }

    private static var time: Regex<Substring> {
        #/
        (?:\d{4}[\-\/.]\d{1,2}[\-\/.]\d{1,2}|\d{1,2}[\-\/.]\d{1,2}[\-\/.]\d{4})
        (?:[T\x20]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:\x20?[AaPp][Mm])?)?
        (?:Z|[+\-]\d{2}:?\d{2})?
        /#
    }
}
