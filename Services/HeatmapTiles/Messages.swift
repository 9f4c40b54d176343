import Contracts
import Geo
import RecordCoding
import Records

// What comes from the logs, as the map's own values. The producers have checked their records; what this service cannot use all the same
// (a place off the globe, a missing time) changes nothing, since a log must be read past.

extension MapEvent {
    /// Nil for what the map does not show.
    /// - Parameter recordedAt: when the gateway stored it.
    init?(_ event: IngestionV1.IngestionEvent, recordedAt: Timestamp?) {
        switch event.event {
        case .complaintAccepted(let complaint):
            guard let time = complaint.occurredAt.flatMap({ Timestamp($0) }) else { return nil }
            self = .complaint(ComplaintNote(
                eventMicroseconds: time.microseconds, position: Position(complaint.location), crimeType: complaint.crimeType,
                knownMicroseconds: recordedAt?.microseconds, reporterID: Self.identifier(event.senderID),
                complaintID: Self.identifier(complaint.complaintID),
                reportedMicroseconds: (complaint.reportedAt.flatMap { Timestamp($0) } ?? time).microseconds,
                amountMinorUnits: complaint.amount.map { $0.minorUnits ?? 0 }, currency: complaint.amount?.currency ?? "",
                district: Self.identifier(complaint.district)))
        case .terminalRegistered(let terminal):
            guard let position = Position(terminal.location), (1...MapState.maxTerminalBytes).contains(terminal.terminalID.utf8.count) else {
                return nil
            }
            let sort: Site.Sort = switch terminal.kind {
            case .atm: .atm
            case .online: .online
            case .pos, .unspecified, .unrecognized: .pos
            }
            self = .site(Site(terminalID: terminal.terminalID, sort: sort, position: position, institution: terminal.institution))
        case .jurisdictionRegistered(let jurisdiction):
            self = .area(Area(id: jurisdiction.jurisdictionID, name: jurisdiction.name, outline: try? Jurisdiction(jurisdiction).area()))
        case .transactionAccepted, .labelAccepted, .customerRegistered, .merchantRegistered, .contextSignalAccepted, nil: return nil
        }
    }

    init?(_ logged: ModelsV1.LoggedDecision) {
        guard let decision = logged.decision, let time = logged.eventTime.flatMap({ Timestamp($0) }) else { return nil }
        let position = Position(logged.location)
        let channel = (Channel(logged.channel) ?? .other).rawValue
        var alert: AlertNote?
        if decision.alert {
            alert = AlertNote(
                decisionID: decision.decisionID, eventMicroseconds: time.microseconds,
                decidedMicroseconds: (decision.decidedAt.flatMap { Timestamp($0) } ?? time).microseconds, position: position,
                terminalID: logged.terminalID, channel: channel, amountMinorUnits: logged.amount.map { $0.minorUnits ?? 0 },
                currency: logged.amount?.currency ?? "", risk: decision.riskScore,
                reasons: decision.reasons.prefix(3).filter { !$0.text.isEmpty }.map {
                    .init(feature: $0.feature, value: $0.value.isFinite ? $0.value : nil, text: $0.text)
                },
                bankID: Self.identifier(decision.key?.bankID ?? ""), transactionID: Self.identifier(decision.key?.transactionID ?? ""))
        }
        self = .decision(ScoredTransaction(
            eventMicroseconds: time.microseconds, position: position, terminalID: logged.terminalID, channel: channel,
            risk: decision.riskScore.isFinite ? min(1, max(0, decision.riskScore)) : 0, isFraud: decision.label == .fraud, alert: alert,
            knownMicroseconds: logged.recordedAt.flatMap { Timestamp($0) }?.microseconds))
    }

    private static func identifier(_ text: String) -> String { text.utf8.count <= MapState.maxTerminalBytes ? text : "" }
}

extension Position {
    fileprivate init?(_ message: RecordsV1.Location?) {
        guard let message else { return nil }
        let place = Coordinate(message)
        self.init(latitude: place.latitude, longitude: place.longitude)
        guard isOnGlobe else { return nil }
    }
}
