public import ServiceContextModule
internal import Synchronization

/// Who is at the other end of a connection.
public struct Peer: Sendable, Hashable {
    /// Every call of a connection hands its peer around, so it is one reference.
    private final class Content: Sendable {
        let address: String
        let certificate: PeerCertificate?

        init(_ address: String, _ certificate: PeerCertificate?) {
            self.address = address
            self.certificate = certificate
        }
    }

    private let content: Content

    public init(address: String, certificate: PeerCertificate? = nil) {
        content = Content(address, certificate)
    }

    /// IP address and port, `127.0.0.1:50514` or `[::1]:50514`.
    public var address: String { content.address }
    /// The certificate that the peer proved to own and that the configured roots vouch for.
    public var certificate: PeerCertificate? { content.certificate }

    public static func == (left: Self, right: Self) -> Bool {
        left.content === right.content || (left.address == right.address && left.certificate == right.certificate)
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(address)
        hasher.combine(certificate)
    }
}

/// The parts of a verified X.509 certificate that tell who its owner is.
public struct PeerCertificate: Sendable, Hashable {
    /// The whole certificate, DER.
    public let der: [UInt8]
    /// The subject's common name.
    public let commonName: String?
    /// The subject alternative names of type DNS.
    public let dnsNames: [String]
    /// Those of type URI, such as SPIFFE ids.
    public let uris: [String]
    /// Those of type IP address, in text form.
    public let ipAddresses: [String]

    public init(der: [UInt8], commonName: String?, dnsNames: [String] = [], uris: [String] = [], ipAddresses: [String] = []) {
        self.der = der
        self.commonName = commonName
        self.dnsNames = dnsNames
        self.uris = uris
        self.ipAddresses = ipAddresses
    }
}

/// What a handler knows of the call it serves, and where it sets metadata of the response.
public struct CallContext: Sendable {
    /// What is known of a call without a server.
    private final class Given: Sendable {
        let method: MethodDescriptor
        let metadata: Metadata
        let peer: Peer
        let deadline: ContinuousClock.Instant?
        let response = ResponseMetadata()

        init(_ method: MethodDescriptor, _ metadata: Metadata, _ peer: Peer, _ deadline: ContinuousClock.Instant?) {
            self.method = method
            self.metadata = metadata
            self.peer = peer
            self.deadline = deadline
        }
    }

    /// One reference, because every call's handlers hand it around.
    private enum Source {
        case call(ServerCall)
        case given(Given)
    }

    private let source: Source
    /// What interceptors attached: the principal, the trace.
    public var serviceContext: ServiceContext

    public var method: MethodDescriptor {
        switch source {
        case .call(let call):
            if case .method(let method) = call.target { method.descriptor } else { preconditionFailure("a handler is a method's") }
        case .given(let given): given.method
        }
    }

    /// All header fields that the caller sent but HTTP/2's pseudo-headers (`:path` and such): gRPC's and HTTP's own too, as
    /// `content-type`, `te`, `grpc-timeout` and `user-agent`, if they were sent. Whoever passes metadata on chooses what.
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

    /// When the caller stops waiting. Calls made while handling inherit it.
    public var deadline: ContinuousClock.Instant? {
        switch source {
        case .call(let call): call.deadline
        case .given(let given): given.deadline
        }
    }

    var response: ResponseMetadata {
        switch source {
        case .call(let call): call.makeResponseMetadata()
        case .given(let given): given.response
        }
    }

    /// Whether the response's messages are compressed.
    var compresses: Bool {
        if case .call(let call) = source { call.responseMetadata?.compresses == true } else { false }
    }

    /// Whether the request message read last came compressed.
    public var requestWasCompressed: Bool {
        if case .call(let call) = source { call.lastMessageWasCompressed } else { false }
    }

    /// For tests of handlers; the server makes its own.
    public init(
        method: MethodDescriptor, metadata: Metadata = [:], peer: Peer = Peer(address: "test"),
        deadline: ContinuousClock.Instant? = nil, serviceContext: ServiceContext = .topLevel
    ) {
        source = .given(Given(method, metadata, peer, deadline))
        self.serviceContext = serviceContext
    }

    /// What is read of the call does not change once its handler runs.
    init(_ call: ServerCall, _ serviceContext: ServiceContext) {
        source = .call(call)
        self.serviceContext = serviceContext
    }

    /// Metadata to send before the first message. Without effect once that has been sent.
    public func setInitialMetadata(_ metadata: Metadata) {
        response.update { $0.initial = metadata }
    }

    /// Sends the response's messages compressed with gzip, if the caller reads that. To be called before the first one.
    public func compressResponse() {
        if case .call(let call) = source, call.acceptsGzip { response.startCompressing() }
    }

    /// Metadata to send with the status, success or failure. An ``RPCError``'s own metadata is added to it.
    public func setTrailingMetadata(_ metadata: Metadata) {
        response.update { $0.trailing = metadata }
    }
}

/// Where a handler leaves metadata for the response; read when headers and trailers go out.
final class ResponseMetadata: Sendable {
    struct State {
        var initial = Metadata()
        var trailing = Metadata()
    }

    private let state = Mutex(State())
    /// Whether there is anything in the state; nearly always there is not.
    private let isChanged = Atomic<Bool>(false)
    private let compression = Atomic<Bool>(false)

    func startCompressing() { compression.store(true, ordering: .relaxed) }

    var compresses: Bool { compression.load(ordering: .relaxed) }

    /// Nothing was set, nothing is to be compressed.
    var isPlain: Bool { !isChanged.load(ordering: .acquiring) && !compresses }

    var current: State { isChanged.load(ordering: .acquiring) ? state.withLock(of: self) { $0 } : State() }

    func update(_ change: (inout State) -> Void) {
        state.withLock(of: self) { change(&$0) }
        isChanged.store(true, ordering: .releasing)
    }
}

/// The deadline of the call that the current task handles.
public enum CallDeadline {
    /// Inherited by every call made below; nil where there is none.
    public static var current: ContinuousClock.Instant? { CallScope.current?.deadline }
}

/// What calls made while handling a call inherit from it.
struct CallScope: Sendable {
    var deadline: ContinuousClock.Instant?
    var trace: TraceContext?

    @TaskLocal static var current: CallScope?
}
