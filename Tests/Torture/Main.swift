import BenchmarkSupport
import Foundation
import ServiceRuntime
import SuiteProcesses

/// Kills gateway, feature store and PostgreSQL at random moments while a bank streams, and counts: everything acknowledged is
/// stored once, everything stored is observed once, and memory comes back as it was.
@main enum Main {
    static func main() async throws {
        let environment = ProcessInfo.processInfo.environment
        let rounds = environment["TORTURE_ROUNDS"].flatMap { Int($0) } ?? 50
        let seed = environment["TORTURE_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...1_000_000)
        print("torture: \(rounds) rounds, seed \(seed); TORTURE_SEED=\(seed) repeats it")
        let server = try DatabaseServer()
        defer { server.end() }
        let suite = try SuiteProcesses(server: server)
        defer { suite.end() }
        let torture = Torture(suite: suite, random: SeededRandom(state: seed))
        let holds = try await torture.run(rounds: rounds)
        print(torture.summary(holds: holds))
        if !holds { exit(1) }
    }
}

/// SplitMix64.
struct SeededRandom: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

final class Torture {
    private static let gateway = ["VIGIL_INGESTION_DECISION_TIMEOUT_SECONDS": "1"]
    private static let roundSeconds = 300.0

    private let suite: SuiteProcesses
    private var random: SeededRandom
    private var sent = 0
    private var resent = 0
    private var stored = 0
    private var distinct = 0
    private var observed = 0
    private var kills = ["gateway": 0, "feature store": 0, "PostgreSQL": 0]
    private var revivals = 0
    private var isMemoryWhole = true

    init(suite: SuiteProcesses, random: SeededRandom) {
        self.suite = suite
        self.random = random
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
            let prefix = "round-\(round)"
            let client = Client(prefix: prefix, count: count)
            let caller = suite.caller
            async let again = client.send(caller)
            for step in plan {
                try await Task.sleep(for: .milliseconds(step.milliseconds))
                try kill(step.victim)
            }
            // A service may end by itself when its commit is cut off; whoever runs it starts it again.
            while !client.isDone {
                try revive()
                try await Task.sleep(for: .milliseconds(100))
            }
            resent += try await again
            sent += count
            let isRight = try await check(prefix, count, round)
            print("  round \(round + 1): \(count) transactions, kills \(plan.map(\.victim)), \(isRight ? "holds" : "BROKEN")")
            if !isRight { return false }
        }
        isMemoryWhole = try await memoryComesBack()
        return isMemoryWhole
    }

    private func kill(_ victim: Int) throws {
        switch victim {
        case 0:
            try suite.crash(.ingestionGateway, Self.gateway)
            kills["gateway", default: 0] += 1
        case 1:
            try suite.crash(.featureStore)
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

    /// The counts of a round, once the feature store has caught up.
    private func check(_ prefix: String, _ count: Int, _ round: Int) async throws -> Bool {
        func number(_ schema: String, _ what: String) throws -> Int {
            let text = try suite.server.psql(
                "SELECT \(what) FROM \(schema).event_log WHERE bank_id IS NOT NULL AND bank_transaction_id LIKE '\(prefix)-%'")
            return Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? -1
        }
        let all = try number("ingestion", "count(*)")
        let different = try number("ingestion", "count(DISTINCT bank_transaction_id)")
        let deadline = ContinuousClock.now + .seconds(Self.roundSeconds)
        var seen = 0
        while ContinuousClock.now < deadline {
            seen = try number("features", "count(*)")
            if seen >= count { break }
            try revive()
            try await Task.sleep(for: .milliseconds(100))
        }
        let seenOnce = try number("features", "count(DISTINCT bank_transaction_id)")
        stored += all
        distinct += different
        observed += seen
        return all == count && different == count && seen == count && seenOnce == count
    }

    /// Whether the feature store answers the same after it has replayed its log from nothing.
    private func memoryComesBack() async throws -> Bool {
        let before = try await Client.features(suite.caller)
        try suite.crash(.featureStore)
        let after = try await Client.features(suite.caller)
        return before == after && before.contains { !$0.isEmpty }
    }
}
