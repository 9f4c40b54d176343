/// A box along the meridians and parallels, edges included. It does not cross the antimeridian: `west ≤ east`.
public struct BoundingBox: Sendable, Hashable {
    public var west: Double
    public var south: Double
    public var east: Double
    public var north: Double

    public init(west: Double, south: Double, east: Double, north: Double) {
        self.west = west
        self.south = south
        self.east = east
        self.north = north
    }

    /// The smallest box around the positions; nil when there are none.
    public init?(around positions: some Sequence<Position>) {
        var iterator = positions.makeIterator()
        guard let first = iterator.next() else { return nil }
        self.init(west: first.longitude, south: first.latitude, east: first.longitude, north: first.latitude)
        while let next = iterator.next() {
            west = min(west, next.longitude)
            east = max(east, next.longitude)
            south = min(south, next.latitude)
            north = max(north, next.latitude)
        }
    }

    /// Whether the edges are on the globe and in order.
    public var isOnGlobe: Bool {
        west <= east && south <= north
            && Position(latitude: south, longitude: west).isOnGlobe && Position(latitude: north, longitude: east).isOnGlobe
    }

    public var centre: Position {
        Position(latitude: (south + north) / 2, longitude: (west + east) / 2)
    }

    public func contains(_ position: Position) -> Bool {
        position.longitude >= west && position.longitude <= east && position.latitude >= south && position.latitude <= north
    }

    public func intersects(_ other: BoundingBox) -> Bool {
        west <= other.east && other.west <= east && south <= other.north && other.south <= north
    }

    /// The smallest box around both.
    public func union(_ other: BoundingBox) -> BoundingBox {
        BoundingBox(
            west: min(west, other.west), south: min(south, other.south),
            east: max(east, other.east), north: max(north, other.north))
    }
}
