import BenchmarkSupport
import Foundation
import SeededRandom
import SuiteProcesses

/// Kills gateway, feature store and PostgreSQL at random moments while a bank streams, and counts: everything acknowledged is
/// stored once, everything stored is observed once, and memory comes back as it was.
@main enum Main {
    static func main() async {
        do {
            try await run()
        } catch {
            print("torture: BROKEN: \(error)")
            exit(1)
        }
    }

    private static func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let rounds = environment["TORTURE_ROUNDS"].flatMap { Int($0) } ?? 50
        let seed = environment["TORTURE_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...1_000_000)
        print("torture: \(rounds) rounds, seed \(seed); TORTURE_SEED=\(seed) repeats it")
        let server = try DatabaseServer()
        defer { server.end() }
        let suite = try SuiteProcesses(server: server, featureStores: environment["TORTURE_FEATURE_STORES"].flatMap { Int($0) } ?? 1)
        defer { suite.end() }
        let torture = Torture(suite: suite, random: SplitMix64(seed: seed))
        let holds = try await torture.run(rounds: rounds)
        print(torture.summary(holds: holds))
        if !holds { exit(1) }
    }
}
