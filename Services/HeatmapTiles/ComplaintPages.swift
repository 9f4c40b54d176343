import Geo
import Records

/// The newest complaints that a caller may see: from memory as far as it reaches, then from the store. Many that came in elsewhere since are
/// not to make a district look quiet.
struct ComplaintPages: Sendable {
    /// Complaints in the order of the list, at most ``MapState/maxComplaints``.
    var stored: @Sendable (ComplaintNote.Search) async throws -> [ComplaintNote] = { _ in [] }

    static let parameterNames: Set<String> = ["limit", "from", "to", "types", "jurisdiction"]

    /// - Parameter limit: how many there are at most where the request does not say.
    func newest(_ query: [(name: String, value: String)], _ queries: MapQueries, limit: Int) async throws -> [ComplaintNote] {
        let state = queries.state
        let parameters = try QueryParameters(query, allowed: Self.parameterNames)
        let filter = try parameters.filter(layer: .complaints, for: queries)
        let hours = parameters["from"] == nil && parameters["to"] == nil ? nil : filter.hours
        let limit = try parameters.integer("limit", in: 1...MapState.maxComplaints) ?? limit
        var found: [ComplaintNote] = []
        var batch = state.complaints
        // Where memory is not full, it has all that there are.
        var isLast = batch.count < MapState.maxComplaints
        while true {
            found += batch.lazy.filter { state.lists($0, under: filter, in: hours) }.prefix(limit - found.count)
            guard found.count < limit, !isLast, let last = batch.last else { return found }
            let areas = filter.jurisdictions.map { $0.compactMap { state.areas[$0]?.outline?.bounds } }
            if areas?.isEmpty == true { return found }
            let box = areas.flatMap { areas in areas.dropFirst().reduce(areas.first) { $0?.union($1) } }
            batch = try await stored(ComplaintNote.Search(hours: hours, box: box, after: last.place))
            isLast = batch.count < MapState.maxComplaints
        }
    }
}

extension MapState {
    /// Whether a complaint is in the list under a filter; nil for any time.
    fileprivate func lists(_ complaint: ComplaintNote, under filter: CubeFilter, in hours: Range<Int>?) -> Bool {
        if let hours {
            guard let hour = CubeHour.containing(microsecondsSince1970: complaint.eventMicroseconds), hours.contains(hour) else { return false }
        }
        guard filter.types?.contains(complaint.crimeType) ?? true else { return false }
        guard let areas = filter.jurisdictions else { return true }
        return complaint.position.map { isPosition($0, inAnyOf: areas) } ?? false
    }
}

extension MapQueries {
    func payload(_ complaint: ComplaintNote) -> Payload.Complaint {
        Payload.Complaint(
            reporterID: complaint.reporterID, complaintID: complaint.complaintID, crimeType: complaint.crimeType,
            occurredAt: Timestamp(microseconds: complaint.eventMicroseconds).iso8601,
            reportedAt: Timestamp(microseconds: complaint.reportedMicroseconds).iso8601, latitude: complaint.position?.latitude,
            longitude: complaint.position?.longitude, jurisdiction: complaint.position.flatMap(jurisdiction),
            amountMinorUnits: complaint.amountMinorUnits, currency: complaint.currency, district: complaint.district)
    }
}
