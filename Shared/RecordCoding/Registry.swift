public import Contracts
public import Records
internal import StandardContracts

extension RecordsV1.Terminal {
    public init(_ record: Terminal) {
        let kind: RecordsV1.TerminalKind =
            switch record.kind {
            case .pos: .pos
            case .atm: .atm
            case .online: .online
            }
        self.init(
            terminalID: record.terminalID, kind: kind, location: record.location.map { .init($0) }, institution: record.institution ?? "",
            address: record.address ?? "", city: record.city ?? "")
    }
}

extension Terminal {
    /// - Throws: ``InvalidRecord`` with all fields that are missing or cannot be read.
    public init(_ message: RecordsV1.Terminal, isIncoming: Bool = false) throws(InvalidRecord) {
        var reader = FieldReader(isIncoming: isIncoming)
        let terminalID = reader.present("terminal_id", message.terminalID)
        let kind: Kind? =
            switch message.kind {
            case .pos: .pos
            case .atm: .atm
            case .online: .online
            case .unspecified, .unrecognized: nil
            }
        let location = reader.optional("location", message.location, Coordinate.read)
        if kind == nil { reader.fail("kind", message.kind == .unspecified ? "is missing" : "is no kind of terminal") }
        guard reader.violations.isEmpty, let kind else { throw InvalidRecord(reader.violations) }
        self.init(
            terminalID: terminalID, kind: kind, location: location, institution: nonEmpty(message.institution),
            address: nonEmpty(message.address), city: nonEmpty(message.city))
    }
}

extension RecordsV1.Merchant {
    public init(_ record: Merchant) {
        self.init(
            merchantID: record.merchantID, name: record.name ?? "", merchantCategoryCode: record.merchantCategoryCode?.description ?? "",
            location: record.location.map { .init($0) }, city: record.city ?? "")
    }
}

extension Merchant {
    /// - Throws: ``InvalidRecord`` with all fields that are missing or cannot be read.
    public init(_ message: RecordsV1.Merchant, isIncoming: Bool = false) throws(InvalidRecord) {
        var reader = FieldReader(isIncoming: isIncoming)
        let merchantID = reader.present("merchant_id", message.merchantID)
        let category = reader.merchantCategoryCode(message.merchantCategoryCode)
        let location = reader.optional("location", message.location, Coordinate.read)
        guard reader.violations.isEmpty else { throw InvalidRecord(reader.violations) }
        self.init(
            merchantID: merchantID, name: nonEmpty(message.name), merchantCategoryCode: category,
            location: location, city: nonEmpty(message.city))
    }
}

extension RecordsV1.Customer {
    public init(_ record: Customer) {
        self.init(customerID: record.customerID, home: record.home.map { .init($0) })
    }
}

extension Customer {
    /// - Throws: ``InvalidRecord`` with all fields that are missing or cannot be read.
    public init(_ message: RecordsV1.Customer, isIncoming: Bool = false) throws(InvalidRecord) {
        var reader = FieldReader(isIncoming: isIncoming)
        let customerID = reader.present("customer_id", message.customerID)
        let home = reader.optional("home", message.home, Coordinate.read)
        guard reader.violations.isEmpty else { throw InvalidRecord(reader.violations) }
        self.init(customerID: customerID, home: home)
    }
}

extension RecordsV1.Jurisdiction {
    public init(_ record: Jurisdiction) {
        self.init(
            jurisdictionID: record.id, name: record.name,
            rings: record.rings.map { ring in Ring(points: ring.map { RecordsV1.Location($0) }) })
    }
}

extension Jurisdiction {
    /// - Throws: ``InvalidRecord`` with all fields that are missing or cannot be read.
    public init(_ message: RecordsV1.Jurisdiction, isIncoming: Bool = false) throws(InvalidRecord) {
        var reader = FieldReader(isIncoming: isIncoming)
        let id = reader.present("jurisdiction_id", message.jurisdictionID)
        var rings: [[Coordinate]] = []
        for (index, ring) in message.rings.enumerated() {
            rings.append(ring.points.enumerated().compactMap { reader.optional("rings[\(index)].points[\($0)]", $1, Coordinate.read) })
        }
        guard reader.violations.isEmpty else { throw InvalidRecord(reader.violations) }
        self.init(id: id, name: message.name, rings: rings)
    }
}

extension RecordsV1.ContextSignal {
    public init(_ record: ContextSignal) {
        self.init(
            signalID: record.signalID, kind: record.kind, startsAt: .init(record.start), endsAt: record.end.map { .init($0) },
            location: record.location.map { .init($0) }, value: record.value ?? 0, attributes: record.attributes)
    }
}

extension ContextSignal {
    /// - Throws: ``InvalidRecord`` with all fields that are missing or cannot be read.
    public init(_ message: RecordsV1.ContextSignal, isIncoming: Bool = false) throws(InvalidRecord) {
        var reader = FieldReader(isIncoming: isIncoming)
        let signalID = reader.present("signal_id", message.signalID)
        let kind = reader.present("kind", message.kind)
        let start = reader.required("starts_at", message.startsAt, Timestamp.read)
        let end = reader.optional("ends_at", message.endsAt, Timestamp.read)
        let location = reader.optional("location", message.location, Coordinate.read)
        guard reader.violations.isEmpty, let start else { throw InvalidRecord(reader.violations) }
        self.init(
            signalID: signalID, kind: kind, start: start, end: end, location: location, value: message.value,
            attributes: message.attributes)
    }
}
