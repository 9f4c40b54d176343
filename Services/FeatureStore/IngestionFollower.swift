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
                while case let entries = try await leftByCalls(of: try await batch(after: position)), let last = entries.last {
                    try await deliver(entries.map { (position: $0.position, event: $0.event) })
                    lag.set(behindSince: nil)
                    position = last.position
                }
            },
            handle: { try await replica.take($0, database: database, consumer: consumer) })
    }

    /// The first of these, once calls have had the time to bring them: all where that is so already, and of young ones about a second's, so
    /// that none waits for long and there are many in a batch. What no call brings, such as where a terminal stands, is not waited with: the
    /// payments that come next are to know it.
    private func leftByCalls(of entries: [Entry]) async throws -> ArraySlice<Entry> {
        guard let first = entries.first, let youngest = entries.map(\.age).min() else { return [] }
        lag.set(behindSince: first.recordedAt)
        let isPayment = { (entry: Entry) in if case .transaction = entry.event { true } else { false } }
        if !isPayment(first) { return entries.prefix { !isPayment($0) } }
        let wait = min(Replica.callLead - youngest, Replica.callLead + .seconds(1) - first.age)
        if wait > .zero { try await Task.sleep(for: wait) }
        return entries.prefix { $0.age >= Replica.callLead }
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
