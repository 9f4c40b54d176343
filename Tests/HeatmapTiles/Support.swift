import Geo
import SeededRandom
@testable import HeatmapTiles

/// An event as a bank or the police would tell it, before anything counts it.
struct SampleEvent: Sendable {
    var position: Position
    var hour: Int
    var kind: Kind
    var risk: Double
}

enum Sample {
    static let centre = Position(latitude: 28.6139, longitude: 77.2090)
    /// 2026-01-05 00:00 UTC, a Monday.
    static let firstHour = 490_992

    static let kinds = [
        Kind(signal: .transaction, type: "pos"), Kind(signal: .transaction, type: "atm"), Kind(signal: .transaction, type: "ecommerce"),
        Kind(signal: .alert, type: "atm"), Kind(signal: .complaint, type: "upi_fraud"), Kind(signal: .complaint, type: "robbery"),
    ]

    /// Events around ``centre``: places cluster, risks are small and now and then large.
    static func events(_ count: Int, days: Int = 21, seed: UInt64) -> [SampleEvent] {
        var generator = SplitMix64(seed: seed)
        return (0..<count).map { _ in
            let spread = Double.random(in: 0...1, using: &generator)
            let risk = Double.random(in: 0...1, using: &generator)
            return SampleEvent(
                position: centre.moved(metres: spread * spread * 20_000, bearingDegrees: .random(in: 0..<360, using: &generator)),
                hour: firstHour + .random(in: 0..<(days * 24), using: &generator),
                kind: kinds[Int.random(in: 0..<kinds.count, using: &generator)],
                risk: risk * risk * risk)
        }
    }

    static func increments(_ events: [SampleEvent], in cube: inout Cube) -> [Cube.Increment] {
        events.map { event in
            Cube.Increment(
                cell: Tile(containing: event.position, zoom: Cube.cellZoom).code, hour: event.hour, kind: cube.number(for: event.kind),
                tally: Tally(count: 1, riskSum: event.risk))
        }
    }

    static func cube(of events: [SampleEvent]) -> Cube {
        var cube = Cube()
        cube.apply(increments(events, in: &cube))
        return cube
    }
}
