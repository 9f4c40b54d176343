import Contracts
import Datasets
import RecordCoding
import Records

/// A row as it goes to the gateway.
enum ImportMessage: Sendable {
    case transaction(RecordsV1.Transaction)
    case record(IngestionV1.ImportRecordsRequest.Record)

    /// - Parameter namesBank: whether the mapping says which bank a row belongs to. If not, the gateway takes the caller's.
    init(_ record: DatasetRecord, namesBank: Bool) {
        switch record {
        case .transaction(let row):
            var message = RecordsV1.Transaction(row.transaction)
            if !namesBank { message.key?.bankID = "" }
            self = .transaction(message)
        case .label(let label):
            var message = RecordsV1.Label(label)
            if !namesBank { message.key?.bankID = "" }
            self = .record(.label(message))
        case .terminal(let terminal): self = .record(.terminal(.init(terminal)))
        case .customer(let customer): self = .record(.customer(.init(customer)))
        case .complaint(let complaint): self = .record(.complaint(.init(complaint)))
        case .contextSignal(let signal): self = .record(.contextSignal(.init(signal)))
        }
    }
}

extension RowResult {
    /// Nil for an answer that says nothing, which is none.
    init?(_ outcome: IngestionV1.Outcome, _ decision: RecordsV1.Decision? = nil, _ violations: [IngestionV1.Violation]) {
        let state: Decision =
            switch decision?.state {
            case .pending: .pending
            case .decided: .decided
            case nil, .unspecified, .unrecognized: .none
            }
        switch outcome {
        case .accepted: self = .accepted(state)
        case .duplicate: self = .duplicate(state)
        case .rejected:
            self = .rejected(
                violations.isEmpty
                    ? [Rejection(field: "", column: "", value: "", reason: "was refused by the gateway")]
                    : violations.map { Rejection(field: $0.field, column: "", value: "", reason: $0.reason) })
        case .unspecified, .unrecognized: return nil
        }
    }
}
