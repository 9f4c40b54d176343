public import Geo

/// Where a payment is made: a till, a cash machine, a web shop.
public struct Terminal: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case pos
        case atm
        case online
    }

    public var terminalID: String
    public var kind: Kind
    /// Only an online terminal may have none.
    public var location: Coordinate?
    public var institution: String?
    public var address: String?
    public var city: String?

    public init(
        terminalID: String, kind: Kind, location: Coordinate? = nil, institution: String? = nil, address: String? = nil, city: String? = nil
    ) {
        self.terminalID = terminalID
        self.kind = kind
        self.location = location
        self.institution = institution
        self.address = address
        self.city = city
    }

    public func validate(now: Timestamp) -> [Violation] {
        var checker = Checker(now: now)
        checker.identifier("terminal_id", terminalID)
        if location == nil, kind != .online { checker.fail("location", "is missing") }
        checker.place("location", location)
        checker.text("institution", institution, maxBytes: RecordLimits.maxNameBytes)
        checker.text("address", address, maxBytes: RecordLimits.maxTextBytes)
        checker.text("city", city, maxBytes: RecordLimits.maxNameBytes)
        return checker.violations
    }
}

/// A business that is paid, at whichever of its terminals.
public struct Merchant: Sendable, Hashable {
    public var merchantID: String
    public var name: String?
    public var merchantCategoryCode: MerchantCategoryCode?
    public var location: Coordinate?
    public var city: String?

    public init(
        merchantID: String, name: String? = nil, merchantCategoryCode: MerchantCategoryCode? = nil, location: Coordinate? = nil,
        city: String? = nil
    ) {
        self.merchantID = merchantID
        self.name = name
        self.merchantCategoryCode = merchantCategoryCode
        self.location = location
        self.city = city
    }

    public func validate(now: Timestamp) -> [Violation] {
        var checker = Checker(now: now)
        checker.identifier("merchant_id", merchantID)
        checker.text("name", name, maxBytes: RecordLimits.maxNameBytes)
        checker.place("location", location)
        checker.text("city", city, maxBytes: RecordLimits.maxNameBytes)
        return checker.violations
    }
}

/// A bank's customer, as far as Vigil needs to know: an id and roughly where home is.
public struct Customer: Sendable, Hashable {
    public var customerID: String
    public var home: Coordinate?

    public init(customerID: String, home: Coordinate? = nil) {
        self.customerID = customerID
        self.home = home
    }

    public func validate(now: Timestamp) -> [Violation] {
        var checker = Checker(now: now)
        checker.identifier("customer_id", customerID)
        checker.place("home", home)
        return checker.violations
    }
}

/// The area that a police force or an agency answers for.
public struct Jurisdiction: Sendable, Hashable {
    public var id: String
    public var name: String
    /// Outer rings and holes by the even-odd rule, each closed or left open; none crosses another or itself.
    public var rings: [[Coordinate]]

    public init(id: String, name: String, rings: [[Coordinate]]) {
        self.id = id
        self.name = name
        self.rings = rings
    }

    public func validate(now: Timestamp) -> [Violation] {
        var checker = Checker(now: now)
        checker.identifier("jurisdiction_id", id)
        if name.isEmpty { checker.fail("name", "is empty") }
        checker.text("name", name, maxBytes: RecordLimits.maxNameBytes)
        if rings.isEmpty { checker.fail("rings", "is empty") }
        if rings.count > RecordLimits.maxPolygonRings {
            checker.fail("rings", "has more than \(RecordLimits.maxPolygonRings) entries")
        }
        var vertices = 0
        for (index, ring) in rings.prefix(RecordLimits.maxPolygonRings).enumerated() {
            vertices += ring.count
            if vertices > RecordLimits.maxPolygonVertices {
                checker.fail("rings", "have more than \(RecordLimits.maxPolygonVertices) vertices")
                break
            }
            if Set(ring).count < 3 { checker.fail("rings[\(index)]", "has fewer than three vertices") }
            if let off = ring.firstIndex(where: { !$0.isOnGlobe }) { checker.place("rings[\(index)][\(off)]", ring[off]) }
        }
        if checker.violations.isEmpty {
            do { try area().checkRings() } catch { checker.fail("rings", "bound no area: \(error)") }
        }
        return checker.violations
    }

    /// - Throws: `GeometryError` where the rings bound none.
    public func area() throws -> MultiPolygon {
        try MultiPolygon(evenOdd: rings.map { $0.map { Position(latitude: $0.latitude, longitude: $0.longitude) } })
    }
}

/// Something in the world that may move risk: a festival, a pay day, an outage, a storm.
public struct ContextSignal: Sendable, Hashable {
    public var signalID: String
    /// `festival`, `salary_day`, `outage`, `weather`, …
    public var kind: String
    public var start: Timestamp
    public var end: Timestamp?
    public var location: Coordinate?
    /// Its strength in the unit that the kind implies.
    public var value: Double?
    public var attributes: [String: String]

    public init(
        signalID: String, kind: String, start: Timestamp, end: Timestamp? = nil, location: Coordinate? = nil, value: Double? = nil,
        attributes: [String: String] = [:]
    ) {
        self.signalID = signalID
        self.kind = kind
        self.start = start
        self.end = end
        self.location = location
        self.value = value
        self.attributes = attributes
    }

    /// Signals may lie in the future: a festival is known before it comes.
    public func validate(now: Timestamp) -> [Violation] {
        var checker = Checker(now: now)
        checker.identifier("signal_id", signalID)
        checker.word("kind", kind)
        checker.plannedTime("starts_at", start)
        checker.plannedTime("ends_at", end)
        if let end, end < start { checker.fail("ends_at", "is before starts_at") }
        checker.place("location", location)
        if let value, !value.isFinite { checker.fail("value", "is not a finite number") }
        if attributes.count > RecordLimits.maxAttributes {
            checker.fail("attributes", "has more than \(RecordLimits.maxAttributes) entries")
        }
        for (name, value) in attributes.sorted(by: { $0.key < $1.key }).prefix(RecordLimits.maxAttributes) {
            if name.isEmpty || name.utf8.count > RecordLimits.maxIdentifierBytes || name.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
                checker.fail("attributes", "has a name that is empty, too long or holds a control character")
            } else {
                checker.text("attributes.\(name)", value)
            }
        }
        return checker.violations
    }
}
