#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

public import Records

/// How risky a city's places are against each other, from the incidents that are known: the signal `Ensemble.Signal.place`.
public struct PlaceRisk: Sendable {
    /// With fewer there is no map.
    public static let minIncidents = 200
    /// Coarser than a forecast's cells: what matters is the neighbourhood of the payment.
    public static let cellMetres = 500.0
    /// Past weeks to learn from.
    static let weeks = 4
    /// A share of an average cell's expectation that each cell is given, so that none is ruled out.
    static let floor = 0.1

    private let lattice: CellLattice
    /// For each node of the lattice; NaN where there is no cell.
    private let values: [Float]

    /// - Returns: nil with fewer than `minIncidents`.
    /// - Throws: `SpatialError` where the incidents lie too far apart for a map.
    public init?(knowing incidents: Incidents) throws(SpatialError) {
        guard incidents.count >= Self.minIncidents else { return nil }
        let lattice = try CellLattice(around: incidents, cellMetres: Self.cellMetres)
        let risk = try SpatialRisk(fitting: incidents, on: lattice, kind: .all, weeks: Self.weeks)
        let shares = risk.steadied(risk.shares(rows: risk.features.rows(daysBefore: 0)))
        var values = [Float](repeating: .nan, count: lattice.nodeCount)
        for (node, share) in zip(lattice.nodes, shares) {
            values[node] = Float(log((share * Double(shares.count) + Self.floor) / (1 + Self.floor)))
        }
        self.lattice = lattice
        self.values = values
    }

    /// ln of what is expected at a place over what is expected of a cell on average; NaN where it is not known.
    public func value(at place: Coordinate?) -> Double {
        guard let place, let node = lattice.node(of: place) else { return .nan }
        return Double(values[node])
    }
}
