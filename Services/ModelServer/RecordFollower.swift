import Contracts
import EventLog
import Models
import RPC
import RecordCoding
import Records

/// Keeps what the forecasts need of the ingestion gateway's log.
struct RecordFollower: Sendable {
    let ingestion: IngestionV1.IngestionService.Client
    let store: RecordStore
    let consumer: LogConsumer

    private static let maxBatch: UInt32 = 1_000
    private static let positionAge = Duration.seconds(1)

    func run() async throws {
        try await consumer.run(
            from: { position, deliver in
                let request = IngestionV1.TailEventsRequest(after: .init(position), maxBatch: Self.maxBatch, transactions: .movements)
                var storedAt = ContinuousClock.now
                try await ingestion.tailEvents(request) { responses in
                    for try await response in responses {
                        let records = response.events.map { (position: LogPosition($0.position), event: StoredRecord($0.event)) }
                        // A position alone, without an effect, need not be stored for each batch: it may be read again.
                        guard records.contains(where: { $0.event != nil }) || storedAt.duration(to: .now) > Self.positionAge else { continue }
                        try await deliver(records)
                        storedAt = .now
                    }
                }
            },
            apply: { (events: [LogConsumer.Positioned<StoredRecord?>], transaction) in
                let records = events.compactMap(\.event)
                if !records.isEmpty { try await store.save(records, in: transaction) }
            })
    }
}

extension StoredRecord {
    /// Nil for what no forecast needs, and for what the gateway should not have let in.
    init?(_ message: IngestionV1.IngestionEvent?) {
        guard let message, let event = message.event else { return nil }
        switch event {
        case .transactionAccepted(let transaction):
            guard let record = try? Transaction(transaction, sender: nil), let movement = CashMovement(record) else { return nil }
            self = .movement(record.key, movement)
        case .complaintAccepted(let complaint):
            guard let record = try? Complaint(complaint, reporter: .init(kind: .agency, id: message.senderID)) else { return nil }
            self = .complaint(record, encoded: Payload.encode(complaint))
        case .terminalRegistered(let terminal):
            guard let record = try? Terminal(terminal), record.kind == .atm, let place = record.location else { return nil }
            self = .atm(CashMachine(id: record.terminalID, place: place))
        case .jurisdictionRegistered(let jurisdiction):
            self = .jurisdiction(id: jurisdiction.jurisdictionID, encoded: Payload.encode(jurisdiction))
        case .labelAccepted(let label):
            guard let record = try? Label(label, sender: message.senderID) else { return nil }
            self = .label(record.key, isFraud: record.isFraud, knownAt: record.knownAt)
        case .customerRegistered, .merchantRegistered, .contextSignalAccepted:
            return nil
        }
    }
}
