import EventLog
import Foundation
import Logging
import Postgres
import Records
import ServiceRuntime
import TestSupport
import Testing

@testable import Notifier

/// Asks again and again until `condition` holds, for ten seconds at most.
func eventually(
    _ what: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation, _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while ContinuousClock.now < deadline {
        if try await condition() { return }
        await Task.yield()
    }
    Issue.record(what ?? "it did not come about in time", sourceLocation: sourceLocation)
}

/// An outbox with its database, and deliverers as the service runs them, on their own.
struct Outbox: Sendable {
    let database: NotifierDatabase
    let signal = WakeSignal()
    let metrics = MetricsRegistry()

    static func with<R>(_ body: (Outbox) async throws -> R) async throws -> R {
        try await TemporaryPostgres.withPool(schema: "notifier") { pool in
            try await migrate(pool, migrations: NotifierDatabase.migrations)
            return try await body(Outbox(database: NotifierDatabase(pool: pool)))
        }
    }

    func raise(_ ids: [String], recipients: [String] = ["officer@vigil.example"]) async throws {
        for id in ids {
            _ = try await database.raise(
                Alert.Content(alertID: id, subject: "Alert \(id)", body: "Look at \(id).", riskScore: 0.9), recipients: recipients)
        }
        signal.notify()
    }

    func state(_ id: String) async throws -> Alert.State? { try await database.alert(id: id)?.state }

    /// Lets time pass for all deliveries: back-offs and leases are over, the last minute's attempts are history.
    func passTime(minutes: Double) async throws {
        try await database.pool.execute(
            """
            UPDATE deliveries SET due_at = due_at - \(minutes) * interval '1 minute',
                attempted_at = attempted_at - \(minutes) * interval '1 minute'
            """)
        signal.notify()
    }

    /// Delivers while `body` runs.
    func delivering<R>(
        maxPerMinute: Int = 1_000, maxAttempts: Int = 20, concurrency: Int = 4, send: @escaping @Sendable (MailMessage) async throws -> Void,
        _ body: () async throws -> R
    ) async throws -> R {
        let deliverer = try deliverer(maxPerMinute: maxPerMinute, maxAttempts: maxAttempts, concurrency: concurrency, send: send)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    try await deliverer.run()
                } catch is CancellationError {}
            }
            let result = try await body()
            group.cancelAll()
            try await group.waitForAll()
            return result
        }
    }

    func deliverer(
        maxPerMinute: Int = 1_000, maxAttempts: Int = 20, concurrency: Int = 4, send: @escaping @Sendable (MailMessage) async throws -> Void
    ) throws -> Deliverer {
        Deliverer(
            database: database,
            settings: .init(
                concurrency: concurrency, maxPerMinute: maxPerMinute, retries: RetrySchedule(maxAttempts: maxAttempts, firstSeconds: 30),
                leaseSeconds: 60, pollMilliseconds: 20),
            sender: try #require(MailAddress("vigil@vigil.example")), signal: signal, logger: testLogger, metrics: metrics, send: send)
    }
}

extension MailServer {
    static func fake(_ server: FakeMailServer, timeoutSeconds: Double = 10) -> MailServer {
        var configuration = MailServer(url: server.url)
        configuration.timeoutSeconds = timeoutSeconds
        return configuration
    }
}

/// What a mail says in a header.
func header(_ name: String, of mail: String) -> String? {
    mail.split(separator: "\r\n").first { $0.hasPrefix(name + ": ") }.map { String($0.dropFirst(name.count + 2)) }
}
