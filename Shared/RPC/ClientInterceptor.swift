/// What a client does round every call: metrics, a token, a trace.
public protocol ClientInterceptor: Sendable {
    /// Runs before the call is sent; may add metadata. Attempts of one call are one call here.
    ///
    /// - Returns: what to run when the call is over; nil for nothing.
    /// - Throws: ``RPCError`` to fail the call unsent. Interceptors that had begun hear of the outcome.
    func begin(_ call: inout OutgoingCall) async throws -> CallFinisher?
}

/// A call before it is sent.
public struct OutgoingCall: Sendable {
    /// `/package.Service/Method`.
    public let path: String
    /// nil for calls that are forwarded raw.
    public let method: MethodDescriptor?
    public let deadline: ContinuousClock.Instant?
    /// What goes out beside the messages.
    public var metadata: Metadata

    public init(path: String, method: MethodDescriptor? = nil, deadline: ContinuousClock.Instant? = nil, metadata: Metadata = [:]) {
        self.path = path
        self.method = method
        self.deadline = deadline
        self.metadata = metadata
    }
}

/// What a call asks of the connection it is put on.
struct CallWish {
    var waitsForReady = false
    var hashKey: String?
    /// Left out where there is another.
    var other: ClientConnection?
}
