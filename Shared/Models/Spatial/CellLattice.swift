#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif
public import Records

/// A lattice of square cells over a city, and where places lie on it.
///
/// Given cells need not lie along the meridians, nor be exactly as wide as they are said to be: steps and turn of the lattice are measured
/// from the cells themselves, so that each incident is counted in the cell whose centre is nearest. Cells that form no lattice take the
/// nearest node's value.
///
/// Far-off cells do not cost: rows and columns of the lattice without a cell near them do not exist.
public struct CellLattice: Sendable {
    /// A raster of so many nodes at most.
    public static let maxNodes = 8_000_000
    /// So many nodes around each cell exist, so that what happens just outside counts as a neighbour.
    static let margin = 16

    /// The given cells' centres.
    public let centres: [Coordinate]
    /// For each cell its node, `row * width + column`.
    let nodes: [Int]
    public let cellMetres: Double
    let width: Int
    let height: Int
    private let plane: LocalPlane
    /// From one cell to its neighbours, in metres.
    private let eastStep: SIMD2<Double>
    private let northStep: SIMD2<Double>
    private let origin: SIMD2<Double>
    private let columns: Axis
    private let rows: Axis

    /// A lattice through the centres of given cells.
    public init(centres: [Coordinate], cellMetres: Double) throws(SpatialError) {
        guard !centres.isEmpty else { throw .noCells }
        let plane = LocalPlane(around: centres)
        let points = centres.map(plane.point)
        let steps = CellLattice.steps(between: points, cellMetres: cellMetres)
        try self.init(centres: centres, plane: plane, points: points, steps: steps, cellMetres: cellMetres)
    }

    /// A lattice of its own over the area of incidents: all cells within two cells of one, from south-west to north-east.
    public init(around incidents: Incidents, cellMetres: Double) throws(SpatialError) {
        guard incidents.count > 0 else { throw .noCells }
        let plane = LocalPlane(around: incidents.places)
        var nodes: Set<SIMD2<Int>> = []
        for place in Set(incidents.places) {
            let point = plane.point(place) / cellMetres
            let node = SIMD2(Int(point.y.rounded()), Int(point.x.rounded()))
            for north in -2...2 {
                for east in -2...2 { nodes.insert(SIMD2(node.x + north, node.y + east)) }
            }
            guard nodes.count <= CellLattice.maxNodes / 4 else {
                throw .tooManyCells(count: nodes.count, limit: CellLattice.maxNodes / 4)
            }
        }
        let ordered = nodes.sorted { ($0.x, $0.y) < ($1.x, $1.y) }
        let points = ordered.map { SIMD2(Double($0.y), Double($0.x)) * cellMetres }
        let steps = (SIMD2(cellMetres, 0), SIMD2(0, cellMetres))
        try self.init(centres: points.map(plane.place), plane: plane, points: points, steps: steps, cellMetres: cellMetres)
    }

    private init(
        centres: [Coordinate], plane: LocalPlane, points: [SIMD2<Double>], steps: (east: SIMD2<Double>, north: SIMD2<Double>),
        cellMetres: Double
    ) throws(SpatialError) {
        self.centres = centres
        self.cellMetres = cellMetres
        self.plane = plane
        (eastStep, northStep) = steps
        origin = CellLattice.origin(of: points, steps: steps)
        let places = points.map { [origin] in CellLattice.position($0 - origin, steps: steps) }
        columns = Axis(places.map { Int($0.x.rounded()) }, margin: Self.margin)
        rows = Axis(places.map { Int($0.y.rounded()) }, margin: Self.margin)
        width = columns.count
        height = rows.count
        guard width * height <= Self.maxNodes else { throw .tooManyCells(count: width * height, limit: Self.maxNodes) }
        nodes = places.map { [columns, rows, width] place in
            (rows.index(of: Int(place.y.rounded())) ?? 0) * width + (columns.index(of: Int(place.x.rounded())) ?? 0)
        }
    }

    var nodeCount: Int { width * height }

    /// The node that a place belongs to; nil when no cell is near.
    func node(of place: Coordinate) -> Int? {
        let position = CellLattice.position(plane.point(place) - origin, steps: (eastStep, northStep))
        guard abs(position.x) < 1e9, abs(position.y) < 1e9, let row = rows.index(of: Int(position.y.rounded())),
            let column = columns.index(of: Int(position.x.rounded()))
        else { return nil }
        return row * width + column
    }

    /// How many of the places lie in each cell, in the cells' order, and how many in none.
    public func counts(of places: [Coordinate]) -> (cells: [Int], outside: Int) {
        var byNode: [Int: Int] = [:]
        for place in places { if let node = node(of: place) { byNode[node, default: 0] += 1 } }
        var cells: [Int] = []
        cells.reserveCapacity(nodes.count)
        // Cells that share a node would count its places twice.
        for node in nodes { cells.append(byNode.removeValue(forKey: node) ?? 0) }
        return (cells, places.count - cells.reduce(0, +))
    }

