#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A point in time: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted (POSIX time).
///
/// ```swift
/// let start = Timestamp(iso8601: "2018-04-01T00:00:31Z")!
/// let known = start + .days(7)
/// print(known)                      // 2018-04-08T00:00:31Z
/// ```
public struct Timestamp: Sendable, Hashable, Comparable {
    /// Microseconds since 1970-01-01T00:00:00Z; negative before.
    public var microseconds: Int64

    public init(microseconds: Int64) { self.microseconds = microseconds }

    public init(seconds: Int64) { microseconds = seconds &* Timestamp.microsecondsPerSecond }

    /// A moment given by the parts that a clock at `offsetSeconds` east of UTC shows.
    public init(_ civil: CivilTime, offsetSeconds: Int = 0) {
        let days = daysSince1970(year: civil.year, month: civil.month, day: civil.day)
        let seconds = days * 86_400 + civil.hour * 3_600 + civil.minute * 60 + civil.second - offsetSeconds
        microseconds = Int64(seconds) * Timestamp.microsecondsPerSecond + Int64(civil.microsecond)
    }

    public static let microsecondsPerSecond: Int64 = 1_000_000
    public static let microsecondsPerDay: Int64 = 86_400 * 1_000_000
    public static let epoch = Timestamp(microseconds: 0)

    /// The machine's wall clock. Behaviour that depends on the time takes it as a parameter; only a `main` asks for it here.
    public static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: Int64(time.tv_sec) * microsecondsPerSecond + Int64(time.tv_nsec) / 1_000)
    }

    public static func < (a: Timestamp, b: Timestamp) -> Bool { a.microseconds < b.microseconds }

    public static func + (time: Timestamp, span: TimeSpan) -> Timestamp {
        let (sum, overflow) = time.microseconds.addingReportingOverflow(span.microseconds)
        return Timestamp(microseconds: overflow ? (span.microseconds > 0 ? .max : .min) : sum)
    }

    public static func - (time: Timestamp, span: TimeSpan) -> Timestamp { time + TimeSpan(microseconds: -span.microseconds) }

    /// The time from `b` to `a`.
    public static func - (a: Timestamp, b: Timestamp) -> TimeSpan { TimeSpan(microseconds: a.microseconds &- b.microseconds) }

    /// Whole seconds since 1970, rounded down.
    public var seconds: Int64 { floorDivide(microseconds, Timestamp.microsecondsPerSecond) }

    /// Days since 1970-01-01 on a clock at `offsetSeconds` east of UTC, rounded down.
    public func dayNumber(offsetSeconds: Int = 0) -> Int { Int(floorDivide(seconds + Int64(offsetSeconds), 86_400)) }

    /// 0…23 on a clock at `offsetSeconds` east of UTC.
    public func hourOfDay(offsetSeconds: Int = 0) -> Int {
        let local = seconds + Int64(offsetSeconds)
        return Int((local - floorDivide(local, 86_400) * 86_400) / 3_600)
    }

    /// ISO 8601: 1 is Monday, 7 is Sunday.
    public func dayOfWeek(offsetSeconds: Int = 0) -> Int {
        let day = dayNumber(offsetSeconds: offsetSeconds)
        return (((day + 3) % 7) + 7) % 7 + 1  // 1970-01-01 was a Thursday
    }

    /// What a calendar and a clock at `offsetSeconds` east of UTC show.
    public func civil(offsetSeconds: Int = 0) -> CivilTime {
        let local = seconds + Int64(offsetSeconds)
        let day = floorDivide(local, 86_400)
        let second = Int(local - day * 86_400)
        let (year, month, dayOfMonth) = civilDate(daysSince1970: Int(day))
        return CivilTime(
            year: year, month: month, day: dayOfMonth, hour: second / 3_600, minute: second / 60 % 60, second: second % 60,
            microsecond: Int(microseconds - seconds * Timestamp.microsecondsPerSecond))
    }
}

/// The parts of a date and time of day in the proleptic Gregorian calendar.
public struct CivilTime: Sendable, Hashable {
    public var year: Int
    /// 1…12
    public var month: Int
    /// 1…31
    public var day: Int
    public var hour: Int
    public var minute: Int
    public var second: Int
    public var microsecond: Int

    public init(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0, microsecond: Int = 0) {
        self.year = year
        self.month = month
        self.day = day
        self.hour = hour
        self.minute = minute
        self.second = second
        self.microsecond = microsecond
    }

    /// Whether the calendar and the clock have such a moment. Second 60 is refused: POSIX time has none.
    public var isValid: Bool {
        (1...9999).contains(year) && (1...12).contains(month) && day >= 1 && day <= daysInMonth(month, year: year)
            && (0...23).contains(hour) && (0...59).contains(minute) && (0...59).contains(second) && (0...999_999).contains(microsecond)
    }
}

/// A length of time in microseconds, which may be negative.
public struct TimeSpan: Sendable, Hashable, Comparable {
    public var microseconds: Int64

    public init(microseconds: Int64) { self.microseconds = microseconds }

    public static func days(_ n: Int) -> TimeSpan { TimeSpan(microseconds: Int64(n) * Timestamp.microsecondsPerDay) }
    public static func hours(_ n: Int) -> TimeSpan { .seconds(n * 3_600) }
    public static func minutes(_ n: Int) -> TimeSpan { .seconds(n * 60) }
    public static func seconds(_ n: Int) -> TimeSpan { TimeSpan(microseconds: Int64(n) * Timestamp.microsecondsPerSecond) }

    public var seconds: Double { Double(microseconds) / 1e6 }
    public var days: Double { Double(microseconds) / Double(Timestamp.microsecondsPerDay) }

    public static func < (a: TimeSpan, b: TimeSpan) -> Bool { a.microseconds < b.microseconds }
}

@inline(__always)
func floorDivide(_ a: Int64, _ b: Int64) -> Int64 {
    let quotient = a / b
    return a % b < 0 ? quotient - 1 : quotient
}

func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

func daysInMonth(_ month: Int, year: Int) -> Int {
    switch month {
    case 2: isLeap(year) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
}

/// Counts in a year that begins on 1 March, so that the leap day is its last and months have a regular pattern of lengths.
func daysSince1970(year: Int, month: Int, day: Int) -> Int {
    let marchYear = month > 2 ? year : year - 1
    let era = (marchYear >= 0 ? marchYear : marchYear - 399) / 400
    let yearOfEra = marchYear - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
}

/// The inverse of `daysSince1970`.
func civilDate(daysSince1970 days: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
}
