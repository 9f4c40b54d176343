import Contracts
import EventLog
import Features
import Logging
import RecordCoding
import Records
import ServiceRuntime

/// The behaviour of accounts, cards, devices, merchants, pairs and cells, in memory, from the store's own log.
///
/// A start takes the newest snapshot and reads the log behind it; without one, and so also when a view has been declared anew, all of the
/// log, while everything else is served already. Until that is done nothing is answered, because it would be a part of the truth. From then
/// on it follows the log, a moment behind.
actor BehaviourKeeper: SnapshottedMemory {
    private static let retrySeconds = 1
    private static let batchLimit = 2_000
    /// One payment in so many shows how the views are: computing all of them for each would cost more than keeping them.
    static let sampleStride = 16

    private let database: FeatureStoreDatabase
    private let logger: Logger
    /// What is kept here; everything where nil.
    private let slice: Slice?
    private let latest: LatestPayments
    private let maxBytes: Int
    private var engine: BehaviourEngine
    /// The latest samples of each kind of entity, for health.
    private(set) var samples: [BehaviourEntity: FeatureWindow]
    private var position = LogPosition.start
    private var isRestored = false
    nonisolated let series: SnapshotSeries
    var newEntries = 0
    private(set) var isWhole = false
    private(set) var entriesTaken = 0
    private var paymentsTaken = 0

    init(
        database: FeatureStoreDatabase, set: BehaviourSet, slice: Slice? = nil, latest: LatestPayments = LatestPayments(), maxBytes: Int = .max,
        logger: Logger = Logger(label: "feature-store")
    ) {
        self.database = database
        self.logger = logger
        self.slice = slice
        self.latest = latest
        self.maxBytes = maxBytes
        engine = BehaviourEngine(set: set, maxBytes: maxBytes)
        series = SnapshotSeries(.behaviour, version: set.version, slice: slice, format: BehaviourSnapshotWriter.format)
        samples = Dictionary(
            uniqueKeysWithValues: BehaviourEntity.allCases.map { ($0, FeatureWindow(featureCount: set.views(of: $0).count)) })
    }

    /// Keeps up with the log until the task is cancelled.
    func follow() async throws {
        while true {
            do {
                try await catchUp()
                // Of what other replicas observe only the log tells.
                if slice == nil {
                    for try await runs in database.log.tailRuns(after: position, batchLimit: Self.batchLimit) { try await take(runs) }
                } else {
                    for try await entries in database.log.tail(after: position, batchLimit: Self.batchLimit) { try take(entries) }
                }
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                logger.warning("the log of observations cannot be read", metadata: ["reason": "\(error)"])
                try await Task.sleep(for: .seconds(Self.retrySeconds))
            }
        }
    }

    /// The newest snapshot that can be read.
    private func restore() async throws {
        for snapshot in try await database.snapshots(of: series) {
            var reader = BehaviourSnapshotReader(set: engine.set, maxBytes: maxBytes)
            do {
                try await database.forEachChunk(of: snapshot) { try reader.add($0) }
                engine = try reader.finish()
                position = snapshot.position
                try await restoreSamples()
                return
            } catch let error as SnapshotError {
                logger.warning("a snapshot of behaviour cannot be read", metadata: ["snapshot": "\(snapshot.number)", "reason": "\(error)"])
            }
        }
    }

    /// Health tells of the latest payments before the snapshot too: of each as it was just before it, and with what came late. No further
    /// back than all that their windows reach is kept.
    private func restoreSamples() async throws {
        let entries = try await database.lastObservations(upTo: position, limit: FeatureWindow.capacity)
        let payments = try entries.map { try Transaction(observation: try FeaturesV1.Observation(entry: $0)) }
        guard let newest = payments.map(\.eventTime).max() else { return }
        for (place, payment) in payments.enumerated() where place % Self.sampleStride == 0 {
            guard newest - payment.eventTime <= BehaviourEngine.maxLateness else { continue }
            sample(payment, at: payment.eventTime - TimeSpan(microseconds: 1))
        }
    }

    func snapshot() -> (memory: BehaviourSnapshotWriter, position: LogPosition, entries: Int) {
        (BehaviourSnapshotWriter(of: engine), position, newEntries)
    }

    func haveKept(_ entries: Int) { newEntries -= entries }

    /// Takes in all that the log holds by now.
    func catchUp() async throws {
        if !isRestored {
            try await restore()
            isRestored = true
        }
        let end = try await database.log.end()
        while position < end {
            let entries = try await database.log.read(after: position, limit: Self.batchLimit)
            guard !entries.isEmpty else { break }
            try take(entries)
        }
        if !isWhole { logger.info("behaviour is whole", metadata: ["entities": "\(engine.entityCount)"]) }
        isWhole = true
    }

    /// Takes in runs whose payments are among the latest; reads the others.
    private func take(_ runs: [LoggedRun]) async throws {
        for run in runs.map(\.run) {
            if let payments = latest.take(run) {
                payments.forEach(take)
                entriesTaken += run.count
                newEntries += run.count
                position = run.end
            } else {
                try take(try await database.log.read(after: position, limit: run.count))
            }
        }
    }

    private func take(_ entries: [LoggedEvent]) throws {
        for entry in entries {
            if case .observed(let message) = try FeaturesV1.FeatureEvent.Event(entry: entry.payload) {
                take(try Transaction(observation: message))
            }
            position = entry.position
            entriesTaken += 1
            newEntries += 1
        }
    }

    private func take(_ payment: Transaction) {
        defer { paymentsTaken += 1 }
        if paymentsTaken % Self.sampleStride == 0 { sample(payment, at: payment.eventTime) }
        guard payment.namesBehaving else { return }
        let hadRoom = engine.refusedCount == 0
        engine.remember(payment) { slice?.owns($0) ?? true }
        if hadRoom, engine.refusedCount > 0 {
            let fields: Logger.Metadata = ["entities": "\(engine.entityCount)", "bytes": "\(engine.bytes)", "limit_bytes": "\(maxBytes)"]
            logger.warning("there is no room for the behaviour of new entities: see VIGIL_FEATURES_BEHAVIOUR_MAX_MEBIBYTES", metadata: fields)
        }
    }

    /// - Parameter time: as of which the values are.
    private func sample(_ payment: Transaction, at time: Timestamp) {
        var asked = payment
        asked.eventTime = time
        for (key, values) in engine.known(of: asked) where slice?.owns(key) ?? true {
            // Of what found no room it is not known that it was never seen.
            if engine.refusedCount > 0, !engine.holds(key) { continue }
            samples[key.entity]?.add(values, at: payment.eventTime)
        }
        guard slice?.owns(customer: payment.customerID) ?? true else { return }
        for (entity, values) in engine.unnamed(by: payment) { samples[entity]?.add(values, at: payment.eventTime) }
    }

    /// What can be said of an entity.
    enum Behaviour: Sendable {
        /// Its values, and the newest payment behind them.
        case known(values: [Double], newest: Timestamp?)
        case neverSeen
        /// Nothing yet: the log is being read.
        case unread
        /// Nothing: it may have found no room.
        case unkept
    }

    /// The behaviour of entities at a time.
    func behaviour(of keys: [BehaviourKey], at time: Timestamp) -> [Behaviour] {
        keys.map { key in
            guard isWhole else { return .unread }
            if let values = engine.values(of: key, at: time) {
                return .known(values: values, newest: engine.newestEventTime(of: key, at: time))
            }
            return engine.refusedCount > 0 ? .unkept : .neverSeen
        }
    }

    /// For metrics.
    var usage: (entities: Int, bytes: Int, refused: Int) { (engine.entityCount, engine.bytes, engine.refusedCount) }
}

