import Geo
import Models

/// Complaints to expect in the hours to come, on the map's own cells.
///
/// In its cube an entry's sum of risks is the number to expect; its count only says that there is one.
struct Forecast: Sendable {
    /// What is expected in a square, as the model server tells it.
    struct Square: Sendable {
        var centre: Position
        /// One for each hour from the moment of the forecast on.
        var expected: [Double]
    }

    /// What is expected of one crime type, or of all together.
    struct Part: Sendable {
        var type = Forecast.allTypes
        var squares: [Square]
        /// A cell's count has the variance mean + dispersion × mean².
        var dispersion: Double
    }

    /// What to expect in some hours together, and between which counts it will lie.
    struct Outlook: Sendable, Hashable {
        var hours: Int
        var expected: Double
        var interval: ClosedRange<Int>
    }

    private(set) var cube = Cube()
    /// The moment that the forecast speaks from, in microseconds since 1970.
    let madeMicroseconds: Int64
    /// The clock's hours that it covers; of the first only what was left of it.
    let hours: Range<Int>
    /// By the number of a kind in the cube.
    private let dispersions: [Double]

    static let coverage = 0.9
    /// The type of the part that is of all crime types together. No complaint names it.
    static let allTypes = "*"

    /// A forecast of all crime types together.
    init(_ squares: [Square], metres: Double, at microseconds: Int64, dispersion: Double) {
        self.init([Part(squares: squares, dispersion: dispersion)], metres: metres, at: microseconds)
    }

    /// - Parameters:
    ///   - parts: each of another type.
    ///   - metres: a square's side, which runs along the meridians and parallels.
    init(_ parts: [Part], metres: Double, at microseconds: Int64) {
        madeMicroseconds = microseconds
        dispersions = parts.map(\.dispersion)
        let first = Int(microseconds / CubeHour.microsecondsPerHour)
        // Each of its hours begins so far into an hour of the clock, and so is split between two.
        let late = Double(microseconds % CubeHour.microsecondsPerHour) / Double(CubeHour.microsecondsPerHour)
        let count = parts.flatMap(\.squares).map(\.expected.count).max() ?? 0
        hours = first..<(first + count + (count > 0 && late > 0 ? 1 : 0))
        var increments: [Cube.Increment] = []
        for part in parts {
            let kind = cube.number(for: Kind(signal: .forecast, type: part.type))
            for (cell, sum) in Self.hourly(part.squares, metres: metres, late: late, hours: hours.count) {
                for (hour, expected) in sum.enumerated() where expected > 0 {
                    increments.append(.init(cell: cell, hour: first + hour, kind: kind, tally: Tally(count: 1, riskSum: expected)))
                }
            }
        }
        var builder = CubeBuilder(cube)
        for increment in increments { builder.add(increment) }
        cube = builder.finish()
    }

    /// What is expected in each cell and hour of the clock.
    private static func hourly(_ squares: [Square], metres: Double, late: Double, hours: Int) -> [UInt64: [Double]] {
        var sums: [UInt64: [Double]] = [:]
        for square in squares {
            for (cell, share) in shares(of: square.centre, metres: metres) {
                var sum = sums[cell] ?? [Double](repeating: 0, count: hours)
                for (hour, expected) in square.expected.enumerated() {
                    sum[hour] += expected * share * (1 - late)
                    if late > 0 { sum[hour + 1] += expected * share * late }
                }
                sums[cell] = sum
            }
        }
        return sums
    }

    /// The map's cells that a square covers, each with its part of the square's area. The parts sum to 1.
    private static func shares(of centre: Position, metres: Double) -> [(cell: UInt64, share: Double)] {
        let north = WebMercator.project(centre.moved(metres: metres / 2, bearingDegrees: 0))
        let south = WebMercator.project(centre.moved(metres: metres / 2, bearingDegrees: 180))
        let middle = WebMercator.project(centre)
        let half = (south.y - north.y) / 2
        guard half > 0 else { return [(MapState.cell(centre), 1)] }
        let side = Double(1 << Cube.cellZoom)
        func parts(_ from: Double, _ to: Double) -> [(index: Int, share: Double)] {
            (Int(from * side)...Int(to * side)).map { index in
                (index, (min(to, Double(index + 1) / side) - max(from, Double(index) / side)) / (to - from))
            }
        }
        var shares: [(cell: UInt64, share: Double)] = []
        for row in parts(middle.y - half, middle.y + half) {
            for column in parts(middle.x - half, middle.x + half) {
                guard let tile = Tile(zoom: Cube.cellZoom, x: column.index, y: row.index) else { continue }
                shares.append((tile.code, row.share * column.share))
            }
        }
        return shares
    }

    /// How much more than Poisson's a count varies whose interval of ``coverage`` ends with `upper`.
    static func dispersion(mean: Double, upper: Int) -> Double {
        func end(_ dispersion: Double) -> Int { CountDistribution(mean: mean, dispersion: dispersion).interval(coverage).upperBound }
        guard end(0) < upper else { return 0 }
        var low = 0.0, high = 32.0
        for _ in 0..<30 {
            let middle = (low + high) / 2
            if end(middle) < upper { low = middle } else { high = middle }
        }
        return high
    }

    /// What to expect in a tile in so many hours from now on, as far as a filter lets it through. Cells and types vary each for itself.
    func outlook(in tile: Tile, hours count: Int, _ filter: CubeFilter.Prepared) -> Outlook {
        var filter = filter
        filter.hours = hours.lowerBound..<min(hours.upperBound, hours.lowerBound + count)
        var mean = 0.0, excess = 0.0
        for kind in filter.kinds.indices where filter.kinds[kind] {
            var own = filter
            own.kinds = filter.kinds.indices.map { $0 == kind }
            let means = cube.cells(in: tile, zoom: Cube.cellZoom, own).map(\.tally.riskSum)
            mean += means.reduce(0, +)
            excess += dispersions[kind] * means.reduce(0) { $0 + $1 * $1 }
        }
        let shared = mean > 0 ? excess / (mean * mean) : 0
        return Outlook(
            hours: count, expected: mean, interval: CountDistribution(mean: mean, dispersion: shared).interval(Self.coverage))
    }
}
