import Contracts
import EventLog
import Logging
import RPC
import RecordCoding
import Records
import ServiceRuntime
import Synchronization

/// Who observes: one store that keeps everything, or several replicas that each keep a slice.
enum FeatureStores: Sendable {
    struct Replica: Sendable {
        let client: FeaturesV1.FeatureStoreService.Client
        let patience = Patience()
        let outage: Outage
    }

    case one(FeaturesV1.FeatureStoreService.Client)
    case ring(ReplicaRing, [String: Replica])
}

/// What the feature store knows of transactions, as it encodes it, and where that lies in its log.
struct Observations: Sendable {
    var encoded: [[UInt8]] = []
    var positions: [EventLogV1.LogRun] = []
}

/// Asks the feature store and the model server, and never waits long.
struct Decider: Sendable {
    let stores: FeatureStores
    let models: ModelsV1.ModelService.Client
    /// Zero where nobody is to be asked: all decisions then come by the logs.
    let timeout: Duration
    // Of each its own: one that answers says nothing about another that does not.
    private let observing = Patience()
    private let scoring = Patience()
    private let recalling = Patience()
    private let storeOutage, scoringOutage, recallOutage: Outage

    init(stores: FeatureStores, models: ModelsV1.ModelService.Client, timeout: Duration, logger: Logger) {
        self.stores = stores
        self.models = models
        self.timeout = timeout
        storeOutage = Outage(of: "feature-store", logger: logger)
        scoringOutage = Outage(of: "model-server", logger: logger)
        recallOutage = Outage(of: "model-server", logger: logger)
    }

    var isAsked: Bool { timeout > .zero }

    /// What the feature store knows of transactions; nothing where it could not say in time.
    ///
    /// - Parameter positions: of the transactions, in the log.
    func observe(_ transactions: [RecordsV1.Transaction], at positions: [LogRun]) async -> Observations {
        switch stores {
        case .one(let store):
            await ask(about: transactions.count, with: observing, storeOutage) {
                let request = FeaturesV1.ObserveRequest(transactions: transactions, encoded: true, positions: positions.map { .init($0) })
                let answer = try await store.observe(request, options: CallOptions(timeout: timeout))
                return Observations(encoded: answer.encodedObservations, positions: answer.positions)
            } ?? Observations()
        case .ring(let ring, let replicas): await observe(transactions, by: ring, replicas)
        }
    }

    /// Asks each replica about its own customers, then each about its own terminals, in the order of the transactions. What one cannot say,
    /// in time or at all, is missing: never a part of a payment.
    private func observe(
        _ transactions: [RecordsV1.Transaction], by ring: ReplicaRing, _ replicas: [String: FeatureStores.Replica]
    ) async -> Observations {
        let began = ContinuousClock.now
        let answers = await each(Dictionary(grouping: transactions) { ring.owner(ofCustomer: $0.customerID) }, of: replicas) { client, part in
            let request = FeaturesV1.ObserveRequest(transactions: part, ringGeneration: ring.generation, encoded: true)
            return [try await client.observe(request, options: CallOptions(timeout: timeout))]
        }
        var halves: [RecordsV1.TransactionKey: FeaturesV1.CustomerObservation] = [:]
        for half in answers.flatMap(\.halves) { if let key = half.observation?.key { halves[key] = half } }
        let ordered = transactions.compactMap { $0.key.flatMap { halves.removeValue(forKey: $0) } }
        let left = max(.milliseconds(1), timeout - (ContinuousClock.now - began))
        let completed = await each(
            Dictionary(grouping: ordered) { ring.owner(ofTerminal: $0.observation?.terminalID ?? "") }, of: replicas
        ) { client, part in
            let request = FeaturesV1.ObserveAtTerminalsRequest(observations: part, ringGeneration: ring.generation, encoded: true)
            return [try await client.observeAtTerminals(request, options: CallOptions(timeout: left))]
        }
        return Observations(
            encoded: answers.flatMap(\.encodedObservations) + completed.flatMap(\.encodedObservations),
            positions: answers.flatMap(\.positions) + completed.flatMap(\.positions))
    }

    /// Asks replicas at the same time, each about its part; those that cannot answer leave theirs out.
    private func each<Item: Sendable, Answer: Sendable>(
        _ parts: [String: [Item]], of replicas: [String: FeatureStores.Replica],
        _ call: @escaping @Sendable (FeaturesV1.FeatureStoreService.Client, [Item]) async throws -> [Answer]
    ) async -> [Answer] {
        await withTaskGroup(of: [Answer].self) { group in
            for (name, part) in parts {
                guard let replica = replicas[name] else { continue }
                group.addTask { await ask(about: part.count, with: replica.patience, replica.outage) { try await call(replica.client, part) } ?? [] }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
    }

    /// Decisions in the order of the observations; those that could not be made in time are missing and follow from the logs.
    func score(_ observations: Observations, isBrief: Bool, within left: Duration) async -> [RecordsV1.Decision] {
        await ask(about: observations.encoded.count, with: scoring, scoringOutage) {
            let request = ModelsV1.ScoreRequest(
                brief: isBrief, encodedObservations: observations.encoded, positions: observations.positions)
            return try await models.score(request, options: CallOptions(timeout: max(.milliseconds(1), left))).decisions
        } ?? []
    }

    /// Decisions made before, in any order.
    func recall(_ keys: [TransactionKey], isBrief: Bool) async -> [RecordsV1.Decision] {
        await ask(about: keys.count, with: recalling, recallOutage) {
            let request = ModelsV1.GetDecisionsRequest(keys: Set(keys).map { .init($0) }, brief: isBrief)
            return try await models.getDecisions(request, options: CallOptions(timeout: timeout)).decisions
        } ?? []
    }

    private func ask<Answer>(
        about count: Int, with patience: Patience, _ outage: Outage, _ call: () async throws -> Answer
    ) async -> Answer? {
        guard isAsked, count > 0 else { return nil }
        guard patience.isLeft else {
            outage.passedOver(count: count)
            return nil
        }
        do {
            let answer = try await call()
            patience.restore()
            outage.answered()
            return answer
        } catch {
            outage.failed(error, count: count)
            if (error as? RPCError)?.code == .deadlineExceeded { patience.lose(timeout) }
            return nil
        }
    }
}

/// Whether it is worth asking: a service that has answered nothing in time a few times in a row is left alone for a while. Otherwise
/// commits, which wait for decisions on what was committed before, would come at the pace of its time-outs.
final class Patience: Sendable {
    private static let maxLosses = 3
    /// In time-outs.
    private static let pause = 10

    private let state = Mutex((losses: 0, pausedUntil: ContinuousClock.now))

    var isLeft: Bool { state.withLock { $0.losses < Self.maxLosses || ContinuousClock.now >= $0.pausedUntil } }

    func restore() { state.withLock { $0.losses = 0 } }

    func lose(_ timeout: Duration) {
        state.withLock { $0 = ($0.losses + 1, ContinuousClock.now + timeout * Self.pause) }
    }
}
