public import Records

/// What is expected in each cell and each of the hours to come, and between which counts it will lie.
///
/// A cell's hour is the cell's rate times the hour's place in the week. Counts are negative binomial: how much the rates themselves are
/// uncertain is measured on past weeks.
public struct EventTimeline: Sendable {
    public let start: Timestamp
    public let hours: Int
    /// Incidents a hour in each cell, on average over the week.
    public let hourlyRates: [Double]
    /// For each hour, how many times the average hour's.
    public let factors: [Double]
    public let dispersion: Double

    /// Bounds of the counts that one cell sees in one hour.
    public struct Outlook: Sendable, Hashable {
        public var expected: Double
        public var lower50: Int32
        public var upper50: Int32
        public var lower90: Int32
        public var upper90: Int32
    }

    /// - Parameter weeklyRates: incidents a week in each cell.
    public init(weeklyRates: [Double], dispersion: Double, profile: HourProfile, start: Timestamp, hours: Int = 72) {
        self.start = start
        self.hours = max(0, hours)
        self.dispersion = dispersion
        hourlyRates = weeklyRates.map { $0 / 168 }
        factors = (0..<max(0, hours)).map { profile.factor(at: start + .hours($0)) }
    }

    public func expected(cell: Int, hour: Int) -> Double { hourlyRates[cell] * factors[hour] }

    public func outlook(cell: Int, hour: Int) -> Outlook {
        let distribution = CountDistribution(mean: expected(cell: cell, hour: hour), dispersion: dispersion)
        // Most cells see nothing in most hours.
        guard distribution.mean > 0.05 else {
            return Outlook(expected: distribution.mean, lower50: 0, upper50: 0, lower90: 0, upper90: 0)
        }
        let (half, wide) = (distribution.interval(0.5), distribution.interval(0.9))
        return Outlook(
            expected: distribution.mean, lower50: Int32(clamping: half.lowerBound), upper50: Int32(clamping: half.upperBound),
            lower90: Int32(clamping: wide.lowerBound), upper90: Int32(clamping: wide.upperBound))
    }

    /// All cells' hours, cell by cell.
    public func outlooks() -> [Outlook] {
        var result: [Outlook] = []
        result.reserveCapacity(hourlyRates.count * hours)
        for cell in hourlyRates.indices {
            for hour in 0..<hours { result.append(outlook(cell: cell, hour: hour)) }
        }
        return result
    }
}
