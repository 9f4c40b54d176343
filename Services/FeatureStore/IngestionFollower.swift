import Contracts
import EventLog
import RPC
import RecordCoding
import Records
import ServiceRuntime

/// Takes in what the gateway has accepted and no call has brought yet.
///
/// It reads the log by runs of transactions, since calls bring most; a batch with others in it is read again, whole. A replica needs
/// to know whose each transaction is, so it reads all of them whole.
struct IngestionFollower: Sendable {
    let gateway: IngestionV1.IngestionService.Client
    let consumer: LogConsumer
    let database: FeatureStoreDatabase
    let writer: ObservationWriter
    /// Nil where this store keeps everything.
    let replica: Replica?

    private static let maxBatch: UInt32 = 1_000
    private static let positionAge = Duration.seconds(1)

    func run() async throws {
        if let replica { try await run(replica) } else { try await runByRuns() }
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

    private func runByRuns() async throws {
        try await consumer.follow(
            from: { position, deliver in
                var after = position
                var storedAt = ContinuousClock.now
                let request = IngestionV1.TailEventsRequest(after: .init(position), maxBatch: Self.maxBatch, transactions: .runs)
                try await gateway.tailEvents(request) { responses in
                    for try await response in responses {
                        let changes = try await changes(in: response.events, after: after)
                        after = changes.last?.position ?? after
                        // A position alone, without an effect, need not be stored for each batch: it may be read again.
                        guard changes.contains(where: { $0.event != nil }) || storedAt.duration(to: .now) > Self.positionAge else { continue }
                        try await deliver(changes)
                        storedAt = .now
                    }
                }
            },
            handle: { (batch: LogConsumer.Batch<FeatureChange?>) in
                try await writer.take(batch) { transaction in try await consumer.claim(batch, in: transaction).compactMap(\.event) }
            })
    }

    /// - Parameter events: with runs of transactions.
    private func changes(
        in events: [IngestionV1.LoggedEvent], after position: LogPosition
    ) async throws -> [LogConsumer.Positioned<FeatureChange?>] {
        let runs = try events.compactMap(\.transactions).map { try LogRun($0) }
        let recordedAt = events.last?.recordedAt.flatMap { Timestamp($0) } ?? .epoch
        let areKnown = try await writer.brought.holdAll(runs, age: .microseconds((Timestamp.now() - recordedAt).microseconds))
        let whole = areKnown ? events : try await read(from: position, to: events.last?.position)
        return try whole.map { logged in
            let position = LogPosition(logged.position)
            var change = try logged.event.flatMap(FeatureChange.init)
            if case .transaction = change, writer.brought.holds(position) { change = nil }
            return (position: position, event: change)
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
