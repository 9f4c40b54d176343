import Models
import Records
import Simulation
import Training

/// The first model: learns from the month before the replayed day what was known by then.
struct SampleTraining {
    let sample: SampleWorld

    /// Writes a bundle into a folder of its own under `folder`, and returns that.
    func run(into folder: String) throws -> String {
        let world = sample.world
        var history = PaymentHistory(
            transactions: sample.transactions.filter { $0.eventTime < sample.dayBegins }, labels: sample.labels,
            customers: world.customers, terminals: world.terminals)
        history.incidents = world.complaints.filter { $0.reportedAt < sample.dayBegins }.compactMap { KnownIncident($0) }
        // Few trees: the city is small, and the first start should be quick.
        let training = FraudTraining(options: TrainingOptions(rounds: 80, parts: 1))
        let bundle = try training.train(on: history, asOf: sample.dayBegins, source: "simulated city", createdAt: sample.now)
        let path = "\(folder)/\(bundle.manifest.version)"
        try bundle.write(to: path)
        return path
    }
}
