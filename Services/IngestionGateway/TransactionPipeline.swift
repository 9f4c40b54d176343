import Contracts
import EventLog
import Logging
import RPC
import RecordCoding
import Records
import ServiceRuntime

/// What becomes of a transaction.
enum TransactionAnswer: Sendable {
    case stored(outcome: IngestionV1.Outcome, decision: RecordsV1.Decision)
    case refused([Violation])
    case failed(RPCError)
}

/// A valid, tokenised transaction on its way, with whom to tell.
struct IncomingTransaction: Sendable {
    let transaction: Transaction
    let message: RecordsV1.Transaction
    let complete: @Sendable (TransactionAnswer) -> Void
}

/// Transactions first become durable, then are decided on: two stages, each a batch at a time in the order of arrival,
/// so that while one batch is decided on the next is written.
final class TransactionPipeline: Sendable {
    private struct Durable: Sendable {
        let incoming: IncomingTransaction
        let outcome: IngestionV1.Outcome
    }

    private let commits: Batcher<IncomingTransaction, Void>
    private let decisions: Batcher<Durable, Void>

    init(database: IngestionDatabase, decider: Decider, limits: IntakeLimits, logger: Logger) {
        let batches = BatchLimits(maxBatchItems: limits.maxBatchItems, maxQueuedItems: limits.maxQueuedItems)
        let decisions = Batcher<Durable, Void>(limits: batches) { batch in
            let accepted = batch.filter { $0.outcome == .accepted }.map(\.incoming)
            let duplicates = batch.filter { $0.outcome != .accepted }.map(\.incoming)
            let decided = await decider.decide(accepted.map(\.message)).merging(await decider.recall(duplicates.map(\.transaction.key))) { $1 }
            for item in batch {
                let key = item.incoming.transaction.key
                item.incoming.complete(.stored(outcome: item.outcome, decision: decided[key] ?? .pending(key)))
            }
            return batch.map { _ in }
        }
        commits = Batcher(limits: batches) { batch in
            do {
                for durable in try await Self.commit(batch, database) {
                    // What is durable is acknowledged, even where nobody can decide on it now.
                    do throws(BatchError) {
                        try decisions.enqueue([durable]) { _ in }
                    } catch {
                        let key = durable.incoming.transaction.key
                        durable.incoming.complete(.stored(outcome: durable.outcome, decision: .pending(key)))
                    }
                }
            } catch {
                logger.error("transactions could not be stored", metadata: ["count": "\(batch.count)", "reason": "\(error)"])
                for item in batch { item.complete(.failed(RPCError(.unavailable, "the transaction could not be stored; send it again"))) }
            }
            return batch.map { _ in }
        }
        self.decisions = decisions
    }

    /// Tells `incoming.complete` once what became of it.
    func submit(_ incoming: IncomingTransaction) {
        do throws(BatchError) {
            try commits.enqueue([incoming]) { result in
                if case .failure = result { incoming.complete(.failed(RPCError(.unavailable, "the gateway is ending; send it again"))) }
            }
        } catch {
            let code: StatusCode = error == .full ? .resourceExhausted : .unavailable
            incoming.complete(.failed(RPCError(code, error == .full ? "too much waits to be stored; try again later" : "the gateway is ending")))
        }
    }

    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.commits.run() }
            group.addTask { await self.decisions.run() }
        }
    }

    /// Writes what is new; answers refusals; returns what is durable, in order.
    private static func commit(_ batch: [IncomingTransaction], _ database: IngestionDatabase) async throws -> [Durable] {
        var first: [TransactionKey: [UInt8]] = [:]
        var rows: [TransactionRow] = []
        let messages = batch.map { Payload.encode($0.message) }
        for (incoming, message) in zip(batch, messages) where first[incoming.transaction.key] == nil {
            first[incoming.transaction.key] = message
            let event = IngestionV1.IngestionEvent(event: .transactionAccepted(incoming.message), senderID: incoming.transaction.key.bankID)
            rows.append(
                TransactionRow(
                    key: incoming.transaction.key, eventTime: incoming.transaction.eventTime, message: message,
                    logEntry: Payload.encode(event)))
        }
        var fresh = try await database.insert(rows)
        if !fresh.isEmpty { database.log.notifyCommitted() }
        let earlier = try await database.messages(of: rows.map(\.key).filter { !fresh.contains($0) })
        var durable: [Durable] = []
        for (incoming, message) in zip(batch, messages) {
            let key = incoming.transaction.key
            if fresh.remove(key) != nil {
                durable.append(Durable(incoming: incoming, outcome: .accepted))
            } else if message == earlier[key] ?? first[key] {
                durable.append(Durable(incoming: incoming, outcome: .duplicate))
            } else {
                incoming.complete(.refused([Violation(field: "key.transaction_id", reason: "was used for a different transaction")]))
            }
        }
        return durable
    }
}

/// Asks the feature store and the model server, and never waits long.
struct Decider: Sendable {
    let store: FeaturesV1.FeatureStoreService.Client
    let models: ModelsV1.ModelService.Client
    let timeout: Duration
    let logger: Logger

    /// Decisions by key; those that could not be made in time are missing and follow from the logs.
    func decide(_ transactions: [RecordsV1.Transaction]) async -> [TransactionKey: RecordsV1.Decision] {
        guard !transactions.isEmpty else { return [:] }
        let deadline = ContinuousClock.now + timeout
        do {
            let observed = try await store.observe(.init(transactions: transactions), options: CallOptions(timeout: timeout))
            let left = ContinuousClock.now.duration(to: deadline)
            let scored = try await models.score(.init(observations: observed.observations), options: CallOptions(timeout: left))
            return Self.byKey(scored.decisions)
        } catch {
            logger.warning("answering PENDING", metadata: ["count": "\(transactions.count)", "reason": "\(error)"])
            return [:]
        }
    }

    /// Decisions made before, by key.
    func recall(_ keys: [TransactionKey]) async -> [TransactionKey: RecordsV1.Decision] {
        guard !keys.isEmpty else { return [:] }
        do {
            let request = ModelsV1.GetDecisionsRequest(keys: Set(keys).map { .init($0) })
            return Self.byKey(try await models.getDecisions(request, options: CallOptions(timeout: timeout)).decisions)
        } catch {
            logger.warning("answering PENDING", metadata: ["count": "\(keys.count)", "reason": "\(error)"])
            return [:]
        }
    }

    private static func byKey(_ decisions: [RecordsV1.Decision]) -> [TransactionKey: RecordsV1.Decision] {
        Dictionary(decisions.compactMap { decision in decision.key.map { (TransactionKey($0), decision) } }, uniquingKeysWith: { $1 })
    }
}
