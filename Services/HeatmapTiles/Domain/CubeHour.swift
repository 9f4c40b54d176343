/// Hours are whole UTC hours since 1970, 0..<2²⁰ (until the year 2089): what fits a cube's key beside the kind.
enum CubeHour {
    static let range: Range<Int> = 0..<(1 << 20)
    static let secondsPerHour = 3600
    static let microsecondsPerHour: Int64 = 3_600_000_000

    /// The hour that an instant lies in; nil when the cube cannot hold it.
    static func containing(microsecondsSince1970 instant: Int64) -> Int? {
        guard instant >= 0 else { return nil }
        let hour = Int(instant / microsecondsPerHour)
        return range.contains(hour) ? hour : nil
    }

    /// 0…167: the hour of the week, counted from Monday 00:00, in a zone `offsetMinutes` east of UTC. An hour that the zone's offset
    /// splits belongs to the local hour in which it begins.
    static func ofWeek(_ hour: Int, offsetMinutes: Int) -> Int {
        let localHour = Int((Double(hour * 60 + offsetMinutes) / 60).rounded(.down))
        // 1970-01-01 was a Thursday.
        return ((localHour + 3 * 24) % 168 + 168) % 168
    }
}
