import Contracts
import EventLog
import Features
import Logging
import Postgres
import RecordCoding
import Records
import ServiceRuntime

/// Takes changes into memory and into the schema, one batch at a time, whether they come by call or by the gateway's log.
///
/// Memory changes before the transaction commits. If the commit then fails, memory knows more than the schema: the writer
/// refuses everything from then on and ``waitForBreakage()`` throws, so that the service starts anew from its log.
actor ObservationWriter {
    private let database: FeatureStoreDatabase
    private var memory: ObservationMemory
    private let turnstile = Turnstile()
    private var isBroken = false
    private let breakage = AsyncStream.makeStream(of: String.self)

    init(database: FeatureStoreDatabase, featureSet: FeatureSet) {
        self.database = database
        version = featureSet.version
        memory = ObservationMemory(featureSet: featureSet)
    }

    nonisolated let version: String

    /// Memory as it was: a replay of the store's own log. Before anything else.
    ///
    /// - Returns: how many entries were replayed.
    func rebuild() async throws -> Int {
        var count = 0
        try await database.forEachEntry { payloads in
            for payload in payloads { try self.replay(payload) }
            count += payloads.count
        }
        return count
    }

    private func replay(_ payload: [UInt8]) throws {
        switch try Payload.decode(FeaturesV1.FeatureEvent.self, payload).event {
        case .observed(let message): _ = memory.observe(try Transaction(observation: message))
        case .labelled(let message): memory.learn(try Label(message))
        case .terminalPlaced(let message): memory.place(try Terminal(message))
        case .customerPlaced(let message): memory.place(try Customer(message))
        case nil: throw ServiceError("the log holds an entry that this version does not know")
        }
    }

    /// Observes transactions in order; those observed before keep their first features.
    func observe(_ transactions: [Transaction]) async throws -> [FeaturesV1.Observation] {
        try await turnstile.pass {
            let observations = try await commit { _ in transactions.map(FeatureChange.transaction) }
            return try transactions.map { transaction in
                guard let observation = observations[transaction.key] else { throw BatchError.incomplete }
                return observation
            }
        }
    }

    /// Takes in what the gateway's log says, and the position with it.
    func take(_ batch: LogConsumer.Batch<FeatureChange?>, claim: (PostgresTransaction) async throws -> [FeatureChange]) async throws {
        try await turnstile.pass { _ = try await commit(claim) }
    }

    /// Throws once memory and schema have parted.
    nonisolated func waitForBreakage() async throws {
        for await reason in breakage.stream { throw ServiceError("memory is ahead of the schema: \(reason)") }
    }

    private func commit(
        _ changes: (PostgresTransaction) async throws -> [FeatureChange]
    ) async throws -> [TransactionKey: FeaturesV1.Observation] {
        if isBroken { throw BatchError.closed }
        var isAhead = false
        do {
            let observations = try await database.pool.withTransaction { transaction in
                let changes = try await changes(transaction)
                let keys = changes.compactMap { if case .transaction(let transaction) = $0 { transaction.key } else { nil } }
                var observations = try await database.observations(of: keys, in: transaction)
                    .mapValues { try Payload.decode(FeaturesV1.Observation.self, $0) }
                isAhead = !changes.isEmpty
                let effect = try self.remember(changes, &observations)
                try await database.append(observations: effect.observations, labels: effect.labels, entries: effect.entries, in: transaction)
                return observations
            }
            database.log.notifyCommitted()
            return observations
        } catch {
            if isAhead {
                isBroken = true
                breakage.continuation.yield("\(error)")
            }
            throw error
        }
    }

    private struct Effect {
        var observations: [StoredObservation] = []
        var labels: [Label] = []
        var entries: [[UInt8]] = []
    }

    /// Applies the changes to memory; `observations` holds those made before and gains the new ones.
    private func remember(_ changes: [FeatureChange], _ observations: inout [TransactionKey: FeaturesV1.Observation]) throws -> Effect {
        var effect = Effect()
        for change in changes {
            let event: FeaturesV1.FeatureEvent.Event
            switch change {
            case .transaction(let transaction):
                if observations[transaction.key] != nil { continue }
                let observation = FeaturesV1.Observation(memory.observe(transaction), version: version)
                observations[transaction.key] = observation
                effect.observations.append(
                    StoredObservation(key: transaction.key, eventTime: transaction.eventTime, message: Payload.encode(observation)))
                event = .observed(observation)
            case .label(let label):
                memory.learn(label)
                effect.labels.append(label)
                event = .labelled(.init(label))
            case .terminal(let terminal):
                memory.place(terminal)
                event = .terminalPlaced(.init(terminal))
            case .customer(let customer):
                memory.place(customer)
                event = .customerPlaced(.init(customer))
            }
            effect.entries.append(Payload.encode(FeaturesV1.FeatureEvent(event: event)))
        }
        return effect
    }
}
