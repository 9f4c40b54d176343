import Features
public import Models
public import Records

/// The protocol of the Fraud Detection Handbook: train on some days, leave a gap in which labels arrive, test on the days after; cards that
/// are known to be compromised before a test day are taken out of it.
///
/// Source: Le Borgne et al., "Reproducible Machine Learning for Credit Card Fraud Detection", 2022, section 5.3 (`get_train_test_set`).
public struct HandbookProtocol: Sendable, Hashable {
    public enum TrainingDays: Sendable, Hashable {
        case days(Int)
        /// Everything before the gap. The weeks lie as with seven training days, so that results are comparable.
        case all
    }

    /// Midnight UTC of the first training day.
    public var start: Timestamp
    public var trainingDays: TrainingDays
    public var delayDays: Int
    public var testDays: Int
    /// Cards looked at a day.
    public var topCards: Int

    public init(start: Timestamp, trainingDays: TrainingDays = .days(7), delayDays: Int = 7, testDays: Int = 7, topCards: Int = 100) {
        self.start = start
        self.trainingDays = trainingDays
        self.delayDays = delayDays
        self.testDays = testDays
        self.topCards = topCards
    }

    private var trainingWeekDays: Int {
        if case .days(let days) = trainingDays { days } else { 7 }
    }

    public var trainingEnd: Timestamp { start + .days(trainingWeekDays) }
    public var testStart: Timestamp { trainingEnd + .days(delayDays) }
    public var testEnd: Timestamp { testStart + .days(testDays) }

    /// What a run of the protocol found.
    public struct Outcome: Sendable {
        public struct Score: Sendable {
            public var key: TransactionKey
            public var score: Double
            /// Nil if unknown.
            public var isFraud: Bool?
            /// Whether the protocol takes it out: its card was known to be compromised.
            public var isExcluded: Bool
        }

        /// All payments of the test days, in the order of event time.
        public var scores: [Score]
        public var bundleVersion: String
        public var trainingRows: Int
        public var trainingFrauds: Int
        /// Those that count: labelled, card not known to be compromised.
        public var testRows: Int
        public var testFrauds: Int
        /// NaN without labels of both classes.
        public var areaUnderROC: Double
        public var averagePrecision: Double
        public var cardPrecision: Double
        public var calibrationError: Double
        /// How the prediction sets did on all labelled payments, those of compromised cards too; nil without labels or thresholds.
        public var coverage: ConformalThresholds.Observed?
        /// From the training days to the test days, the largest first.
        public var drift: [FeatureDrift]
        /// Of the test days, those up to the newest payment's; fewer where the data ends before the test days do.
        public var testDaysWithData: Int
        public var model: TrainedModel
        public var bundle: ModelBundle { model.bundle }
    }

    /// Trains, scores the test days and measures. Nothing that became known after the test days' start is used for training, and nothing
    /// known after a payment for its features.
    ///
    /// - Throws: `TrainingError`.
    public func run(
        _ history: PaymentHistory, training: FraudTraining, source: String, createdAt: Timestamp,
        progress: (TrainingProgress) -> Void = { _ in }
    ) throws -> Outcome {
        guard let first = history.transactions.first?.eventTime, let last = history.transactions.last?.eventTime, last >= testStart else {
            throw TrainingError(.period, "the data has no payments on the test days, from \(testStart) on")
        }
        let trainingStart: Timestamp =
            switch trainingDays {
            case .days: start
            case .all: FraudTraining.warm(from: first, until: trainingEnd)
            }
        let known = History(history, asOf: testStart, labelDelay: training.set.labelDelay)
        let (table, newest, test) = FeatureRows(history: history, set: training.set).split(
            training: trainingStart..<trainingEnd, test: testStart..<testEnd, known: known, progress: progress)
        guard table.rowCount > 0 else {
            throw TrainingError(
                .period,
                """
                \(source): none of its \(history.transactions.count) payments lies from \(trainingStart) to \(trainingEnd) with a label; \
                fill in the label column, or train on other days
                """)
        }
        let model = try training.fit(on: table, newest: newest, known: known, source: source, createdAt: createdAt, progress: progress)
        return measure(model, history: history, test: test)
    }

    private func daysWithData(until last: Timestamp?) -> Int {
        guard let last else { return 0 }
        return min(testDays, max(0, last.dayNumber() - testStart.dayNumber() + 1))
    }

