import Contracts
import EventLog
import Features
import Postgres
import RPC
import RecordCoding
import Records
import ServiceRuntime
import Synchronization
import TestSupport

@testable import FeatureStore

/// Replicas over one database, a gateway's log in memory, and a caller that does as the gateway does.
final class ReplicaRig: Sendable {
    struct Running: Sendable {
        let replica: Replica
        let database: FeatureStoreDatabase
        let consumer: LogConsumer
    }

    let database: FeatureStoreDatabase
    private let running = Mutex<[String: Running]>([:])
    private let log = Mutex<[(position: LogPosition, event: FeatureChange?)]>([])
    private let ring: Mutex<ReplicaRing>
    private let featureSet: Mutex<FeatureSet>
    /// The replicas' queues run in here.
    private let starts = AsyncStream.makeStream(of: Replica.self)

    private init(database: FeatureStoreDatabase, names: [String], featureSet: FeatureSet) {
        self.database = database
        self.featureSet = Mutex(featureSet)
        ring = Mutex(ReplicaRing(generation: 1, replicas: Self.addresses(names)))
    }

    private static func addresses(_ names: [String]) -> [String: String] {
        Dictionary(uniqueKeysWithValues: names.map { ($0, "https://\($0)") })
    }

    static func run(
        _ names: [String], serving featureSet: FeatureSet = .payments, _ body: (ReplicaRig) async throws -> Void
    ) async throws {
        try await TemporaryPostgres.withPool { pool in
            try await migrate(pool, migrations: FeatureStoreDatabase.migrations)
            let rig = ReplicaRig(database: FeatureStoreDatabase(pool: pool), names: names, featureSet: featureSet)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    await withDiscardingTaskGroup { replicas in
                        for await replica in rig.starts.stream { replicas.addTask { await replica.run() } }
                        replicas.cancelAll()
                    }
                }
                for name in names { try await rig.start(name) }
                try await body(rig)
                rig.starts.continuation.finish()
                try await group.waitForAll()
            }
        }
    }

    var currentRing: ReplicaRing { ring.withLock { $0 } }
    var names: [String] { running.withLock { $0.keys.sorted() } }
    func replica(_ name: String) -> Replica? { running.withLock { $0[name]?.replica } }

    // MARK: Life and death

    func start(_ name: String) async throws {
        let slice = Slice(ring: currentRing, name: name)
        let membership = try await database.join(slice.ring, as: name, outsider: "nobody")
        let writer = ObservationWriter(database: database, featureSet: featureSet.withLock { $0 }, part: (slice, membership))
        _ = try await writer.rebuild()
        let peers = slice.ring.names.filter { $0 != name }.map { other in
            (
                other,
                Replica.Peer(
                    complete: { [self] in try await awake(other).completeHere($0) },
                    features: { [self] request in
                        let time = request.at.flatMap { Timestamp($0) } ?? .now()
                        return try await features(request.entities.compactMap(ObservedEntity.init), at: time, of: try awake(other))
                    })
            )
        }
        let replica = Replica(slice: slice, writer: writer, others: Dictionary(uniqueKeysWithValues: peers), logger: testLogger)
        starts.continuation.yield(replica)
        let consumer = LogConsumer(name: Slice.consumerName(name), pool: database.pool, logger: testLogger)
        running.withLock { $0[name] = Running(replica: replica, database: database, consumer: consumer) }
    }

    /// It answers no more; what it had in memory is gone.
    func kill(_ name: String) { running.withLock { $0[name] = nil } }

    /// Another ring takes the place of this one.
    func change(to names: [String]) async throws {
        running.withLock { $0 = [:] }
        ring.withLock { $0 = ReplicaRing(generation: $0.generation + 1, replicas: Self.addresses(names)) }
        for name in names { try await start(name) }
    }

    /// All start anew with other features.
    func serve(_ set: FeatureSet) async throws {
        featureSet.withLock { $0 = set }
        for name in names { try await start(name) }
    }

    func snapshot(_ name: String) async throws {
        guard let writer = replica(name)?.writer else { return }
        try await SnapshotSchedule(memory: writer, database: database, intervalSeconds: 1).take()
    }

    private func awake(_ name: String) throws -> Replica {
        guard let replica = replica(name) else { throw RPCError(.unavailable, "connection refused") }
        return replica
    }

    // MARK: What comes in

    /// The gateway stores it; whoever runs may read it, now or later.
    func accept(_ changes: [FeatureChange]) {
        log.withLock { log in
            for change in changes { log.append((LogPosition(transactionID: 1, sequence: Int64(log.count + 1)), change)) }
        }
    }

    /// All that run read the gateway's log to its end.
    func follow() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for running in running.withLock({ Array($0.values) }) {
                group.addTask { [self] in
                    let position = try await running.consumer.position()
                    let events = log.withLock { $0.filter { $0.position > position } }
                    guard !events.isEmpty else { return }
                    let batch = LogConsumer.Batch(following: position, events: events)
                    try await running.replica.take(batch, database: running.database, consumer: running.consumer)
                }
            }
            try await group.waitForAll()
        }
    }

    /// As the gateway calls: first the customers' replicas, then the terminals', each in the order given. What one cannot say is missing.
    /// - Parameter between: runs between the two.
    func observe(_ transactions: [Transaction], between: () async throws -> Void = {}) async throws -> [FeaturesV1.Observation] {
        let ring = currentRing
        var whole: [FeaturesV1.Observation] = []
        var halves: [TransactionKey: FeaturesV1.CustomerObservation] = [:]
        for (name, part) in Dictionary(grouping: transactions, by: { ring.owner(ofCustomer: $0.customerID) }).sorted(by: { $0.key < $1.key }) {
            guard let answer = try await replica(name)?.observeAtCustomers(part) else { continue }
            whole += try answer.whole.map { try $0.message() }
            for half in answer.halves { if let key = half.observation?.key { halves[TransactionKey(key)] = half } }
        }
        try await between()
        let ordered = transactions.compactMap { halves.removeValue(forKey: $0.key) }
        for (name, part) in Dictionary(grouping: ordered, by: { ring.owner(ofTerminal: $0.observation?.terminalID ?? "") }) {
            guard let replica = replica(name) else { continue }
            whole += try await replica.completeHere(.init(observations: part, ringGeneration: ring.generation)).map { try $0.message() }
        }
        return whole
    }

    // MARK: What is known

    func features(_ entities: [ObservedEntity], at time: Timestamp, of replica: Replica) async throws -> [FeaturesV1.EntityFeatures] {
        try await replica.writer.features(of: entities, at: time).map { features in
            FeaturesV1.EntityFeatures(found: features != nil, values: features?.values ?? [])
        }
    }

    /// An entity's values from the replica that keeps it, as bits; nil if that does not run, empty if it was never seen.
    func values(of entity: ObservedEntity, at time: Timestamp) async throws -> [UInt64]? {
        let name = switch entity {
        case .customer(let id): currentRing.owner(ofCustomer: id)
        case .terminal(let id): currentRing.owner(ofTerminal: id)
        }
        guard let replica = replica(name) else { return nil }
        return try await features([entity], at: time, of: replica)[0].values.map(\.bitPattern)
    }
}

extension ObservedEntity {
    init?(_ key: FeaturesV1.EntityKey) {
        switch key.entity {
        case .customerID(let id): self = .customer(id)
        case .terminalID(let id): self = .terminal(id)
        default: return nil
        }
    }
}
