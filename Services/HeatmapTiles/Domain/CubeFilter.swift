/// Which events a view is made of.
struct CubeFilter: Sendable, Hashable {
    var layer: Layer
    /// Whole UTC hours since 1970.
    var hours: Range<Int> = CubeHour.range
    /// As the map was known at the end of the hour before this one; nil for now.
    var knownBefore: Int?
    /// Channels or crime types; nil for all.
    var types: Set<String>?
    /// 0…1: cells (at zoom 17) whose mean risk is below this are left out.
    var minimumRisk = 0.0
    /// 0…23 in the zone of `offsetMinutes`; nil for all.
    var hoursOfDay: Set<Int>?
    /// 1 (Monday)…7 (Sunday), as ISO 8601 numbers them; nil for all.
    var daysOfWeek: Set<Int>?
    /// The zone that hours of the day and days of the week are meant in, minutes east of UTC.
    var offsetMinutes = 0
    /// Only cells whose middle lies in one of these jurisdictions; nil for everywhere.
    var jurisdictions: Set<String>?

    /// A filter made ready for one state of a cube.
    struct Prepared: Sendable {
        /// By a kind's number.
        var kinds: [Bool]
        var hours: Range<Int>
        /// As many hours just before them, to compare with; nil where the span is open.
        var hoursBefore: Range<Int>?
        /// By hour since 1970 modulo 168; nil for all.
        let hoursOfWeek: [Bool]?
        var minimumRisk: Double
        /// By a cell's index; nil for all.
        var cells: [Bool]?
        /// `hoursOfWeek` as bits: all ones for an hour that counts, zero for another. Sums over many entries take them, for which hours
        /// count changes too often to be guessed well.
        let hourMasks: [UInt64]?

        init(kinds: [Bool], hours: Range<Int>, hoursBefore: Range<Int>?, hoursOfWeek: [Bool]?, minimumRisk: Double, cells: [Bool]?) {
            self.kinds = kinds
            self.hours = hours
            self.hoursBefore = hoursBefore
            self.hoursOfWeek = hoursOfWeek
            self.minimumRisk = minimumRisk
            self.cells = cells
            hourMasks = hoursOfWeek.map { $0.map { $0 ? .max : 0 } }
        }

        func accepts(_ tally: Tally) -> Bool {
            tally.count > 0 && (minimumRisk <= 0 || tally.meanRisk >= minimumRisk)
        }
    }

    func prepared(kinds table: KindTable, cells: [Bool]?) -> Prepared {
        let isOpen = hours.lowerBound <= CubeHour.range.lowerBound || hours.upperBound >= CubeHour.range.upperBound
        let before = (hours.lowerBound - hours.count)..<hours.lowerBound
        // A forecast of all types is one of its own, not the sum of the others.
        let types = layer == .forecast ? self.types ?? [Forecast.allTypes] : self.types
        return Prepared(
            kinds: table.kinds.map { $0.signal == layer.signal && types?.contains($0.type) != false },
            hours: hours.clamped(to: CubeHour.range), hoursBefore: isOpen ? nil : before.clamped(to: CubeHour.range),
            hoursOfWeek: hoursOfWeek, minimumRisk: minimumRisk, cells: cells)
    }

    /// By hour since 1970 modulo 168; nil for all.
    var hoursOfWeek: [Bool]? {
        guard hoursOfDay != nil || daysOfWeek != nil else { return nil }
        return (0..<168).map { hour in
            let local = CubeHour.ofWeek(hour, offsetMinutes: offsetMinutes)
            return hoursOfDay?.contains(local % 24) != false && daysOfWeek?.contains(local / 24 + 1) != false
        }
    }
}
