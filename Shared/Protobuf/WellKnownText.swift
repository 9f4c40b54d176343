/// The text forms of the well-known types in proto3 JSON: RFC 3339 for times, `1.5s` for spans.
extension JSONWriter {
    /// A time as RFC 3339 text in UTC with 0, 3, 6 or 9 decimals. Beyond the years 1 to 9999, which the format cannot
    /// say, the nearest time it can.
    public mutating func writeTimestamp(seconds: Int64, nanos: Int32) {
        let seconds = min(max(seconds, TimestampText.minSeconds), TimestampText.maxSeconds)
        quoted(TimestampText.format(seconds: seconds, nanos: min(max(nanos, 0), 999_999_999)))
    }

    /// A span as seconds with the suffix `s` and 0, 3, 6 or 9 decimals. Beyond some 10,000 years either way, which the format
    /// cannot say, the nearest span it can.
    public mutating func writeDuration(seconds: Int64, nanos: Int32) {
        let limit = TimestampText.maxDurationSeconds
        var seconds = min(max(seconds, -limit), limit)
        var nanos = seconds.magnitude == limit ? 0 : min(max(nanos, -999_999_999), 999_999_999)
        // Both have one sign.
        if seconds > 0, nanos < 0 { (seconds, nanos) = (seconds - 1, nanos + 1_000_000_000) }
        if seconds < 0, nanos > 0 { (seconds, nanos) = (seconds + 1, nanos - 1_000_000_000) }
        let sign = seconds < 0 || nanos < 0 ? "-" : ""
        quoted("\(sign)\(seconds.magnitude)\(TimestampText.fraction(nanos.magnitude))s")
    }
}

extension JSONReader {
    /// A time as RFC 3339 text, with any offset.
    public mutating func readTimestamp() throws -> (seconds: Int64, nanos: Int32) {
        guard let time = TimestampText.parse(try readString()) else { throw invalid("expected a time as RFC 3339 writes it") }
        return time
    }

    /// A span as seconds with the suffix `s`.
    public mutating func readDuration() throws -> (seconds: Int64, nanos: Int32) {
        guard let span = TimestampText.parseDuration(try readString()) else { throw invalid("expected seconds with the suffix s") }
        return span
    }
}

enum TimestampText {
    /// 0001-01-01T00:00:00Z
    static let minSeconds: Int64 = -62_135_596_800
    /// 9999-12-31T23:59:59Z
    static let maxSeconds: Int64 = 253_402_300_799
    static let maxDurationSeconds: Int64 = 315_576_000_000

    static func format(seconds: Int64, nanos: Int32) -> String {
        var day = seconds / 86_400
        var second = seconds % 86_400
        if second < 0 {
            second += 86_400
            day -= 1
        }
        let (year, month, dayOfMonth) = civil(daysSince1970: day)
        let date = "\(pad(year, 4))-\(pad(month, 2))-\(pad(dayOfMonth, 2))"
        let time = "\(pad(second / 3600, 2)):\(pad(second / 60 % 60, 2)):\(pad(second % 60, 2))"
        return "\(date)T\(time)\(fraction(UInt32(nanos)))Z"
    }

    /// Decimals in groups of three, with their point; nothing for a whole second.
    static func fraction(_ nanos: UInt32) -> String {
        if nanos == 0 { return "" }
        if nanos % 1_000_000 == 0 { return "." + pad(Int64(nanos / 1_000_000), 3) }
        if nanos % 1000 == 0 { return "." + pad(Int64(nanos / 1000), 6) }
        return "." + pad(Int64(nanos), 9)
    }

