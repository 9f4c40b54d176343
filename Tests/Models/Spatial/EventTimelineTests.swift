import Foundation
import Records
import Testing

@testable import Models

@Suite("Event timeline")
struct EventTimelineTests {
    @Test func quantilesAreThoseOfTheDistributions() {
        // Poisson: P(X ≤ 1 | 1) = 0.7358, P(X ≤ 2) = 0.9197, P(X ≤ 3) = 0.9810.
        #expect(CountDistribution(mean: 1).quantile(0.73) == 1)
        #expect(CountDistribution(mean: 1).quantile(0.74) == 2)
        #expect(CountDistribution(mean: 1).quantile(0.95) == 3)
        // Negative binomial of size 1 is geometric: P(X ≤ k) = 1 − (m / (1 + m))^(k + 1).
        #expect(CountDistribution(mean: 3, dispersion: 1).quantile(0.43) == 1)
        #expect(CountDistribution(mean: 3, dispersion: 1).quantile(0.44) == 2)
        // Large ones follow the normal distribution: 5,000 ± 1.6449 √5,000.
        #expect(CountDistribution(mean: 5_000).interval(0.9) == 4_884...5_116)
        #expect(CountDistribution(mean: 0).interval(0.9) == 0...0)
        #expect(CountDistribution(mean: .nan).quantile(0.9) == 0)
    }

    /// Busy cells whose hours have a rhythm.
    private func busyCity(seed: UInt64, weeks: Int) -> [Incident] {
        var city = MadeUpCity(seed: seed)
        var incidents: [Incident] = []
        let rates = (0..<60).map { _ in exp(city.normal() * 0.6) * 0.6 }
        for hour in 0..<weeks * 168 {
            let rhythm = 1 + 0.9 * sin(Double(hour % 24) / 24 * 2 * .pi)
            for (cell, rate) in rates.enumerated() {
                for _ in 0..<city.poisson(rate * rhythm) {
                    incidents.append(
                        MadeUpCity.incident(
                            "theft", east: Double(cell % 20) * 250 + 60, north: Double(cell / 20) * 250 + 60,
                            days: (Double(hour) + city.uniform()) / 24))
                }
            }
        }
        return incidents
    }

    @Test func intervalsCoverWhatTheySayOnSimulatedWeeks() throws {
        let all = busyCity(seed: 11, weeks: 7)
        let now = MadeUpCity.start + .days(42)
        let known = Incidents(all, before: now)
        let centres = (0..<60).map {
            MadeUpCity.incident("", east: Double($0 % 20) * 250 + 60, north: Double($0 / 20) * 250 + 60, days: 0).place
        }
        let lattice = try CellLattice(centres: centres, cellMetres: 250)
        let timeline = try SpatialRisk(fitting: known, on: lattice, kind: .all, weeks: 2).timeline(hours: 72)
        var counts = [Int](repeating: 0, count: 60 * 72)
        for incident in all where incident.time >= now && incident.time < now + .hours(72) {
            let cell = try #require(lattice.node(of: incident.place).flatMap { lattice.nodes.firstIndex(of: $0) })
            counts[cell * 72 + Int((incident.time - now).seconds / 3_600)] += 1
        }
        var half = 0.0, wide = 0.0, halfStated = 0.0, wideStated = 0.0
        for (outlook, count) in zip(timeline.outlooks(), counts) {
            let probability = { (bounds: ClosedRange<Int>) in
                CountDistributionFixture.probability(bounds, mean: outlook.expected, dispersion: timeline.dispersion)
            }
            half += Int(outlook.lower50)...Int(outlook.upper50) ~= count ? 1 : 0
            wide += Int(outlook.lower90)...Int(outlook.upper90) ~= count ? 1 : 0
            halfStated += probability(Int(outlook.lower50)...Int(outlook.upper50))
            wideStated += probability(Int(outlook.lower90)...Int(outlook.upper90))
        }
        let cells = Double(counts.count)
        // Whole counts make an interval hold more than it says; so much as the distribution itself puts into it, and never less.
        #expect(half / cells > 0.5 && wide / cells > 0.9)
        #expect(abs(half - halfStated) / cells < 0.02, "\(half / cells) observed, \(halfStated / cells) stated")
        #expect(abs(wide - wideStated) / cells < 0.02, "\(wide / cells) observed, \(wideStated / cells) stated")
        let expected = timeline.outlooks().reduce(0) { $0 + $1.expected }
        #expect(abs(expected / Double(counts.reduce(0, +)) - 1) < 0.05)
    }

    @Test func hoursOfAWeekAreLearnedOnThePlacesClock() throws {
        // Only Fridays at 22 o'clock in India: 16:30 UTC.
        let incidents = (0..<40).map { Incident(
            time: (Timestamp(iso8601: "2024-01-05T16:45:00Z") ?? .epoch) + .days(7 * $0), place: MadeUpCity.middle, type: "theft") }
        let known = Incidents(incidents, before: MadeUpCity.start + .days(400))
        let profile = try HourProfile(fitting: known, kind: .all, offsetSeconds: 19_800)
        #expect(profile.factors.indices.max { profile.factors[$0] < profile.factors[$1] } == 4 * 24 + 22)
        #expect(abs(profile.factors.reduce(0, +) - 168) < 1e-9)
        #expect(abs(profile.mean(from: MadeUpCity.start, hours: 168) - 1) < 1e-9)
    }
}

enum CountDistributionFixture {
    /// Summed term by term.
    static func probability(_ counts: ClosedRange<Int>, mean: Double, dispersion: Double) -> Double {
        counts.reduce(0) { sum, count in
            guard dispersion > 1e-9 else { return sum + exp(Double(count) * log(mean) - mean - lgamma(Double(count) + 1)) }
            let size = 1 / dispersion
            return sum + exp(
                lgamma(Double(count) + size) - lgamma(size) - lgamma(Double(count) + 1) + size * log(size / (size + mean))
                    + Double(count) * log(mean / (size + mean)))
        }
    }
}
