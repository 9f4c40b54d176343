import Contracts
import EventLog
import RPC
import RecordCoding
import Records
import ServiceRuntime

/// Takes in what the gateway has accepted and no call has brought yet.
struct IngestionFollower: Sendable {
    let gateway: IngestionV1.IngestionService.Client
    let consumer: LogConsumer
    let database: FeatureStoreDatabase
    let writer: ObservationWriter
    /// Nil where this store keeps everything.
    let replica: Replica?
    let lag: LogLag

    private typealias Entry = RunFollower<FeatureChange>.Entry

    private static let maxBatch: UInt32 = 1_000
    private static let positionAge = Duration.seconds(1)
    /// Between looks whether calls have brought something.
    private static let pause = Duration.milliseconds(100)

    func run() async throws {
        if let replica { try await run(replica) } else { try await runByRuns() }
    }

    private func runByRuns() async throws {
        let follower = RunFollower<FeatureChange>(
            brought: writer.brought,
            runs: { position, body in
                let request = IngestionV1.TailEventsRequest(after: .init(position), maxBatch: Self.maxBatch, transactions: .runs)
                try await gateway.tailEvents(request) { responses in
                    for try await response in responses { try await body(try response.events.map(Self.entry)) }
                }
            },
            batch: { try await batch(after: $0) },
            behind: { lag.set(behindSince: $0) })
        try await consumer.follow(
            from: { try await follower.follow(after: $0, deliver: $1) },
            handle: { (batch: LogConsumer.Batch<FeatureChange?>) in
                try await writer.take(batch) { transaction in try await consumer.claim(batch, in: transaction).compactMap(\.event) }
            })
    }

    /// A replica needs to know whose each transaction is, so it reads all of them whole.
    private func run(_ replica: Replica) async throws {
        try await consumer.follow(
            from: { start, deliver in
                var position = start
                var deliveredAt = ContinuousClock.now
                while case let entries = try await leftByCalls(of: try await batch(after: position)), let last = entries.last {
                    // A position alone may be read again.
                    if entries.contains(where: { $0.event != nil }) || deliveredAt.duration(to: .now) > Self.positionAge {
                        try await deliver(entries)
                        deliveredAt = .now
                    }
                    lag.set(behindSince: nil)
                    position = last.position
                }
            },
            handle: { try await replica.take($0, database: database, consumer: consumer) })
    }

    /// The first of these, up to a payment that calls may still bring; those that they have brought without the event. What calls have had
    /// the time for and not brought is not waited with: all where that is so already, and of young ones about a second's, so that none waits
    /// for long and there are many in a batch.
    private func leftByCalls(of entries: [Entry]) async throws -> [LogConsumer.Positioned<FeatureChange?>] {
        guard let first = entries.first else { return [] }
        lag.set(behindSince: first.recordedAt)
        let young = Set(entries.compactMap { $0.age < Replica.callLead ? $0.payment : nil })
        var awaited = young
        while true {
            awaited.subtract(try await database.observed(among: awaited))
            let isAwaited = { (entry: Entry) in entry.payment.map(awaited.contains) ?? false }
            let isTime = first.age >= Replica.callLead + .seconds(1) || entries.allSatisfy { !isAwaited($0) || $0.age >= Replica.callLead }
            let left = entries.prefix { !isAwaited($0) || isTime && $0.age >= Replica.callLead }
            if !left.isEmpty {
                return left.map { entry in
                    let isBrought = entry.payment.map { young.contains($0) && !awaited.contains($0) } ?? false
                    return (position: entry.position, event: isBrought ? nil : entry.event)
                }
            }
            try await Task.sleep(for: Self.pause)
        }
    }

    /// The next entries after a position, whole; waits for one. None where the gateway ends.
    private func batch(after position: LogPosition) async throws -> [Entry] {
        try await gateway.tailEvents(.init(after: .init(position), maxBatch: Self.maxBatch)) { responses in
            try await responses.first { _ in true }?.events.map(Self.entry) ?? []
        }
    }

    private static func entry(_ logged: IngestionV1.LoggedEvent) throws -> Entry {
        try .init(
            position: logged.position, recordedAt: logged.recordedAt, event: try logged.event.flatMap(FeatureChange.init),
            run: logged.transactions)
    }
}

extension RunFollower.Entry where Event == FeatureChange {
    /// Of a payment.
    fileprivate var payment: TransactionKey? {
        if case .transaction(let transaction) = event { transaction.key } else { nil }
    }
}
