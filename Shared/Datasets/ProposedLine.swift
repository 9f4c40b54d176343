import Records

/// The line of a proposal for one field: which columns it is read from, and how.
struct ProposedLine {
    let text: String
    /// It is for a person to decide.
    let isOpen: Bool
    /// The names of all columns that it reads.
    let columns: [String]

    init(_ text: String, isOpen: Bool = false, columns: [String] = []) {
        self.text = text
        self.isOpen = isOpen
        self.columns = columns
    }

    /// - Parameters:
    ///   - keys: beside the column, as YAML.
    ///   - questions: what only a person knows; any of them leaves the line open.
    private init(
        _ columns: [FileSample.Column], zone: FileSample.Column? = nil, keys: [String], questions: [String] = [], note: String? = nil
    ) {
        let names = columns.map { MappingProposal.quoted($0.name) }
        let source = names.count == 1 ? "column: \(names[0])" : "columns: [\(names.joined(separator: ", "))]"
        let keys = (keys + [zone.map { "zone: {column: \(MappingProposal.quoted($0.name))}" } ?? ""]).filter { !$0.isEmpty }
        let value = keys.isEmpty && names.count == 1 ? names[0] : "{\(([source] + keys).joined(separator: ", "))}"
        let notes = (questions + [note ?? ""]).filter { !$0.isEmpty }
        self.init(
            notes.isEmpty ? value : "\(value)   # \(notes.joined(separator: " "))", isOpen: !questions.isEmpty,
            columns: (columns + (zone.map { [$0] } ?? [])).map(\.name))
    }

    // MARK: Times

    /// - Parameters:
    ///   - timeOfDay: beside a column of dates.
    ///   - zone: the column that is called a time zone.
    ///   - rival: another column, which has times of day where this one has dates alone.
    static func time(
        _ column: FileSample.Column, timeOfDay: ProposedColumns.TimeOfDay?, zone: FileSample.Column?, rival: FileSample.Column?
    ) -> ProposedLine {
        var columns = [column]
        var keys: [String] = []
        var questions = rival.map { ["or is it \($0.name), which has times of day?"] } ?? []
        var style = TimeStyle(column.values)
        if let timeOfDay {
            let joined = TimeStyle(column.joined(with: timeOfDay.column).values)
            let isTime = joined?.isDateOnly == false
            if isTime {
                columns.append(timeOfDay.column)
                keys.append("separator: \" \"")
                style = joined
            }
            if !isTime || !timeOfDay.isNamed { questions.append("is the time of day in \(timeOfDay.column.name)?") }
        }
        if let style, style.format != "iso8601" { keys.append("format: \(MappingProposal.quoted(style.format))") }
        if let other = style?.other { questions.append("or \(other): no value tells.") }
        let zone = style?.statesOffset == false ? zone : nil
        if let zone, !ValueStyle.areMostly(zone.values, { ZoneClock.named($0) != nil }),
            let unknown = zone.values.first(where: { ZoneClock.named($0) == nil })
        {
            questions.append("in which zone? `\(unknown)` in \(zone.name) is no IANA name and no offset such as +05:30.")
            return ProposedLine(columns, keys: keys, questions: questions)
        }
        return ProposedLine(columns, zone: zone, keys: keys, questions: questions)
    }

    // MARK: Amounts and numbers

    /// - Parameter direction: the column that says which amounts are debits.
    static func amount(
        _ column: FileSample.Column, _ currency: FileSample.Column?, isOfCommas: Bool, direction: FileSample.Column?
    ) -> ProposedLine {
        var signs = Signs(column.values)
        if let direction, let debit = ValueStyle.debitWord(direction.values) {
            let words = Set(direction.values).sorted()
            let said = words.map { "`\($0)`" }.joined(separator: " and ")
            let only = "only: {\(MappingProposal.quoted(direction.name)): [\(MappingProposal.quoted(debit))]}"
            signs.questions.append("\(direction.name) says \(said): which are payments by the customer? Keep those alone: `\(only)`.")
        }
        let minorNames = ["cents", "cent", "minor", "minorunits", "paise", "pence"]
        if minorNames.contains(where: ColumnNames.plain(column.name).hasSuffix), ValueStyle.areMostly(column.values, { Int64($0) != nil }) {
            return ProposedLine([column], keys: ["unit: minor", signs.key], questions: signs.questions, note: signs.note)
        }
        let decimals = Set(currency?.values.compactMap { Currency($0)?.exponent } ?? [])
        let known = decimals.count == 1 ? decimals.first.map(Int.init) : nil
        let style = column.hasTexts ? ValueStyle.amount(column.values, decimals: known, isOfCommas: isOfCommas) : nil
        let doubt = style?.question.map { [$0] } ?? []
        return ProposedLine([column], keys: [style?.keys ?? "", signs.key], questions: doubt + signs.questions, note: signs.note)
    }

    /// How many amounts are below zero, which those of payments are not unless the file writes debits so.
    private struct Signs {
        var key = ""
        var questions: [String] = []
        var note: String?

        init(_ values: [String]) {
            let signed = values.filter { $0.contains { "123456789".contains($0) } }
            let negative = signed.count { $0.hasPrefix("-") }
            guard negative > 0 else { return }
            let most = ValueStyle.mostOf(signed.count)
            let positive = signed.count - negative
            if negative >= most {
                key = "negate: true"
                if positive > 0 { note = "\(positive) of \(signed.count) are not negative, and will be refused" }
            } else if positive >= most {
                note = "\(negative) of \(signed.count) are negative, and will be refused"
            } else {
                questions = ["\(negative) of \(signed.count) are negative and would be refused; with `negate: true` the others would: which are payments?"]
            }
        }
    }

    static func number(_ column: FileSample.Column) -> ProposedLine {
        ProposedLine([column], keys: ValueStyle.decimalMark(column.values) == "," ? ["decimal: \",\""] : [])
    }

    // MARK: Words

    static func choice(_ column: FileSample.Column, _ words: [String]) -> ProposedLine {
        let distinct = Set(column.values.map { $0.lowercased() }).sorted()
        if distinct.allSatisfy(words.contains) { return ProposedLine([column], keys: []) }
        // A word that is none of them is `other`, where there is that; else only a person knows.
        let other = words.contains("other") ? "other" : nil
        let meanings = distinct.prefix(20).map { (word: $0, meaning: suggestion(for: $0, among: words) ?? other) }
        let map = meanings.map { "\(MappingProposal.quoted($0.word)): \($0.meaning ?? "\"?\"")" }
        let isOpen = distinct.count > meanings.count && other == nil || meanings.contains { $0.meaning == nil }
        let hint = "say which is which: \(words.joined(separator: ", "))" + (isOpen ? "." : "")
        return ProposedLine(
            [column], keys: ["map: {\(map.joined(separator: ", "))}", other.map { "otherwise: \($0)" } ?? ""], questions: isOpen ? [hint] : [],
            note: isOpen ? nil : hint)
    }

    static func plain(_ column: FileSample.Column) -> ProposedLine { ProposedLine([column], keys: []) }
}
