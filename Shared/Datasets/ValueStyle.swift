import Records

/// How the numbers of a column are written, as a mapping must say it.
enum ValueStyle {
    struct Number {
        /// The mapping's `decimal` and `group`; empty for plain numbers.
        var keys = ""
        /// What no value tells, or one tells otherwise.
        var question: String?
    }

    /// Four in five, or all but one: a bad value among them, or a line of sums, is for the import to refuse, and must not hide what the column is.
    static func mostOf(_ count: Int) -> Int { min((count * 4 + 4) / 5, count > 3 ? count - 1 : count) }

    /// The word for a debit, as it is written, of a column that says of each row whether it is a debit or a credit, both of which are there.
    static func debitWord(_ values: [String]) -> String? {
        let words = Set(values.map { $0.lowercased() })
        guard words.count == 2, let pair = directions.first(where: { words == [$0.debit, $0.credit] }) else { return nil }
        return values.first { $0.lowercased() == pair.debit }
    }

    private static let directions: [(debit: String, credit: String)] = [
        ("d", "c"), ("dr", "cr"), ("debit", "credit"), ("dbit", "crdt"), ("s", "h"), ("soll", "haben"), ("out", "in"), ("-", "+"), ("debe", "haber"),
        ("débit", "crédit"), ("dare", "avere"), ("af", "bij"), ("withdrawal", "deposit"),
    ]

    static func areMostly(_ values: [String], _ fit: (String) -> Bool) -> Bool { values.count(where: fit) >= mostOf(values.count) }

    // MARK: Numbers without groups

    /// The decimal mark of numbers that are mostly within a limit; nil for what are none.
    static func decimalMark(_ values: [String], limit: Double = .infinity) -> Character? {
        let marks: [Character] = [".", ","]
        return marks.first { mark in areMostly(values) { number($0, mark).map { abs($0) <= limit } ?? false } }
    }

    private static func number(_ value: String, _ mark: Character) -> Double? {
        var text = String(value.map { $0 == mark ? "." : $0 })
        return text.withUTF8 { readDouble($0) }
    }

    // MARK: Amounts

    /// - Parameters:
    ///   - decimals: how many decimals the currency has, where that is known.
    ///   - isOfCommas: whether whoever wrote the file is likely to write a decimal comma.
    /// - Returns: nil for what are no numbers.
    static func amount(_ values: [String], decimals: Int? = nil, isOfCommas: Bool = false) -> Number? {
        let symbols = symbols(values)
        guard symbols.isEmpty else {
            let plain = values.map { AmountText.withoutSymbols(AmountText.plainGroups($0), symbols) }
            guard var style = amount(plain, decimals: decimals, isOfCommas: isOfCommas) else { return nil }
            let key = "symbol: [\(symbols.map(MappingProposal.quoted).joined(separator: ", "))]"
            style.keys = style.keys.isEmpty ? key : "\(style.keys), \(key)"
            return style
        }
        if let doubtful = mayBeThousands(values, decimals, isOfCommas) { return doubtful }
        let values = values.map(AmountText.plainGroups)
        return amount(values, least: values.count) ?? amount(values, least: mostOf(values.count))
    }

    private static func amount(_ values: [String], least: Int) -> Number? {
        func are(decimal: Character, group: Character) -> Bool {
            values.count { isNumber($0, decimal: decimal, group: group) } >= least
        }
        /// What has the group mark, but not where one belongs, may have it as the decimal mark.
        func contradiction(decimal: Character, group: Character) -> String? {
            let value = values.first { value in
                value.contains(group) && value.contains(where: \.isNumber) && !isNumber(value, decimal: decimal, group: group)
                    && value.allSatisfy { $0.isNumber || "+-.,".contains($0) }
            }
            return value.map { "but `\($0)` is written otherwise: which is it?" }
        }
        if values.count(where: { number($0, ".") != nil }) >= least { return Number() }
        guard let style = styles.first(where: { are(decimal: $0.decimal, group: $0.group) }) else { return nil }
        let decimal = style.decimal == "," ? ["decimal: \",\""] : []
        guard style.decimal == "." || values.contains(where: { $0.contains(style.group) }) else { return Number(keys: decimal.joined()) }
        return Number(
            keys: (decimal + ["group: \"\(style.group)\""]).joined(separator: ", "),
            question: contradiction(decimal: style.decimal, group: style.group))
    }

