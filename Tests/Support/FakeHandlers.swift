public import Contracts
public import RPC

/// What a fake gateway need not have, so that a new method does not touch every fake.
extension IngestionV1.IngestionService.Handlers {
    public func importFile(
        _ requests: RequestStream<IngestionV1.ImportFileRequest>, context: CallContext
    ) async throws -> IngestionV1.ImportFileResponse { throw unimplemented }

    public func getFileImport(
        _ request: IngestionV1.GetFileImportRequest, context: CallContext
    ) async throws -> IngestionV1.ImportFileResponse { throw unimplemented }

    public func eraseIdentifiers(
        _ request: IngestionV1.EraseIdentifiersRequest, context: CallContext
    ) async throws -> IngestionV1.EraseIdentifiersResponse { throw unimplemented }

    public func revealIdentifier(
        _ request: IngestionV1.RevealIdentifierRequest, context: CallContext
    ) async throws -> IngestionV1.RevealIdentifierResponse { throw unimplemented }

    public func tokenizeIdentifier(
        _ request: IngestionV1.TokenizeIdentifierRequest, context: CallContext
    ) async throws -> IngestionV1.TokenizeIdentifierResponse { throw unimplemented }

    public func applyRetention(
        _ request: IngestionV1.ApplyRetentionRequest, context: CallContext
    ) async throws -> IngestionV1.ApplyRetentionResponse { throw unimplemented }

    public func listPrivacyRecords(
        _ request: IngestionV1.ListPrivacyRecordsRequest, context: CallContext
    ) async throws -> IngestionV1.ListPrivacyRecordsResponse { throw unimplemented }
}

private let unimplemented = RPCError(.unimplemented, "the fake has no such method")
