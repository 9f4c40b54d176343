/// Which columns of a file a proposal reads each field from.
struct ProposedColumns {
    /// The column of the times of day that belong to a column of dates.
    struct TimeOfDay {
        let column: FileSample.Column
        /// It is called so; another is only the file's one that has times of day.
        let isNamed: Bool
    }

    let targets: [Target]
    private(set) var chosen: [String: FileSample.Column]
    private var timesOfDay: [String: TimeOfDay] = [:]
    /// A column of whole moments that is not read, beside one of dates alone.
    private var moments: FileSample.Column?
    /// The column that says which amounts are debits.
    private let direction: FileSample.Column?
    private let zone: FileSample.Column?
    private let isOfCommas: Bool

    init(_ sample: FileSample, _ kind: RecordKind) {
        let choice = ColumnChoice(sample, kind)
        targets = Target.all(for: kind).filter { !$0.name.hasPrefix("label.") && !$0.name.hasPrefix("reporter.") }
        chosen = choice.columns(for: targets)
        zone = choice.zone
        isOfCommas = sample.isOfCommas
        direction = kind == .transactions ? sample.columns.first { ValueStyle.debitWord($0.values) != nil } : nil
        // Half a place says nothing, and is refused.
        for place in ["location", "home"] where (chosen["\(place).latitude"] == nil) != (chosen["\(place).longitude"] == nil) {
            chosen["\(place).latitude"] = nil
            chosen["\(place).longitude"] = nil
        }
        // A time on its row's own clock says the zone already.
        if let time = chosen["event_time"], chosen["time_zone"]?.name == zone?.name, TimeStyle(time.values)?.statesOffset == false {
            chosen["time_zone"] = nil
        }
        let dates = targets.compactMap { target -> (target: Target, column: FileSample.Column)? in
            guard case .time = target.form, let column = chosen[target.name], TimeStyle(column.values)?.isDateOnly == true else { return nil }
            return (target, column)
        }
        for isNamed in [true, false] {
            for (target, date) in dates where timesOfDay[target.name] == nil {
                let taken = Set((Array(chosen.values) + timesOfDay.values.map(\.column)).map(\.name))
                let column = choice.timeOfDay(beside: date, for: target, isNamed: isNamed, taken: taken)
                timesOfDay[target.name] = column.map { TimeOfDay(column: $0, isNamed: isNamed) }
            }
        }
        if dates.contains(where: { $0.target.name == "event_time" && timesOfDay["event_time"] == nil }) {
            let taken = Set(chosen.values.map(\.name))
            moments = sample.columns.first { !taken.contains($0.name) && TimeStyle($0.values)?.isDateOnly == false }
        }
    }

    /// How a field is read; nil where no column fits.
    func line(_ target: Target) -> ProposedLine? {
        guard let column = chosen[target.name] else { return nil }
        return switch target.form {
        case .time:
            .time(column, timeOfDay: timesOfDay[target.name], zone: zone, rival: target.name == "event_time" ? moments : nil)
        case .amount: .amount(column, chosen["currency"], isOfCommas: isOfCommas, direction: direction)
        case .number: .number(column)
        case .choice(let words): .choice(column, words)
        default: .plain(column)
        }
    }
}
