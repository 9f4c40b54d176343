import Contracts
import Datasets
import Identity
import RPC
import RecordCoding
import Records
import ServiceRuntime

extension IngestionGatewayHandlers {
    func importFile(
        _ requests: RequestStream<IngestionV1.ImportFileRequest>, context: CallContext
    ) async throws -> IngestionV1.ImportFileResponse {
        let sender = try Sender(context)
        let file = try await files.receive(requests, from: sender.id) { try sender.check(mayImport: $0) }
        guard let state = try await files.state(of: file.name) else { throw RPCError(.aborted, "the file was given up meanwhile") }
        // Pieces are missing, or there is nothing more to do.
        guard state.state == .storing else { return state }
        let mapping = file.mapping
        let options = ReadOptions(bankID: sender.id, reporter: sender.reporter)
        return try await files.process(file, options: options) {
            while let wait = wait(forQuotaOf: sender, for: mapping.kind.recordName) { try await Task.sleep(for: wait) }
        } store: { record, complete in
            await store(record, from: sender, namesBank: mapping.maps("bank_id"), complete)
        }
    }

    func getFileImport(
        _ request: IngestionV1.GetFileImportRequest, context: CallContext
    ) async throws -> IngestionV1.ImportFileResponse {
        let sender = try Sender(context)
        try FileIntake.check(hash: request.contentSha256, "content_sha256")
        let name = FileName(senderID: sender.id, contentSHA256: request.contentSha256)
        guard let state = try await files.state(of: name) else {
            throw RPCError(.notFound, "no file with this hash was begun")
        }
        return state
    }

    private func store(
        _ record: DatasetRecord, from sender: Sender, namesBank: Bool, _ complete: @escaping @Sendable (RowOutcome) -> Void
    ) async {
        let incoming: IncomingRecord
        switch record {
        case .transaction(let row):
            if namesBank, let own = sender.bankID, row.transaction.key.bankID != own {
                return complete(.rejected([Rejection(field: "transaction.key.bank_id", column: "", value: "", reason: "is not the caller's bank")]))
            }
            return await transactions.submitInTurn(prepared(row.transaction, isBrief: true) { complete(RowOutcome($1)) })
        case .label(let label):
            if namesBank, let own = sender.bankID, label.key.bankID != own {
                return complete(.rejected([Rejection(field: "label.key.bank_id", column: "", value: "", reason: "is not the caller's bank")]))
            }
            incoming = .label(label)
        case .terminal(let terminal): incoming = .terminal(terminal)
        case .customer(let customer): incoming = .customer(customer)
        case .merchant(let merchant): incoming = .merchant(merchant)
        case .complaint(var complaint):
            // Whoever reports is who calls, whatever the file says.
            complaint.reporter = sender.reporter
            incoming = .complaint(complaint)
        case .contextSignal(let signal): incoming = .contextSignal(signal)
        case .jurisdiction(let jurisdiction): incoming = .jurisdiction(jurisdiction)
        }
        await records.enqueueInTurn(storable(incoming, from: sender)) { result in
            switch result {
            case .success(.stored(let outcome, let isOfUnknown)):
                complete(outcome == .accepted ? .accepted(isOfUnknown: isOfUnknown) : .duplicate(isOfUnknown: isOfUnknown))
            case .success(.refused(let violations)): complete(.rejected(violations, in: incoming.kind.rawValue))
            case .failure(let error): complete(.failed(error as? RPCError ?? RPCError(.unavailable, "a row could not be stored; send it again")))
            }
        }
    }
}

extension RowOutcome {
    init(_ answer: TransactionAnswer) {
        switch answer {
        case .pending(let outcome), .decided(let outcome, _): self = outcome == .accepted ? .accepted() : .duplicate()
        case .refused(let violations): self = .rejected(violations, in: "transaction")
        case .failed(let error): self = .failed(error)
        }
    }

    fileprivate static func rejected(_ violations: [Violation], in record: String) -> RowOutcome {
        .rejected(violations.map { Rejection(field: $0.within(record).field, column: "", value: "", reason: $0.reason) })
    }
}

extension Sender {
    func check(mayImport kind: RecordKind) throws {
        switch kind {
        case .transactions: try check(scope: Scope.writeTransactions, for: "a file of transactions")
        case .labels: try check(mayWrite: .label)
        case .terminals: try check(mayWrite: .terminal)
        case .customers: try check(mayWrite: .customer)
        case .merchants: try check(mayWrite: .merchant)
        case .complaints: try check(mayWrite: .complaint)
        case .context: try check(mayWrite: .contextSignal)
        case .jurisdictions: try check(mayWrite: .jurisdiction)
        }
    }
}
