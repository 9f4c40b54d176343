public import Contracts
public import Records
internal import StandardContracts

extension RecordsV1.Transaction {
    public init(_ record: Transaction) {
        self.init(
            key: .init(record.key), eventTime: .init(record.eventTime), timeZone: record.timeZone ?? "", customerID: record.customerID,
            accountID: record.accountID ?? "", cardID: record.cardID ?? "", terminalID: record.terminalID ?? "",
            merchantCategoryCode: record.merchantCategoryCode?.description ?? "",
            counterpartyAccountID: record.counterpartyAccountID ?? "", deviceID: record.deviceID ?? "", channel: .init(record.channel),
            amount: .init(record.amount), location: record.location.map { .init($0) }, merchantID: record.merchantID ?? "",
            details: record.details.map { .init($0) })
    }
}

extension RecordsV1.TransactionDetails {
    init(_ record: TransactionDetails) {
        self.init(
            ipAddress: record.ipAddress ?? "", email: record.email ?? "", phone: record.phone ?? "",
            debtorAgentBIC: record.debtorAgentBIC?.description ?? "", creditorAgentBIC: record.creditorAgentBIC?.description ?? "")
    }
}

extension TransactionDetails {
    /// Nil where nothing is said.
    fileprivate static func read(_ message: RecordsV1.TransactionDetails?, _ reader: inout FieldReader) -> TransactionDetails? {
        guard let message else { return nil }
        let details = TransactionDetails(
            ipAddress: nonEmpty(message.ipAddress), email: nonEmpty(message.email), phone: nonEmpty(message.phone),
            debtorAgentBIC: reader.bic("details.debtor_agent_bic", message.debtorAgentBIC),
            creditorAgentBIC: reader.bic("details.creditor_agent_bic", message.creditorAgentBIC))
        return details.isEmpty ? nil : details
    }
}

extension Transaction {
    /// Reads a message from outside. Whether the values make sense is ``validate(now:)``'s to say.
    ///
    /// - Parameters:
    ///   - sender: the bank that the caller is, nil where services speak to each other.
    ///   - isIncoming: whether the sender is to be asked for what he leaves out of an amount or a place.
    /// - Throws: ``InvalidRecord`` with all fields that are missing or cannot be read.
    public init(_ message: RecordsV1.Transaction, sender: String? = nil, isIncoming: Bool = false) throws(InvalidRecord) {
        var reader = FieldReader(isIncoming: isIncoming)
        let key = reader.required("key", message.key) { TransactionKey.read($0, sender: sender, &$1) }
        let eventTime = reader.required("event_time", message.eventTime, Timestamp.read)
        let amount = reader.required("amount", message.amount, Money.read)
        let customerID = reader.present("customer_id", message.customerID)
        let channel = Channel.read(message.channel, &reader) ?? .other
        let category = reader.merchantCategoryCode(message.merchantCategoryCode)
        let location = reader.optional("location", message.location, Coordinate.read)
        let details = TransactionDetails.read(message.details, &reader)
        guard reader.violations.isEmpty, let key, let eventTime, let amount else { throw InvalidRecord(reader.violations) }
        self.init(
            key: key, eventTime: eventTime, timeZone: nonEmpty(message.timeZone), customerID: customerID,
            accountID: nonEmpty(message.accountID), cardID: nonEmpty(message.cardID), terminalID: nonEmpty(message.terminalID),
            merchantID: nonEmpty(message.merchantID), merchantCategoryCode: category, counterpartyAccountID: nonEmpty(message.counterpartyAccountID),
            deviceID: nonEmpty(message.deviceID), channel: channel, amount: amount, location: location, details: details)
    }
}

extension RecordsV1.Label {
    public init(_ record: Label) {
        self.init(key: .init(record.key), isFraud: record.isFraud, knownAt: .init(record.knownAt), source: record.source)
    }
}

extension Label {
    /// - Throws: ``InvalidRecord`` with all fields that are missing or cannot be read.
    public init(_ message: RecordsV1.Label, sender: String? = nil, isIncoming: Bool = false) throws(InvalidRecord) {
        var reader = FieldReader(isIncoming: isIncoming)
        let key = reader.required("key", message.key) { TransactionKey.read($0, sender: sender, &$1) }
        let knownAt = reader.required("known_at", message.knownAt, Timestamp.read)
        let isFraud = reader.said("is_fraud", message.isFraud, orElse: false)
        let source = reader.present("source", message.source)
        guard reader.violations.isEmpty, let key, let knownAt else { throw InvalidRecord(reader.violations) }
        self.init(key: key, isFraud: isFraud, knownAt: knownAt, source: source)
    }
}

extension RecordsV1.Complaint {
    /// The reporter is the sender's identity and travels outside the message.
    public init(_ record: Complaint) {
        self.init(
            complaintID: record.complaintID, crimeType: record.crimeType, occurredAt: .init(record.occurredAt),
            reportedAt: .init(record.reportedAt), location: record.location.map { .init($0) }, amount: record.amount.map { .init($0) },
            suspectAccountIDs: record.suspectAccountIDs, channel: record.channel.map { .init($0) } ?? .unspecified,
            district: record.district ?? "")
    }
}

extension Complaint {
    /// - Throws: ``InvalidRecord`` with all fields that are missing or cannot be read.
    public init(_ message: RecordsV1.Complaint, reporter: Reporter, isIncoming: Bool = false) throws(InvalidRecord) {
        var reader = FieldReader(isIncoming: isIncoming)
        let complaintID = reader.present("complaint_id", message.complaintID)
        let crimeType = reader.present("crime_type", message.crimeType)
        let occurredAt = reader.required("occurred_at", message.occurredAt, Timestamp.read)
        let reportedAt = reader.required("reported_at", message.reportedAt, Timestamp.read)
        let amount = reader.optional("amount", message.amount, Money.read)
        let location = reader.optional("location", message.location, Coordinate.read)
        let channel = Channel.read(message.channel, &reader)
        guard reader.violations.isEmpty, let occurredAt, let reportedAt else { throw InvalidRecord(reader.violations) }
        self.init(
            reporter: reporter, complaintID: complaintID, crimeType: crimeType, occurredAt: occurredAt, reportedAt: reportedAt,
            location: location, amount: amount, suspectAccountIDs: message.suspectAccountIDs, channel: channel,
            district: nonEmpty(message.district))
    }
}
