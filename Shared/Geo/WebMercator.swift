import Foundation

/// The spherical Mercator projection of web maps (EPSG:3857), scaled so that the world is the unit square:
/// x grows eastward from 180° west, y grows southward from 85.05° north.
public enum WebMercator {
    /// The latitude at which the projected world is a square: atan(sinh(π)).
    public static let maximumLatitude = 85.051_128_779_806_59

    /// A point of the unit square.
    public struct Point: Sendable, Hashable {
        public var x: Double
        public var y: Double

        public init(x: Double, y: Double) {
            self.x = x
            self.y = y
        }
    }

    /// Projects a position; latitudes beyond ``maximumLatitude`` land on the square's edge.
    public static func project(_ position: Position) -> Point {
        let latitude = max(-maximumLatitude, min(maximumLatitude, position.latitude))
        let sine = sin(latitude * .pi / 180)
        let y = 0.5 - log((1 + sine) / (1 - sine)) / (4 * .pi)
        return Point(x: position.longitude / 360 + 0.5, y: max(0, min(1, y)))
    }

    /// The position that projects to the point.
    public static func unproject(_ point: Point) -> Position {
        Position(latitude: atan(sinh(.pi * (1 - 2 * point.y))) * 180 / .pi, longitude: (point.x - 0.5) * 360)
    }

    /// How many metres on the ground one side of a tile at this zoom spans at this latitude.
    public static func tileWidthMetres(zoom: Int, latitude: Double) -> Double {
        2 * .pi * Earth.meanRadiusMetres * cos(latitude * .pi / 180) / Double(UInt64(1) << UInt64(zoom))
    }
}
