public import ServiceContextModule

/// What the server does round every call and route: authentication, metrics, tracing, access log.
public protocol ServerInterceptor: Sendable {
    /// Runs before the handler, in the call's task.
    ///
    /// - Returns: what to run when the call is over; nil for nothing.
    /// - Throws: ``RPCError`` to refuse the call. Interceptors that had begun hear of the outcome.
    func begin(_ call: inout IncomingCall) async throws -> CallFinisher?
}

/// What an interceptor does when the call is over.
public struct CallFinisher: Sendable {
    private let finish: @Sendable (CallOutcome) -> Void

    public init(_ finish: @escaping @Sendable (CallOutcome) -> Void) {
        self.finish = finish
    }

    public func callAsFunction(_ outcome: CallOutcome) { finish(outcome) }
}

/// An interceptor that never waits, which costs a call less.
public protocol PromptServerInterceptor: ServerInterceptor {
    /// As ``ServerInterceptor/begin(_:)``.
    func beginPromptly(_ call: inout IncomingCall) throws -> CallFinisher?
}

extension PromptServerInterceptor {
    public func begin(_ call: inout IncomingCall) async throws -> CallFinisher? {
        try beginPromptly(&call)
    }
}

/// A call or request before its handler runs.
public struct IncomingCall: Sendable {
    /// What is known of a call without a server.
    private final class Given: Sendable {
        let path: String
        let pattern: String?
        let isRPC: Bool
        let method: MethodDescriptor?
        let httpMethod: String
        let metadata: Metadata
        let peer: Peer
        let deadline: ContinuousClock.Instant?

        init(
            _ path: String, _ pattern: String?, _ isRPC: Bool, _ method: MethodDescriptor?, _ httpMethod: String, _ metadata: Metadata,
            _ peer: Peer, _ deadline: ContinuousClock.Instant?
        ) {
            self.path = path
            self.pattern = pattern
            self.isRPC = isRPC
            self.method = method
            self.httpMethod = httpMethod
            self.metadata = metadata
            self.peer = peer
            self.deadline = deadline
        }
    }

    /// One reference, because every call's interceptors hand it around.
    private enum Source {
        case call(ServerCall)
        case given(Given)
    }

    private let source: Source
    /// What handlers will find in their context.
    public var serviceContext: ServiceContext
    /// The call's place in a trace; what the handler calls carries it on.
    public var trace: TraceContext?

    /// `/package.Service/Method`, or the path of a plain request.
    public var path: String {
        switch source {
        case .call(let call): call.path
        case .given(let given): given.path
        }
    }

    /// What routes it: the same as `path` for an RPC, the pattern for a route.
    public var route: String {
        switch source {
        case .call(let call): if case .route(let route, _) = call.target { route.pattern } else { call.path }
        case .given(let given): given.pattern ?? given.path
        }
    }

    /// An RPC in any of its forms; false for plain HTTP.
    public var isRPC: Bool {
        switch source {
        case .call(let call): call.dialect != .plain
        case .given(let given): given.isRPC
        }
    }

    /// The RPC's method; nil for plain HTTP and for calls that are forwarded raw.
    public var method: MethodDescriptor? {
        switch source {
        case .call(let call): if case .method(let method) = call.target { method.descriptor } else { nil }
        case .given(let given): given.method
        }
    }

    /// Of HTTP: `POST` for nearly every RPC.
    public var httpMethod: String {
        switch source {
        case .call(let call): call.pseudo.method
        case .given(let given): given.httpMethod
        }
    }

    public var metadata: Metadata {
        switch source {
        case .call(let call): call.metadata
        case .given(let given): given.metadata
        }
    }

    public var peer: Peer {
        switch source {
        case .call(let call): call.connection.peer
        case .given(let given): given.peer
        }
    }

    public var deadline: ContinuousClock.Instant? {
        switch source {
        case .call(let call): call.deadline
        case .given(let given): given.deadline
        }
    }

    /// For tests of interceptors; the server makes its own.
    public init(
        path: String, route: String? = nil, isRPC: Bool = true, method: MethodDescriptor? = nil, httpMethod: String = "POST",
        metadata: Metadata = [:], peer: Peer = Peer(address: "test"), deadline: ContinuousClock.Instant? = nil,
        serviceContext: ServiceContext = .topLevel
    ) {
        source = .given(Given(path, route, isRPC, method, httpMethod, metadata, peer, deadline))
        self.serviceContext = serviceContext
    }

    /// What is read of the call does not change once its interceptors run.
    init(_ call: ServerCall) {
        source = .call(call)
        serviceContext = .topLevel
    }
}

/// How a call ended.
public struct CallOutcome: Sendable {
    public let status: StatusCode
    /// Of HTTP: what plain routes answered; 200 for gRPC.
    public let httpStatus: Int
    /// Why, for the log; empty where it went well.
    public let message: String
    /// From the arrival of the headers to the handing over of the status.
    public let duration: Duration
    /// By this side.
    public let sentMessages: Int
    public let receivedMessages: Int

    public init(
        status: StatusCode, httpStatus: Int, message: String = "", duration: Duration, sentMessages: Int = 0, receivedMessages: Int = 0
    ) {
        self.sentMessages = sentMessages
        self.receivedMessages = receivedMessages
        self.status = status
        self.httpStatus = httpStatus
        self.message = message
        self.duration = duration
    }
}
