import Foundation
import Testing

/// Mutated input for every parser that reads what strangers send.
///
/// `make fuzz` runs each target for `FUZZ_SECONDS`; without it, a few hundred inputs each. `FUZZ_SEED` sets where they begin; a finding
/// ends the process, and the last line printed says which target, seed and case it was.
@Suite("Fuzz", .serialized)
struct FuzzTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let seconds = environment["FUZZ_SECONDS"].flatMap { Double($0) }
    private static let seed = environment["FUZZ_SEED"].flatMap { UInt64($0) } ?? 20_261_122
    private static let shortCases = 300
    /// A crash is found again within so many cases of the last line.
    private static let casesPerLine = 1000

    @Test(arguments: FuzzTarget.all)
    func survives(_ target: FuzzTarget) {
        let start = ContinuousClock.now
        var cases = 0
        func isOver() -> Bool {
            guard let seconds = Self.seconds else { return cases >= Self.shortCases }
            return ContinuousClock.now - start >= .seconds(seconds)
        }
        while !isOver() {
            if Self.seconds != nil { say("fuzz: \(target.name), seed \(Self.seed), from case \(cases)\n") }
            for _ in 0..<(Self.seconds == nil ? Self.shortCases : Self.casesPerLine) {
                // Each case stands alone, so that one can be run again without those before.
                var mutator = Mutator(generator: SeededGenerator(seed: Self.seed &+ UInt64(cases) &* 0x1000_0001), corpus: target.corpus)
                let bytes = mutator.next()
                target.run(bytes, &mutator.generator)
                cases += 1
            }
        }
        if Self.seconds != nil { say("fuzzed: \(target.name): \(cases) cases\n") }
    }

    private func say(_ line: String) {
        FileHandle.standardOutput.write(Data(line.utf8))
    }
}
