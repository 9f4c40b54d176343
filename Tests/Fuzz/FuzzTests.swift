import Foundation
import SeededRandom
import Testing

/// Mutated input for every parser that reads what strangers send.
///
/// `make fuzz` runs each target for `FUZZ_SECONDS` of the processor's time; without it, a few hundred inputs each. `FUZZ_SEED` sets
/// where they begin, and `FUZZ_SHARD`, `0/2` and `1/2`, shares the targets out among processes; a finding ends the process, and the last
/// line printed says which target, seed and case it was.
@Suite("Fuzz", .serialized)
struct FuzzTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let seconds = environment["FUZZ_SECONDS"].flatMap { Double($0) }
    private static let seed = environment["FUZZ_SEED"].flatMap { UInt64($0) } ?? 20_261_122
    private static let targets: [FuzzTarget] = {
        let shard = environment["FUZZ_SHARD"]?.split(separator: "/").compactMap { Int($0) } ?? [0, 1]
        guard shard.count == 2, shard[1] > 0 else { return FuzzTarget.all }
        return FuzzTarget.all.enumerated().filter { $0.offset % shard[1] == shard[0] }.map(\.element)
    }()
    private static let shortCases = 300
    /// A crash is found again within so many cases of the last line.
    private static let casesPerLine = 1000

    @Test(arguments: targets)
    func survives(_ target: FuzzTarget) {
        let start = Self.processorSeconds
        var cases = 0
        func isOver() -> Bool {
            guard let seconds = Self.seconds else { return cases >= Self.shortCases }
            return Self.processorSeconds - start >= seconds
        }
        while !isOver() {
            if Self.seconds != nil { say("fuzz: \(target.name), seed \(Self.seed), from case \(cases)\n") }
            for _ in 0..<(Self.seconds == nil ? Self.shortCases : Self.casesPerLine) {
                // Each case stands alone, so that one can be run again without those before.
                var mutator = Mutator(generator: SplitMix64(seed: Self.seed &+ UInt64(cases) &* 0x1000_0001), corpus: target.corpus)
                let bytes = mutator.next()
                target.run(bytes, &mutator.generator)
                cases += 1
            }
        }
        if Self.seconds != nil { say("fuzzed: \(target.name): \(cases) cases\n") }
    }

    /// What this process has used of the processor, so that a busy machine makes a run longer and not thinner.
    private static var processorSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private func say(_ line: String) {
        FileHandle.standardOutput.write(Data(line.utf8))
    }
}
