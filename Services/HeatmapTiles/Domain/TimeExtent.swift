/// The span of time in which a map's events lie, without strays: one payment with a wrong date must not stretch it over decades.
struct TimeExtent {
    /// From the first to the last hour with an event.
    var all: ClosedRange<Int>?
    /// The same without strays; never longer than ``QueryParameters/maxSpanDays``.
    var usual: ClosedRange<Int>?
    /// How many events are strays.
    var strays = 0

    /// Shorter spans are taken as they are.
    private static let shortestHours = 366 * 24
    /// Only what so long a silence parts from all the others is a stray.
    private static let silentHours = 30 * 24
    private static let longestHours = QueryParameters.maxSpanDays * 24

    /// - Parameter counts: gives the number of events in each of these hours; asked where there may be strays.
    init(_ all: ClosedRange<Int>?, counts: (ClosedRange<Int>) -> [Int]) {
        (self.all, usual) = (all, all)
        guard let all, all.count > Self.shortestHours else { return }
        let hours = zip(all, counts(all)).filter { $0.1 > 0 }
        usual = Self.withoutStrays(hours)
        strays = hours.reduce(0) { usual?.contains($1.0) == false ? $0 + $1.1 : $0 }
    }

    /// At most a hundredth of the events is left out at each end; more where the rest would be too long.
    private static func withoutStrays(_ hours: [(hour: Int, count: Int)]) -> ClosedRange<Int>? {
        let total = hours.reduce(0) { $0 + $1.count }
        var first = 0, last = hours.count - 1
        var seen = 0
        for index in hours.indices.dropLast() {
            seen += hours[index].count
            if seen * 100 > total { break }
            if hours[index + 1].hour - hours[index].hour > silentHours { first = index + 1 }
        }
        seen = 0
        for index in hours.indices.dropFirst().reversed() where index > first {
            seen += hours[index].count
            if seen * 100 > total { break }
            if hours[index].hour - hours[index - 1].hour > silentHours { last = index - 1 }
        }
        guard first <= last else { return nil }
        let rest = hours[first...last]
        guard rest[last].hour - rest[first].hour >= longestHours else { return rest[first].hour...rest[last].hour }
        // The fullest of all spans that are short enough; the last of equals.
        var best = (count: 0, range: first...first), start = first, count = 0
        for end in rest.indices {
            count += rest[end].count
            while rest[end].hour - rest[start].hour >= longestHours {
                count -= rest[start].count
                start += 1
            }
            if count >= best.count { best = (count, start...end) }
        }
        return rest[best.range.lowerBound].hour...rest[best.range.upperBound].hour
    }
}
