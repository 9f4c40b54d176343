import Contracts
import EventLog
import Logging
import RPC
import RecordCoding
import Records
import ServiceRuntime
import Synchronization

/// What becomes of a transaction. Large parts lie apart: most answers are small, and pass through several hands.
enum TransactionAnswer: Sendable {
    /// Durable; its decision follows from the logs.
    case pending(IngestionV1.Outcome)
    indirect case decided(IngestionV1.Outcome, RecordsV1.Decision)
    case refused([Violation])
    indirect case failed(RPCError)
}

/// A valid, tokenised transaction on its way, with whom to tell. Thousands wait at a time, so each keeps no more than it must.
final class IncomingTransaction: WritableTransaction {
    /// What the feature store is asked about.
    final class Question: Sendable {
        let transaction: RecordsV1.Transaction

        init(_ transaction: RecordsV1.Transaction) { self.transaction = transaction }
    }

    let key: TransactionKey
    /// What the log will hold of it.
    let logEntry: [UInt8]
    /// Nil where nobody is asked.
    let question: Question?
    let identifiers: [RawIdentifier]
    let isMovement: Bool
    /// Its sender does without the reasons of what is legitimate.
    let isBrief: Bool
    private let completed: @Sendable (IncomingTransaction, TransactionAnswer) -> Void

    init(
        _ transaction: Transaction, identifiers: [RawIdentifier], isAsked: Bool, isBrief: Bool,
        completed: @escaping @Sendable (IncomingTransaction, TransactionAnswer) -> Void
    ) {
        key = transaction.key
        self.identifiers = identifiers
        self.isBrief = isBrief
        self.completed = completed
        isMovement = transaction.isMovement
        var message = RecordsV1.Transaction(transaction)
        logEntry = Payload.encode(accepted: message, senderID: key.bankID)
        // No feature rests on the customer's addresses and the banks, so they go no further.
        message.details = nil
        question = isAsked ? Question(message) : nil
    }

    /// Tells whoever sent it, once.
    func complete(_ answer: TransactionAnswer) { completed(self, answer) }
}

/// Transactions first become durable, then are observed, then scored: three stages, so that while one batch is scored the next is observed
/// and the one after it written. A bank's transactions keep their order; a batch takes from each bank that waits. A batch may begin to be
/// written or scored before the one ahead of it is done, but it never comes out first.
final class TransactionPipeline: Sendable {
    private struct Durable: Sendable {
        let incoming: IncomingTransaction
        let outcome: IngestionV1.Outcome
        /// In the log, of what is new.
        var position: LogPosition?
    }

    /// A batch that has been observed, and now wants a score.
    private struct Observed: Sendable {
        let batch: [Durable]
        let observations: Observations
        /// Of the time for a decision, without what it waits for its turn.
        let left: Duration
    }

    /// Between two stages one batch waits, which is half of what its queue may hold: when deciding is slower than committing, commits wait for
    /// it, then the queue before them fills, and then whoever sends is held back.
    private static let batchesBetweenStages = 2
    private static let ending = "the gateway is ending; send it again"

    private let database: IngestionDatabase
    private let keeper: IdentifierKeeper
    /// What lies in the log and is no movement of money, for readers of movements alone.
    let plain = KnownRuns()
    let decider: Decider
    private let metrics: IntakeMetrics
    private let outage: Outage
    private let cannotServe: @Sendable (String) -> Void
    private let commits: BatchQueue<IncomingTransaction>
    private let observations: BatchQueue<[Durable]>
    private let scores: BatchQueue<Observed>
    private let commitTurns = Turns()
    private let scoreTurns = Turns()

    /// After so long without one commit whoever looks after the service is told that it cannot serve.
    private static let maxFailing = Duration.seconds(2)

    /// - Parameter cannotServe: called with the reason again and again while nothing can be stored.
    init(
        database: IngestionDatabase, keeper: IdentifierKeeper, decider: Decider, limits: IntakeLimits, metrics: IntakeMetrics, logger: Logger,
        cannotServe: @escaping @Sendable (String) -> Void
    ) {
        self.cannotServe = cannotServe
        outage = Outage(of: "postgresql", .unstoredTransactions, logger: logger)
        self.database = database
        self.keeper = keeper
        self.decider = decider
        self.metrics = metrics
        // What has been committed is decided on first, whoever sent it. A commit that is one batch to decide on keeps that little.
        let maxCommitItems = decider.isAsked ? min(limits.maxCommitItems, limits.maxBatchItems) : limits.maxCommitItems
        commits = BatchQueue(limits: BatchLimits(maxBatchItems: maxCommitItems, maxQueuedItems: limits.maxQueuedItems))
        observations = BatchQueue(
            limits: BatchLimits(maxBatchItems: limits.maxBatchItems, maxQueuedItems: limits.maxBatchItems * Self.batchesBetweenStages))
        scores = BatchQueue(limits: BatchLimits(maxBatchItems: 1, maxQueuedItems: Self.batchesBetweenStages))
    }

