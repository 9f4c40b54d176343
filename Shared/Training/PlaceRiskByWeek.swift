public import Features
public import Models
public import Records

/// An incident, and since when it is known.
public struct KnownIncident: Sendable, Hashable {
    public var incident: Incident
    public var knownAt: Timestamp

    public init(incident: Incident, knownAt: Timestamp) {
        self.incident = incident
        self.knownAt = knownAt
    }

    /// Nil without a place.
    public init?(_ complaint: Complaint) {
        guard let place = complaint.location else { return nil }
        self.init(
            incident: Incident(time: complaint.occurredAt, place: place, type: complaint.crimeType), knownAt: complaint.reportedAt)
    }
}

/// How risky the place of a payment is, by maps of what was known when its week began, Mondays UTC.
public struct PlaceRiskByWeek {
    private let history: PaymentHistory
    private var maps: [Int: PlaceRisk?] = [:]

    /// - Returns: nil where too few incidents are known for any map.
    public init?(_ history: PaymentHistory) {
        guard history.incidents.count >= PlaceRisk.minIncidents else { return nil }
        self.history = history
    }

    /// NaN where the place, or a map of that week, is not known.
    public mutating func value(of transaction: Transaction) -> Double {
        guard let place = transaction.location ?? transaction.terminalID.flatMap({ history.terminals[$0] }) else { return .nan }
        // 1970 began on a Thursday.
        let week = (transaction.eventTime.dayNumber() + 3) / 7
        if let known = maps[week] { return known?.value(at: place) ?? .nan }
        let begin = Timestamp.epoch + .days(week * 7 - 3)
        let incidents = Incidents(history.incidents.lazy.filter { $0.knownAt < begin }.map(\.incident), before: begin)
        let map = (try? PlaceRisk(knowing: incidents)) ?? nil
        maps[week] = .some(map)
        return map?.value(at: place) ?? .nan
    }

    /// One value for each row.
    public mutating func values(of table: FeatureTable) -> [Double] { table.transactionIndices.map { value(of: history.transactions[$0]) } }
}
