import Contracts
import EventLog
import Features
import Postgres
import RPC
import RecordCoding
import Records
import ServiceRuntime
import StandardContracts
import Synchronization
import TestSupport
import Testing

@testable import FeatureStore

@Suite struct IngestionFollowerTests {
    @Test("What a follower is behind by is read a large batch at a time, however small the runs that it hears of")
    func behind() async throws {
        let log = FakeLog(transactions: [1_500] + [Int](repeating: 1, count: 1_000))
        let brought = LogRun(transactionID: 1, sequences: 11...20, count: 10)
        try await withFollower(of: log) { follower in
            follower.writer.brought.insert([brought])
            let expected = log.positions.filter { $0 > LogPosition(transactionID: 1, sequence: 20) || $0.sequence <= 10 }.map(log.id)
            try await expect(expected, in: follower.database)
            #expect(log.reads.withLock { $0 } == 3, "2,500 events are three batches")
        }
    }

    @Test("So is what a replica is behind by, whose ring's calls had their time")
    func replicaBehind() async throws {
        let log = FakeLog(transactions: [1_500] + [Int](repeating: 1, count: 1_000))
        try await withFollower(of: log, ofReplica: true) { follower in
            try await expect(log.positions.map(log.id), in: follower.database)
            #expect(log.reads.withLock { $0 } == 3, "2,500 events are three batches")
        }
    }

    @Test("A label behind payments that calls have brought does not wait until they are old")
    func labelBehindCalls() async throws {
        let began = ContinuousClock.now
        let log = FakeLog(transactions: [20], age: .days(0), endsWithLabel: true)
        try await withFollower(of: log, ofReplica: true) { follower in
            _ = try await #require(follower.replica).observe(log.positions.map { log.transaction(log.id($0)) })
            while try await follower.database.pool.query("SELECT FROM labels").isEmpty, began.duration(to: .now) < Replica.callLead * 2 {
                await Task.yield()
            }
            #expect(began.duration(to: .now) < Replica.callLead)
            let first = try await follower.database.pool.query("SELECT transaction_id FROM labels").map { try $0.decode(String.self) }
            #expect(first == [log.id(log.positions[0])])
        }
    }

    /// Waits until so many have been observed.
    private func expect(_ ids: [String], in database: FeatureStoreDatabase) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try await observed(database).count < ids.count, .now < deadline { await Task.yield() }
        #expect(try await observed(database) == ids)
    }

    private func observed(_ database: FeatureStoreDatabase) async throws -> [String] {
        let rows = try await database.pool.query("""
            SELECT id FROM event_log, unnest(bank_transaction_ids) WITH ORDINALITY AS event (id, place)
            WHERE id IS NOT NULL ORDER BY transaction_id, sequence, place
            """)
        return try rows.map { try $0.decode(String.self) }
    }

    private func withFollower(
        of log: FakeLog, ofReplica: Bool = false, _ body: (IngestionFollower) async throws -> Void
    ) async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: FeatureStoreDatabase.migrations)
            let database = FeatureStoreDatabase(pool: pool)
            let slice = Slice(ring: ReplicaRing(generation: 1, replicas: ["east": "https://east"]), name: "east")
            let part = ofReplica ? (slice, try await database.join(slice.ring, as: slice.name, outsider: "nobody")) : nil
            let writer = ObservationWriter(database: database, featureSet: .payments, part: part)
            _ = try await writer.rebuild()
            let replica = ofReplica ? Replica(slice: slice, writer: writer, others: [:], logger: testLogger) : nil
            try await withServer(
                ServerConfiguration(host: "127.0.0.1", port: 0), services: [log], health: HealthRegistry(), logger: testLogger
            ) { server in
                try await withChannel(ChannelConfiguration(target: "http://127.0.0.1:\(server.port)"), logger: testLogger) { channel in
                    let follower = IngestionFollower(
                        gateway: .init(channel), consumer: LogConsumer(name: "ingestion", pool: pool), database: database, writer: writer,
                        replica: replica, lag: MetricsRegistry().logLag("ingestion"))
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        if let replica { group.addTask { await replica.run() } }
                        group.addTask { try await follower.run() }
                        try await body(follower)
                        group.cancelAll()
                    }
                }
            }
        }
    }
}

/// A gateway's log of payments, which tells of each transaction in a response of its own, and of a label of the first one behind them.
private final class FakeLog: RPCService {
    let runs: [LogRun]
    let positions: [LogPosition]
    /// How often it was read whole.
    let reads = Mutex(0)
    /// There is none.
    private let news = WakeSignal()
    private let recordedAt: GoogleProtobuf.Timestamp
    private let label: (position: LogPosition, event: IngestionV1.IngestionEvent)?

    /// - Parameters:
    ///   - transactions: how many payments each has.
    ///   - age: of all of it.
    init(transactions: [Int], age: TimeSpan = .minutes(1), endsWithLabel: Bool = false) {
        recordedAt = .init(Timestamp.now() - age)
        let first = Label(key: TransactionKey(bankID: "bank", transactionID: "t-1-1"), isFraud: true, knownAt: .now(), source: "test")
        label = endsWithLabel
            ? (LogPosition(transactionID: UInt64(transactions.count + 1), sequence: 1), .init(event: .labelAccepted(.init(first)))) : nil
        runs = transactions.enumerated().map { LogRun(transactionID: UInt64($0 + 1), sequences: 1...Int64($1), count: $1) }
        positions = runs.flatMap { run in run.sequences.map { LogPosition(transactionID: run.transactionID, sequence: $0) } }
    }

    func id(_ position: LogPosition) -> String { "t-\(position.transactionID)-\(position.sequence)" }

    var serviceName: String { IngestionV1.IngestionService.fullName }
    var fileDescriptors: [[UInt8]] { [] }
    var methods: [RPCMethod] {
        [.serverStreaming(IngestionV1.IngestionService.Methods.tailEvents) { [self] in try await tail($0, to: $1, context: $2) }]
    }

    private func tail(
        _ request: IngestionV1.TailEventsRequest, to responses: ResponseWriter<IngestionV1.TailEventsResponse>, context: CallContext
    ) async throws {
        let after = LogPosition(request.after)
        if request.transactions == .runs {
            for run in runs where run.end > after {
                try await responses.write(.init(events: [.init(position: .init(run.end), recordedAt: recordedAt, transactions: .init(run))]))
            }
        } else {
            let payments = positions.map { (position: $0, event: event(id($0))) }
            let batch = (payments + (label.map { [$0] } ?? [])).filter { $0.position > after }.prefix(Int(request.maxBatch))
            if !batch.isEmpty {
                reads.withLock { $0 += 1 }
                try await responses.write(
                    .init(events: batch.map { .init(position: .init($0.position), recordedAt: recordedAt, event: $0.event) }))
            }
        }
        _ = await news.wait(beyond: 0, atMost: .seconds(600))
    }

    func transaction(_ id: String) -> Transaction {
        Transaction(
            key: TransactionKey(bankID: "bank", transactionID: id), eventTime: Timestamp.now() - .hours(1), customerID: "C", terminalID: "T",
            channel: .pos, amount: Money(minorUnits: 100, currency: .inr))
    }

    private func event(_ id: String) -> IngestionV1.IngestionEvent {
        .init(event: .transactionAccepted(.init(transaction(id))), senderID: "bank")
    }
}
