/// Plain requests and raw calls over a channel.
extension RPCChannel {
    /// Makes a plain HTTP request; the response's body is read whole, within the channel's limit on messages.
    public func http(_ request: HTTPRequest, options: CallOptions = CallOptions()) async throws -> HTTPResponse {
        var options = options
        if options.timeout == nil, core.configuration.defaultTimeoutSeconds > 0 {
            options.timeout = .seconds(core.configuration.defaultTimeoutSeconds)
        }
        return try await withHTTPStream(request, options: options) { response, body in
            var bytes: [UInt8] = []
            for try await chunk in body {
                bytes += chunk
                guard bytes.count <= core.configuration.maxMessageBytes else {
                    throw RPCError(.resourceExhausted, "the response is larger than \(core.configuration.maxMessageBytes) bytes")
                }
            }
            var response = response
            response.body = .bytes(bytes)
            return response
        }
    }

    /// Makes a plain HTTP request and hands out the response while its body comes in, as for server-sent events.
    ///
    /// - Parameter read: gets status and headers, and the body in pieces as they arrive.
    public func withHTTPStream<R>(
        _ request: HTTPRequest, options: CallOptions = CallOptions(),
        _ read: (HTTPResponse, HTTPBodyStream) async throws -> R
    ) async throws -> R {
        var target = PercentEncoding.encodeURLComponent(request.path, keepingSlash: true)
        if !request.query.isEmpty {
            let pairs = request.query.map { name, value in
                PercentEncoding.encodeURLComponent(name, keepingSlash: false) + "="
                    + PercentEncoding.encodeURLComponent(value, keepingSlash: false)
            }
            target += "?" + pairs.joined(separator: "&")
        }
        var metadata = request.headers
        metadata.add(contentsOf: options.metadata)
        let call = try await start(
            request: ClientCall.Request(
                dialect: .plain, method: request.method, path: target, metadata: metadata, deadline: deadline(options, isStream: true, CallScope.current),
                body: request.body, hasBody: !request.body.isEmpty), options)
        return try await finishing(call, options) {
            let headers = try await call.awaitInitialMetadata()
            return try await read(HTTPResponse(status: call.responseStatus, headers: headers), HTTPBodyStream(call: call))
        }
    }

    /// Passes one encoded message on and gets one back, neither being looked into.
    ///
    /// - Parameters:
    ///   - path: `/package.Service/Method`.
    ///   - contentType: what form `body` has: `application/proto` or `application/json`.
    /// - Throws: ``RPCError``, the server's own included, with its details.
    public func forwardUnary(
        path: String, contentType: String, body: [UInt8], options: CallOptions = CallOptions()
    ) async throws -> RawReply {
        let collected = MetadataBox()
        var options = options
        let told = options.onMetadata
        options.onMetadata = { initial, trailing in
            collected.set(initial, trailing)
            told?(initial, trailing)
        }
        let type = contentType.hasPrefix("application/json") ? "application/grpc+json" : "application/grpc"
        let reply = try await unaryBytes(
            path: path, method: nil, contentType: type, body: try coding(options).envelop(body), options: options)
        let (initial, trailing) = collected.value
        return RawReply(body: Array(reply), initialMetadata: initial, trailingMetadata: trailing)
    }
}

/// The body of a response, in pieces as they arrive. To be read once, by one task.
public struct HTTPBodyStream: AsyncSequence, Sendable {
    let call: CallStream

    public struct AsyncIterator: AsyncIteratorProtocol {
        let call: CallStream

        public mutating func next() async throws -> [UInt8]? {
            try await call.nextMessage()
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(call: call)
    }
}
