import Contracts
import EventLog
import Identity
import RPC
import ServiceContextModule
import ServiceRuntime

/// `vigil.notifications.v1.NotifierService`.
struct NotifierHandlers: NotificationsV1.NotifierService.Handlers {
    static let defaultLimit = 100
    static let maxLimit = 1_000

    let database: NotifierDatabase
    let signal: WakeSignal
    let metrics: MetricsRegistry
    /// Who is told.
    let recipients: [String]

    func raiseAlert(_ request: NotificationsV1.RaiseAlertRequest, context: CallContext) async throws -> NotificationsV1.RaiseAlertResponse {
        let content = try Alert.Content(request)
        let raised = try await database.raise(content, recipients: recipients)
        guard let (alert, isDuplicate) = raised else { throw RPCError(.aborted, "the alert was removed meanwhile; try again") }
        if !isDuplicate {
            metrics.counter("vigil_notifier_alerts_total", help: "Alerts raised.", labels: [("source", "call")]).add()
            signal.notify()
        }
        return NotificationsV1.RaiseAlertResponse(alert: .init(alert), duplicate: isDuplicate)
    }

    func listAlerts(_ request: NotificationsV1.ListAlertsRequest, context: CallContext) async throws -> NotificationsV1.ListAlertsResponse {
        let limit = request.limit == 0 ? Self.defaultLimit : Int(request.limit)
        guard limit <= Self.maxLimit else {
            throw RPCError.invalidArgument([FieldViolation(field: "limit", description: "is more than \(Self.maxLimit)")])
        }
        guard request.alertIDs.count <= Self.maxLimit else {
            throw RPCError.invalidArgument([FieldViolation(field: "alert_ids", description: "are more than \(Self.maxLimit)")])
        }
        let states: [Alert.State]? =
            switch request.state {
            case .unspecified: nil
            case .pending: [.pending]
            case .delivered: [.delivered, .listed]
            case .acknowledged: [.acknowledged]
            case .failed: [.failed]
            case .unrecognized(let number):
                throw RPCError.invalidArgument([FieldViolation(field: "state", description: "is \(number), which is no state")])
            }
        let ids = request.alertIDs.isEmpty ? nil : request.alertIDs
        let (alerts, total) = try await database.alerts(in: states, among: ids, limit: limit)
        return NotificationsV1.ListAlertsResponse(alerts: alerts.map(NotificationsV1.Alert.init), total: total)
    }

    func acknowledgeAlert(
        _ request: NotificationsV1.AcknowledgeAlertRequest, context: CallContext
    ) async throws -> NotificationsV1.AcknowledgeAlertResponse {
        guard Alert.Content.isAlertID(request.alertID) else {
            throw RPCError.invalidArgument([FieldViolation(field: "alert_id", description: "is no alert's id")])
        }
        guard let principal = context.serviceContext.principal else {
            throw RPCError(.unauthenticated, "an alert is acknowledged by somebody")
        }
        let alert = try await database.acknowledge(id: request.alertID, by: principal.subject)
        guard let alert else { throw RPCError(.notFound, "there is no alert \(request.alertID)") }
        return NotificationsV1.AcknowledgeAlertResponse(alert: .init(alert))
    }
}
