import Contracts
import EventLog
import RPC
import RecordCoding
import Records
import ServiceRuntime

/// Takes in what the gateway has accepted and no call has brought yet.
///
/// It reads the log by runs of transactions, since calls bring most. Where there are others, it reads on from there whole, a large batch
/// at a time and beyond what the runs told: so the further it is behind, the less an entry costs. A replica needs to know whose each
/// transaction is, so it reads all of them whole.
struct IngestionFollower: Sendable {
    let gateway: IngestionV1.IngestionService.Client
    let consumer: LogConsumer
    let database: FeatureStoreDatabase
    let writer: ObservationWriter
    /// Nil where this store keeps everything.
    let replica: Replica?
    let lag: MetricGauge

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
                        if let newest = response.events.last {
                            let age = age(of: newest)
                            lag.set(age / .seconds(1))
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
                        // Often there already: the response was on its way while the log was read whole.
                        while let end = response.events.last.map({ LogPosition($0.position) }), after < end {
                            let changes = try await changes(in: response.events, after: after)
                            guard let last = changes.last else { return }
                            after = last.position
                            // A position alone, without an effect, need not be stored for each batch: it may be read again.
                            guard changes.contains(where: { $0.event != nil }) || storedAt.duration(to: .now) > Self.positionAge else { continue }
                            try await deliver(changes)
                            storedAt = .now
                        }
                    }
                }
            },
            handle: { (batch: LogConsumer.Batch<FeatureChange?>) in
                try await writer.take(batch) { transaction in try await consumer.claim(batch, in: transaction).compactMap(\.event) }
            })
    }

    /// The next changes after a position, at least one.
    ///
    /// - Parameter events: with runs of transactions.
    private func changes(
        in events: [IngestionV1.LoggedEvent], after position: LogPosition
    ) async throws -> [LogConsumer.Positioned<FeatureChange?>] {
        let left = events.drop { LogPosition($0.position) <= position }
        guard let last = left.last else { return [] }
        lag.set(age(of: last) / .seconds(1))
        let runs = try left.compactMap(\.transactions).map { try LogRun($0) }
        let areKnown = try await writer.brought.holdAll(runs, age: age(of: last))
        let whole = areKnown ? Array(left) : try await read(after: position, to: LogPosition(last.position))
        if let last = whole.last { lag.set(age(of: last) / .seconds(1)) }
        return try whole.map { logged in
            let position = LogPosition(logged.position)
            var change = try logged.event.flatMap(FeatureChange.init)
            if case .transaction = change, writer.brought.holds(position) { change = nil }
            return (position: position, event: change)
        }
    }

    /// The next batch after a position; what lies behind `end` only as far as it is not left to calls.
    private func read(after position: LogPosition, to end: LogPosition) async throws -> [IngestionV1.LoggedEvent] {
        let request = IngestionV1.TailEventsRequest(after: .init(position), maxBatch: Self.maxBatch)
        return try await gateway.tailEvents(request) { responses in
            let batch = try await responses.first { _ in true }?.events ?? []
            return Array(batch.prefix { LogPosition($0.position) <= end || !writer.brought.isLeftToCalls(age: age(of: $0)) })
        }
    }

    private func age(of logged: IngestionV1.LoggedEvent) -> Duration {
        let recordedAt = logged.recordedAt.flatMap { Timestamp($0) } ?? .epoch
        return .microseconds((Timestamp.now() - recordedAt).microseconds)
    }
}
