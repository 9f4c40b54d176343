import Records

/// Chooses a file's columns for the fields of a record by their names, among those whose values fit.
struct ColumnChoice {
    private let sample: FileSample
    private let kind: RecordKind
    /// What each field is called.
    private let names: [String: [String]]

    init(_ sample: FileSample, _ kind: RecordKind) {
        self.sample = sample
        self.kind = kind
        names = Dictionary(
            uniqueKeysWithValues: Target.all(for: kind).map { target in
                let known = ColumnNames.of(target.name)
                // A file of things calls their names so, whatever they are.
                return (target.name, known + (target.name == kind.idField && !known.contains("id") ? ["id"] : []))
            })
    }

    /// Each column for one field: of several that would have it a required one, or the one that is called so.
    func columns(for targets: [Target]) -> [String: FileSample.Column] {
        var barred: [String: Set<String>] = [:]
        while true {
            var chosen: [String: FileSample.Column] = [:]
            var takers: [String: Target] = [:]
            var hasChanged = false
            for target in targets {
                guard let column = column(for: target, barred[target.name] ?? []) else { continue }
                chosen[target.name] = column
                guard let other = takers[column.name] else {
                    takers[column.name] = target
                    continue
                }
                let isBetter = (target.isRequired ? 0 : 1, rank(column, target)) < (other.isRequired ? 0 : 1, rank(column, other))
                barred[(isBetter ? other : target).name, default: []].insert(column.name)
                takers[column.name] = isBetter ? target : other
                hasChanged = true
            }
            if !hasChanged { return chosen }
        }
    }

    /// How well a column's name is one of a field's; 0 is best.
    private func rank(_ column: FileSample.Column, _ target: Target) -> Int {
        let own = names[target.name] ?? []
        return own.firstIndex { ColumnNames.plain(column.name) == $0 || isLeaf(column, $0, of: target) } ?? own.count
    }

    /// By its own name first, then by the last part of its path, then by what its name contains.
    private func column(for target: Target, _ barred: Set<String>) -> FileSample.Column? {
        let fitting = sample.columns.filter { !barred.contains($0.name) && fits($0, target) }
        guard isRowName(target) else { return named(target, fitting) ?? containing(target, fitting) }
        let unique = fitting.filter { isUnique($0, least: sample.rowCount) }
        let nearlyUnique = fitting.filter { isUnique($0, least: ValueStyle.mostOf(sample.rowCount)) }
        return named(target, unique) ?? named(target, nearlyUnique) ?? containing(target, unique) ?? identifying(target, unique)
    }

    private func fits(_ column: FileSample.Column, _ target: Target) -> Bool {
        let values = column.values
        guard !values.isEmpty || column.isArea else { return false }
        switch target.form {
        case .text: return target.name != "time_zone" || ValueStyle.areMostly(values) { ZoneClock.named($0) != nil }
        case .choice, .list: return true
        case .time: return TimeStyle(values) != nil
        case .amount: return ValueStyle.amount(values) != nil
        case .number:
            let limit = target.name.hasSuffix("latitude") ? 90.0 : target.name.hasSuffix("longitude") ? 180 : .infinity
            return ValueStyle.decimalMark(values, limit: limit) != nil
        case .currency: return ValueStyle.areMostly(values) { Currency($0) != nil }
        case .boolean:
            let words: Set = ["1", "true", "t", "yes", "y", "0", "false", "f", "no", "n"]
            return ValueStyle.areMostly(values) { words.contains($0.lowercased()) }
        case .merchantCategoryCode: return ValueStyle.areMostly(values) { MerchantCategoryCode($0) != nil }
        case .bic: return ValueStyle.areMostly(values) { BIC($0) != nil }
        case .area: return column.isArea
        }
    }

    private func named(_ target: Target, _ columns: [FileSample.Column]) -> FileSample.Column? {
        for name in names[target.name] ?? [] {
            if let column = columns.first(where: { ColumnNames.plain($0.name) == name || isLeaf($0, name, of: target) }) { return column }
        }
        return nil
    }

    /// The last part of a path speaks for a row's name only where the path leads to nobody else: `payer.id` names the payer.
    private func isLeaf(_ column: FileSample.Column, _ name: String, of target: Target) -> Bool {
        (ColumnNames.plain(column.leaf) == name || column.owner.map(ColumnNames.plain) == name) && !(isRowName(target) && namesAnother(column, than: target))
    }

