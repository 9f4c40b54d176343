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

    private static let maxBatch: UInt32 = 1_000

    func run() async throws {
        try await consumer.follow(
            from: { position, deliver in
                var after = position
                let request = FeaturesV1.TailObservationsRequest(after: .init(position), maxBatch: Self.maxBatch, keysOnly: true)
                try await store.tailObservations(request) { responses in
                    for try await response in responses {
                        try await deliver(try await undecided(in: response.observations, after: after))
                        if let last = response.observations.last { after = LogPosition(last.position) }
                    }
                }
            },
            handle: { (batch: LogConsumer.Batch<FeaturesV1.Observation?>) in
                try await writer.take { transaction in try await consumer.claim(batch, in: transaction).compactMap(\.event) }
            })
    }

    /// - Parameter logged: with keys alone. What calls have brought needs no more; where there is something else, the batch is read again,
    ///   whole.
    private func undecided(
        in logged: [FeaturesV1.LoggedObservation], after position: LogPosition
    ) async throws -> [LogConsumer.Positioned<FeaturesV1.Observation?>] {
        let names = logged.map { DecisionName(of: TransactionKey($0.key ?? .init())) }
        let recordedAt = logged.last?.recordedAt.flatMap { Timestamp($0) } ?? .epoch
        let missing = try await writer.brought.missing(names, age: .microseconds((Timestamp.now() - recordedAt).microseconds))
        var observations: [FeaturesV1.Observation?] = Array(repeating: nil, count: logged.count)
        if !missing.isEmpty {
            let whole = try await read(from: position, to: logged.last?.position)
            observations = zip(whole, names).map { missing.contains($1) ? $0 : nil }
            // Thrown here it makes the consumer come again later, when a fitting model may have been promoted.
            try checkDecidable(observations.compactMap { $0 })
        }
        return zip(logged, observations).map { (position: LogPosition($0.position), event: $1) }
    }

    private func read(
        from position: LogPosition, to end: EventLogV1.LogPosition?
    ) async throws -> [FeaturesV1.Observation?] {
        let end = LogPosition(end)
        let request = FeaturesV1.TailObservationsRequest(after: .init(position), maxBatch: Self.maxBatch)
        return try await store.tailObservations(request) { responses in
            var observations: [FeaturesV1.Observation?] = []
            for try await response in responses {
                observations += response.observations.prefix { LogPosition($0.position) <= end }.map(\.observation)
                if let last = response.observations.last, LogPosition(last.position) >= end { break }
            }
            return observations
        }
    }

    private func checkDecidable(_ observations: [FeaturesV1.Observation]) throws {
        guard let scorer = writer.champion.scorer else { throw RPCError(.failedPrecondition, "no model has been promoted") }
        for observation in observations where observation.featureSetVersion != scorer.featureSetVersion {
            throw DecisionWriter.otherFeatures(observation, scorer)
        }
    }
}
