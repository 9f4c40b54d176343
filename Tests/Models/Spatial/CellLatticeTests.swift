import Foundation
import Records
import Testing

@testable import Models

@Suite("Cells")
struct CellLatticeTests {
    /// A lattice that is turned and not quite as wide as it says, as of another projection.
    private func centres(turn: Double, step: Double, size: Int = 60) -> [Coordinate] {
        (0..<size * size).map { index in
            let (east, north) = (Double(index % size) * step + 37, Double(index / size) * step - 81)
            return MadeUpCity.incident(
                "", east: east * cos(turn) - north * sin(turn), north: east * sin(turn) + north * cos(turn), days: 0
            ).place
        }
    }

    @Test(arguments: [(0.0, 250.0), (0.021, 250.3), (-0.03, 249.5)])
    func anIncidentCountsInTheGivenCellItLiesIn(turn: Double, step: Double) throws {
        let centres = centres(turn: turn, step: step)
        let lattice = try CellLattice(centres: centres, cellMetres: 250)
        #expect(Set(lattice.nodes).count == centres.count)
        var city = MadeUpCity(seed: 7)
        for (cell, centre) in centres.enumerated() where cell % 7 == 0 {
            // Well inside the cell.
            let moved = Coordinate(
                latitude: centre.latitude + (city.uniform() - 0.5) * 200 / 111_195,
                longitude: centre.longitude + (city.uniform() - 0.5) * 200 / 108_350)
            #expect(lattice.node(of: moved) == lattice.nodes[cell])
        }
    }

    @Test func farCellsAndIncidentsTakeNoMemory() throws {
        var far = centres(turn: 0, step: 250)
        far.append(Coordinate(latitude: 0, longitude: 0))
        far.append(Coordinate(latitude: -60, longitude: 179.9))
        let lattice = try CellLattice(centres: far, cellMetres: 250)
        #expect(lattice.nodeCount < 200 * 200)
        #expect(lattice.node(of: Coordinate(latitude: 40, longitude: -100)) == nil)
        #expect(lattice.node(of: Coordinate(latitude: 0, longitude: 0)) == lattice.nodes[3_600])
    }

    @Test func aLatticeOfItsOwnHoldsEveryIncident() throws {
        var city = MadeUpCity(seed: 3)
        let incidents = Incidents(city.incidents("theft", count: 300, days: 10), before: MadeUpCity.start + .days(11))
        let lattice = try CellLattice(around: incidents, cellMetres: 250)
        let nodes = Set(lattice.nodes)
        #expect(incidents.places.allSatisfy { place in lattice.node(of: place).map { nodes.contains($0) } ?? false })
        for (centre, node) in zip(lattice.centres, lattice.nodes) { #expect(lattice.node(of: centre) == node) }
    }

    @Test func noCellsAndTooManyAreRefused() throws {
        #expect(throws: SpatialError.noCells) { try CellLattice(centres: [], cellMetres: 250) }
        #expect(throws: SpatialError.noCells) { try CellLattice(around: Incidents([], before: .epoch), cellMetres: 250) }
        let wide = (0..<4_000).map { Coordinate(latitude: Double($0 % 1_000) / 10 - 50, longitude: Double($0) / 25 - 80) }
        #expect(throws: SpatialError.self) { try CellLattice(centres: wide, cellMetres: 250) }
    }
}
