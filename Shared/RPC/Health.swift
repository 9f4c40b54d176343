internal import Protobuf
internal import StandardContracts
internal import Synchronization

/// Whether a service can do its work.
public enum ServingStatus: Sendable, Hashable {
    case unknown, serving, notServing
}

/// What a server's `grpc.health.v1.Health` tells, service by service; "" stands for the server as a whole, which serves
/// from the start unless set otherwise.
public final class HealthRegistry: Sendable {
    private struct Watcher {
        let service: String
        let continuation: AsyncStream<ServingStatus?>.Continuation
    }

    private struct State {
        var statuses: [String: ServingStatus] = ["": .serving]
        var isShutDown = false
        var watchers: [Int: Watcher] = [:]
        var nextWatcher = 0
    }

    private let state = Mutex(State())

    public init() {}

    /// Sets what is told of a service, and tells those who watch it.
    public func set(_ service: String, _ status: ServingStatus) {
        let watchers = state.withLock(of: self) { state -> [Watcher] in
            guard !state.isShutDown else { return [] }
            state.statuses[service] = status
            return state.watchers.values.filter { $0.service == service }
        }
        for watcher in watchers { watcher.continuation.yield(status) }
    }

    /// nil for a service that was never set.
    public func status(_ service: String) -> ServingStatus? {
        state.withLock(of: self) { $0.statuses[service] }
    }

    var all: [String: ServingStatus] { state.withLock(of: self) { $0.statuses } }

    /// Everything is `notServing` from now on, so that callers go elsewhere while calls in flight finish; watches end.
    func shutDown() {
        let watchers = state.withLock(of: self) { state in
            state.isShutDown = true
            for service in state.statuses.keys { state.statuses[service] = .notServing }
            return exchange(&state.watchers, with: [:])
        }
        // Outside the lock: the end of a stream calls back.
        for watcher in watchers.values {
            watcher.continuation.yield(.notServing)
            watcher.continuation.finish()
        }
    }

    /// The status now and whenever it is set; a slow watcher misses what was overtaken.
    func watch(_ service: String) -> AsyncStream<ServingStatus?> {
        AsyncStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
            let (id, isShutDown) = state.withLock(of: self) { state in
                state.nextWatcher += 1
                // Before any later status, which is yielded after this lock was taken.
                continuation.yield(state.statuses[service])
                if !state.isShutDown { state.watchers[state.nextWatcher] = Watcher(service: service, continuation: continuation) }
                return (state.nextWatcher, state.isShutDown)
            }
            if isShutDown { continuation.finish() }
            continuation.onTermination = { [weak self] _ in
                guard let self else { return }
                _ = state.withLock(of: self) { $0.watchers.removeValue(forKey: id) }
            }
        }
    }
}

/// `grpc.health.v1.Health`.
struct HealthService: RPCService {
    typealias Response = GRPCHealthV1.HealthCheckResponse

    let serviceName = "grpc.health.v1.Health"
    private let registry: HealthRegistry

    init(_ registry: HealthRegistry) {
        self.registry = registry
    }

    var fileDescriptors: [[UInt8]] { FileDescriptor.grpcHealthV1Health.withDependencies.map(\.serialized) }

    private static func wire(_ status: ServingStatus?) -> Response.ServingStatus {
        switch status {
        case .serving: .serving
        case .notServing: .notServing
        case .unknown: .unknown
        case nil: .serviceUnknown
        }
    }

    var methods: [RPCMethod] {
        [
            .unary(MethodDescriptor(service: serviceName, name: "Check", kind: .unary, idempotency: .noSideEffects)) {
                [registry] (request: GRPCHealthV1.HealthCheckRequest, _: CallContext) async throws -> Response in
                guard let status = registry.status(request.service) else {
                    throw RPCError(.notFound, "there is no service \(request.service)")
                }
                return Response(status: Self.wire(status))
            },
            .unary(MethodDescriptor(service: serviceName, name: "List", kind: .unary, idempotency: .noSideEffects)) {
                [registry] (_: GRPCHealthV1.HealthListRequest, _: CallContext) async throws -> GRPCHealthV1.HealthListResponse in
                GRPCHealthV1.HealthListResponse(statuses: registry.all.mapValues { Response(status: Self.wire($0)) })
            },
            .serverStreaming(
                MethodDescriptor(service: serviceName, name: "Watch", kind: .serverStreaming, idempotency: .noSideEffects)
            ) {
                [registry] (request: GRPCHealthV1.HealthCheckRequest, responses: ResponseWriter<Response>, _: CallContext) async throws in
                var last: Response.ServingStatus?
                for await status in registry.watch(request.service) {
                    let status = Self.wire(status)
                    guard status != last else { continue }
                    last = status
                    try await responses.write(Response(status: status))
                }
            },
        ]
    }
}
