import BenchmarkSupport
import Foundation
import Models
import Records

/// The next 72 hours of a city of 20,000 cells: maps, shares, expected counts and both intervals of each cell's hours.
func benchmarkForecast(_ report: inout BenchmarkReport) throws {
    let incidents = Incidents(madeUpIncidents(count: 60_000), before: Timestamp(seconds: 180 * 86_400))
    let centres = (0..<20_000).map { place(east: Double($0 % 200) * 250, north: Double($0 / 200) * 250) }
    let risk = try SpatialRisk(
        fitting: incidents, on: CellLattice(centres: centres, cellMetres: 250), kind: .type("robbery"), weeks: 4)
    var outlooks = 0
    let ours = median(
        (0..<5).map { _ in
            let before = processorSeconds()
            outlooks = risk.timeline(hours: 72).outlooks().count
            return processorSeconds() - before
        })
    precondition(outlooks == 20_000 * 72)
    report.compare("forecast of 20,000 cells for 72 hours", unit: "s CPU", ours: ours, peer: 1, "one second", .atMost(1))
}

/// Two types, most of them around forty corners.
private func madeUpIncidents(count: Int) -> [Incident] {
    var state: UInt64 = 2_026
    func draw() -> Double {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Double(state >> 33) / Double(1 << 31)
    }
    return (0..<count).map { number in
        let corner = Double(Int(draw() * 40))
        let isHot = draw() < 0.6
        let east = isHot ? corner * 1_200 + draw() * 400 : draw() * 50_000
        let north = isHot ? (corner * 7).truncatingRemainder(dividingBy: 40) * 600 + draw() * 400 : draw() * 25_000
        return Incident(
            time: Timestamp(seconds: Int64(draw() * 180 * 86_400)), place: place(east: east, north: north),
            type: number % 5 == 0 ? "robbery" : "theft")
    }
}

private func place(east: Double, north: Double) -> Coordinate {
    Coordinate(latitude: 12.9 + north / 111_195, longitude: 77.5 + east / 108_350)
}
