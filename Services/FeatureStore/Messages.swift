import Contracts
import EventLog
import RecordCoding
import Records
import ServiceRuntime
import StandardContracts

extension FeaturesV1.FeatureHealth {
    init(_ health: FeatureHealth) {
        self.init(
            name: health.name, nullRate: health.nullRate, referenceNullRate: health.referenceNullRate,
            populationStabilityIndex: health.stabilityIndex, mean: health.mean, observations: Int64(health.observations),
            newestEventTime: health.newest.map { .init($0) })
    }
}

extension FeaturesV1.Observation {
    init(_ observed: ObservedTransaction, version: String) {
        let transaction = observed.transaction
        self.init(
            key: .init(transaction.key), eventTime: .init(transaction.eventTime), amount: .init(transaction.amount),
            location: observed.location.map { .init($0) }, customerID: transaction.customerID, terminalID: transaction.terminalID ?? "",
            channel: .init(transaction.channel), featureSetVersion: version, values: observed.values,
            accountID: transaction.accountID ?? "", cardID: transaction.cardID ?? "",
            counterpartyAccountID: transaction.counterpartyAccountID ?? "", deviceID: transaction.deviceID ?? "",
            merchantID: transaction.merchantID ?? "", timeZone: transaction.timeZone ?? "")
    }
}

/// An observation as it is encoded, which is how it is stored and passed on.
struct EncodedObservation: Sendable, Equatable {
    let bytes: [UInt8]
    /// In the store's log, of one that has just been written.
    var position: LogPosition?

    /// Whether they say the same, wherever they lie.
    static func == (left: Self, right: Self) -> Bool { left.bytes == right.bytes }

    init(_ message: FeaturesV1.Observation) { bytes = message.encoded }

    /// - Parameter bytes: what another replica has encoded.
    init(bytes: [UInt8]) { self.bytes = bytes }

    /// - Parameter entry: a line of the store's log that is an observation.
    init(entry: [UInt8]) throws { bytes = try Payload.decode(FeaturesV1.ObservedEntry.self, entry).observed }

    /// As a line of the store's log.
    var entry: [UInt8] { Payload.encode(FeaturesV1.ObservedEntry(observed: bytes)) }

    func message() throws -> FeaturesV1.Observation { try FeaturesV1.Observation(encoded: bytes) }
}

extension FeaturesV1.FeatureEvent.Event {
    /// - Parameter entry: a line of the store's log.
    /// - Returns: nil for what this version does not know.
    init?(entry: [UInt8]) throws {
        guard let event = try Payload.decode(FeaturesV1.FeatureEvent.self, entry).event else { return nil }
        self = event
        guard case .observed(var observation) = event else { return }
        try observation.unpack()
        self = .observed(observation)
    }
}

extension FeaturesV1.Observation {
    /// - Parameter entry: a line of the store's log that is an observation.
    init(entry: [UInt8]) throws {
        guard case .observed(let observation) = try FeaturesV1.FeatureEvent.Event(entry: entry) else {
            throw ServiceError("a line of the log is no observation")
        }
        self = observation
    }
}

extension Transaction {
    /// As much of a transaction as its observation keeps: all that features are computed from.
    init(observation: FeaturesV1.Observation) throws {
        try self.init(
            RecordsV1.Transaction(
                key: observation.key, eventTime: observation.eventTime, timeZone: observation.timeZone, customerID: observation.customerID,
                accountID: observation.accountID, cardID: observation.cardID, terminalID: observation.terminalID,
                counterpartyAccountID: observation.counterpartyAccountID, deviceID: observation.deviceID,
                channel: observation.channel, amount: observation.amount, location: observation.location, merchantID: observation.merchantID))
    }
}

extension FeatureChange {
    /// Nil for what features are not computed from.
    init?(_ event: IngestionV1.IngestionEvent) throws {
        switch event.event {
        case .transactionAccepted(let message): self = .transaction(try Transaction(message))
        case .labelAccepted(let message): self = .label(try Label(message))
        case .terminalRegistered(let message): self = .terminal(try Terminal(message))
        case .customerRegistered(let message): self = .customer(try Customer(message))
        case .complaintAccepted, .contextSignalAccepted, .jurisdictionRegistered, .merchantRegistered, nil: return nil
        }
    }
}
