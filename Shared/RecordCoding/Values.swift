public import Contracts
public import Records
public import StandardContracts

extension GoogleProtobuf.Timestamp {
    public init(_ time: Timestamp) {
        let seconds = time.seconds
        self.init(seconds: seconds, nanos: Int32((time.microseconds - seconds * Timestamp.microsecondsPerSecond) * 1_000))
    }
}

extension Timestamp {
    /// Years 0001 to 9999, as protobuf's rule is, to the microsecond; nil for anything else.
    public init?(_ message: GoogleProtobuf.Timestamp) {
        guard (-62_135_596_800...253_402_300_799).contains(message.seconds), Timestamp.nanos.contains(message.nanos) else { return nil }
        self.init(microseconds: message.seconds * Timestamp.microsecondsPerSecond + Int64(message.nanos) / 1_000)
    }

    /// Why a message is none, as a refusal says it of its field.
    public static func fault(of message: GoogleProtobuf.Timestamp) -> String {
        Timestamp.nanos.contains(message.nanos) ? "is not a time between the years 1 and 9999" : "has nanos that are not from 0 to 999999999"
    }

    private static let nanos: ClosedRange<Int32> = 0...999_999_999

    static func read(_ message: GoogleProtobuf.Timestamp, _ reader: inout FieldReader) -> Timestamp? {
        let time = Timestamp(message)
        if time == nil { reader.fail("", fault(of: message)) }
        return time
    }
}

extension RecordsV1.Money {
    public init(_ money: Money) {
        self.init(minorUnits: money.minorUnits, currency: money.currency.code)
    }
}

extension Money {
    /// Nil in a currency that nobody knows. What is not said is zero, as it was in what earlier versions stored.
    public init?(_ message: RecordsV1.Money) {
        guard let currency = Currency(message.currency) else { return nil }
        self.init(minorUnits: message.minorUnits ?? 0, currency: currency)
    }

    static func read(_ message: RecordsV1.Money, _ reader: inout FieldReader) -> Money? {
        let minorUnits = reader.said("minor_units", message.minorUnits, orElse: 0)
        guard let currency = Currency(message.currency) else {
            reader.fail("currency", message.currency.isEmpty ? "is missing" : "is not an ISO 4217 code")
            return nil
        }
        return Money(minorUnits: minorUnits, currency: currency)
    }
}

extension RecordsV1.Location {
    public init(_ place: Coordinate) {
        self.init(latitude: place.latitude, longitude: place.longitude)
    }
}

extension Coordinate {
    /// What is not said is zero, as it was in what earlier versions stored.
    public init(_ message: RecordsV1.Location) {
        self.init(latitude: message.latitude ?? 0, longitude: message.longitude ?? 0)
    }

    static func read(_ message: RecordsV1.Location, _ reader: inout FieldReader) -> Coordinate? {
        Coordinate(
            latitude: reader.said("latitude", message.latitude, orElse: 0), longitude: reader.said("longitude", message.longitude, orElse: 0))
    }
}

extension RecordsV1.TransactionKey {
    public init(_ key: TransactionKey) {
        self.init(bankID: key.bankID, transactionID: key.transactionID)
    }
}

extension TransactionKey {
    public init(_ message: RecordsV1.TransactionKey) {
        self.init(bankID: message.bankID, transactionID: message.transactionID)
    }

    /// - Parameter sender: the bank that the caller is; a key that names another is refused, one that names none is the caller's.
    static func read(_ message: RecordsV1.TransactionKey, sender: String?, _ reader: inout FieldReader) -> TransactionKey {
        if let sender, !message.bankID.isEmpty, message.bankID != sender {
            reader.fail("bank_id", "is not the caller's bank")
        } else if sender == nil, message.bankID.isEmpty {
            reader.fail("bank_id", "is missing")
        }
        return TransactionKey(
            bankID: message.bankID.isEmpty ? sender ?? "" : message.bankID,
            transactionID: reader.present("transaction_id", message.transactionID))
    }
}

extension RecordsV1.Channel {
    public init(_ channel: Channel) {
        self =
            switch channel {
            case .pos: .pos
            case .atm: .atm
            case .ecommerce: .ecommerce
            case .mobile: .mobile
            case .transfer: .transfer
            case .branch: .branch
            case .other: .other
            }
    }
}

extension Channel {
    /// Nil where none is given, and for a number that this version does not know.
    public init?(_ message: RecordsV1.Channel) {
        switch message {
        case .pos: self = .pos
        case .atm: self = .atm
        case .ecommerce: self = .ecommerce
        case .mobile: self = .mobile
        case .transfer: self = .transfer
        case .branch: self = .branch
        case .other: self = .other
        case .unspecified, .unrecognized: return nil
        }
    }

    static func read(_ message: RecordsV1.Channel, _ reader: inout FieldReader) -> Channel? {
        if case .unrecognized(let number) = message { reader.fail("channel", "is \(number), which is no channel") }
        return Channel(message)
    }
}
