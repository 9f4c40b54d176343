import Contracts
import EventLog
import Identity
import RPC
import RecordCoding
import Records
import ServiceRuntime
import StandardContracts

/// `vigil.ingestion.v1.IngestionService`.
struct IngestionGatewayHandlers: IngestionV1.IngestionService.Handlers {
    static let maxTailBatch = 1_000

    let database: IngestionDatabase
    let transactions: TransactionPipeline
    let records: RecordPipeline
    let privacy: PrivacyDatabase
    let files: FileIntake
    let keeper: IdentifierKeeper
    let tokeniser: Tokeniser
    let quotas: Quotas
    let retentionDays: Int?
    let limits: IntakeLimits
    let metrics: IntakeMetrics
    /// Counting reads whole tables.
    private let counts = SharedAnswer<IngestionDatabase.Counts>()

    // MARK: Transactions

    func submitTransaction(
        _ request: IngestionV1.SubmitTransactionRequest, context: CallContext
    ) async throws -> IngestionV1.SubmitTransactionResponse {
        let sender = try Sender(context)
        let transaction: Transaction
        do {
            transaction = try accept(request.transaction, from: sender)
        } catch {
            throw error.rpcError(within: "transaction")
        }
        try takeQuota(of: transaction.key.bankID, for: IntakeMetrics.transaction)
        switch await transactions.answer({ prepared(transaction, complete: $0) }) {
        case .pending(let outcome): return .init(outcome: outcome, decision: .pending(transaction.key))
        case .decided(let outcome, let decision): return .init(outcome: outcome, decision: decision)
        case .refused(let violations): throw InvalidRecord(violations).rpcError(.alreadyExists, within: "transaction")
        case .failed(let error): throw error
        }
    }

    func streamTransactions(
        _ requests: RequestStream<IngestionV1.StreamTransactionsRequest>,
        to responses: ResponseWriter<IngestionV1.StreamTransactionsResponse>, context: CallContext
    ) async throws {
        let sender = try Sender(context)
        try await answerEach(requests, to: responses, admit: { _ in
            wait(forQuotaOf: sender, for: IntakeMetrics.transaction)
        }, handle: { (request, answers: Answers<StreamAnswer>) -> Held? in
            let sequence = request.sequence
            do throws(InvalidRecord) {
                let incoming = prepared(try accept(request.transaction, from: sender), isBrief: request.brief) { incoming, answer in
                    answers.add(.answered(incoming, answer, sequence: sequence))
                }
                if transactions.submitIfRoom(incoming) { return nil }
                return { await transactions.submitInTurn(incoming) }
            } catch {
                answers.add(.invalid(error, sequence: sequence))
                return nil
            }
        }, response: { try .init($0) })
    }

    /// A valid transaction, ready to be stored.
    func prepared(
        _ transaction: Transaction, isBrief: Bool = false, complete: @escaping @Sendable (IncomingTransaction, TransactionAnswer) -> Void
    ) -> IncomingTransaction {
        let tokenised = tokeniser.tokenised(transaction)
        return IncomingTransaction(
            tokenised, identifiers: keeper.unknown(of: transaction, tokenised: tokenised, now: .now()),
            isAsked: transactions.decider.isAsked, isBrief: isBrief, completed: complete)
    }

    private func accept(_ message: RecordsV1.Transaction?, from sender: Sender) throws(InvalidRecord) -> Transaction {
        do throws(InvalidRecord) {
            guard let message else { throw InvalidRecord([Violation(field: "", reason: "is missing")]) }
            let transaction = try Transaction(message, sender: sender.bankID, isIncoming: true)
            let violations = transaction.validate(now: .now())
            guard violations.isEmpty else { throw InvalidRecord(violations) }
            return transaction
        } catch {
            metrics.count(.invalid)
            throw error
        }
    }

    // MARK: Quotas

    private func takeQuota(of bankID: String, for kind: String) throws {
        guard let wait = quotas.take(bankID) else { return }
        metrics.overQuota(kind, isRefused: true)
        throw RPCError.resourceExhausted("the bank's quota is used up", retryAfter: wait)
    }

    /// Nil when it was taken. A stream or file above its quota is read more slowly, and flow control holds the client back.
    func wait(forQuotaOf sender: Sender, for kind: String) -> Duration? {
        guard let wait = quotas.take(sender.id) else { return nil }
        metrics.overQuota(kind, isRefused: false)
        return wait
    }

    // MARK: Everything else

    func submitComplaint(
        _ request: IngestionV1.SubmitComplaintRequest, context: CallContext
    ) async throws -> IngestionV1.SubmitComplaintResponse {
        .init(outcome: try await store(request.complaint.map { .complaint($0) }, named: "complaint", from: Sender(context)).outcome)
    }

