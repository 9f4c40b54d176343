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
    ///   - createdAt: for the record.
    /// - Throws: `TrainingError`.
    public func train(
        on history: PaymentHistory, period: Range<Timestamp>? = nil, asOf: Timestamp, source: String, createdAt: Timestamp,
        progress: (TrainingProgress) -> Void = { _ in }
    ) throws -> ModelBundle {
        try fit(on: history, period: period, asOf: asOf, source: source, createdAt: createdAt, progress: progress).bundle
    }

    /// As `train`, with what the model says about the payments it was trained on.
    public func fit(
        on history: PaymentHistory, period: Range<Timestamp>? = nil, asOf: Timestamp, source: String, createdAt: Timestamp,
        progress: (TrainingProgress) -> Void = { _ in }
    ) throws -> TrainedModel {
        let known = History(history, asOf: asOf, labelDelay: set.labelDelay)
        let period = try period ?? known.defaultPeriod(labelDelay: set.labelDelay)
        var replay = history.replay(set: set)
        var table = FeatureTable(set: set)
        var newest = FeatureTable(set: set)
        known.replay(with: &replay, progress: progress) { index, row in
            if period.contains(history.transactions[index].eventTime), known.outcomes[index] != nil {
                table.append(row, transactionIndex: index)
            } else if known.isNewest(index) {
                newest.append(row, transactionIndex: index)
            }
        }
        return try fit(on: table, newest: newest, known: known, source: source, createdAt: createdAt, progress: progress)
    }

    /// Trains on rows that are at hand already, all of them with a known outcome.
    ///
    /// - Parameter newest: rows whose outcome nobody knows yet (`History.isNewest`).
    func fit(
        on table: FeatureTable, newest: FeatureTable, known: History, source: String, createdAt: Timestamp, progress: (TrainingProgress) -> Void
    ) throws -> TrainedModel {
        let history = known.history
        let isFraud = table.transactionIndices.map { known.outcomes[$0] ?? false }
        let frauds = isFraud.reduce(0) { $0 + ($1 ? 1 : 0) }
        guard let first = table.transactionIndices.first, let last = table.transactionIndices.last else {
            throw TrainingError(
                .data,
                """
                \(source): there is no labelled payment to train on: none of its \(history.transactions.count) payments lies in the \
                training period with a label that was known in time; fill in the label column, or give labels in a file of their own
                """)
        }
        guard frauds > 0 else { throw TrainingError(.data, "\(source): none of the \(isFraud.count) training payments is a fraud") }
        guard frauds < isFraud.count else {
            throw TrainingError(.data, "\(source): all of the \(isFraud.count) training payments are frauds")
        }
        var options = options
        options.parts = max(1, frauds < Self.minFraudsToHoldOut ? 1 : options.parts)
        let trainer = EnsembleTrainer(
            options: options, table: table, isFraud: isFraud,
            partOfRow: table.transactionIndices.map {
                FraudTraining.part(ofCustomer: history.transactions[$0].customerID, seed: options.seed, parts: options.parts)
            })
        let result = try trainer.run(progress: progress)
        let margins = result.heldOutMargins.map(Double.init)
        var places = PlaceRiskByWeek(history)
        let fit = EnsembleFit(
            margins: margins, rows: table.values, featureNames: set.names, placeRisk: places?.values(of: table), isFraud: isFraud)
        let probabilities = fit.probabilities
        let thresholds = FraudModel.Thresholds(review: options.reviewThreshold, fraud: options.fraudThreshold)
        let record = TrainingRecord(
            source: source, dataSHA256: known.sha256, from: history.transactions[first].eventTime.iso8601,
            to: history.transactions[last].eventTime.iso8601, rows: isFraud.count, frauds: frauds, seed: options.seed,
            rounds: options.rounds, parameters: trainer.record(rate: Double(frauds) / Double(isFraud.count)),
            trainer: trainerVersion(),
            currencies: Set(table.transactionIndices.map { history.transactions[$0].amount.currency }).map(\.code).sorted())
        // With one part nothing was held out: what is measured then is said by another name, and no coverage is promised.
        let isHeldOut = options.parts > 1
        let bundle = try ModelBundle(
            forest: result.forest, features: set, calibration: fit.calibration, thresholds: thresholds, training: record,
            metrics: metrics(probabilities, isFraud, prefix: isHeldOut ? "held_out" : "training"), ensemble: fit.ensemble,
            conformal: isHeldOut ? conformal(result.forest, table, newest, fit, isFraud, &places) : nil,
            reference: reference(table), districts: DistrictTable(history, table).records(probabilities, isFraud, thresholds),
            createdAt: createdAt)
        return TrainedModel(bundle: bundle, probabilities: probabilities, isFraud: isFraud, isHeldOut: isHeldOut)
    }

    /// Sets are made of scores of the whole ensemble, whose parts' errors average out. It knows its training's frauds, so these are judged by
    /// the part that does not.
    ///
    /// Scores drift with the season and with what windows have filled, and sets are promised for payments to come: genuine ones are judged by
    /// the newest, which the ensemble has not learned from. What they were nobody knows yet, so each counts as genuine with the probability
    /// that it is. Of frauds there are few; all that are known count.
    private func conformal(
        _ forest: Forest, _ table: FeatureTable, _ newest: FeatureTable, _ fit: EnsembleFit, _ isFraud: [Bool],
        _ places: inout PlaceRiskByWeek?
    ) -> ConformalThresholds? {
        let whole = FraudModel(
            version: "", features: set.definitions.map { FeatureDescription($0) }, forest: forest, calibration: fit.calibration,
            thresholds: .init(review: options.reviewThreshold, fraud: options.fraudThreshold), ensemble: fit.ensemble)
        let hasNewest = newest.rowCount >= Self.minNewest
        let judged = hasNewest ? newest : table.selecting(isFraud.indices.filter { !isFraud[$0] }.suffix(Self.minNewest))
        let scores = whole.riskScores(rows: judged.values, placeRisk: places?.values(of: judged))
        var thresholds = ConformalThresholds(
            frauds: isFraud.indices.filter { isFraud[$0] }.map { fit.probabilities[$0] },
            genuine: scores, weights: scores.map { hasNewest ? 1 - $0 : 1 }, coverage: options.coverage)
        if hasNewest { thresholds?.isGenuineUnlabelled = true }
        return thresholds
    }

    /// With fewer frauds nothing is held out: the parts would have too few each to learn from.
    public static let minFraudsToHoldOut = 30

    /// So many payments are enough for a threshold; with fewer of the newest days the newest that are known to be genuine make it.
    static let minNewest = 1_000

    private func metrics(_ probabilities: [Double], _ isFraud: [Bool], prefix: String) -> [String: Double] {
        [
            "\(prefix)_average_precision": RankingMetrics.averagePrecision(scores: probabilities, isPositive: isFraud),
            "\(prefix)_auc_roc": RankingMetrics.areaUnderROC(scores: probabilities, isPositive: isFraud),
            "\(prefix)_calibration_error": RankingMetrics.calibrationError(probabilities: probabilities, isPositive: isFraud),
        ].filter { $0.value.isFinite }
    }

    /// Rows that the reference distributions rest on, evenly spread: more would not tell more.
    private static let maxReferenceRows = 10_000

    private func reference(_ table: FeatureTable) -> [ReferenceDistribution] {
        let rows = Array(stride(from: 0, to: table.rowCount, by: max(1, table.rowCount / Self.maxReferenceRows)))
        // Column after column, out of one walk over the rows.
        var columns = [Float](repeating: 0, count: rows.count * set.count)
        for (place, row) in rows.enumerated() {
            for column in 0..<set.count { columns[column * rows.count + place] = table.values[row * set.count + column] }
        }
        return set.names.enumerated().map { column, name in
            ReferenceDistribution(name: name, values: Array(columns[column * rows.count..<(column + 1) * rows.count]))
        }
    }

    /// Which part of the ensemble leaves a customer out: FNV-1a of the id, so that the same customer is left out everywhere.
    static func part(ofCustomer id: String, seed: UInt64, parts: Int) -> Int {
        var state: UInt64 = 0xcbf2_9ce4_8422_2325 ^ (seed &* 0x9e37_79b9_7f4a_7c15)
        for byte in id.utf8 { state = (state ^ UInt64(byte)) &* 0x100_0000_01b3 }
        state ^= state >> 32
        return Int(state % UInt64(parts))
    }
}

/// A bundle, with what was held out on the way to it.
public struct TrainedModel: Sendable {
    public var bundle: ModelBundle
    /// Calibrated, one for each training payment, from the part of the ensemble that never saw its customer.
    public var probabilities: [Double]
    public var isFraud: [Bool]
    /// False where the ensemble has one part, which saw everything.
    public var isHeldOut: Bool
}
