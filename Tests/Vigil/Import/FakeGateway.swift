import Contracts
import Foundation
import Logging
import RPC
import Synchronization
import TestSupport

/// A gateway that keeps rows in memory and breaks the connection when told to, and an auth gateway that gives everyone a token.
final class FakeGateway: Sendable {
    private struct State {
        var stored: Set<String> = []
        var received = 0
        var streams = 0
        var tokens = 0
        /// After how many rows each stream breaks: the first for the first stream.
        var breaks: [Int] = []
        var refusesTokens = 0
    }

    private let state = Mutex(State())

    init(breaksAfter: [Int] = [], refusesTokens: Int = 0) {
        state.withLock {
            $0.breaks = breaksAfter
            $0.refusesTokens = refusesTokens
        }
    }

    var stored: Set<String> { state.withLock { $0.stored } }
    var streams: Int { state.withLock { $0.streams } }
    var tokens: Int { state.withLock { $0.tokens } }

    static func with<R>(_ gateway: FakeGateway, _ body: (ChannelConfiguration) async throws -> R) async throws -> R {
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let configuration = ServerConfiguration(host: "127.0.0.1", port: 0)
        let services: [any RPCService] = [IngestionPart(gateway: gateway), AuthPart(gateway: gateway)]
        return try await withServer(configuration, services: services, health: HealthRegistry(), logger: quiet) { server in
            try await body(ChannelConfiguration(target: "http://127.0.0.1:\(server.port)"))
        }
    }

    fileprivate func token() -> String {
        state.withLock {
            $0.tokens += 1
            return "token-\($0.tokens)"
        }
    }

    fileprivate func beginStream(_ context: CallContext) throws -> Int? {
        try state.withLock { state in
            guard context.metadata["authorization"]?.hasPrefix("Bearer token-") == true else { throw RPCError(.unauthenticated, "no token") }
            if state.refusesTokens > 0 {
                state.refusesTokens -= 1
                throw RPCError(.unauthenticated, "the token has expired")
            }
            state.streams += 1
            return state.breaks.isEmpty ? nil : state.breaks.removeFirst()
        }
    }

    fileprivate func store(_ id: String) -> IngestionV1.Outcome {
        state.withLock { $0.stored.insert(id).inserted ? .accepted : .duplicate }
    }
}

private struct IngestionPart: IngestionV1.IngestionService.Handlers {
    let gateway: FakeGateway

    /// Answers in pairs the wrong way round, and stores a row before it breaks, so that its answer is lost.
    func streamTransactions(
        _ requests: RequestStream<IngestionV1.StreamTransactionsRequest>,
        to responses: ResponseWriter<IngestionV1.StreamTransactionsResponse>, context: CallContext
    ) async throws {
        let breaksAfter = try gateway.beginStream(context)
        var count = 0
        var held: IngestionV1.StreamTransactionsResponse?
        for try await request in requests {
            guard let transaction = request.transaction, let id = transaction.key?.transactionID else { continue }
            var response = IngestionV1.StreamTransactionsResponse(sequence: request.sequence)
            if transaction.customerID == "refused" {
                response.outcome = .rejected
                response.violations = [.init(field: "transaction.customer_id", reason: "is on a list")]
            } else {
                response.outcome = gateway.store(id)
                response.decision = .init(key: transaction.key, state: count % 2 == 0 ? .decided : .pending)
            }
            count += 1
            if count == breaksAfter { throw RPCError(.unavailable, "the gateway was killed") }
            if let other = held {
                try await responses.write(response)
                try await responses.write(other)
                held = nil
            } else {
                held = response
            }
        }
        if let held { try await responses.write(held) }
    }

    func importRecords(
        _ requests: RequestStream<IngestionV1.ImportRecordsRequest>, to responses: ResponseWriter<IngestionV1.ImportRecordsResponse>,
        context: CallContext
    ) async throws {
        _ = try gateway.beginStream(context)
        for try await request in requests {
            guard case .customer(let customer) = request.record else { continue }
            try await responses.write(.init(sequence: request.sequence, outcome: gateway.store(customer.customerID)))
        }
    }

    func submitTransaction(
        _ request: IngestionV1.SubmitTransactionRequest, context: CallContext
    ) async throws -> IngestionV1.SubmitTransactionResponse { throw RPCError(.unimplemented, "") }

    func submitComplaint(
        _ request: IngestionV1.SubmitComplaintRequest, context: CallContext
    ) async throws -> IngestionV1.SubmitComplaintResponse { throw RPCError(.unimplemented, "") }

    func submitLabel(
        _ request: IngestionV1.SubmitLabelRequest, context: CallContext
    ) async throws -> IngestionV1.SubmitLabelResponse { throw RPCError(.unimplemented, "") }

    func tailEvents(
        _ request: IngestionV1.TailEventsRequest, to responses: ResponseWriter<IngestionV1.TailEventsResponse>, context: CallContext
    ) async throws { throw RPCError(.unimplemented, "") }

    func getStatistics(
        _ request: IngestionV1.GetStatisticsRequest, context: CallContext
    ) async throws -> IngestionV1.GetStatisticsResponse { throw RPCError(.unimplemented, "") }
}

private struct AuthPart: AuthV1.AuthService.Handlers {
    let gateway: FakeGateway

    func issueToken(_ request: AuthV1.IssueTokenRequest, context: CallContext) async throws -> AuthV1.IssueTokenResponse {
        guard case .clientCredentials(let client) = request.grant, client.clientSecret == "secret" else {
            throw RPCError(.unauthenticated, "wrong secret")
        }
        return .init(accessToken: gateway.token(), tokenType: "Bearer", expiresIn: 900)
    }

    func getKeySet(_ request: AuthV1.GetKeySetRequest, context: CallContext) async throws -> AuthV1.GetKeySetResponse {
        throw RPCError(.unimplemented, "")
    }

    func listAccessRecords(
        _ request: AuthV1.ListAccessRecordsRequest, context: CallContext
    ) async throws -> AuthV1.ListAccessRecordsResponse { throw RPCError(.unimplemented, "") }
}