    private func measure(_ model: TrainedModel, history: PaymentHistory, test: FeatureTable) -> Outcome {
        let bundle = model.bundle
        let truth = history.outcomes(knownBy: Timestamp(microseconds: .max), labelDelay: .days(0))
        let compromised = CompromisedCards(history: history, truth: truth, protocol: self)
        var places = PlaceRiskByWeek(history)
        let riskScores = bundle.model.riskScores(rows: test.values, placeRisk: places?.values(of: test))
        var scores: [Outcome.Score] = []
        var counted: [RankingMetrics.ScoredPayment] = []
        var judged: (scores: [Double], isFraud: [Bool]) = ([], [])
        for (row, index) in test.transactionIndices.enumerated() {
            let transaction = history.transactions[index]
            let score = riskScores[row]
            let day = transaction.eventTime.dayNumber() - testStart.dayNumber()
            let isExcluded = compromised.isKnown(transaction.customerID, onTestDay: day)
            scores.append(.init(key: transaction.key, score: score, isFraud: truth[index], isExcluded: isExcluded))
            guard let isFraud = truth[index] else { continue }
            judged.scores.append(score)
            judged.isFraud.append(isFraud)
            if !isExcluded {
                counted.append(.init(day: day, customer: transaction.customerID, score: score, isFraud: isFraud))
            }
        }
        let labels = counted.map(\.isFraud)
        let counts = counted.map(\.score)
        return Outcome(
            scores: scores, bundleVersion: bundle.version, trainingRows: bundle.manifest.training.rows,
            trainingFrauds: bundle.manifest.training.frauds, testRows: counted.count, testFrauds: labels.reduce(0) { $0 + ($1 ? 1 : 0) },
            areaUnderROC: RankingMetrics.areaUnderROC(scores: counts, isPositive: labels),
            averagePrecision: RankingMetrics.averagePrecision(scores: counts, isPositive: labels),
            cardPrecision: RankingMetrics.cardPrecision(counted, top: topCards),
            calibrationError: RankingMetrics.calibrationError(probabilities: counts, isPositive: labels),
            coverage: judged.scores.isEmpty ? nil : bundle.manifest.conformal?.observe(judged.scores, isFraud: judged.isFraud),
            drift: bundle.manifest.drift(rows: test.values), testDaysWithData: daysWithData(until: history.transactions.last?.eventTime),
            model: model)
    }
}

/// Point-in-time rows of a history's two periods, and of the newest days before the second, in one pass.
private struct FeatureRows {
    let history: PaymentHistory
    let set: FeatureSet

    func split(
        training: Range<Timestamp>, test: Range<Timestamp>, known: History, progress: (TrainingProgress) -> Void
    ) -> (training: FeatureTable, newest: FeatureTable, test: FeatureTable) {
        var trainingTable = FeatureTable(set: set)
        var newestTable = FeatureTable(set: set)
        var testTable = FeatureTable(set: set)
        var replay = history.replay(set: set)
        known.replay(with: &replay, progress: progress) { index, row in
            let time = history.transactions[index].eventTime
            if training.contains(time), known.outcomes[index] != nil {
                trainingTable.append(row, transactionIndex: index)
            } else if known.isNewest(index) {
                newestTable.append(row, transactionIndex: index)
            } else if test.contains(time) {
                testTable.append(row, transactionIndex: index)
            }
        }
        return (trainingTable, newestTable, testTable)
    }
}

/// Cards whose fraud is known before a test day: those defrauded in the training days, and for each test day those of the day that lies one
/// day more than the delay before it.
private struct CompromisedCards {
    /// The first test day on which a card is out.
    private var outFrom: [String: Int] = [:]

    init(history: PaymentHistory, truth: [Bool?], protocol: HandbookProtocol) {
        let from = `protocol`.start.dayNumber()
        let trainingEnd = `protocol`.trainingEnd.dayNumber()
        for (index, transaction) in history.transactions.enumerated() where truth[index] == true {
            let day = transaction.eventTime.dayNumber()
            // A fraud on the training's last day or before is out on every test day; one k days into the gap from test day k + 1 on.
            guard day >= from, day <= trainingEnd + `protocol`.testDays - 2 else { continue }
            let first = max(0, day - trainingEnd + 1)
            outFrom[transaction.customerID] = min(outFrom[transaction.customerID] ?? .max, first)
        }
    }

    func isKnown(_ customer: String, onTestDay day: Int) -> Bool { outFrom[customer].map { $0 <= day } ?? false }
}
