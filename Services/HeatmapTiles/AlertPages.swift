import Geo
import Identity
import RPC
import Records

/// The list of alerts, page by page: from memory as far as it reaches, then from the store.
struct AlertPages: Sendable {
    /// Stored alerts of payments in these hours, in the order of the list, at most ``MapState/maxAlerts``: those behind a place, else the first.
    var stored: @Sendable (_ hours: Range<Int>, _ after: AlertNote.Place?) async throws -> [AlertNote] = { _, _ in [] }

    static let parameterNames: Set<String> = ["limit", "after", "from", "to", "types", "jurisdiction"]

    /// The alerts of a page as a request asks for them.
    ///
    /// - Parameter limit: how many there are at most where the request does not say.
    func page(_ query: [(name: String, value: String)], _ queries: MapQueries, limit: Int) async throws -> [AlertNote] {
        let state = queries.state
        let parameters = try QueryParameters(query, allowed: Self.parameterNames)
        let filter = try parameters.filter(layer: .alerts, for: queries)
        let limit = try parameters.integer("limit", in: 1...MapState.maxAlerts) ?? limit
        var after = try parameters["after"].map(Self.place)
        var page: [AlertNote] = []
        var batch = after.map { after in state.alerts.filter { $0.place > after } } ?? state.alerts
        // Where memory is not full, it has all that there are.
        var isLast = state.alerts.count < MapState.maxAlerts
        while true {
            page += batch.lazy.filter { state.lists($0, under: filter) }.prefix(limit - page.count)
            guard page.count < limit, !isLast else { return page }
            after = batch.last?.place ?? after
            batch = try await stored(filter.hours, after)
            isLast = batch.count < MapState.maxAlerts
        }
    }

    private static func place(_ text: String) throws -> AlertNote.Place {
        let parts = text.split(separator: ",", maxSplits: 1).map(String.init)
        guard parts.count == 2, text.utf8.count <= maxPlaceBytes, let time = Timestamp(iso8601: parts[0]) else {
            throw BadQuery(field: "after", reason: "must be an alert's decidedAt and decisionID, with a comma between")
        }
        return AlertNote.Place(decidedMicroseconds: time.microseconds, decisionID: parts[1])
    }

    private static let maxPlaceBytes = 200
}

extension MapState {
    /// Whether an alert is in the list under a filter; cells' risks do not matter.
    func lists(_ alert: AlertNote, under filter: CubeFilter) -> Bool {
        let hour = CubeHour.containing(microsecondsSince1970: alert.eventMicroseconds)
        guard let hour, filter.hours.contains(hour), filter.types?.contains(alert.channel) ?? true else { return false }
        if let hours = filter.hoursOfWeek, !hours[hour % 168] { return false }
        if let end = filter.knownBefore, max(alert.decidedMicroseconds, alert.eventMicroseconds) >= Int64(end) * CubeHour.microsecondsPerHour {
            return false
        }
        return shows(alert, to: filter.jurisdictions)
    }
}

extension MapQueries {
    func payload(_ alert: AlertNote) -> Payload.Alert {
        let position = state.position(of: alert)
        func known(_ text: String) -> String? { text.isEmpty ? nil : text }
        return Payload.Alert(
            decisionID: alert.decisionID, bankID: known(alert.bankID), transactionID: known(alert.transactionID),
            eventTime: Timestamp(microseconds: alert.eventMicroseconds).iso8601,
            decidedAt: Timestamp(microseconds: alert.decidedMicroseconds).iso8601, latitude: position?.latitude,
            longitude: position?.longitude, jurisdiction: position.flatMap(jurisdiction), terminal: alert.terminalID,
            channel: alert.channel, amountMinorUnits: alert.amountMinorUnits, currency: alert.currency, risk: alert.risk,
            reasons: alert.reasons.map(Payload.Reason.init))
    }
}
