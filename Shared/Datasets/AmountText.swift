import Records

/// Why a text is no amount, for the reason of a refusal.
struct AmountFault: Error {
    let reason: String
    /// It is none in any currency.
    var isNoNumber = false
}

/// Reads amounts as a mapping says they are written.
enum AmountText {
    static func read(
        _ bytes: UnsafeBufferPointer<UInt8>, _ mapping: FieldMapping, _ currency: Currency
    ) throws(AmountFault) -> Money {
        if mapping.isMinorUnits {
            guard let units = Int64(String(decoding: bytes, as: UTF8.self)) else { throw AmountFault(reason: "is not a whole number of minor units") }
            return Money(minorUnits: units, currency: currency)
        }
        do throws(Money.DecimalError) {
            guard let group = mapping.groupSeparator, bytes.contains(group) else {
                return try Money(decimal: bytes, decimalPoint: mapping.decimalPoint, currency: currency)
            }
            if areGroups(bytes, group, mapping.decimalPoint) {
                let plain = bytes.filter { $0 != group }.map { $0 == mapping.decimalPoint ? UInt8(ascii: ".") : $0 }
                return try Money(decimal: String(decoding: plain, as: UTF8.self), currency: currency)
            }
        } catch {
            throw AmountFault(reason: error.description, isNoNumber: error == .notANumber)
        }
        let marks = [mapping.decimalPoint, mapping.groupSeparator]
        let isOfMarks = bytes.enumerated().allSatisfy { marks.contains($1) || $1 &- UInt8(ascii: "0") < 10 || $0 == 0 && "+-".utf8.contains($1) }
        guard isOfMarks else { throw AmountFault(reason: Money.DecimalError.notANumber.description, isNoNumber: true) }
        throw AmountFault(reason: "has a group mark where no groups are: the last before the decimals is of three digits, others of two or three")
    }

    /// Groups as they are set so that a line keeps them together, by a plain space and a plain apostrophe.
    static func plainGroups(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    switch scalar {
                    case "\u{A0}", "\u{2009}", "\u{202F}": " "
                    case "\u{2019}", "\u{2BC}": "'"
                    default: scalar
                    }
                }))
    }

    /// What is left without the signs of currencies that a mapping says stand before or behind amounts: `-€ 5,00` is `-5,00`, `5 kr` is `5`.
    static func withoutSymbols(_ text: String, _ symbols: [String]) -> String {
        var rest = text[...]
        let sign = rest.first.flatMap { "+-".contains($0) ? String($0) : nil } ?? ""
        rest = rest.dropFirst(sign.count).drop { $0 == " " }
        func isAlike(_ text: Substring, _ symbol: String) -> Bool { text.lowercased() == symbol.lowercased() }
        if let before = symbols.first(where: { isAlike(rest.prefix($0.count), $0) }) { rest = rest.dropFirst(before.count).drop { $0 == " " } }
        if let behind = symbols.first(where: { isAlike(rest.suffix($0.count), $0) }) { rest = rest.dropLast(behind.count) }
        while rest.last == " " { rest = rest.dropLast() }
        return sign + rest
    }

    /// What a number would be one by, whose marks a mapping does not read.
    static func hint(_ bytes: UnsafeBufferPointer<UInt8>, _ mapping: FieldMapping) -> String {
        let isSigned = String(decoding: bytes, as: UTF8.self).unicodeScalars.contains { $0.properties.generalCategory == .currencySymbol }
        if isSigned { return "; a mapping reads past a currency's sign with {symbol: [...]}" }
        let comma = UInt8(ascii: ","), point = UInt8(ascii: ".")
        guard mapping.decimalPoint == point, mapping.groupSeparator == nil, let lastComma = bytes.lastIndex(of: comma) else { return "" }
        func reads(_ group: UInt8, _ decimal: UInt8) -> Bool {
            guard areGroups(bytes, group, decimal) else { return false }
            let plain = bytes.filter { $0 != group }.map { $0 == decimal ? point : $0 }
            return plain.withUnsafeBufferPointer { readDouble($0) } != nil
        }
        guard let lastPoint = bytes.lastIndex(of: point) else { return "" }
        if lastPoint > lastComma { return reads(comma, point) ? "; a mapping reads groups with {group: \",\"}" : "" }
        return reads(point, comma) ? "; a mapping reads it with {group: \".\", decimal: \",\"}" : ""
    }

    /// For a number that would be one if its comma were the point.
    static func commaHint(_ bytes: UnsafeBufferPointer<UInt8>, _ mapping: FieldMapping) -> String {
        let comma = UInt8(ascii: ",")
        guard mapping.decimalPoint != comma, bytes.contains(comma) else { return "" }
        let pointed = bytes.map { $0 == comma ? UInt8(ascii: ".") : $0 }
        guard pointed.withUnsafeBufferPointer({ readDouble($0) }) != nil else { return "" }
        return "; a mapping reads a decimal comma with {decimal: \",\"}"
    }

    /// Thousands as most write them, or two digits to a group before the last three, as in India.
    static func areGroups(_ bytes: UnsafeBufferPointer<UInt8>, _ group: UInt8, _ decimalPoint: UInt8) -> Bool {
        var whole = bytes.prefix { $0 != decimalPoint }
        guard !bytes[whole.endIndex...].contains(group) else { return false }
        if let sign = whole.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { whole = whole.dropFirst() }
        let groups = whole.split(separator: group, omittingEmptySubsequences: false).map(\.count)
        guard let first = groups.first, let last = groups.last, groups.count > 1, last == 3 else { return false }
        let width = groups.count > 2 ? groups[1] : 3
        guard width == 2 || width == 3 else { return false }
        return (1...width).contains(first) && groups.dropFirst().dropLast().allSatisfy { $0 == width }
    }

    /// `1.500` euros may be one and a half, or the thousand and five hundred of who marks groups so. Where the mapping does not say, that must
    /// not be guessed.
    static func checkPoint(
        _ bytes: UnsafeBufferPointer<UInt8>, _ mapping: FieldMapping, _ currency: Currency
    ) throws(AmountFault) {
        guard mayBeThousands(mapping, currency), hasThreeDecimals(bytes, mapping.decimalPoint) else { return }
        let point = String(decoding: [mapping.decimalPoint], as: UTF8.self), other = mapping.decimalPoint == UInt8(ascii: ",") ? "." : ","
        throw AmountFault(
            reason: "has three decimals, and \(currency) has \(currency.exponent): the mapping is to say whether these are thousands "
                + "({group: \"\(point)\", decimal: \"\(other)\"}) or not ({decimal: \"\(point)\"})")
    }

    /// Whether a point before three digits may be either in a column.
    static func mayBeThousands(_ mapping: FieldMapping, _ currency: Currency) -> Bool {
        currency.exponent < 3 && !mapping.statesDecimalPoint && !mapping.isMinorUnits
    }

    @inline(__always)
    static func hasThreeDecimals(_ bytes: UnsafeBufferPointer<UInt8>, _ decimalPoint: UInt8) -> Bool {
        bytes.count > 4 && bytes[bytes.count - 4] == decimalPoint && bytes[(bytes.count - 3)...].allSatisfy { $0 &- UInt8(ascii: "0") < 10 }
    }
}
