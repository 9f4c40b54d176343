/// Which events a view is made of.
struct CubeFilter: Sendable, Hashable {
    var layer: Layer
    /// Whole UTC hours since 1970.
    var hours: Range<Int> = CubeHour.range
    /// As the map was known at the end of the hour before this one; nil for now.
    var knownBefore: Int?
    /// Channels or crime types; nil for all.
    var types: Set<String>?
    /// 0…1: of the layers of payments, cells (at zoom 17) whose payments have a lower mean risk are left out, the same cells in each.
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
        /// Nil where cells of any risk count.
        let leastRisk: LeastRisk?
        /// By a cell's index; nil for all.
        var cells: [Bool]?
        /// `hoursOfWeek` as bits: all ones for an hour that counts, zero for another. Sums over many entries take them, for which hours
        /// count changes too often to be guessed well.
        let hourMasks: [UInt64]?

        init(
            kinds: [Bool], hours: Range<Int>, hoursBefore: Range<Int>?, hoursOfWeek: [Bool]?, leastRisk: LeastRisk? = nil, cells: [Bool]?
        ) {
            self.kinds = kinds
            self.hours = hours
            self.hoursBefore = hoursBefore
            self.hoursOfWeek = hoursOfWeek
            self.leastRisk = leastRisk
            self.cells = cells
            hourMasks = hoursOfWeek.map { $0.map { $0 ? .max : 0 } }
        }
    }

    /// Which cells count: those whose payments, of the filter's hours and these kinds, have at least this mean risk.
    struct LeastRisk: Sendable {
        var mean: Double
        /// By a kind's number.
        var payments: [Bool]
    }

    func prepared(kinds table: KindTable, cells: [Bool]?) -> Prepared {
        let isOpen = hours.lowerBound <= CubeHour.range.lowerBound || hours.upperBound >= CubeHour.range.upperBound
        let before = (hours.lowerBound - hours.count)..<hours.lowerBound
        // A forecast of all types is one of its own, not the sum of the others.
        let types = layer == .forecast ? self.types ?? [Forecast.allTypes] : self.types
        func kinds(of signal: Signal) -> [Bool] { table.kinds.map { $0.signal == signal && types?.contains($0.type) != false } }
        let own = kinds(of: layer.signal)
        let leastRisk = minimumRisk <= 0 || !layer.isOfPayments ? nil : LeastRisk(
            mean: minimumRisk, payments: layer.signal == .transaction ? own : kinds(of: .transaction))
        return Prepared(
            kinds: own, hours: hours.clamped(to: CubeHour.range), hoursBefore: isOpen ? nil : before.clamped(to: CubeHour.range),
            hoursOfWeek: hoursOfWeek, leastRisk: leastRisk, cells: cells)
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