extension Transaction {
    /// Whether there is anything whose behaviour is kept: most card payments name no more than a customer and a terminal.
    fileprivate var namesBehaving: Bool {
        accountID != nil || cardID != nil || counterpartyAccountID != nil || deviceID != nil || merchantID != nil || location != nil
    }
}

extension BehaviourKey {
    /// Nil for customers and terminals.
    init?(_ message: FeaturesV1.EntityKey) {
        switch message.entity {
        case .accountID(let id): self.init(.account, id)
        case .cardID(let id): self.init(.card, id)
        case .deviceID(let id): self.init(.device, id)
        case .pair(let pair): self.init(.pair, pair.accountID, paying: pair.counterpartyAccountID)
        case .cell(let quadkey): self.init(.cell, quadkey)
        case .merchantID(let id): self.init(.merchant, id)
        case .customerID, .terminalID, nil: return nil
        }
    }
}

extension ReplicaRing {
    /// Nil for a message that names no entity.
    func owner(of message: FeaturesV1.EntityKey) -> String? {
        switch message.entity {
        case .customerID(let id): owner(ofCustomer: id)
        case .terminalID(let id): owner(ofTerminal: id)
        default: BehaviourKey(message).map { owner(of: $0) }
        }
    }
}

extension FeaturesV1.EntityKey {
    init(_ key: BehaviourKey) {
        switch key.entity {
        case .account: self.init(entity: .accountID(key.id))
        case .card: self.init(entity: .cardID(key.id))
        case .device: self.init(entity: .deviceID(key.id))
        case .pair: self.init(entity: .pair(.init(accountID: key.id, counterpartyAccountID: key.counterparty)))
        case .cell: self.init(entity: .cell(key.id))
        case .merchant: self.init(entity: .merchantID(key.id))
        }
    }
}
