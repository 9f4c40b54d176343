import Foundation
import Records
import Testing
import Training

@testable import Models

@Suite("Forecast of cells")
struct CellForecastTests {
    private func city() -> [Incident] {
        var city = MadeUpCity(seed: 21)
        return city.incidents("theft", count: 600, days: 100) + city.incidents("robbery", count: 450, days: 100)
            + city.incidents("arson", count: 8, days: 100)
    }

    private var now: Timestamp { MadeUpCity.start + .days(84) }

    private func forecast(_ incidents: [Incident], kind: IncidentKind, hours: Int = 168) throws -> (CellForecast, CellLattice) {
        let known = Incidents(incidents, before: now)
        let lattice = try CellLattice(around: known, cellMetres: 250)
        var options = CellTrainingOptions()
        (options.weeks, options.rounds, options.forests) = (4, 20, 1)
        return (try CellForecaster(options: options).forecast(known, on: lattice, kind: kind, hours: hours), lattice)
    }

    @Test func nothingThatHappensLaterChangesAnything() throws {
        let all = city()
        let (whole, _) = try forecast(all, kind: .type("robbery"))
        let (cut, _) = try forecast(all.filter { $0.time < now }, kind: .type("robbery"))
        #expect(whole.expected == cut.expected)
        #expect(whole.dispersion == cut.dispersion)
    }

    @Test func theSameGoesInAnyOrderAndComesOutToTheBit() throws {
        let (first, _) = try forecast(city(), kind: .all)
        let (second, _) = try forecast(city().reversed(), kind: .all)
        #expect(first.expected == second.expected)
    }

    @Test func hotSpotsComeFirstAndTheTotalIsTheWeeks() throws {
        let all = city()
        let (forecast, lattice) = try forecast(all, kind: .type("robbery"))
        #expect(forecast.usesTrees)
        let happened = all.filter { $0.type == "robbery" && $0.time >= now && $0.time < now + .days(7) }
        #expect(abs(forecast.total - 31.5) < 12)
        let order = forecast.expected.indices.sorted { forecast.expected[$0] > forecast.expected[$1] }
        let top = Set(order.prefix(order.count / 20).map { lattice.nodes[$0] })
        let hits = happened.count { lattice.node(of: $0.place).map { top.contains($0) } ?? false }
        #expect(Double(hits) > 0.3 * Double(happened.count), "\(hits) of \(happened.count) in a twentieth of the cells")
    }

    @Test func aFewIncidentsGiveAForecastWithoutTrees() throws {
        let (rare, _) = try forecast(city(), kind: .type("arson"))
        #expect(!rare.usesTrees)
        #expect(rare.expected.allSatisfy { $0.isFinite && $0 >= 0 })
        let (one, _) = try forecast([MadeUpCity.incident("theft", east: 0, north: 0, days: 80)], kind: .all)
        #expect(one.expected.max() == one.expected[one.expected.count / 2])
        #expect(one.total > 0)
    }

    @Test func anUnknownTypeIsRefusedWithThoseThereAre() throws {
        let error = #expect(throws: SpatialError.self) { try forecast(city(), kind: .type("burglary")) }
        #expect(error?.description.contains("`theft`, `robbery`, `arson`, or all") == true)
        // Upper and lower case are alike.
        #expect(try forecast(city(), kind: .type("Arson")).0.total > 0)
    }

    @Test func placesOffTheGlobeAndOutsideTheCellsAreLeftOut() throws {
        let odd = [
            Incident(time: MadeUpCity.start, place: Coordinate(latitude: .nan, longitude: 0), type: "theft"),
            Incident(time: MadeUpCity.start, place: Coordinate(latitude: 95, longitude: 0), type: "theft"),
        ]
        #expect(Incidents(odd, before: now).count == 0)
        #expect(throws: SpatialError.noCells) { try forecast(odd, kind: .all) }
        let (plain, _) = try forecast(city(), kind: .type("arson"))
        let (with, _) = try forecast(city() + odd, kind: .type("arson"))
        #expect(plain.expected == with.expected)
    }

    @Test func givenCellsExpectWhatFallsIntoThemAlone() throws {
        let (whole, lattice) = try forecast(city(), kind: .type("robbery"))
        // Every other column: what lies between given cells is none of theirs.
        let picked = lattice.nodes.indices.filter { lattice.nodes[$0] % 2 == 0 }
        let given = try CellLattice(centres: picked.map { lattice.centres[$0] }, cellMetres: 250)
        var options = CellTrainingOptions()
        (options.weeks, options.rounds, options.forests) = (4, 20, 1)
        let part = try CellForecaster(options: options).forecast(
            Incidents(city(), before: now), on: given, kind: .type("robbery"), hours: 168)
        let theirs = picked.reduce(0) { $0 + whole.expected[$1] }
        #expect(theirs < 0.8 * whole.total)
        #expect(abs(part.total - theirs) < 0.25 * theirs, "\(part.total) in given cells, \(theirs) in the same of all")
    }
}
