internal import CNGHTTP2

/// Makes the header blocks that begin a connection's calls. What is the same in each call of a method is made once.
///
/// Confined to the connection's loop, which gives it up after its session.
final class RequestHeaders {
    private let scheme: String
    private let authority: String
    private var prefixes: [String: HeaderList] = [:]
    private var last: (path: String, prefix: HeaderList)?

    /// Paths come from generated clients, so they are few.
    private static let maxPrefixes = 256

    init(scheme: String, authority: String) {
        self.scheme = scheme
        self.authority = authority
    }

    deinit {
        for prefix in prefixes.values { prefix.freeFixed() }
    }

    /// All but the timeout.
    func headers(of request: ClientCall.Request) -> HeaderList {
        guard request.dialect == .grpc else {
            var headers = beginning(of: request)
            for field in request.metadata { headers.addChecked(field) }
            return headers
        }
        var headers = prefix(of: request) ?? grpcBeginning(of: request)
        if request.compression == .gzip { headers.add("grpc-encoding", "gzip") }
        if !request.metadata.isEmpty { headers.add(request.metadata) }
        return headers
    }

    private func prefix(of request: ClientCall.Request) -> HeaderList? {
        guard request.contentType == ClientCall.Request.grpcContentType else { return nil }
        if let last, last.path == request.path { return last.prefix }
        if prefixes[request.path] == nil {
            guard prefixes.count < Self.maxPrefixes else { return nil }
            prefixes[request.path] = grpcBeginning(of: request).madeFixed()
        }
        guard let prefix = prefixes[request.path] else { return nil }
        last = (request.path, prefix)
        return prefix
    }

    private func beginning(of request: ClientCall.Request) -> HeaderList {
        var headers = HeaderList()
        headers.add(":method", request.method)
        headers.add(":scheme", scheme)
        headers.add(":path", request.path)
        headers.add(":authority", authority)
        return headers
    }

    private func grpcBeginning(of request: ClientCall.Request) -> HeaderList {
        var headers = beginning(of: request)
        headers.add("te", "trailers")
        headers.add("content-type", request.contentType)
        headers.add("user-agent", "vigil-rpc")
        headers.add("grpc-accept-encoding", "identity,gzip")
        return headers
    }
}
