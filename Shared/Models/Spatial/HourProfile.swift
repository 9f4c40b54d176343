#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif
public import Records

/// How a week's incidents are spread over its hours on the clock of the place.
public struct HourProfile: Sendable, Hashable {
    /// Of each hour of the week, from Monday's first; they sum to 168.
    public let factors: [Double]
    /// East of UTC.
    public let offsetSeconds: Int

    /// So many incidents a day and hour are as good as none: the profile then is that of a day alike on all days.
    static let priorIncidents = 168.0

    /// Everything alike.
    public init(offsetSeconds: Int = 0) {
        factors = [Double](repeating: 1, count: 168)
        self.offsetSeconds = offsetSeconds
    }

    /// From incidents of a kind; where they are few, by the hours of the day and the days of the week apart.
    public init(fitting incidents: Incidents, kind: IncidentKind, offsetSeconds: Int = 0) throws(SpatialError) {
        let type = try incidents.index(of: kind)
        var counts = [Double](repeating: 0, count: 168)
        for (age, index) in zip(incidents.ages, incidents.typeIndices) where type == nil || index == type {
            let time = incidents.asOf - TimeSpan(microseconds: Int64((age * 86_400e6).rounded()))
            counts[HourProfile.hourOfWeek(time, offsetSeconds)] += 1
        }
        let total = counts.reduce(0, +)
        // Ten incidents are mixed into the hours and the days each, so that none is empty.
        let hours = (0..<24).map { hour in (stride(from: hour, to: 168, by: 24).reduce(0) { $0 + counts[$1] } + 10 / 24) / (total + 10) }
        let days = (0..<7).map { day in (counts[day * 24..<day * 24 + 24].reduce(0, +) + 10 / 7) / (total + 10) }
        factors = (0..<168).map { hour in
            let expected = hours[hour % 24] * days[hour / 24] * Self.priorIncidents
            return 168 * (counts[hour] + expected) / (total + Self.priorIncidents)
        }
        self.offsetSeconds = offsetSeconds
    }

    /// How many times the average hour's incidents fall into the hour that a moment lies in.
    public func factor(at time: Timestamp) -> Double { factors[HourProfile.hourOfWeek(time, offsetSeconds)] }

    /// The mean factor over whole hours from a moment on.
    public func mean(from time: Timestamp, hours: Int) -> Double {
        guard hours > 0 else { return 1 }
        return (0..<hours).reduce(0) { $0 + factor(at: time + .hours($1)) } / Double(hours)
    }

    static func hourOfWeek(_ time: Timestamp, _ offsetSeconds: Int) -> Int {
        (time.dayOfWeek(offsetSeconds: offsetSeconds) - 1) * 24 + time.hourOfDay(offsetSeconds: offsetSeconds)
    }
}
