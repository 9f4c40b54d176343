import Contracts
import Features
import RecordCoding
import Records

/// The health of the behaviour views: how complete they are, and how far from the reference span.
struct BehaviourHealth: Sendable {
    let behaviour: BehaviourKeeper
    let database: FeatureStoreDatabase
    var set = BehaviourSet.standard

    /// Of all views, in their order.
    func now() async throws -> [FeatureHealth] {
        let samples = await behaviour.samples
        var health: [FeatureHealth] = []
        for entity in BehaviourEntity.allCases {
            guard let sample = samples[entity] else { continue }
            health += sample.health(of: names(of: entity), reference: try await database.reference(version: version(of: entity)))
        }
        return health
    }

    /// Makes the payments of a span what drift is measured against: their behaviour, computed again from the whole log, in samples as
    /// thin as those that are watched.
    func setReference(from: Timestamp?, to: Timestamp?) async throws {
        var engine = BehaviourEngine(set: set)
        var samples = Dictionary(
            uniqueKeysWithValues: BehaviourEntity.allCases.map { ($0, FeatureSample(featureCount: set.views(of: $0).count)) })
        var count = 0
        try await database.forEachLoggedBatch(knownBy: nil, batchRows: FeatureHistory.batchRows) { batch in
            for item in batch {
                guard case .observed(let observation) = try FeaturesV1.FeatureEvent.Event(entry: item.payload) else { continue }
                let transaction = try Transaction(observation: observation)
                let isWithin = (from.map { transaction.eventTime >= $0 } ?? true) && (to.map { transaction.eventTime < $0 } ?? true)
                if isWithin, count % BehaviourKeeper.sampleStride == 0 {
                    for (key, values) in engine.known(of: transaction) { samples[key.entity]?.add(values) }
                    for (entity, values) in engine.unnamed(by: transaction) { samples[entity]?.add(values) }
                }
                engine.remember(transaction)
                count += 1
            }
        }
        for (entity, sample) in samples {
            guard let reference = sample.reference(names: names(of: entity), from: from, to: to) else { continue }
            try await database.setReference(reference, version: version(of: entity))
        }
    }

    private func names(of entity: BehaviourEntity) -> [String] { set.views(of: entity).map(\.name) }
    /// Under which its reference is kept. Without the last words it was of payments that name such an entity alone.
    private func version(of entity: BehaviourEntity) -> String { "\(set.version) \(entity.rawValue) of all payments" }
}
