import BenchmarkSupport
import Foundation
import SeededRandom
import ServiceRuntime
import SuiteProcesses

/// The rounds, and what is counted in them.
final class Torture {
    private enum Event {
        /// A service ended, whoever ended it.
        case ended
        case clientDone(resent: Int)
        case observed(Observer.Count)
    }

    private static let gateway = ["VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS": "1"]
    /// How long the feature store may take to catch up with a round.
    private static let catchUpSeconds = 300

    private let suite: SuiteProcesses
    private let observer: Observer
    private var random: SplitMix64
    private var sent = 0
    private var resent = 0
    private var stored = 0
    private var distinct = 0
    private var observed = 0
    private var kills = ["gateway": 0, "feature store": 0, "PostgreSQL": 0]
    private var revivals = 0
    private var isMemoryWhole = true

    init(suite: SuiteProcesses, random: SplitMix64) {
        self.suite = suite
        self.random = random
        observer = Observer(caller: suite.caller)
    }

    func summary(holds: Bool) -> String {
        let killed = kills.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        return "torture: \(holds ? "holds" : "BROKEN"): sent \(sent), stored \(stored), of them distinct \(distinct), observed \(observed), "
            + "sent again \(resent), kills: \(killed), restarts of their own \(revivals), memory \(isMemoryWhole ? "equal" : "DIFFERENT") after replay"
    }

    func run(rounds: Int) async throws -> Bool {
        try suite.start(.ingestionGateway, Self.gateway)
        try suite.start(.featureStore)
        for round in 0..<rounds {
            let count = Int.random(in: 200...2_000, using: &random)
            let plan = (0..<Int.random(in: 1...3, using: &random)).map { _ in
                (victim: Int.random(in: 0..<3, using: &random), milliseconds: Int.random(in: 0...800, using: &random))
            }
            let seen = try await withEvents { events, task in
                let client = Client(prefix: "round-\(round)", count: count)
                let (caller, observer) = (suite.caller, observer)
                task { .clientDone(resent: try await client.send(caller)) }
                task { .observed(try await observer.observe("round-\(round)-", count, withinSeconds: Self.catchUpSeconds)) }
                for step in plan {
                    try await Client.pause(milliseconds: step.milliseconds)
                    try kill(step.victim)
                }
                return try await outcome(of: events)
            }
            sent += count
            let isRight = try check("round-\(round)", count, seen)
            print("  round \(round + 1): \(count) transactions, kills \(plan.map(\.victim)), \(isRight ? "holds" : "BROKEN")")
            // As it comes, also into a file.
            fflush(nil)
            if !isRight {
                print(try suite.diagnosis())
                return false
            }
        }
        isMemoryWhole = try await memoryComesBack()
        return isMemoryWhole
    }

    /// Runs `body` with the events of a round; `task` starts something whose result is one of them.
    private func withEvents<R>(
        _ body: (AsyncThrowingStream<Event, any Error>, _ task: (@escaping @Sendable () async throws -> Event) -> Void) async throws -> R
    ) async throws -> R {
        let (events, continuation) = AsyncThrowingStream.makeStream(of: Event.self)
        suite.onEnd { continuation.yield(.ended) }
        return try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            return try await body(events) { work in
                group.addTask {
                    do {
                        continuation.yield(try await work())
                    } catch {
                        continuation.finish(throwing: error)
                    }
                }
            }
        }
    }

    /// Waits until everything is acknowledged and observed. A service may end by itself when its commit is cut off; whoever runs it
    /// starts it again.
    private func outcome(of events: AsyncThrowingStream<Event, any Error>) async throws -> Observer.Count {
        var isSent = false
        var seen: Observer.Count?
        try revive()
        for try await event in events {
            switch event {
            case .ended: try revive()
            case .clientDone(let again):
                resent += again
                isSent = true
            case .observed(let count): seen = count
            }
            if isSent, let seen { return seen }
        }
        return Observer.Count()
    }

    private func kill(_ victim: Int) throws {
        switch victim {
        case 0:
            try suite.crash(.ingestionGateway, Self.gateway)
            kills["gateway", default: 0] += 1
        case 1:
            // Of several, each in turn.
            try suite.crash(.featureStore, replica: kills["feature store"])
            kills["feature store", default: 0] += 1
        default:
            suite.server.kill()
            try suite.server.start()
            kills["PostgreSQL", default: 0] += 1
        }
    }

    private func revive() throws {
        if try suite.revive(.ingestionGateway, Self.gateway) { revivals += 1 }
        if try suite.revive(.featureStore) { revivals += 1 }
    }

    /// The counts of a round: in the schemas, and as the feature store's log told them.
    private func check(_ prefix: String, _ count: Int, _ seen: Observer.Count) throws -> Bool {
        func number(_ view: String, _ what: String) throws -> Int {
            let text = try suite.server.psql("SELECT \(what) FROM \(view) WHERE transaction_id LIKE '\(prefix)-%'")
            return Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? -1
        }
        let all = try number("ingestion.transactions", "count(*)")
        let different = try number("ingestion.transactions", "count(DISTINCT transaction_id)")
        let inStore = try number("features.observations", "count(*)")
        let inStoreOnce = try number("features.observations", "count(DISTINCT transaction_id)")
        stored += all
        distinct += different
        observed += inStore
        return [all, different, inStore, inStoreOnce, seen.entries, seen.distinct].allSatisfy { $0 == count }
    }

    /// Whether the feature store answers the same after it has replayed its log from nothing.
    private func memoryComesBack() async throws -> Bool {
        let before = try await Client.features(suite.caller)
        try suite.crash(.featureStore)
        let after = try await Client.features(suite.caller)
        return before == after && before.contains { !$0.isEmpty }
    }
}
