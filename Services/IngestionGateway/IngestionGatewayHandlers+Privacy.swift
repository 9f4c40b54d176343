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
            throw RPCError.invalidArgument([FieldViolation(field: "bank_id", description: "is not the caller's bank")])
        }
        let bankID = request.bankID.isEmpty ? sender.bankID ?? "" : request.bankID
        try Self.require(("bank_id", bankID), ("customer_id", request.customerID), ("reason", request.reason))
        let token = tokeniser.customerToken(bankID: bankID, customerID: request.customerID)
        let erasure = try await answeringStoreErrors {
            try await privacy.erase(token: token, actor: sender.subject, reason: request.reason)
        }
        return .init(erased: erasure.erased)
    }

    func revealIdentifier(
        _ request: IngestionV1.RevealIdentifierRequest, context: CallContext
    ) async throws -> IngestionV1.RevealIdentifierResponse {
        let sender = try Sender(context)
        try Self.require(("token", request.token), ("reason", request.reason))
        let sealed = try await answeringStoreErrors {
            try await privacy.reveal(token: request.token, actor: sender.subject, reason: request.reason)
        }
        guard let sealed else { throw RPCError(.notFound, "nothing is kept behind this token") }
        do {
            let identifier = try keeper.open(sealed)
            return .init(kind: identifier.kind.rawValue, identifier: identifier.value)
        } catch {
            throw RPCError(.failedPrecondition, "the key that the identifier was sealed with is not here")
        }
    }

    func applyRetention(
        _ request: IngestionV1.ApplyRetentionRequest, context: CallContext
    ) async throws -> IngestionV1.ApplyRetentionResponse {
        let sender = try Sender(context)
        let days = request.keepDays == 0 ? retentionDays : Int(request.keepDays)
        guard let days else { throw RPCError(.failedPrecondition, "no retention is configured; say how many days to keep") }
        guard (PrivacyDatabase.minKeepDays...36_500).contains(days) else {
            let reason = "is not \(PrivacyDatabase.minKeepDays) to 36500: names of transactions are looked up as far back as the least"
            throw RPCError.invalidArgument([FieldViolation(field: "keep_days", description: reason)])
        }
        let dropped = try await answeringStoreErrors {
            try await privacy.applyRetention(keepDays: days, dryRun: request.dryRun, actor: sender.subject)
        }
        return .init(dropped: dropped.map { .init(name: $0.name, until: .init($0.until)) })
    }

    func listPrivacyRecords(
        _ request: IngestionV1.ListPrivacyRecordsRequest, context: CallContext
    ) async throws -> IngestionV1.ListPrivacyRecordsResponse {
        let limit = request.limit == 0 ? 100 : min(Int(request.limit), Self.maxPrivacyRecords)
        let records = try await answeringStoreErrors { try await privacy.records(limit: limit) }
        return .init(
            records: records.map {
                IngestionV1.PrivacyRecord(
                    at: .init($0.at), action: $0.action, actor: $0.actor, subject: $0.subject, reason: $0.reason, count: $0.count)
            })
    }

    private static func require(_ fields: (name: String, value: String)...) throws {
        let violations = fields.compactMap { field -> FieldViolation? in
            if field.value.isEmpty { return FieldViolation(field: field.name, description: "is missing") }
            return field.value.utf8.count > 1_024 ? FieldViolation(field: field.name, description: "is longer than 1024 bytes") : nil
        }
        guard violations.isEmpty else { throw RPCError.invalidArgument(violations) }
    }
}
