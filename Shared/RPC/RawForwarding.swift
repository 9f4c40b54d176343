public import ServiceContextModule

/// A unary call whose messages are passed on unread.
public struct RawCall: Sendable {
    /// `/package.Service/Method`.
    public let path: String
    /// `application/proto` for gRPC and Connect with protobuf, `application/json`: the form of `body`.
    public let contentType: String
    /// The one request message, without envelope.
    public let body: [UInt8]
    /// Whether the caller sent GET, which is for methods without side effects alone: whoever passes it on refuses others.
    public let isGet: Bool
    public let metadata: Metadata
    public let peer: Peer
    public let deadline: ContinuousClock.Instant?
    public let serviceContext: ServiceContext
}

/// The answer to a ``RawCall``; a failure is thrown as ``RPCError`` instead.
public struct RawReply: Sendable {
    /// The one response message, in the form of the request.
    public var body: [UInt8]
    public var initialMetadata: Metadata
    public var trailingMetadata: Metadata

    public init(body: [UInt8], initialMetadata: Metadata = [:], trailingMetadata: Metadata = [:]) {
        self.body = body
        self.initialMetadata = initialMetadata
        self.trailingMetadata = trailingMetadata
    }
}
