/// An area with one outer ring and any number of holes, in longitude and latitude taken as a plane (as RFC 7946 does):
/// cut an area in two where it crosses the antimeridian.
public struct Polygon: Sendable, Hashable {
    /// The outer ring, then the holes. Each ring ends where it began.
    public let rings: [[Position]]
    /// The box around all rings.
    public let bounds: BoundingBox

    /// The most positions a ring may have, its last included.
    public static let maxPositionsPerRing = 20_001

    /// Checks every ring: closed, at least four positions, on the globe, not touching itself. A position given twice in a row counts once.
    ///
    /// - Throws: ``GeometryError`` naming the ring and the reason.
    public init(rings: [[Position]]) throws {
        let rings = rings.map(Self.withoutRepeats)
        guard let bounds = BoundingBox(around: rings.joined()) else {
            throw GeometryError(reason: "a polygon needs an outer ring")
        }
        for (index, ring) in rings.enumerated() {
            if let reason = Self.fault(in: ring) {
                throw GeometryError(reason: "ring \(index + 1): \(reason)")
            }
        }
        self.rings = rings
        self.bounds = bounds
    }

    /// A box as a polygon.
    public init(box: BoundingBox) throws {
        try self.init(rings: [[
            Position(latitude: box.south, longitude: box.west), Position(latitude: box.south, longitude: box.east),
            Position(latitude: box.north, longitude: box.east), Position(latitude: box.north, longitude: box.west),
            Position(latitude: box.south, longitude: box.west),
        ]])
    }

    /// Whether the position is inside, by the even-odd rule over all rings. A position exactly on an edge belongs to the area on one
    /// side of it only, so that areas that share an edge share no position.
    public func contains(_ position: Position) -> Bool {
        bounds.contains(position) && rings.reduce(false) { $0 != Self.isInside(position, of: $1) }
    }

    private static func isInside(_ position: Position, of ring: [Position]) -> Bool {
        var inside = false
        var previous = ring[ring.count - 1]
        for vertex in ring {
            if (vertex.latitude > position.latitude) != (previous.latitude > position.latitude) {
                let along = (position.latitude - vertex.latitude) / (previous.latitude - vertex.latitude)
                if position.longitude < vertex.longitude + along * (previous.longitude - vertex.longitude) { inside.toggle() }
            }
            previous = vertex
        }
        return inside
    }

    /// Of two rings that do not cross: whether one lies inside of the other, which it may touch.
    static func isInside(_ inner: [Position], of outer: [Position]) -> Bool {
        guard let place = inner.first(where: { !RingIntersections.isOnEdge($0, of: outer) }) else { return false }
        return isInside(place, of: outer)
    }

    /// The area's centroid in the plane of longitude and latitude, holes taken out.
    public var centroid: Position {
        var doubleArea = 0.0, x = 0.0, y = 0.0
        let reference = rings[0][0]
        for (index, ring) in rings.enumerated() {
            var ringArea = 0.0, ringX = 0.0, ringY = 0.0
            for (a, b) in zip(ring, ring.dropFirst()) {
                let (ax, ay) = (a.longitude - reference.longitude, a.latitude - reference.latitude)
                let (bx, by) = (b.longitude - reference.longitude, b.latitude - reference.latitude)
                let cross = ax * by - bx * ay
                ringArea += cross
                ringX += (ax + bx) * cross
                ringY += (ay + by) * cross
            }
            // Holes count against the outer ring whichever way either is wound.
            let sign: Double = (ringArea >= 0) == (index == 0) ? 1 : -1
            doubleArea += sign * ringArea
            x += sign * ringX
            y += sign * ringY
        }
        guard doubleArea != 0 else { return bounds.centre }
        return Position(latitude: reference.latitude + y / (3 * doubleArea), longitude: reference.longitude + x / (3 * doubleArea))
    }

    private static func withoutRepeats(_ ring: [Position]) -> [Position] {
        guard zip(ring, ring.dropFirst()).contains(where: ==) else { return ring }
        return ring.indices.filter { $0 == 0 || ring[$0] != ring[$0 - 1] }.map { ring[$0] }
    }

