import Foundation
import Synchronization

/// How far a place's clock is from UTC.
///
/// ```swift
/// ZoneClock.named("Asia/Kolkata")?.offsetSeconds(at: time)   // 19,800
/// ```
public final class ZoneClock: Sendable {
    /// For UTC and fixed offsets.
    public let fixedOffsetSeconds: Int?
    private let zone: TimeZone?
    // What was found last, since data are near each other in time.
    private let lastDay = LastOffset()
    private let lastLocalHour = LastOffset()

    /// - Parameter name: an IANA name, `UTC`, `Z`, or an offset such as `+05:30`; nil is UTC.
    public init?(_ name: String?) {
        guard let name, name != "UTC", name != "Z", name != "GMT" else {
            fixedOffsetSeconds = 0
            zone = nil
            return
        }
        if name.hasPrefix("+") || name.hasPrefix("-") {
            var text = "2000-01-01T00:00:00" + name
            guard let offset = text.withUTF8({ Timestamp.parseParts(iso8601: $0)?.offsetSeconds }) else { return nil }
            fixedOffsetSeconds = offset
            zone = nil
            return
        }
        // Foundation knows abbreviations too, but takes `BST` for Dhaka's: of names without a region only those of a country say where.
        guard name.contains("/") || Self.countries.contains(name), let zone = TimeZone(identifier: name) else { return nil }
        self.zone = zone
        fixedOffsetSeconds = nil
    }

    /// Names of the IANA's that are links to a country's zone, and two that are links to UTC.
    private static let countries: Set = [
        "Cuba", "Egypt", "Eire", "GB", "Hongkong", "Iceland", "Iran", "Israel", "Jamaica", "Japan", "Libya", "NZ", "PRC", "Poland", "Portugal", "ROC",
        "ROK", "Singapore", "Turkey", "Universal", "Zulu",
    ]

    /// As many clocks are kept as there are names in use: the IANA lists some 600, links included, beside them come offsets.
    private static let maxKept = 2_048
    private static let kept = Mutex<[String: ZoneClock]>([:])

    /// The clock of a name, made once; nil where there is no such zone.
    public static func named(_ name: String) -> ZoneClock? {
        if let clock = kept.withLock({ $0[name] }) { return clock }
        guard name.utf8.count <= RecordLimits.maxIdentifierBytes, let clock = ZoneClock(name) else { return nil }
        kept.withLock { if $0.count < maxKept { $0[name] = clock } }
        return clock
    }

    /// Seconds east of UTC at a moment.
    public func offsetSeconds(at time: Timestamp) -> Int {
        if let fixedOffsetSeconds { return fixedOffsetSeconds }
        let day = time.dayNumber()
        if let known = lastDay.offset(at: day) { return known }
        let start = Int64(day) * 86_400
        let before = offset(atSeconds: start)
        guard before == offset(atSeconds: start + 86_400) else { return offset(atSeconds: time.seconds) }
        lastDay.keep(before, at: day)
        return before
    }

    /// For a time that the clock shows twice (autumn) the earlier, for one that it skips (spring) the one an hour later.
    public func offsetSeconds(at civil: CivilTime) -> Int {
        if let fixedOffsetSeconds { return fixedOffsetSeconds }
        let local = Timestamp(civil)
        let hour = Int(local.seconds / 3_600)
        if let known = lastLocalHour.offset(at: hour) { return known }
        let before = offset(atSeconds: local.seconds - 86_400)
        let after = offset(atSeconds: local.seconds + 86_400)
        guard before == after else {
            // The clock changes within a day of here: nothing is kept, and the offset is the one that is true of the moment it leads to.
            if offset(atSeconds: local.seconds - Int64(before)) == before { return before }
            return offset(atSeconds: local.seconds - Int64(after)) == after ? after : before
        }
        lastLocalHour.keep(before, at: hour)
        return before
    }

    private func offset(atSeconds seconds: Int64) -> Int {
        zone?.secondsFromGMT(for: Date(timeIntervalSince1970: Double(seconds))) ?? 0
    }
}

/// An offset, and the day or hour for which it holds throughout.
private final class LastOffset: Sendable {
    /// The span's number above, the offset below, so that both are read at once.
    private let packed = Atomic<Int64>(.min)

    func offset(at span: Int) -> Int? {
        let value = packed.load(ordering: .relaxed)
        return value >> 32 == Int64(span) ? Int(Int32(truncatingIfNeeded: value)) : nil
    }

    func keep(_ offset: Int, at span: Int) {
        guard let number = Int32(exactly: span), number != .min, let offset = Int32(exactly: offset) else { return }
        packed.store(Int64(number) << 32 | Int64(UInt32(bitPattern: offset)), ordering: .relaxed)
    }
}
