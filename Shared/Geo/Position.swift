import Foundation

/// A place on the globe in degrees, WGS 84.
public struct Position: Sendable, Hashable {
    /// Degrees north of the equator, −90…90.
    public var latitude: Double
    /// Degrees east of Greenwich, −180…180.
    public var longitude: Double

    public init(latitude: Double, longitude: Double) {
        self.latitude = latitude
        self.longitude = longitude
    }

    /// Whether both numbers are finite and lie on the globe.
    public var isOnGlobe: Bool {
        (-90.0...90.0).contains(latitude) && (-180.0...180.0).contains(longitude)
    }

    /// The great-circle distance in metres, by the haversine formula on a sphere of the Earth's mean radius;
    /// off by at most 0.5 % from the ellipsoid.
    public func distanceMetres(to other: Position) -> Double {
        let phi1 = latitude * .pi / 180
        let phi2 = other.latitude * .pi / 180
        let sinHalfPhi = sin((phi2 - phi1) / 2)
        let sinHalfLambda = sin((other.longitude - longitude) * .pi / 360)
        let a = sinHalfPhi * sinHalfPhi + cos(phi1) * cos(phi2) * sinHalfLambda * sinHalfLambda
        return 2 * Earth.meanRadiusMetres * asin(min(1, a.squareRoot()))
    }

    /// The place reached by going `metres` along the great circle that starts at `bearingDegrees` clockwise from north.
    public func moved(metres: Double, bearingDegrees: Double) -> Position {
        let delta = metres / Earth.meanRadiusMetres
        let theta = bearingDegrees * .pi / 180
        let phi1 = latitude * .pi / 180
        let sinPhi2 = sin(phi1) * cos(delta) + cos(phi1) * sin(delta) * cos(theta)
        let phi2 = asin(max(-1, min(1, sinPhi2)))
        let lambda = atan2(sin(theta) * sin(delta) * cos(phi1), cos(delta) - sin(phi1) * sinPhi2)
        var longitude = longitude + lambda * 180 / .pi
        if longitude > 180 { longitude -= 360 }
        if longitude < -180 { longitude += 360 }
        return Position(latitude: phi2 * 180 / .pi, longitude: longitude)
    }
}

/// The sphere that distances are measured on.
public enum Earth {
    /// The mean radius (2a + b) / 3 of WGS 84, as the IUGG defines it.
    public static let meanRadiusMetres = 6_371_008.8
}

/// The great-circle distance in metres between two places given in degrees; see ``Position/distanceMetres(to:)``.
public func haversineMetres(latitude1: Double, longitude1: Double, latitude2: Double, longitude2: Double) -> Double {
    Position(latitude: latitude1, longitude: longitude1)
        .distanceMetres(to: Position(latitude: latitude2, longitude: longitude2))
}
