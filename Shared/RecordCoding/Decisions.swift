public import Contracts
public import Records
internal import StandardContracts

extension RecordsV1.Decision {
    public init(_ record: Decision) {
        let label: RecordsV1.RiskLabel =
            switch record.label {
            case .legitimate: .legitimate
            case .review: .review
            case .fraud: .fraud
            }
        self.init(
            key: .init(record.key), state: .decided, riskScore: record.riskScore, label: label,
            reasons: record.reasons.map(RecordsV1.Reason.init), modelVersion: record.modelVersion, decidedAt: .init(record.decidedAt),
            alert: record.alert, decisionID: record.decisionID,
            parts: record.parts.map { RecordsV1.ScorePart(signal: $0.signal, value: $0.value, contribution: $0.contribution) },
            predictionSet: record.predictionSet.map {
                RecordsV1.PredictionSet(hasGenuine: $0.hasGenuine, hasFraud: $0.hasFraud, coverage: $0.coverage)
            })
    }

    /// The transaction is durable; its decision follows from the log.
    public static func pending(_ key: TransactionKey) -> RecordsV1.Decision {
        RecordsV1.Decision(key: .init(key), state: .pending)
    }
}

extension RecordsV1.Reason {
    public init(_ reason: Decision.Reason) {
        self.init(feature: reason.feature, value: reason.value, contribution: reason.contribution, text: reason.text)
    }
}

extension Decision {
    /// - Throws: ``InvalidRecord`` if it is pending, or fields are missing.
    public init(_ message: RecordsV1.Decision) throws(InvalidRecord) {
        var reader = FieldReader()
        let key = reader.required("key", message.key) { TransactionKey.read($0, sender: nil, &$1) }
        let decidedAt = reader.required("decided_at", message.decidedAt, Timestamp.read)
        let label: Label? =
            switch message.label {
            case .legitimate: .legitimate
            case .review: .review
            case .fraud: .fraud
            case .unspecified, .unrecognized: nil
            }
        if label == nil { reader.fail("label", "is missing") }
        guard reader.violations.isEmpty, let key, let decidedAt, let label else { throw InvalidRecord(reader.violations) }
        self.init(
            key: key, label: label, riskScore: message.riskScore,
            reasons: message.reasons.map {
                Reason(feature: $0.feature, text: $0.text, value: $0.value, contribution: $0.contribution)
            }, modelVersion: message.modelVersion, decidedAt: decidedAt, alert: message.alert, decisionID: message.decisionID,
            parts: message.parts.map { Part(signal: $0.signal, value: $0.value, contribution: $0.contribution) },
            predictionSet: message.predictionSet.map {
                PredictionSet(hasGenuine: $0.hasGenuine, hasFraud: $0.hasFraud, coverage: $0.coverage)
            })
    }
}
