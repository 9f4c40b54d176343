#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Incidents on a lattice, to be counted over any span of time and smoothed over any distance.
struct IncidentRaster: Sendable {
    let lattice: CellLattice
    /// Days before the forecast, falling.
    let ages: [Double]
    let nodes: [Int32]
    let types: [Int32]
    /// For each type how many incidents there are.
    let typeCounts: [Int]

    /// Incidents that are far from every cell are left out.
    init(_ incidents: Incidents, on lattice: CellLattice) {
        var ages: [Double] = []
        var nodes: [Int32] = []
        var types: [Int32] = []
        var counts = [Int](repeating: 0, count: incidents.types.count)
        for index in incidents.ages.indices {
            guard let node = lattice.node(of: incidents.places[index]) else { continue }
            ages.append(incidents.ages[index])
            nodes.append(Int32(node))
            types.append(Int32(incidents.typeIndices[index]))
            counts[incidents.typeIndices[index]] += 1
        }
        self.lattice = lattice
        self.ages = ages
        self.nodes = nodes
        self.types = types
        typeCounts = counts
    }

    /// The incidents that are older than `from` days and at most `to` days old.
    func indices(olderThan from: Double, upTo to: Double) -> Range<Int> {
        let start = firstIndex { $0 <= to }
        return start..<max(start, firstIndex { $0 <= from })
    }

    private func firstIndex(where isYoung: (Double) -> Bool) -> Int {
        var low = 0, high = ages.count
        while low < high {
            let middle = (low + high) / 2
            if isYoung(ages[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// Counts at each node.
    /// - Parameters:
    ///   - type: nil counts all.
    ///   - from: only what is older, in days before the forecast.
    ///   - to: only what is at most so old.
    ///   - weight: of an incident by its age; 1 if nil.
    func counts(type: Int?, olderThan from: Double, upTo to: Double, weight: ((Double) -> Float)? = nil) -> Surface {
        var values = [Float](repeating: 0, count: lattice.nodeCount)
        for index in indices(olderThan: from, upTo: to) where type == nil || Int(types[index]) == type {
            values[Int(nodes[index])] += weight?(ages[index]) ?? 1
        }
        return Surface(values: values, width: lattice.width, height: lattice.height)
    }
}

/// A value at each node of a lattice.
struct Surface: Sendable {
    var values: [Float]
    let width: Int
    let height: Int

    var total: Double { values.reduce(0) { $0 + Double($1) } }

    func callAsFunction(_ lattice: CellLattice) -> [Float] { lattice.nodes.map { values[$0] } }

    /// Spread by a Gaussian kernel that ends at the lattice's margin; what is spread over the edge is lost.
    /// - Parameter sigma: in cells; 0 leaves everything in its place.
    func smoothed(sigma: Double) -> Surface {
        guard sigma > 0 else { return self }
        let radius = min(CellLattice.margin, Int((3.5 * sigma).rounded(.up)))
        var weights = (-radius...radius).map { Float(exp(-Double($0 * $0) / (2 * sigma * sigma))) }
        let sum = weights.reduce(0, +)
        for index in weights.indices { weights[index] /= sum }
        var across = [Float](repeating: 0, count: values.count)
        // Along the rows, spreading each value; most are zero in small types' surfaces.
        for row in 0..<height {
            for column in 0..<width {
                let value = values[row * width + column]
                guard value != 0 else { continue }
                for target in max(0, column - radius)...min(width - 1, column + radius) {
                    across[row * width + target] += value * weights[target - column + radius]
                }
            }
        }
        var result = Surface(values: [Float](repeating: 0, count: values.count), width: width, height: height)
        result.values.withUnsafeMutableBufferPointer { out in
            across.withUnsafeBufferPointer { across in
                for row in 0..<height {
                    for source in max(0, row - radius)...min(height - 1, row + radius) {
                        let weight = weights[source - row + radius]
                        for column in 0..<width { out[row * width + column] += across[source * width + column] * weight }
                    }
                }
            }
        }
        return result
    }
}
