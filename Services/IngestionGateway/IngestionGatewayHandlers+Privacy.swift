import Contracts
import Identity
import RPC
import RecordCoding
import Records
import ServiceRuntime
import StandardContracts

extension IngestionGatewayHandlers {
    static let maxPrivacyRecords = 1_000

    func eraseIdentifiers(
        _ request: IngestionV1.EraseIdentifiersRequest, context: CallContext
    ) async throws -> IngestionV1.EraseIdentifiersResponse {
        let sender = try Sender(context)
        if let own = sender.bankID, !request.bankID.isEmpty, request.bankID != own {
            throw Self.refusal("bank_id", "is not the caller's bank")
        }
        try Self.require(("reason", request.reason))
        let token = try tokenToErase(request, of: sender)
        let erasure = try await privacy.erase(
            token: token, actor: sender.subject, bankID: sender.bankID ?? (request.bankID.isEmpty ? nil : request.bankID),
            reason: request.reason)
        return .init(erased: erasure.erased, shared: erasure.shared, erasedBefore: erasure.erasedBefore.map { .init($0) })
    }

    /// The token of what is to be erased, named in one of three ways. A bank names its own customers only.
    private func tokenToErase(_ request: IngestionV1.EraseIdentifiersRequest, of sender: Sender) throws -> String {
        let names = [("customer_id", request.customerID), ("identifier", request.identifier), ("token", request.token)].filter { !$0.1.isEmpty }
        guard let (field, name) = names.first else { throw Self.refusal("customer_id", "is missing") }
        guard names.count == 1 else { throw Self.refusal(names[1].0, "comes beside \(field)") }
        try Self.require((field, name))
        let kind = field == "identifier" ? try Self.kind(request.kind) : .customer
        if sender.bankID != nil, field == "token" || kind != .customer {
            throw RPCError(.permissionDenied, "a bank may have its customers erased: other identifiers may be other banks' customers' as well")
        }
        try Self.refuseBank(request.bankID, beside: kind)
        if field == "token" { return name }
        let bankID = request.bankID.isEmpty ? sender.bankID ?? "" : request.bankID
        if kind == .customer { try Self.require(("bank_id", bankID)) }
        return tokeniser.token(of: name, kind, bankID: bankID)
    }

    func tokenizeIdentifier(
        _ request: IngestionV1.TokenizeIdentifierRequest, context: CallContext
    ) async throws -> IngestionV1.TokenizeIdentifierResponse {
        let sender = try Sender(context)
        try Self.require(("identifier", request.identifier), ("reason", request.reason))
        let kind = try Self.kind(request.kind)
        if kind == .customer { try Self.require(("bank_id", request.bankID)) }
        try Self.refuseBank(request.bankID, beside: kind)
        let token = tokeniser.token(of: request.identifier, kind, bankID: request.bankID)
        try await privacy.recordToken(
            token, actor: sender.subject, bankID: kind == .customer ? request.bankID : nil, reason: request.reason)
        return .init(token: token)
    }

    /// Who names a bank means that bank's alone, which there is not.
    private static func refuseBank(_ bankID: String, beside kind: IdentifierKind) throws {
        guard kind != .customer, !bankID.isEmpty else { return }
        throw refusal("bank_id", "is for customers only: one \(kind.rawValue) is the same whichever bank's it is")
    }

    private static func kind(_ name: String) throws -> IdentifierKind {
        if name.isEmpty { return .customer }
        guard let kind = IdentifierKind(rawValue: name) else {
            throw refusal("kind", "is not \(IdentifierKind.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return kind
    }

    func revealIdentifier(
        _ request: IngestionV1.RevealIdentifierRequest, context: CallContext
    ) async throws -> IngestionV1.RevealIdentifierResponse {
        let sender = try Sender(context)
        try Self.require(("token", request.token), ("reason", request.reason))
        do {
            let identifier = try await privacy.reveal(
                token: request.token, actor: sender.subject, bankID: sender.bankID, reason: request.reason,
                isOwn: { isCustomer($0, of: sender) }, open: keeper.open)
            guard let identifier else { throw RPCError(.notFound, "nothing is kept behind this token") }
            return .init(kind: identifier.kind.rawValue, identifier: identifier.value)
        } catch is Vault.Problem {
            throw RPCError(.failedPrecondition, "the key that the identifier was sealed with is not here")
        }
    }

    /// A customer's token is made of the bank and of the bank's name for the customer: whose it is shows when it is made again.
    private func isCustomer(_ sealed: SealedIdentifier, of sender: Sender) -> Bool {
        guard let bankID = sender.bankID, sealed.kind == .customer, let customer = try? keeper.open(sealed) else { return false }
        return tokeniser.customerToken(bankID: bankID, customerID: customer.value) == sealed.token
    }

    func applyRetention(
        _ request: IngestionV1.ApplyRetentionRequest, context: CallContext
    ) async throws -> IngestionV1.ApplyRetentionResponse {
        let sender = try Sender(context)
        let days = request.keepDays == 0 ? retentionDays : Int(request.keepDays)
        guard let days else { throw RPCError(.failedPrecondition, "no retention is configured; say how many days to keep") }
        guard (PrivacyDatabase.minKeepDays...36_500).contains(days) else {
            let reason = "is not \(PrivacyDatabase.minKeepDays) to 36500: names of transactions are looked up as far back as the least"
            throw Self.refusal("keep_days", reason)
        }
        let dropped = try await privacy.applyRetention(keepDays: days, dryRun: request.dryRun, actor: sender.subject)
        return .init(dropped: dropped.partitions.map { .init(name: $0.name, until: .init($0.until)) }, identifiers: dropped.identifiers)
    }

    func listPrivacyRecords(
        _ request: IngestionV1.ListPrivacyRecordsRequest, context: CallContext
    ) async throws -> IngestionV1.ListPrivacyRecordsResponse {
        let limit = request.limit == 0 ? 100 : min(Int(request.limit), Self.maxPrivacyRecords)
        let sender = try Sender(context)
        let records = try await privacy.records(ofBank: sender.bankID, limit: limit)
        return .init(
            records: records.map {
                IngestionV1.PrivacyRecord(
                    at: .init($0.at), action: $0.action, actor: $0.actor, subject: $0.subject, reason: $0.reason, count: $0.count)
            })
    }

    private static func refusal(_ field: String, _ description: String) -> RPCError {
        .invalidArgument([FieldViolation(field: field, description: description)])
    }

    private static func require(_ fields: (name: String, value: String)...) throws {
        let violations = fields.compactMap { field -> FieldViolation? in
            if field.value.isEmpty { return FieldViolation(field: field.name, description: "is missing") }
            return field.value.utf8.count > 1_024 ? FieldViolation(field: field.name, description: "is longer than 1024 bytes") : nil
        }
        guard violations.isEmpty else { throw RPCError.invalidArgument(violations) }
    }
}