    /// What is wrong with a ring, whose positions and edges are counted from 1; nil when nothing is.
    static func fault(in ring: [Position]) -> String? {
        guard ring.count >= 4 else { return "has \(ring.count) positions; a ring needs at least 4" }
        guard ring.count <= maxPositionsPerRing else { return "has \(ring.count) positions; the most is \(maxPositionsPerRing)" }
        guard ring.first == ring.last else { return "is not closed: its first and last positions differ" }
        if let index = ring.firstIndex(where: { !$0.isOnGlobe }) { return "position \(index + 1) is off the globe" }
        if let (first, second) = RingIntersections.first(in: ring) { return "edges \(first + 1) and \(second + 1) touch or cross" }
        return nil
    }
}

/// Several polygons that together are one area.
public struct MultiPolygon: Sendable, Hashable {
    public let polygons: [Polygon]
    public let bounds: BoundingBox

    /// - Throws: ``GeometryError`` when there is no polygon.
    public init(_ polygons: [Polygon]) throws {
        guard let first = polygons.first else { throw GeometryError(reason: "an area needs at least one polygon") }
        self.polygons = polygons
        bounds = polygons.dropFirst().reduce(first.bounds) { $0.union($1.bounds) }
    }

    /// Sorts out rings that bound an area by the even-odd rule: one inside of another is a hole in it, one inside of that an island, rings
    /// apart are parts. Those that cross, which earlier versions took in, stay together as they are.
    ///
    /// - Parameter rings: each closed or left open.
    /// - Throws: ``GeometryError`` as ``Polygon/init(rings:)`` does.
    public init(evenOdd rings: [[Position]]) throws {
        let whole = try Polygon(rings: rings.map { $0.first == $0.last ? $0 : $0 + $0.prefix(1) })
        let rings = whole.rings
        guard (try? RingIntersections.refuseCrossings(of: rings)) != nil else {
            try self.init([whole])
            return
        }
        let around = rings.indices.map { inner in
            rings.indices.filter { $0 != inner && Polygon.isInside(rings[inner], of: rings[$0]) }
        }
        let outer = rings.indices.filter { around[$0].count.isMultiple(of: 2) }
        try self.init(outer.map { outer in
            let holes = rings.indices.filter { around[$0].contains(outer) && around[$0].count == around[outer].count + 1 }
            return try Polygon(rings: [rings[outer]] + holes.map { rings[$0] })
        })
    }

    /// Rings may touch each other, along edges too, as areas that share a border do.
    ///
    /// - Throws: ``GeometryError`` where two rings cross or are the same, a hole is outside of its polygon or in another hole, a polygon lies in
    ///   another, or an edge goes around half of the globe; rings are counted from 1.
    public func checkRings() throws {
        let rings = polygons.flatMap(\.rings)
        for (index, ring) in rings.enumerated() {
            // The world's own margins are as wide; any other edge is most likely meant the short way.
            let isTooWide = zip(ring, ring.dropFirst()).contains { from, to in
                abs(from.longitude - to.longitude) > 180 && (abs(from.longitude) < 180 || abs(to.longitude) < 180)
            }
            if isTooWide {
                throw GeometryError(
                    reason: "ring \(index + 1): an edge spans more than 180 degrees; cut the area in two where it crosses the antimeridian")
            }
        }
        try RingIntersections.refuseCrossings(of: rings)
        var count = 0
        for polygon in polygons {
            // By the even-odd rule it would be a hole in that part.
            if rings.indices.count(where: { $0 != count && Polygon.isInside(polygon.rings[0], of: rings[$0]) }) % 2 == 1 {
                throw GeometryError(reason: "ring \(count + 1) is inside of another part")
            }
            let holes = polygon.rings.indices.dropFirst()
            if let hole = holes.first(where: { !Polygon.isInside(polygon.rings[$0], of: polygon.rings[0]) }) {
                throw GeometryError(reason: "ring \(count + hole + 1), a hole, is outside of ring \(count + 1)")
            }
            for inner in holes {
                if let outer = holes.first(where: { $0 != inner && Polygon.isInside(polygon.rings[inner], of: polygon.rings[$0]) }) {
                    throw GeometryError(reason: "ring \(count + inner + 1), a hole, is inside of another, ring \(count + outer + 1)")
                }
            }
            count += polygon.rings.count
        }
    }

    public func contains(_ position: Position) -> Bool {
        bounds.contains(position) && polygons.contains { $0.contains(position) }
    }
}

/// Why a geometry was refused.
public struct GeometryError: Error, Sendable, Hashable, CustomStringConvertible {
    public let reason: String

    public init(reason: String) {
        self.reason = reason
    }

    public var description: String { reason }
}
