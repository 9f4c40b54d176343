import Contracts
import EventLog
import RPC
import RecordCoding

/// Decides on what the feature store has observed and no call has brought yet.
struct ObservationFollower: Sendable {
    let store: FeaturesV1.FeatureStoreService.Client
    let writer: DecisionWriter
    let consumer: LogConsumer

    func run() async throws {
        try await consumer.follow(
            from: { position, deliver in
                let request = FeaturesV1.TailObservationsRequest(after: .init(position), maxBatch: 500)
                try await store.tailObservations(request) { responses in
                    for try await response in responses {
                        // Thrown here it makes the consumer come again later, when a fitting model may have been promoted.
                        try checkDecidable(response.observations)
                        try await deliver(
                            response.observations.map { logged in
                                (position: LogPosition(logged.position), event: logged.observation ?? FeaturesV1.Observation())
                            })
                    }
                }
            },
            handle: { (batch: LogConsumer.Batch<FeaturesV1.Observation>) in
                try await writer.take { transaction in try await consumer.claim(batch, in: transaction).map(\.event) }
            })
    }

    private func checkDecidable(_ observations: [FeaturesV1.LoggedObservation]) throws {
        guard let scorer = writer.champion.scorer else { throw RPCError(.failedPrecondition, "no model has been promoted") }
        for observation in observations.compactMap(\.observation) where observation.featureSetVersion != scorer.featureSetVersion {
            throw DecisionWriter.otherFeatures(observation, scorer)
        }
    }
}
