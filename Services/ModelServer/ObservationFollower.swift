import Contracts
import EventLog
import RPC
import RecordCoding
import Records
import ServiceRuntime

/// Decides on what the feature store has observed and no call has brought yet.
///
/// It reads the log by runs; where calls have not brought all of one, it reads on from there whole, a large batch at a time and beyond what
/// the runs told: so the further it is behind, the less an observation costs.
struct ObservationFollower: Sendable {
    let store: FeaturesV1.FeatureStoreService.Client
    let writer: DecisionWriter
    let consumer: LogConsumer
    let lag: MetricGauge

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
                        // Often there already: the response was on its way while the log was read whole.
                        while let end = response.observations.last.map({ LogPosition($0.position) }), after < end {
                            let undecided = try await undecided(in: response.observations, after: after)
                            guard let last = undecided.last else { return }
                            after = last.position
                            // A position alone, without an effect, need not be stored for each batch: it may be read again.
                            guard undecided.contains(where: { $0.event != nil }) || storedAt.duration(to: .now) > Self.positionAge else { continue }
                            try await deliver(undecided)
                            storedAt = .now
                        }
                    }
                }
            },
            handle: { (batch: LogConsumer.Batch<FeaturesV1.Observation?>) in
                try await writer.take { transaction in try await consumer.claim(batch, in: transaction).compactMap(\.event) }
            })
    }

    /// The next observations after a position, at least one; nil for those that need no more.
    ///
    /// - Parameter logged: in runs.
    private func undecided(
        in logged: [FeaturesV1.LoggedObservation], after position: LogPosition
    ) async throws -> [LogConsumer.Positioned<FeaturesV1.Observation?>] {
        let left = logged.drop { LogPosition($0.position) <= position }
        guard let last = left.last else { return [] }
        lag.set(age(of: last) / .seconds(1))
        let runs = try left.compactMap(\.run).map { try LogRun($0) }
        let areKnown = try await writer.brought.holdAll(runs, age: age(of: last))
        let whole = areKnown ? Array(left) : try await read(after: position, to: LogPosition(last.position))
        let events = whole.map { logged in
            let position = LogPosition(logged.position)
            return (position: position, event: writer.brought.holds(position) ? nil : logged.observation)
        }
        let scorer = writer.champion.scorer
        let decidable = events.prefix { $0.event.flatMap { refusal(of: $0, by: scorer) } == nil }
        // Thrown here it makes the consumer come again later, when a fitting model may have been promoted.
        if decidable.isEmpty, let first = events.first?.event, let refusal = refusal(of: first, by: scorer) { throw refusal }
        if let last = whole.prefix(decidable.count).last { lag.set(age(of: last) / .seconds(1)) }
        return Array(decidable)
    }

    private func refusal(of observation: FeaturesV1.Observation, by scorer: Scorer?) -> RPCError? {
        guard let scorer else { return RPCError(.failedPrecondition, "no model has been promoted") }
        return observation.featureSetVersion == scorer.featureSetVersion ? nil : DecisionWriter.otherFeatures(observation, scorer)
    }

    /// The next batch after a position; what lies behind `end` only as far as it is not left to calls.
    private func read(after position: LogPosition, to end: LogPosition) async throws -> [FeaturesV1.LoggedObservation] {
        let request = FeaturesV1.TailObservationsRequest(after: .init(position), maxBatch: Self.maxBatch)
        return try await store.tailObservations(request) { responses in
            let batch = try await responses.first { _ in true }?.observations ?? []
            return Array(batch.prefix { LogPosition($0.position) <= end || !writer.brought.isLeftToCalls(age: age(of: $0)) })
        }
    }

    private func age(of logged: FeaturesV1.LoggedObservation) -> Duration {
        let recordedAt = logged.recordedAt.flatMap { Timestamp($0) } ?? .epoch
        return .microseconds((Timestamp.now() - recordedAt).microseconds)
    }
}