    /// What is known as another field is not taken, nor what says something of the thing and does not name it.
    private func containing(_ target: Target, _ columns: [FileSample.Column]) -> FileSample.Column? {
        let others = Set(names.filter { $0.key != target.name }.flatMap(\.value))
        let describing = target.name.hasSuffix("_id")
        let free = columns.filter { column in
            let name = ColumnNames.plain(column.name)
            return !others.contains(name) && !(describing && Self.descriptions.contains { name.hasSuffix($0) })
        }
        for name in names[target.name]?.prefix(3) ?? [] where name.count >= 5 {
            if let column = free.first(where: { ColumnNames.plain($0.name).contains(name) }) { return column }
        }
        return nil
    }

    private static let descriptions = [
        "category", "city", "country", "name", "type", "address", "state", "zip", "postcode", "latitude", "longitude", "lat", "lon", "date", "time",
        "amount", "currency",
    ]

    // MARK: What belongs to a time

    /// The column that is called a time zone, whatever is in it.
    var zone: FileSample.Column? {
        let columns = sample.columns.filter { !$0.values.isEmpty }
        return called(ColumnNames.of("time_zone"), columns) ?? columns.first { ColumnNames.plain($0.name).contains("timezone") }
    }

    /// The column of the times of day that belong to a column of dates.
    ///
    /// - Parameters:
    ///   - isNamed: whether it is called so; else a required field's may be any that has times of day.
    ///   - taken: the names of columns that are used for something else.
    func timeOfDay(beside date: FileSample.Column, for target: Target, isNamed: Bool, taken: Set<String>) -> FileSample.Column? {
        let free = sample.columns.filter { !$0.values.isEmpty && !taken.contains($0.name) && TimeStyle($0.values) == nil }
        if isNamed { return called(ColumnNames.timesOfDay(beside: date.name) + (target.isRequired ? ColumnNames.timesOfDay : []), free) }
        return !target.isRequired ? nil : free.first { column in
            ValueStyle.areMostly(column.values) { $0.contains(":") } && TimeStyle(column.values.map { "2000-01-01 \($0)" }) != nil
        }
    }

    private func called(_ names: [String], _ columns: [FileSample.Column]) -> FileSample.Column? {
        for name in names {
            if let column = columns.first(where: { [$0.name, $0.leaf].map(ColumnNames.plain).contains(name) }) { return column }
        }
        return nil
    }

    // MARK: What names a row

    /// Whether the field must be another in each row of every file.
    private func isRowName(_ target: Target) -> Bool {
        target.name == kind.idField && [.transactions, .labels, .complaints, .context].contains(kind)
    }

    private func isUnique(_ column: FileSample.Column, least: Int) -> Bool { Set(column.values).count >= least }

    /// Whatever ends as names of things do, and names nobody who takes part.
    private func identifying(_ target: Target, _ columns: [FileSample.Column]) -> FileSample.Column? {
        columns.first { column in
            let words = Self.words(column.leaf)
            guard let last = words.last, Self.endings.contains(last), !words.contains(where: Self.counting.contains) else { return false }
            return !namesAnother(column, than: target)
        }
    }

    private static let endings: Set = ["id", "ref", "reference", "number", "no", "uuid", "nummer", "nr", "referenz"]
    /// What counts a file's rows begins anew in the next.
    private static let counting: Set = ["row", "line", "seq", "sequence", "zeile", "zeilen"]

    private func namesAnother(_ column: FileSample.Column, than target: Target) -> Bool {
        let own = names[target.name] ?? []
        let name = ColumnNames.plain(column.name)
        guard !own.contains(name) else { return false }
        let others = Target.all(for: kind).filter { $0.name != target.name && ($0.name.hasSuffix("_id") || $0.isPersonal) }
        return others.flatMap { names[$0.name] ?? [] }.contains { $0.count >= 4 && !own.contains($0) && name.contains($0) }
    }

    /// `PaymentRef` and `payment_ref` are payment and ref.
    private static func words(_ name: String) -> [String] {
        var spaced = ""
        var wasLower = false
        for character in name {
            if character.isUppercase, wasLower { spaced += " " }
            spaced.append(character)
            wasLower = character.isLowercase
        }
        return spaced.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init)
    }
}
