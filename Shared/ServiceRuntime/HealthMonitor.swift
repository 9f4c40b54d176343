internal import Logging
internal import Postgres
internal import RPC
internal import Synchronization

/// Keeps the health that callers see in step with the database: `SERVING` while it answers in time, `NOT_SERVING` otherwise, while the
/// service says that it cannot serve, and while draining.
final class HealthMonitor: Sendable {
    static let interval: Duration = .seconds(2)

    let registry = HealthRegistry()
    private let names: [String]
    private let pool: PostgresPool?
    /// Why the service itself says that it cannot serve; nil where it does not.
    private let impairment: @Sendable () -> String?
    private let logger: Logger
    /// How long an answer of the database may take.
    private let patience: Duration
    private let wasServing = Mutex<Bool?>(nil)
    private let stopped = OneShot<Void>()

    init(
        services: [String], pool: PostgresPool?, logger: Logger, patience: Duration = .seconds(5),
        impairment: @escaping @Sendable () -> String? = { nil }
    ) {
        self.impairment = impairment
        // The empty name stands for the server as a whole.
        names = [""] + services
        self.pool = pool
        self.logger = logger
        self.patience = patience
        for name in names { registry.set(name, .notServing) }
    }

    /// Watches until the task is cancelled.
    func run() async throws {
        while true {
            let reason = await check()
            try Task.checkCancellation()
            tell(reason)
            try await Task.sleep(for: Self.interval)
        }
    }

    /// Why the service cannot serve. Where that takes too long it is told meanwhile, and the question stands: a database that is stuck gets
    /// no further one, and its answer tells when it goes on.
    private func check() async -> String? {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [self] in
                guard (try? await Task.sleep(for: patience)) != nil else { return }
                tell("the database has not answered for \(patience)")
            }
            let reason = await failure()
            group.cancelAll()
            return reason
        }
    }

    /// - Parameter reason: why the service cannot serve, nil where it can.
    private func tell(_ reason: String?) {
        let isServing = reason == nil
        guard stopped.value == nil, wasServing.withLock({ last in
            defer { last = isServing }
            return last != isServing
        }) else { return }
        set(isServing ? .serving : .notServing)
        if let reason { logger.warning("not serving", metadata: ["reason": "\(reason)"]) } else { logger.info("serving") }
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
            return impairment()
        } catch {
            return (error as? PostgresError)?.message ?? "\(error)"
        }
    }
}