    /// How many wait for a commit.
    var waitingItems: Int { commits.waitingItems }

    private func submit(_ incoming: IncomingTransaction) {
        do throws(BatchError) {
            try commits.add(incoming, from: incoming.key.bankID)
        } catch {
            let isFull = error == .full
            metrics.count(isFull ? .overloaded : .failed)
            incoming.complete(
                .failed(
                    isFull ? .resourceExhausted("too much waits to be stored; try again later", retryAfter: .seconds(1)) : RPCError(error)))
        }
    }

    /// Tells `incoming.complete` once what became of it.
    ///
    /// - Returns: false, and nobody is told, where too much waits to be stored: then it is for ``submitInTurn(_:)``.
    func submitIfRoom(_ incoming: IncomingTransaction) -> Bool {
        do throws(BatchError) {
            try commits.add(incoming, from: incoming.key.bankID)
        } catch {
            if error == .full { return false }
            incoming.complete(.failed(RPCError(error)))
        }
        return true
    }

    /// The same, but where too much waits to be stored, the caller waits too: for streams and files, whose sender is then held back.
    func submitInTurn(_ incoming: IncomingTransaction) async {
        do throws(BatchError) {
            try await commits.addInTurn(incoming, from: incoming.key.bankID)
        } catch {
            incoming.complete(.failed(RPCError(error)))
        }
    }

    /// What becomes of one transaction; where too much waits to be stored, that it must come again later. With nothing else under way
    /// the caller's own task stores it, and no other has to be woken for that.
    ///
    /// - Parameter prepare: makes the transaction, given whom to tell.
    func answer(
        _ prepare: (_ complete: @escaping @Sendable (IncomingTransaction, TransactionAnswer) -> Void) -> IncomingTransaction
    ) async -> TransactionAnswer {
        let reply = Reply()
        let incoming = prepare { reply.set($1) }
        if commits.waitingItems == 0, let turn = commitTurns.nextIfIdle() {
            await commit([incoming], turn)
            turn.end()
        } else {
            submit(incoming)
        }
        return await reply.value
    }

    /// An answer that somebody waits for.
    private final class Reply: Sendable {
        private let state = Mutex<(answer: TransactionAnswer?, waiter: CheckedContinuation<TransactionAnswer, Never>?)>((nil, nil))

        func set(_ answer: TransactionAnswer) {
            let waiter = state.withLock { state in
                state.answer = answer
                return state.waiter
            }
            waiter?.resume(returning: answer)
        }

