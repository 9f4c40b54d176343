import Contracts
import EventLog
import RPC
import RecordCoding
import Records
import ServiceRuntime

/// Takes in what the gateway has accepted and no call has brought yet.
///
/// It reads the log by the keys of transactions, since calls bring most; a batch with others in it is read again, whole. A replica needs
/// to know whose each transaction is, so it reads all of them whole.
struct IngestionFollower: Sendable {
    let gateway: IngestionV1.IngestionService.Client
    let consumer: LogConsumer
    let database: FeatureStoreDatabase
    let writer: ObservationWriter
    /// Nil where this store keeps everything.
    let replica: Replica?

    private static let maxBatch: UInt32 = 1_000

    func run() async throws {
        if let replica { try await run(replica) } else { try await runByKeys() }
    }

    private func run(_ replica: Replica) async throws {
        try await consumer.follow(
            from: { position, deliver in
                let request = IngestionV1.TailEventsRequest(after: .init(position), maxBatch: Self.maxBatch)
                try await gateway.tailEvents(request) { responses in
                    for try await response in responses {
                        if let newest = response.events.last?.recordedAt.flatMap({ Timestamp($0) }) {
                            let age = Duration.microseconds(Timestamp.now().microseconds - newest.microseconds)
                            // By two clocks: never longer than the lead.
                            if age < Replica.callLead { try await Task.sleep(for: min(Replica.callLead, Replica.callLead - age)) }
                        }
                        try await deliver(
                            try response.events.map { logged in
                                (position: LogPosition(logged.position), event: try logged.event.flatMap(FeatureChange.init))
                            })
                    }
                }
            },
            handle: { try await replica.take($0, database: database, consumer: consumer) })
    }

    private func runByKeys() async throws {
        try await consumer.follow(
            from: { position, deliver in
                var after = position
                let request = IngestionV1.TailEventsRequest(after: .init(position), maxBatch: Self.maxBatch, transactions: .keys)
                try await gateway.tailEvents(request) { responses in
                    for try await response in responses {
                        try await deliver(try await changes(in: response.events, after: after))
                        if let last = response.events.last { after = LogPosition(last.position) }
                    }
                }
            },
            handle: { (batch: LogConsumer.Batch<FeatureChange?>) in
                try await writer.take(batch) { transaction in try await consumer.claim(batch, in: transaction).compactMap(\.event) }
            })
    }

    /// - Parameter events: with the keys of transactions.
    private func changes(
        in events: [IngestionV1.LoggedEvent], after position: LogPosition
    ) async throws -> [LogConsumer.Positioned<FeatureChange?>] {
        let keys = events.compactMap(\.transaction).map(TransactionKey.init)
        let recordedAt = events.last?.recordedAt.flatMap { Timestamp($0) } ?? .epoch
        let missing = try await writer.brought.missing(keys, age: .microseconds((Timestamp.now() - recordedAt).microseconds))
        let whole = missing.isEmpty ? events : try await read(from: position, to: events.last?.position)
        return try whole.map { logged in
            var change = try logged.event.flatMap(FeatureChange.init)
            if case .transaction(let transaction) = change, !missing.contains(transaction.key) { change = nil }
            return (position: LogPosition(logged.position), event: change)
        }
    }

    private func read(
        from position: LogPosition, to end: EventLogV1.LogPosition?
    ) async throws -> [IngestionV1.LoggedEvent] {
        let end = LogPosition(end)
        let request = IngestionV1.TailEventsRequest(after: .init(position), maxBatch: Self.maxBatch)
        return try await gateway.tailEvents(request) { responses in
            var events: [IngestionV1.LoggedEvent] = []
            for try await response in responses {
                events += response.events.prefix { LogPosition($0.position) <= end }
                if let last = response.events.last, LogPosition(last.position) >= end { break }
            }
            return events
        }
    }
}
