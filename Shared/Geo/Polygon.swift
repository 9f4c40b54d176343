/// An area with one outer ring and any number of holes, in longitude and latitude taken as a plane (as RFC 7946 does):
/// cut an area in two where it crosses the antimeridian.
public struct Polygon: Sendable, Hashable {
    /// The outer ring, then the holes. Each ring ends where it began.
    public let rings: [[Position]]
    /// The box around all rings.
    public let bounds: BoundingBox

    /// The most positions a ring may have.
    public static let maxPositionsPerRing = 20_000

    /// Checks every ring: closed, at least four positions, on the globe, not touching itself.
    ///
    /// - Throws: ``GeometryError`` naming the ring and the reason.
    public init(rings: [[Position]]) throws {
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
        guard bounds.contains(position) else { return false }
        var inside = false
        for ring in rings {
            var previous = ring[ring.count - 1]
            for vertex in ring {
                if (vertex.latitude > position.latitude) != (previous.latitude > position.latitude) {
                    let along = (position.latitude - vertex.latitude) / (previous.latitude - vertex.latitude)
                    if position.longitude < vertex.longitude + along * (previous.longitude - vertex.longitude) { inside.toggle() }
                }
                previous = vertex
            }
        }
        return inside
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

    /// What is wrong with a ring, whose positions and edges are counted from 1; nil when nothing is.
    static func fault(in ring: [Position]) -> String? {
        guard ring.count >= 4 else { return "has \(ring.count) positions; a ring needs at least 4" }
        guard ring.count <= maxPositionsPerRing else { return "has \(ring.count) positions; the most is \(maxPositionsPerRing)" }
        guard ring.first == ring.last else { return "is not closed: its first and last positions differ" }
        if let index = ring.firstIndex(where: { !$0.isOnGlobe }) { return "position \(index + 1) is off the globe" }
        for index in ring.indices.dropFirst() where ring[index] == ring[index - 1] {
            return "position \(index + 1) repeats the one before it"
        }
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
