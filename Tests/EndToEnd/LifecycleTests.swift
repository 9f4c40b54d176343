import Foundation
import Testing

extension EndToEnd {
    /// The suite as its operator meets it. Each test has a suite of its own; one at a time, since each is eight processes.
    @Suite("The suite's life")
    struct LifecycleTests {
        @Test(.timeLimit(.minutes(3)))
        func statusListsSixServicesAndAllEndInOrder() async throws {
            try await RunningSuite.with { suite in
                let status = try await suite.vigil("status", "--format", "json")
                #expect(status.status == 0)
                let services = try #require(status.json()["services"] as? [[String: Any]])
                #expect(services.map { $0["service"] as? String } == [
                    "ingestion-gateway", "feature-store", "model-server", "auth-gateway", "heatmap-tiles", "notifier",
                ])
                #expect(services.allSatisfy { $0["status"] as? String == "SERVING" })
                #expect(services.allSatisfy { ($0["version"] as? String)?.isEmpty == false })

                let children = suite.children()
                #expect(children.count == 8)
                #expect(await suite.end() == 0)
                #expect(children.filter { Program.isAlive($0.value) }.isEmpty)
                #expect(suite.log("postgres").contains("database system is shut down"))
                #expect(try await suite.vigil("status").status == 1)
            }
        }

        @Test(.timeLimit(.minutes(3)))
        func aSecondLauncherOfTheSameHomeIsRefusedWithOneLine() async throws {
            try await RunningSuite.with { suite in
                let second = try await suite.vigil("run", "--port-base", "0", "--without-sample")
                #expect(second.status == 1)
                #expect(second.errors.hasSuffix(
                    "is already running (process \(suite.launcherID)); stop it, or set VIGIL_HOME to another folder\n"))
                #expect(second.errors.split(separator: "\n").count == 1)
            }
        }

        @Test(.timeLimit(.minutes(3)))
        func nothingOutlivesALauncherThatIsKilled() async throws {
            try await RunningSuite.with { suite in
                let children = suite.children()
                try #require(children.count == 8)
                kill(suite.launcherID, SIGKILL)
                for pid in children.values { try await Program.waitForEnd(of: pid) }
                #expect(children.filter { Program.isAlive($0.value) }.isEmpty)
            }
        }

        @Test(.timeLimit(.minutes(5)))
        func whatIsKilledIsStartedAgain() async throws {
            try await RunningSuite.with { suite in
                for (name, before) in suite.children().sorted(by: { $0.key < $1.key }) {
                    kill(before, SIGKILL)
                    try await Program.waitForEnd(of: before)
                    let status = try await suite.vigil("status", "--wait-seconds", "60", "--format", "json")
                    #expect(status.status == 0, "after \(name) was killed: \(status.output)")
                    #expect(suite.printed.contains("\(name) was started again"))
                    #expect(suite.children()[name] != before)
                }
            }
        }
    }
}
