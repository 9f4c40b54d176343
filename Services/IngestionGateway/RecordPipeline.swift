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
    let identifiers: [RawIdentifier]
}

/// Makes everything but transactions durable, a batch at a time in the order of arrival.
final class RecordPipeline: Sendable {
    private let batcher: Batcher<StorableRecord, IngestionV1.Outcome>

    init(database: IngestionDatabase, keeper: IdentifierKeeper, limits: IntakeLimits, logger: Logger) {
        batcher = Batcher(limits: BatchLimits(maxBatchItems: limits.maxBatchItems, maxQueuedItems: limits.maxQueuedItems)) { batch in
            do {
                return try await Self.store(batch, database, keeper)
            } catch {
                logger.error("records could not be stored", metadata: ["count": "\(batch.count)", "reason": "\(error)"])
                throw RPCError(.unavailable, "the record could not be stored; send it again")
            }
        }
    }

    func store(_ record: StorableRecord) async throws -> IngestionV1.Outcome {
        guard let outcome = try await batcher.submit([record]).first else { throw BatchError.incomplete }
        return outcome
    }

    /// Where too much waits already, the caller waits too.
    ///
    /// - Parameter complete: called once; throws what ``store(_:)`` throws.
    func enqueueInTurn(_ record: StorableRecord, complete: @escaping @Sendable (Result<IngestionV1.Outcome, any Error>) -> Void) async {
        do throws(BatchError) {
            try await batcher.enqueueInTurn([record]) { result in
                complete(result.flatMap { outcomes in outcomes.first.map { .success($0) } ?? .failure(BatchError.incomplete) })
            }
        } catch {
            complete(.failure(error))
        }
    }

    func run() async { await batcher.run() }

    /// Writes the batch in rounds in which no name comes twice, so that of two versions the later stands.
    private static func store(
        _ batch: [StorableRecord], _ database: IngestionDatabase, _ keeper: IdentifierKeeper
    ) async throws -> [IngestionV1.Outcome] {
        let sealed = try keeper.seal(batch.lazy.flatMap(\.identifiers))
        let rows = batch.map(RecordRow.init)
        var outcomes = [IngestionV1.Outcome](repeating: .duplicate, count: batch.count)
        var waiting = Array(rows.indices)
        while !waiting.isEmpty {
            var names: Set<RecordName> = []
            var later: [Int] = []
            var round: [Int] = []
            for index in waiting {
                if names.insert(rows[index].name).inserted { round.append(index) } else { later.append(index) }
            }
            let written = try await database.upsert(round.map { rows[$0] }, sealed: sealed)
            for index in round where written.contains(rows[index].name) { outcomes[index] = .accepted }
            waiting = later
        }
        keeper.remember(sealed)
        database.log.notifyCommitted()
        return outcomes
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
        self.init(
            kind: storable.record.kind, senderID: storable.senderID, recordID: storable.record.id, message: entry, logEntry: entry)
    }
}
