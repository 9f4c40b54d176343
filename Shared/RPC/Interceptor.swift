public import ServiceContextModule

/// What the server does round every call and route: authentication, metrics, tracing, access log.
public protocol ServerInterceptor: Sendable {
    /// Runs before the handler, in the call's task.
    ///
    /// - Returns: what to run when the call is over; nil for nothing.
    /// - Throws: ``RPCError`` to refuse the call. Interceptors that had begun hear of the outcome.
    func begin(_ call: inout IncomingCall) async throws -> (@Sendable (CallOutcome) -> Void)?
}

/// An interceptor that never waits, which costs a call less.
public protocol PromptServerInterceptor: ServerInterceptor {
    /// As ``ServerInterceptor/begin(_:)``.
    func beginPromptly(_ call: inout IncomingCall) throws -> (@Sendable (CallOutcome) -> Void)?
}

extension PromptServerInterceptor {
    public func begin(_ call: inout IncomingCall) async throws -> (@Sendable (CallOutcome) -> Void)? {
        try beginPromptly(&call)
    }
}

/// A call or request before its handler runs.
public struct IncomingCall: Sendable {
    /// `/package.Service/Method`, or the path of a plain request.
    public let path: String
    /// What routes it: the same as `path` for an RPC, the pattern for a route.
    public var route: String { pattern ?? path }
    private let pattern: String?
    /// An RPC in any of its forms; false for plain HTTP.
    public let isRPC: Bool
    /// The RPC's method; nil for plain HTTP and for calls that are forwarded raw.
    public let method: MethodDescriptor?
    /// Of HTTP: `POST` for nearly every RPC.
    public let httpMethod: String
    public let metadata: Metadata
    public let peer: Peer
    public let deadline: ContinuousClock.Instant?
    /// What handlers will find in their context.
    public var serviceContext: ServiceContext
    /// The call's place in a trace; what the handler calls carries it on.
    public var trace: TraceContext?

    public init(
        path: String, route: String? = nil, isRPC: Bool = true, method: MethodDescriptor? = nil, httpMethod: String = "POST",
        metadata: Metadata = [:], peer: Peer = Peer(address: "test"), deadline: ContinuousClock.Instant? = nil,
        serviceContext: ServiceContext = .topLevel
    ) {
        self.path = path
        pattern = route
        self.isRPC = isRPC
        self.method = method
        self.httpMethod = httpMethod
        self.metadata = metadata
        self.peer = peer
        self.deadline = deadline
        self.serviceContext = serviceContext
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
