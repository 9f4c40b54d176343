import Foundation
import Postgres
import RPC
import Synchronization
import TestSupport
import Testing

@testable import ServiceRuntime

@Suite struct HealthMonitorTests {
    @Test("A service whose database hangs does not serve until it goes on")
    func frozen() async throws {
        try await TemporaryPostgres.withPool { pool in
            let backend = try await pool.query("SELECT pg_backend_pid()")[0].decode(Int32.self)
            let monitor = HealthMonitor(services: ["store"], pool: pool, logger: testLogger, patience: .milliseconds(200))
            await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await monitor.run() }
                await monitor.settle(.serving)
                #expect(kill(backend, SIGSTOP) == 0)
                do {
                    defer { _ = kill(backend, SIGCONT) }
                    await monitor.settle(.notServing)
                    #expect(pool.usage.open == 1 && pool.usage.waiting == 0)
                }
                await monitor.settle(.serving)
                group.cancelAll()
            }
        }
    }

    @Test func aServiceThatSaysThatItCannotServeDoesNotThoughItsDatabaseAnswers() async throws {
        try await TemporaryPostgres.withPool { pool in
            let reason = Mutex<String?>(nil)
            let monitor = HealthMonitor(services: ["store"], pool: pool, logger: testLogger) { reason.withLock { $0 } }
            await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await monitor.run() }
                await monitor.settle(.serving)
                reason.withLock { $0 = "the disk is full" }
                await monitor.settle(.notServing)
                reason.withLock { $0 = nil }
                await monitor.settle(.serving)
                group.cancelAll()
            }
        }
    }
}

extension HealthMonitor {
    fileprivate func settle(_ status: ServingStatus) async {
        let deadline = ContinuousClock.now + .seconds(30)
        while registry.status("store") != status, .now < deadline { await Task.yield() }
        #expect(registry.status("store") == status)
    }
}