    /// The signs and codes of currencies that stand before or behind numbers; none where anything else does.
    private static func symbols(_ values: [String]) -> [String] {
        var found: Set<String> = []
        for value in values {
            let unsigned = AmountText.plainGroups(value).drop { $0 == "-" || $0 == "+" || $0 == " " }
            guard let first = unsigned.firstIndex(where: \.isNumber), let last = unsigned.lastIndex(where: \.isNumber) else { continue }
            for part in [unsigned[..<first], unsigned[unsigned.index(after: last)...]] {
                let symbol = part.split(separator: " ").joined(separator: " ")
                if symbol.isEmpty { continue }
                let isSign = symbol.unicodeScalars.allSatisfy { $0.properties.generalCategory == .currencySymbol }
                guard isSign || Currency(symbol.uppercased()) != nil || shortNames.contains(symbol.lowercased()) else { return [] }
                found.insert(symbol)
            }
        }
        return found.sorted { ($1.count, $0) < ($0.count, $1) }
    }

    /// Of currencies, as people write them before and behind amounts.
    private static let shortNames: Set = ["rs", "rs.", "kr", "kr.", "zł", "kč", "ft", "lei", "fr.", "sfr."]

    /// How groups are set, the commonest first.
    private static let styles: [(decimal: Character, group: Character)] = [
        (".", ","), (",", "."), (",", " "), (".", "'"), (".", " "), (",", "'"),
    ]

    private static func isNumber(_ value: String, decimal: Character, group: Character) -> Bool {
        let unsigned = value.drop { $0 == "-" || $0 == "+" }
        let parts = unsigned.split(separator: decimal, omittingEmptySubsequences: false)
        let groups = parts.first?.split(separator: group, omittingEmptySubsequences: false) ?? []
        guard parts.count <= 2, (groups + parts.dropFirst()).allSatisfy({ !$0.isEmpty && $0.allSatisfy(\.isNumber) }) else { return false }
        guard groups.count > 1, let mark = group.asciiValue, let point = decimal.asciiValue else { return true }
        // No thousands begin with a nought.
        var text = String(unsigned)
        return unsigned.first != "0" && text.withUTF8 { AmountText.areGroups($0, mark, point) }
    }

    /// `1.250` may be one and a quarter, or a thousand and more. Nil where a value tells.
    private static func mayBeThousands(_ values: [String], _ decimals: Int?, _ isOfCommas: Bool) -> Number? {
        let marked = values.filter { $0.contains { $0 == "." || $0 == "," } && $0.allSatisfy { $0.isNumber || "+-.,".contains($0) } }
        guard let example = marked.first, let mark = example.first(where: { $0 == "." || $0 == "," }) else { return nil }
        if mark == ".", decimals == 3 { return nil }
        let ends = marked.compactMap { value -> Substring? in
            let parts = value.drop { $0 == "-" || $0 == "+" }.split(separator: mark, omittingEmptySubsequences: false)
            let areSo = parts.count == 2 && parts[1].count == 3 && (1...3).contains(parts[0].count) && parts[0].first != "0"
            return areSo && parts.joined().allSatisfy(\.isNumber) ? parts[1] : nil
        }
        guard ends.count == marked.count else { return nil }
        let asDecimal = "decimal: \"\(mark)\""
        let asGroup = mark == "," ? "group: \",\"" : "decimal: \",\", group: \".\""
        // Where a currency has no decimals, there are none but noughts.
        if decimals == 0, ends.contains(where: { $0 != "000" }) { return Number(keys: asGroup) }
        return isOfCommas == (mark == ",")
            ? Number(keys: asDecimal, question: "or \(asGroup), if \(example) is a thousand and more: no value tells.")
            : Number(keys: asGroup, question: "or \(asDecimal), if \(example) is less than a thousand: no value tells.")
    }
}
