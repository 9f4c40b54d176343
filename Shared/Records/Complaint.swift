/// A crime that a victim reported, as a bank or an agency passes it on. The victim's narrative and name stay with them.
public struct Complaint: Sendable, Hashable {
    /// Who passed it on.
    public struct Reporter: Sendable, Hashable {
        public enum Kind: String, Sendable, Hashable, CaseIterable {
            case bank
            case agency
        }

        public var kind: Kind
        public var id: String

        public init(kind: Kind, id: String) {
            self.kind = kind
            self.id = id
        }
    }

    public var reporter: Reporter
    /// The reporter's own id for it; with the reporter it makes the complaint one and the same.
    public var complaintID: String
    /// In the reporter's own terms: `card_fraud`, `robbery`.
    public var crimeType: String
    public var occurredAt: Timestamp
    public var reportedAt: Timestamp
    public var location: Coordinate?
    /// What was lost.
    public var amount: Money?
    public var suspectAccountIDs: [String]
    public var channel: Channel?
    public var district: String?

    public init(
        reporter: Reporter, complaintID: String, crimeType: String, occurredAt: Timestamp, reportedAt: Timestamp,
        location: Coordinate? = nil, amount: Money? = nil, suspectAccountIDs: [String] = [], channel: Channel? = nil,
        district: String? = nil
    ) {
        self.reporter = reporter
        self.complaintID = complaintID
        self.crimeType = crimeType
        self.occurredAt = occurredAt
        self.reportedAt = reportedAt
        self.location = location
        self.amount = amount
        self.suspectAccountIDs = suspectAccountIDs
        self.channel = channel
        self.district = district
    }

    public func validate(now: Timestamp) -> [Violation] {
        var checker = Checker(now: now)
        checker.identifier("reporter.id", reporter.id)
        checker.identifier("complaint_id", complaintID)
        checker.word("crime_type", crimeType)
        checker.pastTime("occurred_at", occurredAt)
        checker.pastTime("reported_at", reportedAt)
        if reportedAt < occurredAt { checker.fail("reported_at", "is before occurred_at") }
        checker.place("location", location)
        checker.amount("amount", amount)
        if suspectAccountIDs.count > RecordLimits.maxSuspectAccounts {
            checker.fail("suspect_account_ids", "has more than \(RecordLimits.maxSuspectAccounts) entries")
        }
        for (index, account) in suspectAccountIDs.prefix(RecordLimits.maxSuspectAccounts).enumerated() {
            checker.account("suspect_account_ids[\(index)]", account)
        }
        checker.text("district", district, maxBytes: RecordLimits.maxNameBytes)
        return checker.violations
    }
}
