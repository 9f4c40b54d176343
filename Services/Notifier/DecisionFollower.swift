import Contracts
import EventLog
import RPC
import RecordCoding
import Records
import ServiceRuntime

/// Makes an alert of each decision in the model server's log that passed the alert threshold: once, because the alert and the
/// position in the log are stored together.
struct DecisionFollower: Sendable {
    let models: ModelsV1.ModelService.Client
    let consumer: LogConsumer
    let lag: LogLag
    let database: NotifierDatabase
    let signal: WakeSignal
    let metrics: MetricsRegistry
    /// Who is told.
    let recipients: [String]
    let dashboard: String
    /// Older decisions are listed and not sent: the log's first reading after an import is no reason to wake anyone.
    let maxAge: TimeSpan
    /// Alerts about older payments are listed and not sent, however lately they were decided on: an import of last year's is no emergency.
    let maxPaymentAge: TimeSpan
    let now: @Sendable () -> Timestamp

    private static let maxBatch: UInt32 = 500

    /// Follows for ever.
    func run() async throws {
        try await consumer.run(
            from: { position, deliver in
                let request = ModelsV1.TailDecisionsRequest(after: .init(position), maxBatch: Self.maxBatch)
                try await models.tailDecisions(request) { responses in
                    for try await response in responses {
                        try await lag.whileTaking(since: .init(written: response.decisions.first?.recordedAt)) {
                            try await deliver(response.decisions.map { (position: LogPosition($0.position), event: DecisionAlert($0)) })
                        }
                    }
                }
            },
            apply: { (events: [LogConsumer.Positioned<DecisionAlert?>], transaction) in
                let now = now()
                let alerts = events.compactMap(\.event).map { alert in
                    (content: alert.content(dashboard: dashboard), recipients: isOld(alert, now) ? [] : recipients)
                }
                let raised = try await database.raise(alerts, in: transaction)
                metrics.counter("vigil_notifier_alerts_total", help: "Alerts raised.", labels: [("source", "decision")]).add(raised)
            },
            committed: { signal.notify() })
    }

    private func isOld(_ alert: DecisionAlert, _ now: Timestamp) -> Bool {
        alert.decidedAt < now - maxAge || (alert.eventTime.map { $0 < now - maxPaymentAge } ?? false)
    }
}
