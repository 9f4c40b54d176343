import Contracts
import RPC
import RecordCoding
import Records
import ServiceRuntime
import StandardContracts

extension DecisionAlert {
    /// Nil for a decision that did not pass the threshold. What the message lacks, the alert does without: an alert with a gap is
    /// better than none.
    init?(_ message: ModelsV1.LoggedDecision) {
        guard let decision = message.decision, decision.alert, !decision.decisionID.isEmpty else { return nil }
        let label: Decision.Label? =
            switch decision.label {
            case .legitimate: .legitimate
            case .review: .review
            case .fraud: .fraud
            case .unspecified, .unrecognized: nil
            }
        self.init(
            decisionID: decision.decisionID, key: TransactionKey(decision.key ?? RecordsV1.TransactionKey()), label: label,
            riskScore: decision.riskScore.isFinite ? min(max(decision.riskScore, 0), 1) : 1,
            reasons: decision.reasons.map { $0.text.isEmpty ? $0.feature : $0.text }, modelVersion: decision.modelVersion,
            decidedAt: decision.decidedAt.flatMap(Timestamp.init) ?? message.recordedAt.flatMap(Timestamp.init) ?? .now(),
            eventTime: message.eventTime.flatMap(Timestamp.init), amount: message.amount.flatMap(Money.init),
            location: message.location.map(Coordinate.init).flatMap { $0.isOnGlobe ? $0 : nil }, terminalID: message.terminalID,
            channel: Channel(message.channel))
    }
}

extension Alert.Content {
    /// - Throws: INVALID_ARGUMENT with all that is wrong.
    init(_ request: NotificationsV1.RaiseAlertRequest) throws {
        self.init(
            alertID: request.alertID, subject: request.subject, body: request.body, riskScore: request.riskScore,
            location: request.location.map(Coordinate.init), eventTime: request.eventTime.flatMap(Timestamp.init))
        var violations = self.violations()
        if let time = request.eventTime, eventTime == nil {
            violations.append(Violation(field: "event_time", reason: Timestamp.fault(of: time)))
        }
        if let place = request.location {
            if place.latitude == nil { violations.append(Violation(field: "location.latitude", reason: "is missing")) }
            if place.longitude == nil { violations.append(Violation(field: "location.longitude", reason: "is missing")) }
        }
        guard violations.isEmpty else {
            throw RPCError.invalidArgument(violations.map { FieldViolation(field: $0.field, description: $0.reason) })
        }
    }
}

extension NotificationsV1.Alert {
    init(_ alert: Alert) {
        let state: NotificationsV1.AlertState =
            switch alert.state {
            case .pending: .pending
            // The contract has no word for what is listed only; it was delivered at no time.
            case .delivered, .listed: .delivered
            case .failed: .failed
            case .acknowledged: .acknowledged
            }
        self.init(
            alertID: alert.content.alertID, state: state, raisedAt: .init(alert.raisedAt), deliveredAt: alert.deliveredAt.map { .init($0) },
            acknowledgedAt: alert.acknowledgedAt.map { .init($0) }, acknowledgedBy: alert.acknowledgedBy ?? "",
            subject: alert.content.subject, body: alert.content.body, riskScore: alert.content.riskScore,
            location: alert.content.location.map { .init($0) }, eventTime: alert.content.eventTime.map { .init($0) },
            attempts: UInt32(clamping: alert.attempts))
    }
}
