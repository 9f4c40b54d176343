/// A place on the globe, WGS 84, in degrees.
public struct Coordinate: Sendable, Hashable {
    /// -90…90, north positive.
    public var latitude: Double
    /// -180…180, east positive.
    public var longitude: Double

    public init(latitude: Double, longitude: Double) {
        self.latitude = latitude
        self.longitude = longitude
    }

    /// False for NaN, infinities, and anything off the globe.
    public var isOnGlobe: Bool { (-90...90).contains(latitude) && (-180...180).contains(longitude) }
}

/// A merchant category code of ISO 18245: four digits that say what a merchant sells.
public struct MerchantCategoryCode: Sendable, Hashable, CustomStringConvertible {
    /// 0…9999
    public let number: UInt16

    public init?(number: Int) {
        guard (0...9_999).contains(number) else { return nil }
        self.number = UInt16(number)
    }

    /// Exactly four ASCII digits, leading zeros kept: `0742`.
    public init?(_ text: String) {
        guard text.utf8.count == 4, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        number = text.utf8.reduce(0) { $0 * 10 + UInt16($1 - UInt8(ascii: "0")) }
    }

    public var description: String {
        let digits = String(number)
        return String(repeating: "0", count: 4 - digits.utf8.count) + digits
    }
}

/// How a payment reached the bank.
public enum Channel: String, Sendable, Hashable, CaseIterable {
    case pos
    case atm
    case ecommerce
    case mobile
    case transfer
    case branch
    case other
}
