public import ServiceContextModule

/// A plain HTTP request, to a route beside the RPCs or from a client.
public struct HTTPRequest: Sendable {
    public var method: String
    /// Percent-decoded, without the query.
    public var path: String
    /// Names and values in order, decoded.
    public var query: [(name: String, value: String)]
    public var headers: HTTPHeaders
    /// The whole body; a route bounds its size.
    public var body: [UInt8]
    public var peer: Peer
    /// What the route's pattern matched: `{z}` in `/tiles/{z}`.
    public var pathParameters: PathParameters
    /// What interceptors attached.
    public var serviceContext: ServiceContext

    public init(
        method: String = "GET", path: String, query: [(name: String, value: String)] = [], headers: HTTPHeaders = [:],
        body: [UInt8] = [], peer: Peer = Peer(address: ""), pathParameters: PathParameters = [:],
        serviceContext: ServiceContext = .topLevel
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.peer = peer
        self.pathParameters = pathParameters
        self.serviceContext = serviceContext
    }

    /// The first value of a query parameter.
    public func query(_ name: String) -> String? {
        query.first { $0.name == name }?.value
    }

    /// A cookie's value.
    public func cookie(_ name: String) -> String? {
        for line in headers.values("cookie") {
            for pair in line.split(separator: ";") {
                let parts = pair.drop { $0 == " " }.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                if parts.count == 2, parts[0] == name { return String(parts[1]) }
            }
        }
        return nil
    }
}

/// What a route's pattern matched, by the names in it. They are few, so they are looked through.
public struct PathParameters: Sendable, Hashable, ExpressibleByDictionaryLiteral {
    private struct Parameter: Sendable, Hashable {
        var name: String
        var value: String
    }

    private var parameters: [Parameter] = []

    public init(dictionaryLiteral elements: (String, String)...) {
        for (name, value) in elements { parameters.append(Parameter(name: name, value: value)) }
    }

    init(capacity: Int) {
        parameters.reserveCapacity(capacity)
    }

    public subscript(name: String) -> String? { parameters.first { $0.name == name }?.value }

    mutating func append(_ name: String, _ value: String) { parameters.append(Parameter(name: name, value: value)) }
}

/// A plain HTTP response.
public struct HTTPResponse: Sendable {
    public enum Body: Sendable {
        case empty
        case bytes([UInt8])
        /// Written while it is sent; the body ends when the closure returns, and is cut off when it throws.
        case stream(@Sendable (HTTPBodyWriter) async throws -> Void)
    }

    public var status: Int
    public var headers: HTTPHeaders
    public var body: Body

    public init(status: Int = 200, headers: HTTPHeaders = [:], body: Body = .empty) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// Text in UTF-8.
    public static func text(_ text: String, status: Int = 200, contentType: String = "text/plain; charset=utf-8") -> HTTPResponse {
        HTTPResponse(status: status, headers: ["content-type": contentType], body: .bytes(Array(text.utf8)))
    }

    /// JSON that is encoded already.
    public static func json(_ bytes: [UInt8], status: Int = 200) -> HTTPResponse {
        HTTPResponse(status: status, headers: ["content-type": "application/json"], body: .bytes(bytes))
    }

    /// The body of a response that is no stream.
    public var bytes: [UInt8] {
        if case .bytes(let bytes) = body { bytes } else { [] }
    }
}

/// Where a streaming response is written.
public struct HTTPBodyWriter: Sendable {
    private let sink: @Sendable ([UInt8]) async throws -> Void

    /// A writer that hands every piece to a closure; the server makes its own, this is for tests of routes.
    public init(_ sink: @escaping @Sendable ([UInt8]) async throws -> Void) {
        self.sink = sink
    }

    /// Sends bytes; returns when there is room for more.
    ///
    /// - Throws: ``RPCError`` with `cancelled` when the peer has gone.
    public func write(_ bytes: [UInt8]) async throws {
        try await sink(bytes)
    }

    /// Sends text in UTF-8.
    public func write(_ text: String) async throws {
        try await sink(Array(text.utf8))
    }

    /// Sends one server-sent event. Source: HTML standard, section 9.2.
    public func writeEvent(name: String? = nil, data: String, id: String? = nil, retryMilliseconds: Int? = nil) async throws {
        var text = ""
        if let name { text += "event: \(name)\n" }
        if let id { text += "id: \(id)\n" }
        if let retryMilliseconds { text += "retry: \(retryMilliseconds)\n" }
        for line in data.split(separator: "\n", omittingEmptySubsequences: false) { text += "data: \(line)\n" }
        try await write(text + "\n")
    }
}

/// A path that the server answers itself, beside the RPCs.
///
/// ```swift
/// HTTPRoute("GET", "/tiles/{layer}/{z}/{x}/{y}.{format}") { request in
///     try await tile(request.pathParameters)
/// }
/// ```
///
/// `{name}` matches within one path segment, `{name*}` at the end matches the rest, slashes included. More literal
/// patterns win over less literal ones. A GET route answers HEAD too.
public struct HTTPRoute: Sendable {
    public let method: String
    public let pattern: String
    /// A larger body is refused with 413.
    public let maxBodyBytes: Int
    public let handler: @Sendable (HTTPRequest) async throws -> HTTPResponse

    public init(
        _ method: String, _ pattern: String, maxBodyBytes: Int = 65536,
        handler: @escaping @Sendable (HTTPRequest) async throws -> HTTPResponse
    ) {
        self.method = method
        self.pattern = pattern
        self.maxBodyBytes = maxBodyBytes
        self.handler = handler
    }
}
