internal import ServiceContextModule

/// Turns what a call has to say into header blocks, in the way that the caller speaks.
enum ServerAnswer {
    /// The headers before the first message.
    static func begin(_ call: ServerCall, _ session: HTTP2Session) {
        if call.dialect == .grpc, call.coding.form == .protobuf, call.responseMetadata?.isPlain ?? true {
            return session.submitResponse(call, headers: grpcHead, endStream: false)
        }
        let metadata = call.responseMetadata?.current ?? ResponseMetadata.State()
        var headers = HeaderList()
        switch call.dialect {
        case .grpc:
            headers.add(":status", "200")
            headers.add("content-type", call.coding.form == .json ? "application/grpc+json" : "application/grpc")
            if call.responseMetadata?.compresses == true { headers.add("grpc-encoding", "gzip") }
            headers.add(metadata.initial)
        case .connectUnary:
            headers.add(":status", "200")
            headers.add("content-type", call.coding.form == .json ? "application/json" : "application/proto")
            headers.add(metadata.initial)
            for field in metadata.trailing { headers.addChecked(Metadata.Field(name: "trailer-" + field.name, value: field.value)) }
        case .connectStream:
            headers.add(":status", "200")
            headers.add("content-type", call.coding.form == .json ? "application/connect+json" : "application/connect+proto")
            headers.add(metadata.initial)
        case .plain:
            addPlain(call.httpResponse ?? HTTPResponse(status: 500), to: &headers)
        }
        session.submitResponse(call, headers: headers, endStream: false)
    }

    /// Those of nearly every gRPC response, and the trailers of nearly every good one.
    private static let grpcHead = HeaderList(fixed: [":status": "200", "content-type": "application/grpc"])
    private static let grpcOK = HeaderList(fixed: ["grpc-status": "0"])

    private static func addPlain(_ response: HTTPResponse, to headers: inout HeaderList) {
        headers.reserveCapacity(fields: response.headers.count + 2, bytes: 40 * response.headers.count)
        headers.add(":status", response.status == 200 ? "200" : String(response.status))
        for field in response.headers where field.name != "connection" { headers.addChecked(field) }
        guard response.headers["content-length"] == nil else { return }
        switch response.body {
        case .bytes(let bytes): headers.add("content-length", String(bytes.count))
        case .empty where response.status >= 200 && response.status != 204 && response.status != 304:
            headers.add("content-length", "0")
        case .empty, .stream: break
        }
    }

    /// The end after what was written.
    static func end(_ call: ServerCall, _ session: HTTP2Session, _ error: RPCError?) {
        switch call.dialect {
        case .grpc: endGRPC(call, session, error)
        case .connectStream: endConnectStream(call, session, error)
        case .connectUnary:
            if let error { return refuse(call, session, error.code.httpStatus, error) }
            if !call.hasSentHeaders { call.willSendFirst() }
            session.finish(call)
        case .plain:
            if let error {
                // A body that was begun can only be cut off; a stream without an end of its own just ends.
                guard !call.hasSentHeaders else {
                    return error.code == .unavailable ? session.finish(call) : session.reset(call, .internalError)
                }
                return refuse(call, session, error.code.httpStatus, error)
            }
            if !call.hasSentHeaders { call.willSendFirst() }
            session.finish(call)
        }
    }

    private static func endGRPC(_ call: ServerCall, _ session: HTTP2Session, _ error: RPCError?) {
        if error == nil, call.responseMetadata?.isPlain ?? true {
            if !call.hasSentHeaders { call.willSendFirst() }
            return session.finish(call, trailers: grpcOK)
        }
        let metadata = call.responseMetadata?.current ?? ResponseMetadata.State()
        var trailers = HeaderList()
        if !call.hasSentHeaders {
            if error == nil {
                // A stream of no messages still has headers of its own.
                call.willSendFirst()
            } else {
                trailers.add(":status", "200")
                trailers.add("content-type", "application/grpc")
                trailers.add(metadata.initial)
            }
        }
        add(error, metadata.trailing, to: &trailers)
        if call.hasSentHeaders {
            session.finish(call, trailers: trailers)
        } else {
            session.submitResponse(call, headers: trailers, endStream: true)
        }
    }

    private static func add(_ error: RPCError?, _ trailing: Metadata, to trailers: inout HeaderList) {
        guard let error else {
            trailers.add("grpc-status", "0")
            trailers.add(trailing)
            return
        }
        trailers.add("grpc-status", String(error.code.rawValue))
        if !error.message.isEmpty { trailers.add("grpc-message", PercentEncoding.encode(shortened(error.message))) }
        let details = error.details.isEmpty ? [] : StatusDetails.encode(error)
        // Larger ones would cost the caller the status too.
        if !details.isEmpty, details.count <= maxDetailsBytes { trailers.add("grpc-status-details-bin", Base64.encode(details)) }
        if let encodings = trailing["grpc-accept-encoding"] { trailers.add("grpc-accept-encoding", encodings) }
        trailers.add(trailing)
        trailers.add(error.metadata)
    }

