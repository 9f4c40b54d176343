public import Features
public import Models
public import Records

/// Trains fraud classifiers.
///
/// ```swift
/// let history = PaymentHistory(transactions: transactions, labels: labels, customers: customers, terminals: terminals)
/// let bundle = try FraudTraining(options: .init()).train(on: history, asOf: now, source: "simulation", createdAt: now)
/// try bundle.write(to: "bundle")
/// ```
public struct FraudTraining: Sendable {
    public var options: TrainingOptions
    public var set: FeatureSet

    public init(options: TrainingOptions = TrainingOptions(), set: FeatureSet = .payments) {
        self.options = options
        self.set = set
    }

    /// From when on payments train: at the start of the data windows are still empty, so that the first third, at most two weeks, of what
    /// has known outcomes is history only.
    public static func warm(from first: Timestamp, until last: Timestamp) -> Timestamp {
        first + min(.days(14), TimeSpan(microseconds: max(0, (last - first).microseconds / 3)))
    }

    /// Trains on what was known at `asOf`: rows of `period` (all but the warm-up if nil) whose outcome was known by then. Everything before
    /// serves as history.
    ///
    /// - Parameters:
    ///   - source: what data it is, for people.
    ///   - createdAt: goes into the version.
    /// - Throws: `TrainingError`.
    public func train(
        on history: PaymentHistory, period: Range<Timestamp>? = nil, asOf: Timestamp, source: String, createdAt: Timestamp,
        progress: (TrainingProgress) -> Void = { _ in }
    ) throws -> ModelBundle {
        let known = History(history, asOf: asOf, labelDelay: set.labelDelay)
        let period = try period ?? known.defaultPeriod(labelDelay: set.labelDelay)
        var replay = history.replay(set: set)
        var table = FeatureTable(set: set)
        known.replay(with: &replay, progress: progress) { index, row in
            if period.contains(history.transactions[index].eventTime), known.outcomes[index] != nil {
                table.append(row, transactionIndex: index)
            }
        }
        return try train(on: table, history: history, outcomes: known.outcomes, source: source, createdAt: createdAt, progress: progress)
    }

    /// Trains on rows that are at hand already.
    ///
    /// - Parameter outcomes: for each of the history's transactions; not nil for those of the table.
    func train(
        on table: FeatureTable, history: PaymentHistory, outcomes: [Bool?], source: String, createdAt: Timestamp,
        progress: (TrainingProgress) -> Void
    ) throws -> ModelBundle {
        let isFraud = table.transactionIndices.map { outcomes[$0] ?? false }
        let frauds = isFraud.reduce(0) { $0 + ($1 ? 1 : 0) }
        guard let first = table.transactionIndices.first, let last = table.transactionIndices.last else {
            throw TrainingError(.data, "there is no labelled payment to train on")
        }
        guard frauds > 0 else { throw TrainingError(.data, "none of the \(isFraud.count) training payments is a fraud") }
        guard frauds < isFraud.count else { throw TrainingError(.data, "all of the \(isFraud.count) training payments are frauds") }
        let parts = max(1, frauds < 30 ? 1 : options.parts)
        var options = options
        options.parts = parts
        let trainer = EnsembleTrainer(
            options: options, table: table, isFraud: isFraud,
            partOfRow: table.transactionIndices.map {
                FraudTraining.part(ofCustomer: history.transactions[$0].customerID, seed: options.seed, parts: parts)
            })
        let result = try trainer.run(progress: progress)
        let margins = result.heldOutMargins.map(Double.init)
        let calibration = BetaCalibration(fittingMargins: margins, isPositive: isFraud)
        let record = TrainingRecord(
            source: source, dataSHA256: history.sha256, from: history.transactions[first].eventTime.iso8601,
            to: history.transactions[last].eventTime.iso8601, rows: isFraud.count, frauds: frauds, seed: options.seed,
            rounds: options.rounds, parameters: trainer.record(rate: Double(frauds) / Double(isFraud.count)),
            trainer: trainerVersion())
        let probabilities = margins.map { calibration.probability(margin: $0) }
        let metrics = [
            "held_out_average_precision": RankingMetrics.averagePrecision(scores: margins, isPositive: isFraud),
            "held_out_auc_roc": RankingMetrics.areaUnderROC(scores: margins, isPositive: isFraud),
            "held_out_calibration_error": RankingMetrics.calibrationError(probabilities: probabilities, isPositive: isFraud),
        ].filter { $0.value.isFinite }
        return try ModelBundle(
            forest: result.forest, features: set, calibration: calibration,
            thresholds: .init(review: options.reviewThreshold, fraud: options.fraudThreshold), training: record, metrics: metrics,
            createdAt: createdAt)
    }

    /// Which part of the ensemble leaves a customer out: FNV-1a of the id, so that the same customer is left out everywhere.
    static func part(ofCustomer id: String, seed: UInt64, parts: Int) -> Int {
        var state: UInt64 = 0xcbf2_9ce4_8422_2325 ^ (seed &* 0x9e37_79b9_7f4a_7c15)
        for byte in id.utf8 { state = (state ^ UInt64(byte)) &* 0x100_0000_01b3 }
        state ^= state >> 32
        return Int(state % UInt64(parts))
    }
}

/// A history with what was known of it at one time.
struct History {
    let history: PaymentHistory
    let asOf: Timestamp
    /// For each transaction.
    let outcomes: [Bool?]

    init(_ history: PaymentHistory, asOf: Timestamp, labelDelay: TimeSpan) {
        self.history = history
        self.asOf = asOf
        outcomes = history.outcomes(knownBy: asOf, labelDelay: labelDelay)
    }

    /// All but the warm-up.
    func defaultPeriod(labelDelay: TimeSpan) throws(TrainingError) -> Range<Timestamp> {
        guard let first = history.transactions.first?.eventTime, let last = history.transactions.last?.eventTime else {
            throw TrainingError(.data, "there are no payments")
        }
        let settled = max(first, min(last, asOf - labelDelay))
        return FraudTraining.warm(from: first, until: settled)..<(last + TimeSpan(microseconds: 1))
    }

    /// Runs all payments before `asOf`, with progress.
    func replay(
        with replay: inout FeatureReplay, progress: (TrainingProgress) -> Void, row: (Int, UnsafeBufferPointer<Double>) -> Void
    ) {
        let total = history.transactions.count
        var done = 0
        replay.run(history.transactions, labels: history.labels) { index, values in
            row(index, values)
            done += 1
            if done % 8_192 == 0 || done == total { progress(.features(done: done, total: total)) }
        }
    }
}
