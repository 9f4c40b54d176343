import Contracts
import EventLog
import RPC
import RecordCoding
import Records
import ServiceRuntime

/// Decides on what the feature store has observed and no call has brought yet.
struct ObservationFollower: Sendable {
    let store: FeaturesV1.FeatureStoreService.Client
    let writer: DecisionWriter
    let consumer: LogConsumer
    let lag: LogLag

    private static let maxBatch: UInt32 = 1_000

    func run() async throws {
        let follower = RunFollower<FeaturesV1.Observation>(
            brought: writer.brought,
            runs: { position, body in
                try await store.tailObservations(.init(after: .init(position), maxBatch: Self.maxBatch, runsOnly: true)) { responses in
                    for try await response in responses { try await body(try response.observations.map(Self.entry)) }
                }
            },
            batch: { position in
                try await store.tailObservations(.init(after: .init(position), maxBatch: Self.maxBatch)) { responses in
                    try await responses.first { _ in true }?.observations.map(Self.entry) ?? []
                }
            },
            behind: { lag.set(behindSince: $0) })
        try await consumer.follow(
            from: { position, deliver in
                try await follower.follow(after: position) { observations in
                    var left = observations[...]
                    while !left.isEmpty {
                        // Of one model's features at a time. Thrown here, outside of what takes them in, a refusal makes the consumer come
                        // again later, when a fitting model may have been promoted.
                        let features = left.lazy.compactMap(\.event?.featureSetVersion).first
                        if let features { _ = try writer.scorer(ofFeatures: features) }
                        let part = left.prefix { $0.event == nil || $0.event?.featureSetVersion == features }
                        try await deliver(Array(part))
                        left = left.dropFirst(part.count)
                    }
                }
            },
            handle: { (batch: LogConsumer.Batch<FeaturesV1.Observation?>) in
                try await writer.take { transaction in try await consumer.claim(batch, in: transaction).compactMap(\.event) }
            })
    }

    private static func entry(_ logged: FeaturesV1.LoggedObservation) throws -> RunFollower<FeaturesV1.Observation>.Entry {
        try .init(position: logged.position, recordedAt: logged.recordedAt, event: logged.observation, run: logged.run)
    }
}
