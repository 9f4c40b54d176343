/// How the numbers of a column are written, as a mapping must say it.
enum ValueStyle {
    struct Number {
        /// The mapping's `decimal` and `group`; empty for plain numbers.
        var keys = ""
        /// What no value tells, or one tells otherwise.
        var question: String?
    }

    /// Four in five: a bad value among them is for the import to refuse, and must not hide what the column is.
    static func mostOf(_ count: Int) -> Int { (count * 4 + 4) / 5 }

    /// Whether a column says of each row whether it is a debit or a credit, both of which are there.
    static func isDirection(_ values: [String]) -> Bool {
        let words = Set(values.map { $0.lowercased() })
        return words.count == 2 && directions.contains(words)
    }

    private static let directions: [Set<String>] = [
        ["d", "c"], ["dr", "cr"], ["debit", "credit"], ["dbit", "crdt"], ["s", "h"], ["soll", "haben"], ["in", "out"], ["-", "+"], ["debe", "haber"],
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
        if let doubtful = mayBeThousands(values, decimals, isOfCommas) { return doubtful }
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
        if are(decimal: ".", group: ",") {
            return Number(keys: "group: \",\"", question: contradiction(decimal: ".", group: ","))
        }
        guard are(decimal: ",", group: ".") else { return nil }
        guard values.contains(where: { $0.contains(".") }) else { return Number(keys: "decimal: \",\"") }
        return Number(keys: "decimal: \",\", group: \".\"", question: contradiction(decimal: ",", group: "."))
    }

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