    /// A place's coordinates in steps of the lattice.
    private static func position(_ point: SIMD2<Double>, steps: (east: SIMD2<Double>, north: SIMD2<Double>)) -> SIMD2<Double> {
        let (east, north) = steps
        let determinant = east.x * north.y - east.y * north.x
        return SIMD2(point.x * north.y - point.y * north.x, point.y * east.x - point.x * east.y) / determinant
    }

    /// The mean ways from a cell to its eastern and northern neighbours.
    private static func steps(between points: [SIMD2<Double>], cellMetres: Double) -> (east: SIMD2<Double>, north: SIMD2<Double>) {
        var byBox: [SIMD2<Int>: [SIMD2<Double>]] = [:]
        for point in points {
            byBox[SIMD2(Int((point.x / cellMetres).rounded()), Int((point.y / cellMetres).rounded())), default: []].append(point)
        }
        func mean(_ wanted: SIMD2<Double>) -> SIMD2<Double> {
            var sum = SIMD2<Double>(0, 0)
            var count = 0.0
            for point in points {
                let target = point + wanted
                let box = SIMD2(Int((target.x / cellMetres).rounded()), Int((target.y / cellMetres).rounded()))
                for across in -1...1 {
                    for up in -1...1 {
                        for other in byBox[SIMD2(box.x + across, box.y + up)] ?? [] {
                            let off = other - target
                            guard abs(off.x) < cellMetres / 4, abs(off.y) < cellMetres / 4 else { continue }
                            sum += other - point
                            count += 1
                        }
                    }
                }
            }
            return count > 0 ? sum / count : wanted
        }
        return (mean(SIMD2(cellMetres, 0)), mean(SIMD2(0, cellMetres)))
    }

    /// Where the lattice begins: the offset that the centres have on average, as a direction on the circle of one step.
    private static func origin(of points: [SIMD2<Double>], steps: (east: SIMD2<Double>, north: SIMD2<Double>)) -> SIMD2<Double> {
        var east = SIMD2<Double>(0, 0), north = SIMD2<Double>(0, 0)
        for point in points {
            let turns = position(point, steps: steps) * (2 * Double.pi)
            east += SIMD2(cos(turns.x), sin(turns.x))
            north += SIMD2(cos(turns.y), sin(turns.y))
        }
        return steps.east * (atan2(east.y, east.x) / (2 * .pi)) + steps.north * (atan2(north.y, north.x) / (2 * .pi))
    }

    /// The rows or columns of a lattice that exist.
    private struct Axis: Sendable {
        /// First number, first index, and length of each run, rising.
        private var runs: [(first: Int, index: Int, length: Int)] = []
        private(set) var count = 0

        init(_ numbers: [Int], margin: Int) {
            var end = Int.min
            for number in Set(numbers).sorted() {
                let first = max(end, number - margin)
                let next = number + margin + 1
                if first == end, !runs.isEmpty {
                    runs[runs.count - 1].length += next - end
                } else {
                    runs.append((first, count, next - first))
                }
                count += next - first
                end = next
            }
        }

        func index(of number: Int) -> Int? {
            var low = 0, high = runs.count
            while low < high {
                let middle = (low + high) / 2
                if runs[middle].first <= number { low = middle + 1 } else { high = middle }
            }
            guard low > 0 else { return nil }
            let run = runs[low - 1]
            return number - run.first < run.length ? run.index + number - run.first : nil
        }
    }
}

/// A flat map around a city: metres east and north of its middle (equirectangular, true to scale along the middle's parallel).
struct LocalPlane: Sendable {
    static let metresPerDegree = 111_195.08

    private let middle: Coordinate
    private let metresPerDegreeEast: Double

    /// Around the median place, so that a few that lie far off do not bend the map.
    init(around places: [Coordinate]) {
        let latitudes = places.map(\.latitude).sorted()
        let first = places.first?.longitude ?? 0
        let turns = places.map { LocalPlane.turn($0.longitude - first) }.sorted()
        middle = Coordinate(
            latitude: latitudes.isEmpty ? 0 : latitudes[latitudes.count / 2], longitude: turns.isEmpty ? 0 : first + turns[turns.count / 2])
        metresPerDegreeEast = Self.metresPerDegree * max(0.01, cos(middle.latitude * .pi / 180))
    }

    func point(_ place: Coordinate) -> SIMD2<Double> {
        SIMD2(
            Self.turn(place.longitude - middle.longitude) * metresPerDegreeEast, (place.latitude - middle.latitude) * Self.metresPerDegree)
    }

    func place(_ point: SIMD2<Double>) -> Coordinate {
        Coordinate(
            latitude: middle.latitude + point.y / Self.metresPerDegree,
            longitude: Self.turn(middle.longitude + point.x / metresPerDegreeEast))
    }

    /// Degrees within a half turn, so that a city on the 180th meridian is whole.
    private static func turn(_ degrees: Double) -> Double {
        degrees > 180 ? degrees - 360 : degrees < -180 ? degrees + 360 : degrees
    }
}
