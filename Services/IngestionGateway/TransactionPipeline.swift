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

/// A valid, tokenised transaction on its way, with whom to tell. A class, because it goes through many hands and has many parts.
final class IncomingTransaction: Sendable {
    let key: TransactionKey
    let message: RecordsV1.Transaction
    /// What the log will hold of it.
    let logEntry: [UInt8]
    let identifiers: [RawIdentifier]
    /// Its sender does without the reasons of what is legitimate.
    let isBrief: Bool
    let complete: @Sendable (TransactionAnswer) -> Void

    init(
        key: TransactionKey, message: RecordsV1.Transaction, identifiers: [RawIdentifier], isBrief: Bool,
        complete: @escaping @Sendable (TransactionAnswer) -> Void
    ) {
        self.key = key
        self.message = message
        self.identifiers = identifiers
        self.isBrief = isBrief
        self.complete = complete
        logEntry = Payload.encode(IngestionV1.IngestionEvent(event: .transactionAccepted(message), senderID: key.bankID))
    }
}

/// Transactions first become durable, then are observed, then scored: three stages in the order of arrival, so that while one batch is
/// scored the next is observed and the one after it written. A batch may begin to be written or scored before the one ahead of it is
/// done, but it never comes out first.
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

    /// So few batches wait between two stages: when deciding is slower than committing, commits wait for it, then the queue before
    /// them fills, and then whoever sends is held back.
    private static let batchesBetweenStages = 2
    private static let ending = "the gateway is ending; send it again"

    private let database: IngestionDatabase
    private let keeper: IdentifierKeeper
    private let decider: Decider
    private let logger: Logger
    private let maxBatchItems: Int
    private let commits: BatchQueue<IncomingTransaction>
    private let observations: BatchQueue<[Durable]>
    private let scores: BatchQueue<Observed>

    init(database: IngestionDatabase, keeper: IdentifierKeeper, decider: Decider, limits: IntakeLimits, logger: Logger) {
        self.database = database
        self.keeper = keeper
        self.decider = decider
        self.logger = logger
        maxBatchItems = limits.maxBatchItems
        commits = BatchQueue(limits: BatchLimits(maxBatchItems: limits.maxCommitItems, maxQueuedItems: limits.maxQueuedItems))
        observations = BatchQueue(
            limits: BatchLimits(maxBatchItems: limits.maxBatchItems, maxQueuedItems: limits.maxBatchItems * Self.batchesBetweenStages))
        scores = BatchQueue(limits: BatchLimits(maxBatchItems: 1, maxQueuedItems: Self.batchesBetweenStages))
    }

    /// Tells `incoming.complete` once what became of it; where too much waits to be stored, that it must come again later.
    func submit(_ incoming: IncomingTransaction) {
        do throws(BatchError) {
            try commits.add(incoming)
        } catch {
            let isFull = error == .full
            incoming.complete(
                .failed(
                    isFull ? .resourceExhausted("too much waits to be stored; try again later", retryAfter: .seconds(1)) : RPCError(error)))
        }
    }

    /// As ``submit(_:)``, but where too much waits to be stored, the caller waits too: for streams and files, whose sender is then
    /// held back.
    func submitInTurn(_ incoming: IncomingTransaction) async {
        do throws(BatchError) {
            try await commits.addInTurn(incoming)
        } catch {
            incoming.complete(.failed(RPCError(error)))
        }
    }

    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                let refused = await Self.forEachInTurn(self.commits) { batch, turn, begun in
                    await self.commit(batch, turn: turn, begun: begun)
                }
                for incoming in refused { incoming.complete(.failed(RPCError(.unavailable, Self.ending))) }
            }
            group.addTask {
                for part in await self.observations.forEachBatch({ await self.observe($0.flatMap { $0 }) }) { Self.abandon(part) }
            }
            group.addTask {
                let left = await Self.forEachInTurn(self.scores) { batch, turn, begun in
                    begun.open()
                    for observed in batch { await self.score(observed, turn: turn) }
                }
                for observed in left { Self.abandon(observed.batch) }
            }
        }
    }

    // MARK: Stages

    /// Processes batches, two at a time: each begins when the one before has begun, and may wait for its turn, which comes when
    /// the one before is done.
    ///
    /// - Returns: what still waited at the end.
    private static func forEachInTurn<Element: Sendable>(
        _ queue: BatchQueue<Element>, _ process: @escaping @Sendable (_ batch: [Element], _ turn: Gate, _ begun: Gate) async -> Void
    ) async -> [Element] {
        await withDiscardingTaskGroup { tasks in
            var (last, beforeLast) = (Gate(isOpen: true), Gate(isOpen: true))
            return await queue.forEachBatch { batch in
                await beforeLast.pass()
                let (turn, begun, done) = (last, Gate(), Gate())
                tasks.addTask {
                    await process(batch, turn, begun)
                    begun.open()
                    done.open()
                }
                await begun.pass()
                (beforeLast, last) = (last, done)
            }
        }
    }

    private func commit(_ batch: [IncomingTransaction], turn: Gate, begun: Gate) async {
        let durable: [Durable]
        do {
            durable = try await write(batch, begun: begun)
        } catch {
            logger.error("transactions could not be stored", metadata: ["count": "\(batch.count)", "reason": "\(error)"])
            for item in batch { item.complete(.failed(RPCError(.unavailable, "the transaction could not be stored; send it again"))) }
            return
        }
        await turn.pass()
        for start in stride(from: 0, to: durable.count, by: maxBatchItems) {
            let part = Array(durable[start..<min(start + maxBatchItems, durable.count)])
            do throws(BatchError) {
                try await observations.addInTurn(part, items: part.count)
            } catch {
                Self.abandon(part)
            }
        }
    }

    private func observe(_ batch: [Durable]) async {
        let started = ContinuousClock.now
        let observed = await decider.observe(batch.filter { $0.outcome == .accepted }.map(\.incoming.message))
        let left = decider.timeout - (ContinuousClock.now - started)
        do throws(BatchError) {
            try await scores.addInTurn(Observed(batch: batch, observations: observed, left: left))
        } catch {
            Self.abandon(batch)
        }
    }

    private func score(_ observed: Observed, turn: Gate) async {
        let isBrief = observed.batch.allSatisfy { $0.incoming.isBrief }
        let decided = await decider.score(observed.observations, isBrief: isBrief, within: observed.left)
        // What a duplicate asks for may be decided on in the batch before.
        await turn.pass()
        let recalled = await decider.recall(observed.batch.filter { $0.outcome != .accepted }.map(\.incoming.key), isBrief: isBrief)
        Self.answer(observed.batch, decided.merging(recalled) { $1 })
    }

    /// What is durable is acknowledged. Those without a decision are pending: it follows from the logs.
    private static func answer(_ batch: [Durable], _ decided: [TransactionKey: RecordsV1.Decision]) {
        for item in batch {
            let key = item.incoming.key
            item.incoming.complete(.stored(outcome: item.outcome, decision: (decided.isEmpty ? nil : decided[key]) ?? .pending(key)))
        }
    }

    /// The gateway is ending: what is new is durable, so that its decision follows from the logs; a duplicate must not be told less
    /// than the first time.
    private static func abandon(_ batch: [Durable]) {
        answer(batch.filter { $0.outcome == .accepted }, [:])
        for item in batch where item.outcome != .accepted { item.incoming.complete(.failed(RPCError(.unavailable, ending))) }
    }

    /// Writes what is new; answers refusals; returns what is durable, in order.
    private func write(_ batch: [IncomingTransaction], begun: Gate) async throws -> [Durable] {
        var first: [TransactionKey: IncomingTransaction] = [:]
        first.reserveCapacity(batch.count)
        var rows: [TransactionRow] = []
        rows.reserveCapacity(batch.count)
        for incoming in batch {
            if let earlier = first.updateValue(incoming, forKey: incoming.key) {
                first[incoming.key] = earlier
            } else {
                rows.append(TransactionRow(key: incoming.key, logEntry: incoming.logEntry))
            }
        }
        let sealed = try keeper.seal(batch.lazy.flatMap(\.identifiers))
        let earlier = try await database.insert(rows, sealed: sealed, now: .now()) { begun.open() }
        keeper.remember(sealed)
        if earlier.count < rows.count { database.log.notifyCommitted() }
        if earlier.isEmpty, rows.count == batch.count { return batch.map { Durable(incoming: $0, outcome: .accepted) } }
        let entries = try await database.entries(of: Array(earlier))
        var durable: [Durable] = []
        durable.reserveCapacity(batch.count)
        for incoming in batch {
            if first[incoming.key] === incoming, !earlier.contains(incoming.key) {
                durable.append(Durable(incoming: incoming, outcome: .accepted))
            } else if incoming.logEntry == entries[incoming.key] ?? first[incoming.key]?.logEntry {
                durable.append(Durable(incoming: incoming, outcome: .duplicate))
            } else {
                incoming.complete(.refused([Violation(field: "key.transaction_id", reason: "was used for a different transaction")]))
            }
        }
        return durable
    }
}