    func submitLabel(_ request: IngestionV1.SubmitLabelRequest, context: CallContext) async throws -> IngestionV1.SubmitLabelResponse {
        let (outcome, isOfUnknown) = try await store(request.label.map { .label($0) }, named: "label", from: Sender(context))
        return .init(outcome: outcome, isOfUnknownTransaction: isOfUnknown)
    }

    func importRecords(
        _ requests: RequestStream<IngestionV1.ImportRecordsRequest>, to responses: ResponseWriter<IngestionV1.ImportRecordsResponse>,
        context: CallContext
    ) async throws {
        let sender = try Sender(context)
        try await answerEach(
            requests, to: responses, admit: { wait(forQuotaOf: sender, for: $0.record?.fieldName ?? IntakeMetrics.unknown) },
            handle: { (request, answers: Answers<IngestionV1.ImportRecordsResponse>) -> Held? in
                do {
                    // What its sender may not write is not looked into.
                    if let kind = request.record?.kind { try sender.check(mayWrite: kind) }
                    let storable = try accept(request.record, from: sender)
                    return {
                        await records.enqueueInTurn(storable) { result in
                            switch result {
                            case .success(.stored(let outcome, let isOfUnknown)):
                                answers.add(.init(sequence: request.sequence, outcome: outcome, isOfUnknownTransaction: isOfUnknown))
                            case .success(.refused(let violations)): answers.add(.init(refusing: request, InvalidRecord(violations)))
                            case .failure(let error): answers.fail(error)
                            }
                        }
                    }
                } catch let error as InvalidRecord {
                    answers.add(.init(refusing: request, error))
                    return nil
                }
            }, response: { $0 })
    }

    private func store(
        _ record: IngestionV1.ImportRecordsRequest.Record?, named field: String, from sender: Sender
    ) async throws -> (outcome: IngestionV1.Outcome, isOfUnknown: Bool) {
        do {
            guard let record else {
                metrics.count(.invalid, of: field)
                throw InvalidRecord([Violation(field: "", reason: "is missing")])
            }
            let storable = try accept(record, from: sender)
            try takeQuota(of: sender.id, for: storable.record.kind.rawValue)
            switch try await records.store(storable) {
            case .stored(let outcome, let isOfUnknown): return (outcome, isOfUnknown)
            case .refused(let violations): throw InvalidRecord(violations)
            }
        } catch let error as InvalidRecord {
            throw error.rpcError(within: field)
        } catch let error as BatchError {
            throw RPCError(error)
        }
    }

    private func accept(_ record: IngestionV1.ImportRecordsRequest.Record?, from sender: Sender) throws(InvalidRecord) -> StorableRecord {
        let incoming: IncomingRecord
        do throws(InvalidRecord) {
            incoming = try Self.checked(record, from: sender)
        } catch {
            metrics.count(.invalid, of: record?.fieldName ?? IntakeMetrics.unknown)
            throw error
        }
        return storable(incoming, from: sender)
    }

    private static func checked(_ record: IngestionV1.ImportRecordsRequest.Record?, from sender: Sender) throws(InvalidRecord) -> IncomingRecord {
        let incoming: IncomingRecord
        switch record {
        case .label(let message): incoming = .label(try Label(message, sender: sender.bankID, isIncoming: true))
        case .complaint(let message): incoming = .complaint(try Complaint(message, reporter: sender.reporter, isIncoming: true))
        case .terminal(let message): incoming = .terminal(try Terminal(message, isIncoming: true))
        case .customer(let message): incoming = .customer(try Customer(message, isIncoming: true))
        case .merchant(let message): incoming = .merchant(try Merchant(message, isIncoming: true))
        case .jurisdiction(let message): incoming = .jurisdiction(try Jurisdiction(message, isIncoming: true))
        case .contextSignal(let message): incoming = .contextSignal(try ContextSignal(message, isIncoming: true))
        case nil: throw InvalidRecord([Violation(field: "record", reason: "is missing")])
        }
        let violations = incoming.validate(now: .now())
        guard violations.isEmpty else { throw InvalidRecord(violations) }
        return incoming
    }

    /// A valid record, ready to be stored.
    func storable(_ record: IncomingRecord, from sender: Sender) -> StorableRecord {
        let tokenised = tokeniser.tokenised(record, sender: sender.id)
        return StorableRecord(
            record: tokenised, senderID: sender.id, bankID: sender.bankID,
            identifiers: Tokeniser.identifiers(raw: record, tokenised: tokenised))
    }

    // MARK: For the other services

