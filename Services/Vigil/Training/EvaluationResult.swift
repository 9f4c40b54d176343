import Models
import Records
import Training

/// What `vigil evaluate fraud` and `vigil backtest` print of one run.
struct EvaluationResult: Encodable {
    private let outcome: HandbookProtocol.Outcome
    private let weeks: HandbookProtocol

    init(_ outcome: HandbookProtocol.Outcome, _ weeks: HandbookProtocol) {
        self.outcome = outcome
        self.weeks = weeks
    }

    /// What makes the figures say less than they seem to; nil where nothing does.
    var caution: String? {
        guard outcome.testDaysWithData < weeks.testDays else { return nil }
        return "the data ends within the test days: the figures are of \(outcome.testDaysWithData) days, not of \(weeks.testDays)"
    }

    private enum CodingKeys: String, CodingKey {
        case aucROC = "auc_roc"
        case averagePrecision = "average_precision"
        case cardPrecisionAt100 = "card_precision_at_100"
        case calibrationError = "calibration_error"
        case conformal, drift
        case trainingRows = "training_rows"
        case trainingFrauds = "training_frauds"
        case testRows = "test_rows"
        case testFrauds = "test_frauds"
        case scoredRows = "scored_rows"
        case trainingFrom = "training_from"
        case testFrom = "test_from"
        case testTo = "test_to"
        case testDaysWithData = "test_days_with_data"
        case modelVersion = "model_version"
    }

    private struct Coverage: Encodable {
        var stated: Double
        var observed: Double?
        var observedOfFrauds: Double?
        var observedOfGenuine: Double?
        var decidedShare: Double?

        enum CodingKeys: String, CodingKey {
            case stated, observed
            case observedOfFrauds = "observed_of_frauds"
            case observedOfGenuine = "observed_of_genuine"
            case decidedShare = "decided_share"
        }
    }

    private struct Drift: Encodable {
        var feature: String
        var psi: Double
    }

    /// JSON has no NaN: what has no value is null, not left out.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(outcome.areaUnderROC.finite, forKey: .aucROC)
        try container.encode(outcome.averagePrecision.finite, forKey: .averagePrecision)
        try container.encode(outcome.cardPrecision.finite, forKey: .cardPrecisionAt100)
        try container.encode(outcome.calibrationError.finite, forKey: .calibrationError)
        try container.encode(coverage, forKey: .conformal)
        try container.encode(outcome.drift.prefix(5).map { Drift(feature: $0.feature, psi: $0.stabilityIndex) }, forKey: .drift)
        try container.encode(outcome.trainingRows, forKey: .trainingRows)
        try container.encode(outcome.trainingFrauds, forKey: .trainingFrauds)
        try container.encode(outcome.testRows, forKey: .testRows)
        try container.encode(outcome.testFrauds, forKey: .testFrauds)
        try container.encode(outcome.scores.count, forKey: .scoredRows)
        try container.encode(outcome.bundle.manifest.training.from, forKey: .trainingFrom)
        try container.encode(weeks.testStart.iso8601, forKey: .testFrom)
        try container.encode(weeks.testEnd.iso8601, forKey: .testTo)
        try container.encode(outcome.testDaysWithData, forKey: .testDaysWithData)
        try container.encode(outcome.bundleVersion, forKey: .modelVersion)
    }

    private var coverage: Coverage? {
        guard let stated = outcome.bundle.manifest.conformal?.coverage else { return nil }
        let observed = outcome.coverage
        return Coverage(
            stated: stated, observed: observed?.coverage, observedOfFrauds: observed?.fraudCoverage,
            observedOfGenuine: observed?.genuineCoverage, decidedShare: observed?.decidedShare)
    }
}

extension Double {
    var finite: Double? { isFinite ? self : nil }
}
