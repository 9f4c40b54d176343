internal import Logging
internal import Postgres
internal import RPC

/// Keeps the health that callers see in step with the database: `SERVING` while it answers, `NOT_SERVING` otherwise and while draining.
struct HealthMonitor: Sendable {
    static let interval: Duration = .seconds(2)

    let registry = HealthRegistry()
    private let names: [String]
    private let pool: PostgresPool?
    private let logger: Logger
    private let stopped = OneShot<Void>()

    init(services: [String], pool: PostgresPool?, logger: Logger) {
        // The empty name stands for the server as a whole.
        names = [""] + services
        self.pool = pool
        self.logger = logger
        for name in names { registry.set(name, .notServing) }
    }

    /// Watches until the task is cancelled.
    func run() async throws {
        var wasServing: Bool?
        while true {
            let reason = await failure()
            try Task.checkCancellation()
            let isServing = reason == nil
            if isServing != wasServing, stopped.value == nil {
                set(isServing ? .serving : .notServing)
                if let reason { logger.warning("not serving", metadata: ["reason": "\(reason)"]) } else { logger.info("serving") }
                wasServing = isServing
            }
            try await Task.sleep(for: Self.interval)
        }
    }

    /// From here on the service drains, whatever the database says.
    func stop() {
        stopped.fulfil(())
        set(.notServing)
    }

    private func set(_ status: ServingStatus) {
        for name in names { registry.set(name, status) }
    }

    private func failure() async -> String? {
        guard let pool else { return nil }
        do {
            _ = try await pool.query("SELECT 1")
            return nil
        } catch {
            return (error as? PostgresError)?.message ?? "\(error)"
        }
    }
}
