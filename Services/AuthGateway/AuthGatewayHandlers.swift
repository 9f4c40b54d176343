import Contracts
import Foundation
import Identity
import RPC
import ServiceRuntime
import StandardContracts

/// `vigil.auth.v1.AuthService`
struct AuthGatewayHandlers: AuthV1.AuthService.Handlers {
    let tokens: TokenService
    let keys: KeyRing
    let store: AuthStore

    static let maxAccessRecords = 1_000

    func issueToken(_ request: AuthV1.IssueTokenRequest, context: CallContext) async throws -> AuthV1.IssueTokenResponse {
        let grant: TokenService.Grant
        switch request.grant {
        case .clientCredentials(let credentials):
            grant = .clientCredentials(id: credentials.clientID, secret: credentials.clientSecret)
        case .password(let credentials): grant = .password(userName: credentials.username, password: credentials.password)
        case nil: throw RPCError.invalidArgument([FieldViolation(field: "grant", description: "is required")])
        }
        do {
            let issued = try await tokens.issue(grant, scope: request.scope, address: ClientAddress.of(context.peer, context.metadata))
            return AuthV1.IssueTokenResponse(
                accessToken: issued.token.value, tokenType: "Bearer", expiresIn: issued.lifetimeSeconds, scope: issued.scopeText)
        } catch let failure as TokenService.Failure {
            throw Self.error(failure)
        }
    }

    func getKeySet(_ request: AuthV1.GetKeySetRequest, context: CallContext) async throws -> AuthV1.GetKeySetResponse {
        let published = keys.published
        var response = AuthV1.GetKeySetResponse(jwksJSON: String(decoding: try published.json(), as: UTF8.self))
        // Who has lost rights is nobody else's business.
        if let name = context.peer.certificate?.commonName, ServiceName.all.contains(name) {
            response.rightsChanges = published.rightsChanges.map { .init(subject: $0.key, changedAtMicroseconds: $0.value) }
        }
        return response
    }

    func listAccessRecords(
        _ request: AuthV1.ListAccessRecordsRequest, context: CallContext
    ) async throws -> AuthV1.ListAccessRecordsResponse {
        guard request.limit <= Self.maxAccessRecords else {
            throw RPCError.invalidArgument([FieldViolation(field: "limit", description: "is at most \(Self.maxAccessRecords)")])
        }
        guard request.beforeRecordID >= 0 else {
            throw RPCError.invalidArgument([FieldViolation(field: "before_record_id", description: "is not negative")])
        }
        let records = try await store.accessRecords(
            subject: request.subject.isEmpty ? nil : request.subject,
            before: request.beforeRecordID == 0 ? .max : request.beforeRecordID, limit: request.limit == 0 ? 100 : Int(request.limit))
        return AuthV1.ListAccessRecordsResponse(records: records.map(Self.message))
    }

    private static func message(_ record: AccessRecord) -> AuthV1.AccessRecord {
        let (seconds, micros) = record.accessedAt.quotientAndRemainder(dividingBy: 1_000_000)
        return AuthV1.AccessRecord(
            recordID: record.recordID, accessedAt: GoogleProtobuf.Timestamp(seconds: seconds, nanos: Int32(micros) * 1_000),
            subject: record.subject, method: record.method, purpose: record.purpose, outcome: record.outcome)
    }

    private static func error(_ failure: TokenService.Failure) -> RPCError {
        switch failure {
        case .invalidCredentials: RPCError(.unauthenticated, "the name or the secret is wrong")
        case .tooManyAttempts(let seconds):
            .resourceExhausted("too many attempts; try again in \(seconds) s", retryAfter: .seconds(seconds))
        case .invalidScope: RPCError(.permissionDenied, "a scope is asked for that this principal may not have")
        case .busy: RPCError(.unavailable, "too many credentials are being checked")
        }
    }
}

/// From where an attempt to sign in comes.
enum ClientAddress {
    /// Set by another of Vigil's services that passes on a person's credentials.
    static let header = "vigil-client-address"

    /// The caller's address without its port; what the header says, where one of Vigil's own services calls.
    static func of(_ peer: Peer, _ metadata: Metadata) -> String {
        if let name = peer.certificate?.commonName, ServiceName.all.contains(name), let address = metadata[header] {
            return String(address.prefix(64))
        }
        guard let colon = peer.address.lastIndex(of: ":") else { return peer.address }
        return String(peer.address[..<colon])
    }
}