    func tailEvents(
        _ request: IngestionV1.TailEventsRequest, to responses: ResponseWriter<IngestionV1.TailEventsResponse>, context: CallContext
    ) async throws {
        let limit = request.maxBatch == 0 ? Self.maxTailBatch : min(Int(request.maxBatch), Self.maxTailBatch)
        let after = try await database.log.checked(request.after)
        switch request.transactions {
        case .unspecified:
            for try await entries in database.log.tail(after: after, batchLimit: limit) {
                try await responses.write(.init(events: try entries.map { try .init($0) }))
            }
        case .runs:
            try await forEachBatch(after: after, limit: limit) { run in
                IngestionV1.LoggedEvent(position: .init(run.run.end), recordedAt: .init(run), transactions: .init(run.run))
            } write: {
                try await responses.write(.init(events: $0))
            }
        case .movements:
            try await forEachBatch(after: after, limit: limit) { run in
                transactions.plain.holds(run.run) ? IngestionV1.LoggedEvent(position: .init(run.run.end), recordedAt: .init(run)) : nil
            } write: { events in
                let last = events.count - 1
                try await responses.write(.init(events: events.enumerated().compactMap { $1.asMovement(orPosition: $0 == last) }))
            }
        case .unrecognized(let number):
            throw RPCError.invalidArgument([.init(field: "transactions", description: "\(number) is unknown to this version")])
        }
    }

    /// Follows the log by runs. What lies between those that need not be read comes whole.
    ///
    /// - Parameter brief: what is told of a run of transactions; nil where it is to be read.
    private func forEachBatch(
        after start: LogPosition, limit: Int, _ brief: (LoggedRun) -> IngestionV1.LoggedEvent?,
        write: ([IngestionV1.LoggedEvent]) async throws -> Void
    ) async throws {
        var position = start
        for try await runs in database.log.tailRuns(after: start, batchLimit: limit) {
            var events: [IngestionV1.LoggedEvent] = []
            var unread = 0
            for run in runs {
                let told = run.naming == .all ? brief(run) : nil
                unread += run.run.count
                guard let told else { continue }
                if unread > run.run.count { events += try await read(after: position, limit: unread - run.run.count) }
                events.append(told)
                position = run.run.end
                unread = 0
            }
            if unread > 0 { events += try await read(after: position, limit: unread) }
            position = runs.last?.run.end ?? position
            try await write(events)
        }
    }

    private func read(after position: LogPosition, limit: Int) async throws -> [IngestionV1.LoggedEvent] {
        try await database.log.read(after: position, limit: limit).map { try .init($0) }
    }

    func getStatistics(_ request: IngestionV1.GetStatisticsRequest, context: CallContext) async throws -> IngestionV1.GetStatisticsResponse {
        let sender = try Sender(context)
        let counts = try await counts.value { try await database.counts() }
        let records = counts.records(of: sender.bankID)
        return IngestionV1.GetStatisticsResponse(
            transactions: counts.transactions(of: sender.bankID), labels: records[.label] ?? 0, complaints: records[.complaint] ?? 0,
            terminals: records[.terminal] ?? 0, customers: records[.customer] ?? 0, jurisdictions: records[.jurisdiction] ?? 0,
            contextSignals: records[.contextSignal] ?? 0, merchants: records[.merchant] ?? 0)
    }
}

extension IngestionV1.ImportRecordsResponse {
    fileprivate init(refusing request: IngestionV1.ImportRecordsRequest, _ error: InvalidRecord) {
        self.init(sequence: request.sequence, outcome: .rejected, violations: .init(error, within: request.record?.fieldName ?? ""))
    }
}

extension IngestionV1.LoggedEvent {
    init(_ entry: LoggedEvent) throws {
        self.init(
            position: .init(entry.position), recordedAt: .init(Timestamp(microseconds: entry.recordedAtMicroseconds)),
            event: try Payload.decode(IngestionV1.IngestionEvent.self, entry.payload))
    }

    /// What a reader of movements gets of it: of other transactions nothing, or their position alone.
    fileprivate func asMovement(orPosition isWanted: Bool) -> Self? {
        switch event?.event {
        case .transactionAccepted(let transaction) where !transaction.isMovement: isWanted ? Self(position: position, recordedAt: recordedAt) : nil
        case nil: isWanted ? self : nil
        default: self
        }
    }
}

extension GoogleProtobuf.Timestamp {
    /// When the last of a run was written.
    fileprivate init(_ run: LoggedRun) { self.init(Timestamp(microseconds: run.recordedAtMicroseconds)) }
}

extension Transaction {
    /// Whether it takes money out at an ATM or to another account.
    var isMovement: Bool { accountID != nil && (channel == .atm && terminalID != nil || counterpartyAccountID != nil) }
}

extension RecordsV1.Transaction {
    /// The same of one that lies in the log.
    fileprivate var isMovement: Bool {
        !accountID.isEmpty && (channel == .atm && !terminalID.isEmpty || !counterpartyAccountID.isEmpty)
    }
}
