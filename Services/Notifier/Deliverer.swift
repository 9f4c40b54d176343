import EventLog
import Logging
import Postgres
import Records
import ServiceRuntime

/// Brings what lies in the outbox to its recipients, at least once each: a crash between a server's yes and the note of it makes
/// the mail go out again, under the same Message-ID.
struct Deliverer: Sendable {
    struct Settings: Sendable {
        var concurrency = 4
        var maxPerMinute: Int
        var retries: RetrySchedule
        var leaseSeconds: Double
        /// How often the outbox is looked into when nobody tells of work: for what was postponed, and for what other replicas left.
        var pollMilliseconds = 500
    }

    let database: NotifierDatabase
    let settings: Settings
    let sender: MailAddress
    let signal: WakeSignal
    let logger: Logger
    let metrics: MetricsRegistry
    /// Returns when the recipient's server has taken the mail; throws ``MailError`` when it has not.
    let send: @Sendable (MailMessage) async throws -> Void

    /// Delivers for ever.
    func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<settings.concurrency { group.addTask { try await work() } }
            // `waitForAll` would wait for the others before it told of one that failed.
            for try await _ in group {}
        }
    }

    private func work() async throws {
        while true {
            let seen = signal.count
            do {
                let claimed = try await database.claim(
                    limit: 1, maxPerMinute: settings.maxPerMinute, leaseSeconds: settings.leaseSeconds)
                for delivery in claimed { try await deliver(delivery) }
                if !claimed.isEmpty { continue }
            } catch let error as PostgresError where error.isTransient {
                // What was claimed comes back when its lease is over.
                logger.warning("the outbox cannot be reached", metadata: ["error": "\(error.message)"])
            }
            _ = await signal.wait(beyond: seen, atMost: .milliseconds(settings.pollMilliseconds))
            try Task.checkCancellation()
        }
    }

    private func deliver(_ delivery: ClaimedDelivery) async throws {
        guard let recipient = MailAddress(delivery.recipient) else {
            return try await giveUp(delivery, "the recipient is not a mail address")
        }
        let mail = MailMessage(delivery.content, raisedAt: delivery.raisedAt, from: sender, to: recipient)
        let start = ContinuousClock.now
        do {
            try await send(mail)
        } catch let error as MailError {
            return try await handle(error, of: delivery)
        }
        metrics.timer("vigil_notifier_mail_seconds", help: "How long mail servers took for a mail.").record(.now - start)
        try await database.markSent(delivery)
        count("sent")
        logger.info("mail sent", metadata: ["alert": "\(delivery.content.alertID)", "attempt": "\(delivery.attempt)"])
    }

    private func handle(_ error: MailError, of delivery: ClaimedDelivery) async throws {
        let wait = settings.retries.waitSeconds(afterAttempt: delivery.attempt, jitter: .random(in: 0..<1))
        guard !error.isPermanent, let wait else { return try await giveUp(delivery, error.description) }
        try await database.postpone(delivery, seconds: wait, error: error.description)
        count("postponed")
        logger.warning(
            "mail not taken",
            metadata: ["alert": "\(delivery.content.alertID)", "attempt": "\(delivery.attempt)", "error": "\(error)"])
    }

    private func giveUp(_ delivery: ClaimedDelivery, _ reason: String) async throws {
        try await database.markFailed(delivery, error: reason)
        count("failed")
        logger.error(
            "mail given up",
            metadata: ["alert": "\(delivery.content.alertID)", "attempt": "\(delivery.attempt)", "error": "\(reason)"])
    }

    private func count(_ outcome: String) {
        metrics.counter("vigil_notifier_mails_total", help: "Attempts at mails, by how they ended.", labels: [("outcome", outcome)]).add()
    }
}
