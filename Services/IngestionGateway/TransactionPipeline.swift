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
    let key: TransactionKey
    let message: RecordsV1.Transaction
    let identifiers: [RawIdentifier]
    let complete: @Sendable (TransactionAnswer) -> Void
}

/// Transactions first become durable, then are observed, then scored: three stages, each a batch at a time in the order of
/// arrival, so that while one batch is scored the next is observed and the one after it written.
final class TransactionPipeline: Sendable {
    private struct Durable: Sendable {
        let incoming: IncomingTransaction
        let outcome: IngestionV1.Outcome
    }

    /// A batch that has been observed, and now wants a score.
    private struct Observed: Sendable {
        let batch: [Durable]
        let observations: [FeaturesV1.Observation]
        /// Of the time for a decision, without what it waits for its turn.
        let left: Duration
    }

    private let commits: Batcher<IncomingTransaction, Void>
    private let observations: Batcher<Durable, Void>
    private let scores: Batcher<Observed, Void>

    /// So few batches wait between two stages: when deciding is slower than committing, commits wait for it, then the queue before
    /// them fills, and then whoever sends is held back.
    private static let batchesBetweenStages = 2

    init(database: IngestionDatabase, keeper: IdentifierKeeper, decider: Decider, limits: IntakeLimits, logger: Logger) {
        let size = limits.maxBatchItems
        let scores = Batcher<Observed, Void>(limits: BatchLimits(maxBatchItems: 1, maxQueuedItems: Self.batchesBetweenStages)) { observed in
            for observed in observed {
                let duplicates = observed.batch.filter { $0.outcome != .accepted }.map(\.incoming.key)
                let decided = await decider.score(observed.observations, within: observed.left)
                Self.answer(observed.batch, decided.merging(await decider.recall(duplicates)) { $1 })
            }
            return observed.map { _ in }
        }
        let observations = Batcher<Durable, Void>(
            limits: BatchLimits(maxBatchItems: size, maxQueuedItems: size * Self.batchesBetweenStages)
        ) { batch in
            let started = ContinuousClock.now
            let observed = await decider.observe(batch.filter { $0.outcome == .accepted }.map(\.incoming.message))
            let left = decider.timeout - (ContinuousClock.now - started)
            await Self.hand([Observed(batch: batch, observations: observed, left: left)], to: scores) { Self.abandon(batch) }
            return batch.map { _ in }
        }
        commits = Batcher(limits: BatchLimits(maxBatchItems: limits.maxCommitItems, maxQueuedItems: limits.maxQueuedItems)) { batch in
            do {
                let durable = try await Self.commit(batch, database, keeper)
                // What is durable is acknowledged, even where nobody can decide on it now, or should.
                guard decider.isAsked else {
                    Self.answer(durable, [:])
                    return batch.map { _ in }
                }
                for start in stride(from: 0, to: durable.count, by: size) {
                    let part = Array(durable[start..<min(start + size, durable.count)])
                    await Self.hand(part, to: observations) { Self.abandon(part) }
                }
            } catch {
                logger.error("transactions could not be stored", metadata: ["count": "\(batch.count)", "reason": "\(error)"])
                for item in batch { item.complete(.failed(RPCError(.unavailable, "the transaction could not be stored; send it again"))) }
            }
            return batch.map { _ in }
        }
        self.observations = observations
        self.scores = scores
    }

    /// Hands a batch on as soon as the next stage has room.
    ///
    /// - Parameter abandon: called if that stage has ended.
    private static func hand<Item>(_ items: [Item], to stage: Batcher<Item, Void>, abandon: @escaping @Sendable () -> Void) async {
        do throws(BatchError) {
            try await stage.enqueueInTurn(items) { result in
                if case .failure = result { abandon() }
            }
        } catch {
            abandon()
        }
    }

    /// The gateway is ending: what is new is durable, so that its decision follows from the logs; a duplicate must not be told less
    /// than the first time.
    private static func abandon(_ batch: [Durable]) {
        answer(batch.filter { $0.outcome == .accepted }, [:])
        for item in batch where item.outcome != .accepted { item.incoming.complete(.failed(RPCError(.unavailable, ending))) }
    }

    private static let ending = "the gateway is ending; send it again"

    /// Those without a decision are pending: it follows from the logs.
    private static func answer(_ batch: [Durable], _ decided: [TransactionKey: RecordsV1.Decision]) {
        for item in batch {
            let key = item.incoming.key
            item.incoming.complete(.stored(outcome: item.outcome, decision: decided[key] ?? .pending(key)))
        }
    }

    /// Tells `incoming.complete` once what became of it; where too much waits to be stored, that it must come again later.
    func submit(_ incoming: IncomingTransaction) {
        do throws(BatchError) {
            try commits.enqueue([incoming]) { Self.tell(incoming, $0) }
        } catch {
            incoming.complete(.failed(error == .full ? RPCError.resourceExhausted(Self.full, retryAfter: .seconds(1)) : RPCError(error)))
        }
    }

    /// As ``submit(_:)``, but where too much waits to be stored, the caller waits too: for streams and files, whose sender is then
    /// held back.
    func submitInTurn(_ incoming: IncomingTransaction) async {
        do throws(BatchError) {
            try await commits.enqueueInTurn([incoming]) { Self.tell(incoming, $0) }
        } catch {
            incoming.complete(.failed(RPCError(error)))
        }
    }

    private static let full = "too much waits to be stored; try again later"

    /// The stages themselves tell what became of it; only what never got to them is told here.
    private static func tell(_ incoming: IncomingTransaction, _ result: Result<[Void], any Error>) {
        if case .failure = result { incoming.complete(.failed(RPCError(.unavailable, ending))) }
    }

    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.commits.run() }
            group.addTask { await self.observations.run() }
            group.addTask { await self.scores.run() }
        }
    }

    /// Writes what is new; answers refusals; returns what is durable, in order.
    private static func commit(
        _ batch: [IncomingTransaction], _ database: IngestionDatabase, _ keeper: IdentifierKeeper
    ) async throws -> [Durable] {
        var first: [TransactionKey: Int] = [:]
        first.reserveCapacity(batch.count)
        var rows: [TransactionRow] = []
        rows.reserveCapacity(batch.count)
        let entries = batch.map { incoming in
            Payload.encode(IngestionV1.IngestionEvent(event: .transactionAccepted(incoming.message), senderID: incoming.key.bankID))
        }
        for (index, incoming) in batch.enumerated() where first[incoming.key] == nil {
            first[incoming.key] = index
            rows.append(TransactionRow(key: incoming.key, logEntry: entries[index]))
        }
        let sealed = try keeper.seal(batch.lazy.flatMap(\.identifiers))
        let fresh = try await database.insert(rows, sealed: sealed, now: .now())
        keeper.remember(sealed)
        if !fresh.isEmpty { database.log.notifyCommitted() }
        if fresh.count == batch.count { return batch.map { Durable(incoming: $0, outcome: .accepted) } }
        let earlier = try await database.entries(of: rows.map(\.key).filter { !fresh.contains($0) })
        var durable: [Durable] = []
        durable.reserveCapacity(batch.count)
        for (index, incoming) in batch.enumerated() {
            let key = incoming.key
            if first[key] == index, fresh.contains(key) {
                durable.append(Durable(incoming: incoming, outcome: .accepted))
            } else if entries[index] == earlier[key] ?? first[key].map({ entries[$0] }) {
                durable.append(Durable(incoming: incoming, outcome: .duplicate))
            } else {
                incoming.complete(.refused([Violation(field: "key.transaction_id", reason: "was used for a different transaction")]))
            }
        }
        return durable
    }
}