    private static let maxMessageTextBytes = 2 << 10
    private static let maxDetailsBytes = 24 << 10

    /// Peers take few bytes of trailers, and each here may become three.
    private static func shortened(_ message: String) -> String {
        guard message.utf8.count > maxMessageTextBytes else { return message }
        return String(decoding: message.utf8.prefix(maxMessageTextBytes), as: UTF8.self) + "…"
    }

    private static func endConnectStream(_ call: ServerCall, _ session: HTTP2Session, _ error: RPCError?) {
        if !call.hasSentHeaders { call.willSendFirst() }
        let trailing = call.responseMetadata?.current.trailing ?? Metadata()
        let json = ConnectProtocol.endOfStream(error, trailing)
        var chunk = [UInt8](repeating: 0, count: MessageCoding.envelopeByteCount) + json
        MessageCoding.writeEnvelope(flags: MessageCoding.endOfStreamFlag, byteCount: json.count, to: &chunk)
        session.write(call, chunk)
        session.finish(call)
    }

    /// A whole answer that no handler made, or that says only that it failed.
    static func refuse(_ call: ServerCall, _ session: HTTP2Session, _ status: Int, _ error: RPCError) {
        var headers = HeaderList()
        let metadata = call.responseMetadata?.current ?? ResponseMetadata.State()
        if call.dialect == .grpc, status != 415 {
            headers.add(":status", "200")
            headers.add("content-type", "application/grpc")
            add(error, metadata.trailing, to: &headers)
            session.submitResponse(call, headers: headers, endStream: true)
            return
        }
        headers.add(":status", String(status))
        headers.add(metadata.initial)
        for field in metadata.trailing { headers.addChecked(Metadata.Field(name: "trailer-" + field.name, value: field.value)) }
        headers.add(error.metadata)
        headers.add("content-type", "application/json")
        let body = ConnectProtocol.error(error)
        headers.add("content-length", String(body.count))
        let isHead = call.pseudo.method == "HEAD"
        session.submitResponse(call, headers: headers, endStream: isHead)
        guard !isHead else { return }
        session.write(call, body)
        session.finish(call)
    }
}

/// Runs what a call is for.
enum ServerHandling {
    static func answer(_ call: ServerCall, _ serviceContext: ServiceContext) async throws -> ServerCall.Answer {
        switch call.target {
        case .method(let method):
            let context = CallContext(call, serviceContext)
            switch method.implementation {
            case .unary(let handler):
                let (bytes, range) = try call.requestMessage()
                return .message(try await handler(bytes, range, call.coding, context))
            case .streaming(let handler):
                try await handler(call, call.coding, context)
                return .streamed
            }
        case .raw:
            return .message(try await forward(call, serviceContext))
        case .route(let route, let parameters):
            return try await serve(call, route, parameters, serviceContext)
        case nil:
            throw RPCError(.unimplemented, "nothing answers this call")
        }
    }

    private static func forward(_ call: ServerCall, _ serviceContext: ServiceContext) async throws -> [UInt8] {
        guard let fallback = call.core.rawFallback else { throw RPCError(.unimplemented, "there is no such method") }
        let (bytes, range) = try call.requestMessage()
        let reply = try await fallback(
            RawCall(
                path: String(call.pseudo.path.prefix { $0 != "?" }),
                contentType: call.coding.form == .json ? "application/json" : "application/proto", body: Array(bytes[range]),
                isGet: call.pseudo.method == "GET", metadata: call.metadata, peer: call.connection.peer, deadline: call.deadline,
                serviceContext: serviceContext))
        call.makeResponseMetadata().update { state in
            state.initial = reply.initialMetadata
            state.trailing = reply.trailingMetadata
        }
        return try call.coding.envelop(reply.body)
    }

    private static func serve(
        _ call: ServerCall, _ route: HTTPRoute, _ parameters: PathParameters, _ serviceContext: ServiceContext
    ) async throws -> ServerCall.Answer {
        let query = call.pseudo.path.utf8.dropFirst(call.path.utf8.count + 1)
        let response = try await route.handler(
            HTTPRequest(
                method: call.pseudo.method, path: PercentEncoding.decode(call.path),
                query: query.isEmpty ? [] : PercentEncoding.query(Substring(query)), headers: call.metadata, body: call.body,
                peer: call.connection.peer, pathParameters: parameters, serviceContext: serviceContext))
        guard case .stream(let write) = response.body, call.pseudo.method != "HEAD" else { return .http(response) }
        call.loop.run { call.beginHTTPStream(response) }
        try await write(HTTPBodyWriter { try await call.send($0) })
        return .streamed
    }
}
