import Foundation
import Records
import Testing

@testable import Models

@Suite("Self-exciting process")
struct SelfExcitingProcessTests {
    /// Background over a hill and the plain, and children of all generations.
    private func simulate(_ wanted: SelfExcitingProcess.Parameters, background: Int, days: Double, seed: UInt64) -> [Incident] {
        var city = MadeUpCity(seed: seed)
        var open: [(east: Double, north: Double, days: Double)] = (0..<background).map { index in
            index % 2 == 0
                ? (city.normal() * 3_000, city.normal() * 3_000, city.uniform() * days)
                : (city.uniform() * 20_000 - 10_000, city.uniform() * 20_000 - 10_000, city.uniform() * days)
        }
        var incidents: [Incident] = []
        while let parent = open.popLast() {
            incidents.append(MadeUpCity.incident("theft", east: parent.east, north: parent.north, days: parent.days))
            for _ in 0..<city.poisson(wanted.productivity) {
                let child = (
                    east: parent.east + city.normal() * wanted.spreadMetres, north: parent.north + city.normal() * wanted.spreadMetres,
                    days: parent.days - log(max(1e-12, city.uniform())) / wanted.decayPerDay
                )
                if child.days < days { open.append(child) }
            }
        }
        return incidents
    }

    @Test(arguments: [UInt64(1), 2]) func parametersOfASimulationAreFoundAgain(seed: UInt64) throws {
        let wanted = SelfExcitingProcess.Parameters(productivity: 0.4, decayPerDay: 0.2, spreadMetres: 120)
        let days = 200.0
        let incidents = Incidents(
            simulate(wanted, background: 700, days: days, seed: seed), before: MadeUpCity.start + .days(Int(days)))
        let found = try SelfExcitingProcess(fitting: incidents)
        #expect(abs(found.parameters.productivity - 0.4) < 0.12, "\(found.parameters)")
        #expect(abs(found.parameters.decayPerDay - 0.2) < 0.05, "\(found.parameters)")
        #expect(abs(found.parameters.spreadMetres - 120) < 25, "\(found.parameters)")
        #expect(abs(found.backgroundShare - 0.6) < 0.12)
    }

    @Test func incidentsThatTriggerNothingAreFoundToTriggerLittle() throws {
        let none = SelfExcitingProcess.Parameters(productivity: 0, decayPerDay: 0.2, spreadMetres: 120)
        let incidents = Incidents(simulate(none, background: 700, days: 200, seed: 4), before: MadeUpCity.start + .days(200))
        let found = try SelfExcitingProcess(fitting: incidents)
        #expect(found.parameters.productivity < 0.1, "\(found.parameters)")
    }

    @Test func oneIncidentIsBackground() throws {
        let one = Incidents([MadeUpCity.incident("theft", east: 0, north: 0, days: 1)], before: MadeUpCity.start + .days(2))
        let found = try SelfExcitingProcess(fitting: one)
        #expect(found.parameters.productivity == 0)
        #expect(found.backgroundShare == 1)
    }
}