    static func parse(_ text: String) -> (seconds: Int64, nanos: Int32)? {
        var scanner = DigitScanner(text)
        guard let year = scanner.digits(4), scanner.take("-"), let month = scanner.digits(2), scanner.take("-"),
            let day = scanner.digits(2), scanner.take("T") || scanner.take("t"), let hour = scanner.digits(2), scanner.take(":"),
            let minute = scanner.digits(2), scanner.take(":"), let second = scanner.digits(2), let nanos = scanner.fraction(),
            let offset = scanner.offsetSeconds(), scanner.isAtEnd
        else { return nil }
        guard year >= 1, 1...12 ~= month, 1...daysIn(month: month, year: year) ~= day, hour < 24, minute < 60, second < 60
        else { return nil }
        let seconds = days(year: year, month: month, day: day) * 86_400 + hour * 3600 + minute * 60 + second - offset
        guard minSeconds...maxSeconds ~= seconds else { return nil }
        return (seconds, nanos)
    }

    static func parseDuration(_ text: String) -> (seconds: Int64, nanos: Int32)? {
        var scanner = DigitScanner(text)
        let isNegative = scanner.take("-")
        guard let seconds = scanner.digits(upTo: 12), let nanos = scanner.fraction(), scanner.take("s"), scanner.isAtEnd,
            seconds <= maxDurationSeconds
        else { return nil }
        return isNegative ? (-seconds, -nanos) : (seconds, nanos)
    }

    /// The date of a day, counted from 1970-01-01, on the proleptic Gregorian calendar. Years begin in March here, so that
    /// the leap day is the last.
    static func civil(daysSince1970: Int64) -> (year: Int64, month: Int64, day: Int64) {
        // 0000-03-01 lies 719,468 days before 1970-01-01; an era is 400 years.
        let days = daysSince1970 + 719_468
        let era = (days >= 0 ? days : days - 146_096) / 146_097
        let dayOfEra = days - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    /// The inverse of ``civil(daysSince1970:)``.
    static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let marchYear = month <= 2 ? year - 1 : year
        let era = (marchYear >= 0 ? marchYear : marchYear - 399) / 400
        let yearOfEra = marchYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    private static func daysIn(month: Int64, year: Int64) -> Int64 {
        switch month {
        case 4, 6, 9, 11: 30
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        default: 31
        }
    }

    private static func pad(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

/// Reads fixed forms of digits and marks.
private struct DigitScanner {
    private var rest: Substring.UTF8View

    init(_ text: String) {
        rest = text[...].utf8
    }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func take(_ mark: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: mark) else { return false }
        rest.removeFirst()
        return true
    }

    /// Exactly `count` digits.
    mutating func digits(_ count: Int) -> Int64? {
        let run = rest.prefix(count)
        guard run.count == count, let value = Self.value(run) else { return nil }
        rest.removeFirst(count)
        return value
    }

    /// All digits that follow, one to `limit` of them.
    mutating func digits(upTo limit: Int) -> Int64? {
        let run = rest.prefix { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
        guard 1...limit ~= run.count, let value = Self.value(run) else { return nil }
        rest = rest[run.endIndex...]
        return value
    }

    /// A point and one to nine digits, as nanoseconds; zero where there is no point.
    mutating func fraction() -> Int32? {
        guard take(".") else { return 0 }
        let before = rest.count
        guard let value = digits(upTo: 9) else { return nil }
        var nanos = value
        for _ in (before - rest.count)..<9 { nanos *= 10 }
        return Int32(nanos)
    }

    /// `Z`, or an offset from UTC.
    mutating func offsetSeconds() -> Int64? {
        if take("Z") || take("z") { return 0 }
        let isNegative = rest.first == UInt8(ascii: "-")
        guard take("+") || take("-"), let hours = digits(2), take(":"), let minutes = digits(2), hours < 24, minutes < 60
        else { return nil }
        return (isNegative ? -1 : 1) * (hours * 3600 + minutes * 60)
    }

    private static func value(_ digits: Substring.UTF8View.SubSequence) -> Int64? {
        var value: Int64 = 0
        for digit in digits {
            guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= digit else { return nil }
            value = value * 10 + Int64(digit - UInt8(ascii: "0"))
        }
        return value
    }
}
