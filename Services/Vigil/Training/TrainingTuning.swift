import ArgumentParser
import Foundation
import Training

/// The knobs of training; what is not said keeps the library's own value.
struct TrainingTuning: ParsableArguments {
    @Option(help: "Seed of everything random.")
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("Trees in each part of the ensemble.", valueName: "trees"))
    var rounds: Int?

    @Option(help: ArgumentHelp("Processor cores to use.", valueName: "cores"))
    var threads = min(4, ProcessInfo.processInfo.activeProcessorCount)

    func validate() throws {
        if let rounds, !(1...10_000).contains(rounds) { throw ValidationError("--rounds must be 1 to 10000.") }
        guard (1...256).contains(threads) else { throw ValidationError("--threads must be 1 to 256.") }
    }

    func options(_ base: TrainingOptions = TrainingOptions()) -> TrainingOptions {
        var options = base
        options.seed = seed
        options.threads = threads
        if let rounds { options.rounds = rounds }
        return options
    }
}
