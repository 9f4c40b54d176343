import Contracts
import Datasets
import RecordCoding
import Records

/// A row on its way to the gateway.
struct ImportMessage: Sendable {
    let row: DatasetRecord
    /// Whether the row says which bank it belongs to. If not, the gateway takes the caller's.
    let namesBank: Bool

    /// Nil for records of other kinds.
    var transaction: RecordsV1.Transaction? {
        guard case .transaction(let row) = row else { return nil }
        var message = RecordsV1.Transaction(row.transaction)
        if !namesBank { message.key?.bankID = "" }
        return message
    }

    /// Nil for transactions.
    var record: IngestionV1.ImportRecordsRequest.Record? {
        switch row {
        case .transaction: return nil
        case .label(let label):
            var message = RecordsV1.Label(label)
            if !namesBank { message.key?.bankID = "" }
            return .label(message)
        case .terminal(let terminal): return .terminal(.init(terminal))
        case .customer(let customer): return .customer(.init(customer))
        case .merchant(let merchant): return .merchant(.init(merchant))
        case .complaint(let complaint): return .complaint(.init(complaint))
        case .contextSignal(let signal): return .contextSignal(.init(signal))
        case .jurisdiction(let jurisdiction): return .jurisdiction(.init(jurisdiction))
        }
    }
}

extension RowResult {
    /// Nil for an answer that says nothing, which is none.
    init?(_ answer: IngestionV1.StreamTransactionsResponse) {
        let detail: Detail =
            switch answer.decision?.state {
            case .pending: .pending
            case .decided: .decided
            case nil, .unspecified, .unrecognized: .none
            }
        self.init(answer.outcome, detail, answer.violations)
    }

    /// Nil for an answer that says nothing, which is none.
    init?(_ answer: IngestionV1.ImportRecordsResponse) {
        self.init(answer.outcome, answer.isOfUnknownTransaction ? .ofUnknownTransaction : .none, answer.violations)
    }

    private init?(_ outcome: IngestionV1.Outcome, _ detail: Detail, _ violations: [IngestionV1.Violation]) {
        switch outcome {
        case .accepted: self = .accepted(detail)
        case .duplicate: self = .duplicate(detail)
        case .rejected:
            self = .rejected(
                violations.isEmpty
                    ? [Rejection(field: "", column: "", value: "", reason: "was refused by the gateway")]
                    : violations.map { Rejection(field: $0.field, column: "", value: "", reason: $0.reason) })
        case .unspecified, .unrecognized: return nil
        }
    }
}
