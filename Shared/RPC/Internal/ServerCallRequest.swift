/// The fields that gRPC itself looks at, found in one pass; the first of a name counts.
struct RequestFields {
    private let fields: [Metadata.Field]
    /// Where they are; -1 where they are not.
    private var positions = (contentType: -1, encoding: -1, acceptEncoding: -1, timeout: -1)

    init(_ metadata: Metadata) {
        fields = metadata.fields
        for index in fields.indices {
            let name = fields[index].name
            // Most names differ in length.
            switch name.utf8.count {
            case 12 where positions.contentType < 0 && name == "content-type": positions.contentType = index
            case 12 where positions.timeout < 0 && name == "grpc-timeout": positions.timeout = index
            case 13 where positions.encoding < 0 && name == "grpc-encoding": positions.encoding = index
            case 20 where positions.acceptEncoding < 0 && name == "grpc-accept-encoding": positions.acceptEncoding = index
            default: break
            }
        }
    }

    var contentType: String { value(positions.contentType) ?? "" }
    var encoding: String? { value(positions.encoding) }
    var acceptEncoding: String? { value(positions.acceptEncoding) }
    var timeout: String? { value(positions.timeout) }

    private func value(_ position: Int) -> String? { position < 0 ? nil : fields[position].value }
}

/// Reading a request's head: in what way it speaks, what answers it, how long it may take.
extension ServerCall {
    func beginGRPC(_ fields: RequestFields) {
        dialect = .grpc
        guard pseudo.method == "POST" else { return refuse(http: 405, RPCError(.internal, "gRPC needs POST")) }
        switch Self.mediaType(fields.contentType) {
        case "application/grpc", "application/grpc+proto": coding = MessageCoding(form: .protobuf)
        case "application/grpc+json": coding = MessageCoding(form: .json)
        default: return refuse(http: 415, RPCError(.internal, "no such content type"))
        }
        requestEncoding = fields.encoding
        if let codings = fields.acceptEncoding, Self.listsGzip(codings) { acceptsGzip = true }
        guard setDeadline(fields.timeout.map { Timeout.parse($0) }) else {
            return finish(RPCError(.invalidArgument, "grpc-timeout is malformed"))
        }
        beginRPC()
    }

    /// By bytes: to look through text character by character takes longer than all else of a request's head.
    static func listsGzip(_ codings: String) -> Bool {
        let isListed = codings.utf8.withContiguousStorageIfAvailable { text in
            text.indices.dropLast(3).contains { text[$0...].starts(with: "gzip".utf8) }
        }
        return isListed ?? codings.contains("gzip")
    }

    /// A request's target up to its query.
    static func withoutQuery(_ target: String) -> String {
        let mark = UInt8(ascii: "?")
        guard target.utf8.withContiguousStorageIfAvailable({ $0.contains(mark) }) ?? true else { return target }
        return String(target.prefix { $0 != "?" })
    }

    /// A content type without its parameters.
    private static func mediaType(_ contentType: String) -> String {
        if contentType == "application/grpc" { return contentType }
        guard let end = contentType.utf8.firstIndex(of: UInt8(ascii: ";")) else { return contentType.lowercased() }
        return HeaderStrings.trimmed(String(contentType[..<end])).lowercased()
    }

    func beginConnectOrPlain(_ contentType: String) {
        let path = path[...]
        let isPost = pseudo.method == "POST"
        switch Self.mediaType(contentType) {
        case "application/json" where isPost && isRPCPath(path):
            beginConnect(.connectUnary, .json)
        case "application/proto" where isPost && isRPCPath(path):
            beginConnect(.connectUnary, .protobuf)
        case "application/json" where isPost && looksLikeMethod(path), "application/proto" where isPost && looksLikeMethod(path):
            dialect = .connectUnary
            refuse(http: 404, RPCError(.unimplemented, "there is no method \(path)"))
        case "application/connect+json" where isPost:
            beginConnect(.connectStream, .json)
        case "application/connect+proto" where isPost:
            beginConnect(.connectStream, .protobuf)
        default:
            let method = core.router.method(self.path)
            let isForwarded = method == nil && core.rawFallback != nil && looksLikeMethod(path)
            if pseudo.method == "GET", isForwarded || method?.descriptor.idempotency == .noSideEffects {
                beginConnectGet(self.path)
            } else if method != nil || isForwarded {
                refuseMisfit(contentType)
            } else {
                beginRoute()
            }
        }
    }

    /// Whether the path is one as methods have, known here or to whom calls are forwarded: `/package.Service/Method`.
    private func looksLikeMethod(_ path: Substring) -> Bool {
        let segments = path.split(separator: "/", omittingEmptySubsequences: false)
        guard segments.count == 3, segments[1].contains("."), !segments[2].isEmpty else { return false }
        return if case .none = core.router.route(pseudo.method, String(path)) { true } else { false }
    }

