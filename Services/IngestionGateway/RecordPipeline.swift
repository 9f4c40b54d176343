import Contracts
import EventLog
import Logging
import RPC
import RecordCoding
import Records
import ServiceRuntime

/// A valid, tokenised record on its way.
struct StorableRecord: Sendable {
    let record: IncomingRecord
    let senderID: String
    /// The sender's bank; nil for an operator or an agency.
    let bankID: String?
    let identifiers: [RawIdentifier]
}

/// What becomes of a record.
enum RecordAnswer: Sendable {
    /// - isOfUnknown: it is a label, of a transaction that is not here.
    case stored(IngestionV1.Outcome, isOfUnknown: Bool = false)
    case refused([Violation])
}

/// Makes everything but transactions durable, a batch at a time in the order of arrival, each sender in its turn.
final class RecordPipeline: Sendable {
    private let batcher: Batcher<StorableRecord, RecordAnswer>
    private let metrics: IntakeMetrics

    init(database: IngestionDatabase, keeper: IdentifierKeeper, limits: IntakeLimits, metrics: IntakeMetrics, logger: Logger) {
        self.metrics = metrics
        let outage = Outage(of: "postgresql", .unstoredRecords, logger: logger)
        batcher = Batcher(limits: BatchLimits(maxBatchItems: limits.maxBatchItems, maxQueuedItems: limits.maxQueuedItems)) { batch in
            let start = ContinuousClock.now
            do {
                let answers = try await Self.store(batch, database, keeper)
                outage.answered()
                metrics.committed(batch.count, of: .records, since: start)
                metrics.count(batch, answers)
                return answers
            } catch {
                for storable in batch { metrics.count(.failed, of: storable.record.kind.rawValue) }
                outage.failed(error, count: batch.count)
                throw RPCError(.unavailable, "the record could not be stored; send it again")
            }
        }
    }

    /// How many wait for a commit.
    var waitingItems: Int { batcher.waitingItems }

    func store(_ record: StorableRecord) async throws -> RecordAnswer {
        do {
            guard let answer = try await batcher.submit([record], from: record.senderID).first else { throw BatchError.incomplete }
            return answer
        } catch let error as BatchError {
            metrics.count(error == .full ? .overloaded : .failed, of: record.record.kind.rawValue)
            throw error
        }
    }

    /// Where too much waits already, the caller waits too.
    ///
    /// - Parameter complete: called once; throws what ``store(_:)`` throws.
    func enqueueInTurn(_ record: StorableRecord, complete: @escaping @Sendable (Result<RecordAnswer, any Error>) -> Void) async {
        do throws(BatchError) {
            try await batcher.enqueueInTurn([record], from: record.senderID) { result in
                complete(result.flatMap { answers in answers.first.map { .success($0) } ?? .failure(BatchError.incomplete) })
            }
        } catch {
            complete(.failure(error))
        }
    }

    func run() async { await batcher.run() }

    /// Writes the batch in rounds in which no name comes twice, so that of two versions the later stands.
    private static func store(
        _ batch: [StorableRecord], _ database: IngestionDatabase, _ keeper: IdentifierKeeper
    ) async throws -> [RecordAnswer] {
        let (premature, unknown) = try await labels(in: batch, database)
        let sealed = try keeper.seal(batch.lazy.flatMap(\.identifiers))
        let rows = batch.map(RecordRow.init)
        let early = Violation(field: "known_at", reason: "is a day or more before the transaction's event_time")
        var answers = batch.indices.map { index in
            premature.contains(index) ? RecordAnswer.refused([early]) : .stored(.duplicate, isOfUnknown: unknown.contains(index))
        }
        var waiting = rows.indices.filter { !premature.contains($0) }
        while !waiting.isEmpty {
            var names: Set<RecordName> = []
            var later: [Int] = []
            var round: [Int] = []
            for index in waiting {
                if names.insert(rows[index].name).inserted { round.append(index) } else { later.append(index) }
            }
            let (written, refused) = try await database.upsert(round.map { rows[$0] }, sealed: sealed)
            for index in round {
                let name = rows[index].name
                if written.contains(name) { answers[index] = .stored(.accepted, isOfUnknown: unknown.contains(index)) }
                if refused.contains(name) { answers[index] = .refused([batch[index].record.isAnothers]) }
            }
            waiting = later
        }
        keeper.remember(sealed)
        database.log.notifyCommitted()
        return answers
    }

    /// A label may say the day alone, which reads as that day's midnight.
    private static let dayOfLabel = TimeSpan.days(1)

    /// Where in the batch labels say to have been known before their transactions were made, since a model would learn from them what nobody
    /// knew; and where they are of transactions that are not here yet, or no longer, of which nobody can tell that.
    private static func labels(
        in batch: [StorableRecord], _ database: IngestionDatabase
    ) async throws -> (premature: Set<Int>, unknown: Set<Int>) {
        var labels: [Int: Label] = [:]
        for (index, storable) in batch.enumerated() {
            if case .label(let label) = storable.record { labels[index] = label }
        }
        let entries = try await database.entries(of: labels.values.map(\.key))
        let premature = try labels.filter { _, label in
            guard let entry = entries[label.key], case .transactionAccepted(let made) = try Payload.decode(IngestionV1.IngestionEvent.self, entry).event
            else { return false }
            return made.eventTime.flatMap { Timestamp($0) }.map { label.knownAt + dayOfLabel <= $0 } ?? false
        }
        return (Set(premature.keys), Set(labels.filter { entries[$0.value.key] == nil }.keys))
    }
}

extension IntakeMetrics {
    fileprivate func count(_ batch: [StorableRecord], _ answers: [RecordAnswer]) {
        for (storable, answer) in zip(batch, answers) {
            let outcome: Outcome =
                switch answer {
                case .stored(let outcome, _): outcome == .accepted ? .accepted : .duplicate
                case .refused: .conflict
                }
            count(outcome, of: storable.record.kind.rawValue)
        }
    }
}

extension RecordRow {
    init(_ storable: StorableRecord) {
        let event: IngestionV1.IngestionEvent.Event =
            switch storable.record {
            case .label(let label): .labelAccepted(.init(label))
            case .complaint(let complaint): .complaintAccepted(.init(complaint))
            case .terminal(let terminal): .terminalRegistered(.init(terminal))
            case .customer(let customer): .customerRegistered(.init(customer))
            case .merchant(let merchant): .merchantRegistered(.init(merchant))
            case .jurisdiction(let jurisdiction): .jurisdictionRegistered(.init(jurisdiction))
            case .contextSignal(let signal): .contextSignalAccepted(.init(signal))
            }
        let entry = Payload.encode(IngestionV1.IngestionEvent(event: event, senderID: storable.senderID))
        // The entry is the record with its sender: one encoding serves as content and as log entry.
        let isShared = storable.record.kind.isShared
        self.init(
            kind: storable.record.kind, senderID: isShared ? "" : storable.senderID, recordID: storable.record.id,
            ownerBankID: isShared ? storable.bankID : nil, message: entry, logEntry: entry)
    }
}

extension IncomingRecord {
    /// Why a bank may not change it. Whose it is is the owner's business.
    fileprivate var isAnothers: Violation {
        Violation(field: "\(kind.rawValue)_id", reason: "was registered by somebody else, who alone may change it, or an operator")
    }
}
