import Contracts
import Features
import RecordCoding
import Records
import ServiceRuntime

/// The observations of a span of event time as a table: the features of the set that is served now, and the labels known by a time.
///
/// What is stored is given as it is, by event time. Where another set was served when something in the span was observed, or behaviour is
/// wanted, the whole log is replayed by engines of its own, while everything goes on; rows then come in the log's order, so that nothing is
/// kept but the engines.
struct FeatureHistory: Sendable {
    static let batchRows = 1_000

    let database: FeatureStoreDatabase
    let featureSet: FeatureSet
    var from: Timestamp?
    var to: Timestamp?
    var knownBy: Timestamp?
    var withBehaviour = false

    func forEachBatch(_ body: ([FeaturesV1.HistoricalRow]) async throws -> Void) async throws {
        // Its version is a field of an observation; nothing else in one is encoded like it.
        let mark = Payload.encode(FeaturesV1.Observation(featureSetVersion: featureSet.version))
        let hasOthers = try await database.holdsObservations(from: from, to: to, without: mark)
        if hasOthers || withBehaviour { return try await replay(computing: hasOthers, body) }
        try await database.forEachHistoricalBatch(from: from, to: to, knownBy: knownBy, batchRows: Self.batchRows) { batch in
            try await body(
                batch.map { item in
                    .init(observation: try FeaturesV1.Observation(entry: item.payload), label: item.label.map { .init($0) })
                })
        }
    }

    /// - Parameter isComputing: whether some have features of another set.
    private func replay(
        computing isComputing: Bool, _ body: ([FeaturesV1.HistoricalRow]) async throws -> Void
    ) async throws {
        var memory = isComputing ? ObservationMemory(featureSet: featureSet) : nil
        var behaviour = withBehaviour ? BehaviourEngine(set: .standard) : nil
        try await database.forEachLoggedBatch(knownBy: knownBy, batchRows: Self.batchRows) { batch in
            var rows: [FeaturesV1.HistoricalRow] = []
            for item in batch {
                let event = try FeaturesV1.FeatureEvent.Event(entry: item.payload)
                let observed = try memory?.replay(event)
                guard case .observed(var observation) = event else { continue }
                let transaction = try observed?.transaction ?? Transaction(observation: observation)
                guard isWithin(transaction.eventTime) else {
                    behaviour?.remember(transaction)
                    continue
                }
                if let observed { (observation.values, observation.featureSetVersion) = (observed.values, featureSet.version) }
                rows.append(
                    FeaturesV1.HistoricalRow(
                        observation: observation, label: item.label.map { .init($0) },
                        behaviours: (behaviour?.observe(transaction) ?? []).map {
                            FeaturesV1.EntityFeatures(entity: .init($0.key), found: true, values: $0.values)
                        }))
            }
            if !rows.isEmpty { try await body(rows) }
        }
    }

    private func isWithin(_ time: Timestamp) -> Bool { (from.map { time >= $0 } ?? true) && (to.map { time < $0 } ?? true) }
}

extension ObservationMemory {
    /// Takes in an entry of the store's log.
    /// - Returns: of an observation what memory's own feature set says of it; nil for anything else.
    mutating func replay(_ event: FeaturesV1.FeatureEvent.Event?) throws -> (transaction: Transaction, values: [Double])? {
        switch event {
        case .observed(let message): return try replay(whole: message)
        case .customerObserved(let message): try replay(half: message)
        case .labelled(let message), .labelledEarly(let message): learn(try Label(message))
        case .terminalPlaced(let message): place(try Terminal(message))
        case .customerPlaced(let message): place(try Customer(message))
        case nil: throw ServiceError("the log holds an entry that this version does not know")
        }
        return nil
    }

    /// Whether an observation has the features that memory computes, which are then not computed again.
    func computes(_ message: FeaturesV1.Observation) -> Bool {
        message.featureSetVersion == featureSet.version && message.values.count == featureSet.count
    }

    /// Replicas took a payment in at its customer when they wrote the half, and at its terminal when they wrote the whole: in between others
    /// came, and in another order at the one than at the other.
    mutating func replay(half message: FeaturesV1.Observation) throws {
        let transaction = try Transaction(observation: message)
        // Another half was written where the features changed in between.
        guard !hasBegun(transaction.key), !hasObserved(transaction.key) else { return }
        begin(transaction, values: computes(message) ? message.values : nil)
    }

    /// - Returns: what memory's own feature set says of it.
    mutating func replay(whole message: FeaturesV1.Observation) throws -> (transaction: Transaction, values: [Double]) {
        let transaction = try Transaction(observation: message)
        if computes(message) {
            remember(transaction, values: message.values)
            return (transaction, message.values)
        }
        return (transaction, finish(transaction).values)
    }
}
