import Foundation
import Geo
import Records

/// The cash machines of an area, and which lie near which.
public struct CashMachines: Sendable {
    public let all: [CashMachine]
    /// By id.
    let indices: [String: Int]
    /// For each machine those around it, itself included, with weights that sum to 1: what a withdrawal there says about the next.
    let kernels: [[(machine: Int, weight: Double)]]

    private static let scaleMetres = 900.0
    private static let reachMetres = 3_000.0
    private static let maxNeighbours = 48
    /// A machine itself weighs as much as all its neighbours may.
    private static let ownWeight = 1.2

    public init(_ machines: [CashMachine]) {
        var all: [CashMachine] = []
        var indices: [String: Int] = [:]
        for machine in machines where indices[machine.id] == nil {
            indices[machine.id] = all.count
            all.append(machine)
        }
        self.all = all
        self.indices = indices
        kernels = Self.kernels(all)
    }

    public var count: Int { all.count }

    /// Metres from a place to each machine.
    func distances(to place: Coordinate) -> [Double] {
        all.map { Self.metres($0.place, place) }
    }

    static func metres(_ a: Coordinate, _ b: Coordinate) -> Double {
        haversineMetres(latitude1: a.latitude, longitude1: a.longitude, latitude2: b.latitude, longitude2: b.longitude)
    }

    private struct Cell: Hashable {
        let row: Int
        let column: Int
    }

    /// Neighbours by way of a grid whose cells are as wide as the reach, so that a country's machines take no longer than its towns.
    private static func kernels(_ all: [CashMachine]) -> [[(machine: Int, weight: Double)]] {
        let metresPerDegree = 111_320.0
        let widest = all.map { abs($0.place.latitude) }.max() ?? 0
        let height = reachMetres / metresPerDegree, width = height / max(cos(widest * .pi / 180), 0.05)
        func cell(_ place: Coordinate) -> Cell {
            Cell(row: Int((place.latitude / height).rounded(.down)), column: Int((place.longitude / width).rounded(.down)))
        }
        var grid: [Cell: [Int]] = [:]
        for (index, machine) in all.enumerated() { grid[cell(machine.place), default: []].append(index) }
        return all.indices.map { index in
            let own = cell(all[index].place)
            var near: [(machine: Int, metres: Double)] = []
            for row in (own.row - 1)...(own.row + 1) {
                for column in (own.column - 1)...(own.column + 1) {
                    for other in grid[Cell(row: row, column: column)] ?? [] where other != index {
                        let metres = metres(all[index].place, all[other].place)
                        if metres <= reachMetres { near.append((other, metres)) }
                    }
                }
            }
            near.sort { ($0.metres, $0.machine) < ($1.metres, $1.machine) }
            let weights = near.prefix(maxNeighbours).map { (machine: $0.machine, weight: exp(-$0.metres / scaleMetres)) }
            let total = ownWeight + weights.reduce(0) { $0 + $1.weight }
            return [(machine: index, weight: ownWeight / total)] + weights.map { (machine: $0.machine, weight: $0.weight / total) }
        }
    }
}
