import Records

/// How the times of a column are written, as a mapping must say it.
struct TimeStyle {
    /// The mapping's `format`.
    let format: String
    /// Another format that reads as many values, and as other times.
    let other: String?
    /// No value has a time of day.
    let isDateOnly: Bool
    /// Values say themselves how far their clock was from UTC, or have no clock.
    let statesOffset: Bool

    /// The format that reads the most values, the first of several.
    ///
    /// - Returns: nil where none reads most of them.
    init?(_ values: [String]) {
        let areLikely = ValueStyle.areMostly(values) { (6...40).contains($0.utf8.count) && $0.contains(where: \.isNumber) }
        guard !values.isEmpty, areLikely else { return nil }
        let readings = Self.forms.compactMap { Reading(values, $0) }
        guard let most = readings.map(\.count).max(), let best = readings.first(where: { $0.count == most }) else {
            guard let format = Self.unix(values) else { return nil }
            (self.format, other, isDateOnly, statesOffset) = (format, nil, false, true)
            return
        }
        format = best.form.format
        other = readings.first { $0.count == most && $0.times != best.times }?.form.format
        isDateOnly = format == "iso8601" ? ValueStyle.areMostly(values) { $0.utf8.count <= 10 } : !format.contains { "Hh".contains($0) }
        statesOffset = ValueStyle.areMostly(values) { value in
            var value = value
            return value.withUTF8 { best.form.reader.statesOffset($0) }
        }
    }

    /// A number of seconds, or of parts of one, since 1970; as long as those of our days are.
    private static func unix(_ values: [String]) -> String? {
        let numbers = values.filter { $0.count >= 9 && Int64($0) != nil && $0.allSatisfy(\.isNumber) }
        guard numbers.count >= ValueStyle.mostOf(values.count) else { return nil }
        return switch numbers.map(\.count).max() {
        case 9, 10: "unix"
        case 12, 13: "unix_ms"
        case 15, 16: "unix_us"
        default: nil
        }
    }

    // MARK: Formats

    private struct Form {
        let format: String
        let reader: TimeReader
    }

    /// The times that a format makes of a column; those that it cannot read are nil.
    private struct Reading {
        let form: Form
        var times: [Timestamp?] = []
        var count = 0

        /// Nil where most values are nothing in this format.
        init?(_ values: [String], _ form: Form) {
            self.form = form
            let mayMiss = values.count - ValueStyle.mostOf(values.count)
            for value in values {
                var value = value
                let time = value.withUTF8 { form.reader.read($0) }
                times.append(time)
                if time != nil { count += 1 } else if times.count - count > mayMiss { return nil }
            }
        }
    }

    private static let days = [
        "dd/MM/yyyy", "MM/dd/yyyy", "d/M/yyyy", "M/d/yyyy", "yyyy/MM/dd", "dd/MM/yy", "MM/dd/yy", "d/M/yy", "M/d/yy",
        "dd-MM-yyyy", "MM-dd-yyyy", "d-M-yyyy", "M-d-yyyy", "yyyy-MM-dd", "dd-MM-yy", "MM-dd-yy", "yy-MM-dd",
        "dd.MM.yyyy", "d.M.yyyy", "dd.MM.yy", "d.M.yy",
        "dd MMM yyyy", "d MMM yyyy", "dd-MMM-yyyy", "d-MMM-yyyy", "dd/MMM/yyyy", "dd MMM yy", "dd-MMM-yy", "d-MMM-yy", "MMM d, yyyy",
        "yyyyMMdd",
    ]
    private static let timesOfDay = [
        "", " HH:mm:ss", " HH:mm", " HH:mm:ss.SSS", ", HH:mm:ss", ", HH:mm", " H:mm:ss", " H:mm", " hh:mm:ss a", " hh:mm a", " h:mm:ss a",
        " h:mm a", " h:mma", " hh.mm.ss.SSS a", " HH:mm:ss XXX", " HHmmss",
    ]

    /// Before the ones that are looser.
    private static let forms: [Form] = {
        let patterns = days.flatMap { day in timesOfDay.map { day + $0 } } + ["yyyyMMddHHmmss", "yyyyMMddHHmm"]
        return ([("iso8601", .iso8601)] + patterns.map { ($0, .pattern($0)) }).compactMap(form)
    }()

    private static func form(_ text: String, _ format: FieldMapping.TimeFormat) -> Form? {
        var field = FieldMapping(target: "time", source: .rowNumber)
        field.timeFormat = format
        return (try? TimeReader(field)).map { Form(format: text, reader: $0) }
    }
}
