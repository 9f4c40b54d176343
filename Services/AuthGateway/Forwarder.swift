import Contracts
import Identity
import Logging
import Postgres
import RPC
import ServiceContextModule
import ServiceRuntime

/// Passes agencies' unary calls on to the other services and records each, refused ones too.
///
/// The caller's own token goes along, and the target verifies it again: the gateway lends no right of its own. An answer goes out
/// only after its record is durable.
struct Forwarder: Sendable {
    /// What the caller says the call is for.
    static let purposeHeader = "vigil-purpose"
    static let maxPurposeBytes = 500

    /// The services behind the gateway.
    static let targets: [String: ServiceIdentity] = [
        IngestionV1.IngestionService.fullName: .ingestionGateway,
        FeaturesV1.FeatureStoreService.fullName: .featureStore,
        ModelsV1.ModelService.fullName: .modelServer,
        TilesV1.TileService.fullName: .heatmapTiles,
        NotificationsV1.NotifierService.fullName: .notifier,
    ]

    /// The methods that are forwarded, by path: those with one message in each direction.
    static let methods: [String: MethodDescriptor] = {
        let all = IngestionV1.IngestionService.Methods.all + FeaturesV1.FeatureStoreService.Methods.all
            + ModelsV1.ModelService.Methods.all + TilesV1.TileService.Methods.all + NotificationsV1.NotifierService.Methods.all
        return Dictionary(uniqueKeysWithValues: all.filter { $0.kind == .unary }.map { ($0.path, $0) })
    }()

    /// On the gateway's port every known caller gets as far as the forwarder, so that a refusal can be recorded with its name.
    static let rules: [String: AccessRule] = methods.mapValues { _ in .authenticated }

    private let channels: [String: RPCChannel]
    private let store: AuthStore
    private let logger: Logger
    private let policy = AccessPolicy(MethodRules.all)

    /// - Parameter channels: by the service's name.
    init(channels: [String: RPCChannel], store: AuthStore, logger: Logger) {
        self.channels = channels
        self.store = store
        self.logger = logger
    }

    func forward(_ call: RawCall) async throws -> RawReply {
        guard let method = Self.methods[call.path], let target = Self.targets[method.service], let channel = channels[target.name] else {
            throw RPCError(.unimplemented, "\(call.path) is not forwarded")
        }
        guard !call.isGet || method.idempotency == .noSideEffects else {
            throw RPCError(.unimplemented, "\(call.path) is called by POST, not by GET")
        }
        guard let principal = call.serviceContext.principal, let token = call.serviceContext.bearerToken else {
            throw RPCError(.unauthenticated, "forwarding needs a token")
        }
        let purpose = call.metadata[Self.purposeHeader] ?? ""
        guard purpose.utf8.count <= Self.maxPurposeBytes else {
            throw RPCError(.invalidArgument, "\(Self.purposeHeader) has at most \(Self.maxPurposeBytes) bytes")
        }
        var record = AccessRecord(
            subject: principal.subject, kind: principal.kind.rawValue, tokenID: principal.tokenID, method: call.path, purpose: purpose,
            peerAddress: call.peer.address, outcome: "")
        let result: Result<RawReply, any Error>
        do {
            try authorize(principal, call.path)
            result = .success(try await send(call, token, on: channel))
            record.outcome = Self.outcome(.ok)
        } catch {
            result = .failure(error)
            record.outcome = Self.outcome((error as? RPCError)?.code ?? .unknown)
        }
        try await append(record)
        return try result.get()
    }

    private func authorize(_ principal: Principal, _ path: String) throws {
        guard let rule = policy.rule(for: path) else { throw RPCError(.permissionDenied, "this needs what nobody has") }
        guard rule.admits(principal, isPeer: false) else { throw RPCError(.permissionDenied, rule.refusal(of: principal, isPeer: false)) }
    }

    private func send(_ call: RawCall, _ token: BearerToken, on channel: RPCChannel) async throws -> RawReply {
        var metadata: Metadata = ["authorization": "Bearer \(token.value)"]
        for name in [Self.purposeHeader, "traceparent", "tracestate", "x-request-id"] {
            if let value = call.metadata[name] { metadata[name] = value }
        }
        // The deadline of the agency's call holds for this one too.
        return try await channel.forwardUnary(
            path: call.path, contentType: call.contentType, body: call.body, options: CallOptions(metadata: metadata))
    }

    /// The status by its name in gRPC: `OK`, `PERMISSION_DENIED`.
    private static func outcome(_ code: StatusCode) -> String {
        code == .cancelled ? "CANCELLED" : code.name.uppercased()
    }

    /// Without a record there is no answer.
    private func append(_ record: AccessRecord) async throws {
        do {
            try await store.append(record)
        } catch {
            logger.error("an access could not be recorded", metadata: ["method": "\(record.method)", "reason": "\(error)"])
            throw RPCError(.unavailable, "the access could not be recorded, so it is not answered")
        }
    }
}