        var value: TransactionAnswer {
            get async {
                await withCheckedContinuation { continuation in
                    let answer = state.withLock { state in
                        if state.answer == nil { state.waiter = continuation }
                        return state.answer
                    }
                    if let answer { continuation.resume(returning: answer) }
                }
            }
        }
    }

    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                let refused = await Self.forEachInTurn(self.commits, self.commitTurns) { await self.commit($0, $1) }
                self.metrics.count(.failed, refused.count)
                for incoming in refused { incoming.complete(.failed(RPCError(.unavailable, Self.ending))) }
            }
            group.addTask {
                for part in await self.observations.forEachBatch({ await self.observe($0.flatMap { $0 }) }) { self.abandon(part) }
            }
            group.addTask {
                let left = await Self.forEachInTurn(self.scores, self.scoreTurns) { batch, turn in
                    turn.begun.open()
                    for observed in batch { await self.score(observed, turn) }
                }
                for observed in left { self.abandon(observed.batch) }
            }
        }
    }

    // MARK: Stages

    /// Processes batches, two at a time.
    ///
    /// - Returns: what still waited at the end.
    private static func forEachInTurn<Element: Sendable>(
        _ queue: BatchQueue<Element>, _ turns: Turns, _ process: @escaping @Sendable (_ batch: [Element], _ turn: Turns.Turn) async -> Void
    ) async -> [Element] {
        await withDiscardingTaskGroup { tasks in
            await queue.forEachBatch { batch in
                let turn = await turns.next()
                tasks.addTask {
                    await process(batch, turn)
                    turn.end()
                }
                await turn.begun.pass()
            }
        }
    }

    private func commit(_ batch: [IncomingTransaction], _ turn: Turns.Turn) async {
        let durable: [Durable]
        let start = ContinuousClock.now
        do {
            durable = try await write(batch, begun: turn.begun)
        } catch {
            metrics.count(.failed, batch.count)
            if outage.failed(error, count: batch.count) >= Self.maxFailing { cannotServe("transactions could not be stored") }
            for item in batch { item.complete(.failed(RPCError(.unavailable, "the transaction could not be stored; send it again"))) }
            return
        }
        outage.answered()
        metrics.committed(batch.count, of: .transactions, since: start)
        let accepted = durable.count { $0.outcome == .accepted }
        metrics.count(.accepted, accepted)
        metrics.count(.duplicate, durable.count - accepted)
        metrics.count(.conflict, batch.count - durable.count)
        await turn.comesOut.pass()
        // Decisions then follow from the logs.
        guard decider.isAsked, !durable.isEmpty else { return answer(durable, []) }
        do throws(BatchError) {
            try await observations.addInTurn(durable, items: durable.count)
        } catch {
            abandon(durable)
        }
    }

    private func observe(_ batch: [Durable]) async {
        let started = ContinuousClock.now
        let new = batch.filter { $0.outcome == .accepted }
        let observed = await decider.observe(
            new.compactMap { $0.incoming.question?.transaction }, at: [LogRun](new.compactMap { $0.position }))
        let left = decider.timeout - (ContinuousClock.now - started)
        do throws(BatchError) {
            try await scores.addInTurn(Observed(batch: batch, observations: observed, left: left))
        } catch {
            abandon(batch)
        }
    }

    private func score(_ observed: Observed, _ turn: Turns.Turn) async {
        let isBrief = observed.batch.allSatisfy { $0.incoming.isBrief }
        let decided = await decider.score(observed.observations, isBrief: isBrief, within: observed.left)
        // What a duplicate asks for may be decided on in the batch before.
        await turn.comesOut.pass()
        let recalled = await decider.recall(observed.batch.filter { $0.outcome != .accepted }.map(\.incoming.key), isBrief: isBrief)
        answer(observed.batch, decided + recalled)
    }

    /// What is durable is acknowledged.
    ///
    /// - Parameter decisions: in any order; quickest in the batch's.
    private func answer(_ batch: [Durable], _ decisions: [RecordsV1.Decision]) {
        var inTurn = decisions[...]
        var decided = 0
        lazy var byKey = Dictionary(
            decisions.compactMap { decision in decision.key.map { (TransactionKey($0), decision) } }, uniquingKeysWith: { $1 })
        for item in batch {
            let key = item.incoming.key
            let decision: RecordsV1.Decision?
            if let first = inTurn.first, first.key?.transactionID == key.transactionID, first.key?.bankID == key.bankID {
                decision = first
                inTurn.removeFirst()
            } else {
                decision = decisions.isEmpty ? nil : byKey[key]
            }
            if decision != nil { decided += 1 }
            item.incoming.complete(decision.map { .decided(item.outcome, $0) } ?? .pending(item.outcome))
        }
        metrics.acknowledged(decided: decided, pending: batch.count - decided)
    }

    /// The gateway is ending: what is new is durable, so that its decision follows from the logs; a duplicate must not be told less
    /// than the first time.
    private func abandon(_ batch: [Durable]) {
        answer(batch.filter { $0.outcome == .accepted }, [])
        for item in batch where item.outcome != .accepted { item.incoming.complete(.failed(RPCError(.unavailable, Self.ending))) }
    }

    /// Writes what is new; answers refusals; returns what is durable, in order.
    private func write(_ batch: [IncomingTransaction], begun: Gate) async throws -> [Durable] {
        var identifiers: [RawIdentifier] = []
        for incoming in batch where !incoming.identifiers.isEmpty { identifiers += incoming.identifiers }
        let sealed = try keeper.seal(identifiers)
        let first = try await database.insertNew(batch, sealed: sealed, now: .now()) { begun.open() }
        let durable =
            if let first {
                batch.enumerated().map { index, incoming in
                    Durable(incoming: incoming, outcome: .accepted, position: first.advanced(by: index))
                }
            } else { try await writeNew(in: batch, sealed) }
        if durable.contains(where: { $0.position != nil }) {
            plain.insert([LogRun](durable.compactMap { $0.incoming.isMovement ? nil : $0.position }))
            database.log.notifyCommitted()
        }
        keeper.remember(sealed)
        return durable
    }

    /// The same where not all are new, or where nobody has looked.
    private func writeNew(in batch: [IncomingTransaction], _ sealed: [SealedIdentifier]) async throws -> [Durable] {
        var first: [TransactionKey: IncomingTransaction] = [:]
        first.reserveCapacity(batch.count)
        for incoming in batch { first[incoming.key] = first[incoming.key] ?? incoming }
        let written = try await database.insert(batch.filter { first[$0.key] === $0 }, sealed: sealed, now: .now())
        let entries = try await database.entries(of: first.keys.filter { written[$0] == nil })
        var durable: [Durable] = []
        durable.reserveCapacity(batch.count)
        for incoming in batch {
            if first[incoming.key] === incoming, let position = written[incoming.key] {
                durable.append(Durable(incoming: incoming, outcome: .accepted, position: position))
            } else if let stored = entries[incoming.key] ?? first[incoming.key]?.logEntry, let change = ChangedPayment(incoming.logEntry, from: stored) {
                let reason = "was used for a different transaction" + change.description
                incoming.complete(.refused([Violation(field: "key.transaction_id", reason: reason)]))
            } else {
                durable.append(Durable(incoming: incoming, outcome: .duplicate))
            }
        }
        return durable
    }
}
