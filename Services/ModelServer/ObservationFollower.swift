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
    private static let positionAge = Duration.seconds(1)

    func run() async throws {
        try await consumer.follow(
            from: { position, deliver in
                var after = position
                var storedAt = ContinuousClock.now
                let request = FeaturesV1.TailObservationsRequest(after: .init(position), maxBatch: Self.maxBatch, runsOnly: true)
                try await store.tailObservations(request) { responses in
                    for try await response in responses {
                        let undecided = try await undecided(in: response.observations, after: after)
                        after = undecided.last?.position ?? after
                        // A position alone, without an effect, need not be stored for each batch: it may be read again.
                        guard undecided.contains(where: { $0.event != nil }) || storedAt.duration(to: .now) > Self.positionAge else { continue }
                        try await deliver(undecided)
                        storedAt = .now
                    }
                }
            },
            handle: { (batch: LogConsumer.Batch<FeaturesV1.Observation?>) in
                try await writer.take { transaction in try await consumer.claim(batch, in: transaction).compactMap(\.event) }
            })
    }

    /// - Parameter logged: in runs. What calls have brought needs no more; where there is something else, the batch is read again, whole.
    private func undecided(
        in logged: [FeaturesV1.LoggedObservation], after position: LogPosition
    ) async throws -> [LogConsumer.Positioned<FeaturesV1.Observation?>] {
        let runs = try logged.compactMap(\.run).map { try LogRun($0) }
        let recordedAt = logged.last?.recordedAt.flatMap { Timestamp($0) } ?? .epoch
        let areKnown = try await writer.brought.holdAll(runs, age: .microseconds((Timestamp.now() - recordedAt).microseconds))
        let whole = areKnown ? logged : try await read(from: position, to: logged.last?.position)
        let events = whole.map { logged in
            let position = LogPosition(logged.position)
            return (position: position, event: writer.brought.holds(position) ? nil : logged.observation)
        }
        // Thrown here it makes the consumer come again later, when a fitting model may have been promoted.
        try checkDecidable(events.compactMap(\.event))
        return events
    }

    private func read(
        from position: LogPosition, to end: EventLogV1.LogPosition?
    ) async throws -> [FeaturesV1.LoggedObservation] {
        let end = LogPosition(end)
        let request = FeaturesV1.TailObservationsRequest(after: .init(position), maxBatch: Self.maxBatch)
        return try await store.tailObservations(request) { responses in
            var observations: [FeaturesV1.LoggedObservation] = []
            for try await response in responses {
                observations += response.observations.prefix { LogPosition($0.position) <= end }
                if let last = response.observations.last, LogPosition(last.position) >= end { break }
            }
            return observations
        }
    }

    private func checkDecidable(_ observations: [FeaturesV1.Observation]) throws {
        guard !observations.isEmpty else { return }
        guard let scorer = writer.champion.scorer else { throw RPCError(.failedPrecondition, "no model has been promoted") }
        for observation in observations where observation.featureSetVersion != scorer.featureSetVersion {
            throw DecisionWriter.otherFeatures(observation, scorer)
        }
    }
}
