import Contracts
import EventLog
import Logging
import RPC
import RecordCoding
import Records
import ServiceRuntime

@main enum Main {
    static func main() async {
        await Service.run(.notifier, configuration: NotifierConfiguration.init(from:)) { configuration, runtime in
            try await Notifier.run(configuration, runtime)
        }
    }
}

/// Tells people of alerts, once each, and remembers who has taken them.
enum Notifier {
    static func run(_ configuration: NotifierConfiguration, _ runtime: ServiceRuntime) async throws {
        try await runtime.withDatabase(migrations: NotifierDatabase.migrations) { pool in
            let database = NotifierDatabase(pool: pool)
            let signal = WakeSignal()
            let recipients = configuration.recipients.map(\.description)
            try await runtime.withChannel(to: .modelServer) { channel in
                let lag = runtime.metrics.logLag("models")
                let follower = DecisionFollower(
                    models: ModelsV1.ModelService.Client(channel),
                    consumer: LogConsumer(
                        name: "decisions", pool: pool, logger: runtime.logger, isRefusal: RPCError.isUnknownPosition,
                        refused: { lag.refuse() }),
                    lag: lag,
                    database: database, signal: signal, metrics: runtime.metrics, recipients: recipients, dashboard: configuration.dashboard,
                    maxAge: .hours(configuration.maxAgeHours), maxPaymentAge: .hours(configuration.maxPaymentAgeHours), now: { .now() })
                var background: [ServiceRuntime.BackgroundTask] = [.init("model server's log") { try await follower.run() }]
                if let deliverer = deliverer(configuration, database, signal, runtime) {
                    background.append(.init("outbox") { try await deliverer.run() })
                }
                try await runtime.serve(
                    services: [
                        NotifierHandlers(database: database, signal: signal, metrics: runtime.metrics, recipients: recipients)
                    ],
                    background: background)
            }
        }
    }

    /// Nil where no mail server is configured.
    private static func deliverer(
        _ configuration: NotifierConfiguration, _ database: NotifierDatabase, _ signal: WakeSignal, _ runtime: ServiceRuntime
    ) -> Deliverer? {
        guard let server = configuration.mailServer, let sender = configuration.sender else {
            runtime.logger.warning("no mail server is configured: alerts are listed only")
            return nil
        }
        let channel = MailChannel(server: server)
        return Deliverer(
            database: database,
            settings: .init(
                concurrency: configuration.concurrency, maxPerMinute: configuration.maxPerMinute, retries: configuration.retries,
                leaseSeconds: configuration.leaseSeconds),
            sender: sender, signal: signal, logger: runtime.logger, metrics: runtime.metrics, send: { try await channel.send($0) })
    }
}