    /// A method is there, but this is no way to call it.
    private func refuseMisfit(_ contentType: String) {
        dialect = .connectUnary
        guard pseudo.method == "POST" else {
            let method = core.router.method(path)
            let allowed = method == nil || method?.descriptor.idempotency == .noSideEffects ? "GET, POST" : "POST"
            makeResponseMetadata().update { $0.initial["allow"] = allowed }
            return refuse(http: 405, RPCError(.unimplemented, "a method is called by \(allowed), not by \(pseudo.method)"))
        }
        let lack = contentType.isEmpty ? "the request has no content type" : "a method does not take \(Self.mediaType(contentType))"
        refuse(http: 415, RPCError(.unimplemented, "\(lack): send application/json"))
    }

    private func isRPCPath(_ path: Substring) -> Bool {
        if core.router.method(String(path)) != nil { return true }
        guard core.rawFallback != nil else { return false }
        if case .found = core.router.route(pseudo.method, String(path)) { return false }
        return path.split(separator: "/").count == 2
    }

    private func beginConnect(_ dialect: Dialect, _ form: MessageCoding.Form) {
        self.dialect = dialect
        coding = MessageCoding(form: form, hasEnvelope: dialect == .connectStream)
        requestEncoding = metadata[dialect == .connectStream ? "connect-content-encoding" : "content-encoding"]
        let timeout = metadata["connect-timeout-ms"].map { Int64($0).map { Duration.milliseconds($0) } }
        guard setDeadline(timeout) else { return finish(RPCError(.invalidArgument, "connect-timeout-ms is malformed")) }
        beginRPC()
    }

    /// `GET /Service/Method?encoding=json&message=…`, for methods without side effects.
    private func beginConnectGet(_ path: String) {
        dialect = .connectUnary
        let query = PercentEncoding.query(pseudo.path.drop { $0 != "?" }.dropFirst())
        func value(_ name: String) -> String? { query.first { $0.name == name }?.value }
        let form: MessageCoding.Form
        switch value("encoding") {
        case "json": form = .json
        case "proto": form = .protobuf
        default: return refuse(http: 415, RPCError(.unimplemented, "encoding must be json or proto: ?encoding=json&message={}"))
        }
        coding = MessageCoding(form: form, hasEnvelope: false)
        requestEncoding = value("compression")
        guard setDeadline(nil) else { return }
        pseudo.path = path
        guard let text = value("message") else { return finish(RPCError(.invalidArgument, "the parameter message is missing")) }
        if value("base64") == "1" {
            guard let bytes = Base64.decode(text.utf8) else { return finish(RPCError(.invalidArgument, "the message is no base64")) }
            body = bytes
        } else {
            body = Array(text.utf8)
        }
        beginRPC()
    }

    private func beginRPC() {
        coding.maxSentMessageBytes = core.limits.maxSentMessageBytes
        let path = self.path
        switch requestEncoding {
        case nil, "identity": break
        case "gzip": deframer.allowsCompressed = true
        default:
            makeResponseMetadata().update { $0.trailing["grpc-accept-encoding"] = "identity,gzip" }
            return finish(RPCError(.unimplemented, "the message encoding is not supported; use identity or gzip"))
        }
        deframer = MessageDeframer(maxMessageBytes: core.limits.maxMessageBytes, allowsCompressed: deframer.allowsCompressed)
        if let method = connection.method(path) {
            target = .method(method)
            execution = method.execution
            switch method.implementation {
            case .unary:
                guard dialect != .connectStream else {
                    return refuse(http: 415, RPCError(.unimplemented, "the method is unary: send application/json"))
                }
                gatherMessage()
            case .streaming:
                guard dialect != .connectUnary else {
                    return refuse(http: 415, RPCError(.unimplemented, "the method streams: send application/connect+json"))
                }
                openQueues()
                start(on: method.execution)
            }
        } else if core.rawFallback != nil, dialect != .connectStream {
            target = .raw
            gatherMessage()
        } else {
            finish(RPCError(.unimplemented, "there is no method \(path)"))
        }
    }

    private func gatherMessage() {
        gather(maxBytes: core.limits.maxMessageBytes + (coding.hasEnvelope ? MessageCoding.envelopeByteCount : 0))
    }

    private func beginRoute() {
        dialect = .plain
        _ = setDeadline(nil)
        switch core.router.route(pseudo.method, path) {
        case .found(let route, let parameters):
            target = .route(route, parameters: parameters)
            openQueues()
            gather(maxBytes: route.maxBodyBytes)
        case .otherMethods(let methods):
            let allowed = methods.contains("GET") ? methods + ["HEAD"] : methods
            makeResponseMetadata().update { $0.initial["allow"] = allowed.joined(separator: ", ") }
            refuse(http: 405, RPCError(.unimplemented, "the path is not for \(pseudo.method)"))
        case .none:
            refuse(http: 404, RPCError(.notFound, "there is nothing at this path"))
        }
    }

    /// - Parameter timeout: nil where none was given; nil inside where it is malformed.
    private func setDeadline(_ timeout: Duration??) -> Bool {
        var duration = core.limits.defaultDeadlineSeconds > 0 ? Duration.seconds(core.limits.defaultDeadlineSeconds) : nil
        if let timeout {
            guard let timeout else { return false }
            duration = timeout
        }
        guard let duration else { return true }
        deadline = startedAt + duration
        connection.watchDeadline(of: self, at: connection.lastReadNanoseconds + UInt64(max(duration.nanoseconds, 0)))
        return true
    }
}
