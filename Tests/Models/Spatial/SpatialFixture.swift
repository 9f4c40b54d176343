import Foundation
import Models
import Records
import SeededRandom

/// A made-up city of ten kilometres, drawn from a seed.
struct MadeUpCity {
    static let middle = Coordinate(latitude: 12.97, longitude: 77.59)
    static let start = Timestamp(iso8601: "2024-01-01T00:00:00Z") ?? .epoch

    var random: SplitMix64

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    mutating func uniform() -> Double { Double.random(in: 0..<1, using: &random) }

    mutating func normal() -> Double {
        (-2 * log(max(1e-12, uniform()))).squareRoot() * cos(2 * .pi * uniform())
    }

    mutating func poisson(_ mean: Double) -> Int {
        var left = exp(-mean), count = 0
        var draw = uniform()
        while draw > left, count < 10_000 {
            draw -= left
            count += 1
            left *= mean / Double(count)
        }
        return count
    }

    /// - Parameters:
    ///   - east: metres from the middle.
    ///   - days: since `start`.
    static func incident(_ type: String, east: Double, north: Double, days: Double) -> Incident {
        Incident(
            time: start + TimeSpan(microseconds: Int64(days * 86_400e6)),
            place: Coordinate(
                latitude: middle.latitude + north / 111_195,
                longitude: middle.longitude + east / (111_195 * cos(middle.latitude * .pi / 180))),
            type: type)
    }

    /// Incidents around a few hot spots and everywhere.
    mutating func incidents(_ type: String, count: Int, days: Double, spots: Int = 12) -> [Incident] {
        let hot = (0..<spots).map { _ in (uniform() * 8_000 - 4_000, uniform() * 8_000 - 4_000) }
        return (0..<count).map { _ in
            let when = uniform() * days
            guard uniform() < 0.7, let spot = hot.randomElement(using: &random) else {
                return Self.incident(type, east: uniform() * 10_000 - 5_000, north: uniform() * 10_000 - 5_000, days: when)
            }
            return Self.incident(type, east: spot.0 + normal() * 150, north: spot.1 + normal() * 150, days: when)
        }
    }
}
