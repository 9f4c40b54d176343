internal import Logging
internal import NIOCore
internal import ServiceContextModule

/// One request on a server's connection: finds what answers it, gathers or streams its body, runs the handler in a task
/// and turns what the handler does into HTTP/2.
///
/// The task belongs to the connection, which counts it and is not over before it has returned.
final class ServerCall: CallStream, @unchecked Sendable {
    /// How the call speaks.
    enum Dialect {
        case grpc
        /// One message a body, without envelope.
        case connectUnary
        case connectStream
        case plain
    }

    enum Target {
        case method(RPCMethod)
        case raw
        case route(HTTPRoute, parameters: [String: String])
    }

    let connection: ServerConnection
    private(set) var dialect = Dialect.plain
    private(set) var coding = MessageCoding()
    private(set) var target: Target?
    private(set) var metadata = Metadata()
    private(set) var deadline: ContinuousClock.Instant?
    private(set) var startedAt = ContinuousClock.now
    let responseMetadata = ResponseMetadata()

    private var deframer = MessageDeframer(maxMessageBytes: 0)
    /// The caller reads gzip.
    private(set) var acceptsGzip = false
    private var requestEncoding: String?
    private var task: Task<Void, Never>?
    private var deadlineTimer: Scheduled<Void>?
    /// Whether body bytes are kept until the request is whole.
    private var gathersBody = false
    private var maxBodyBytes = 0
    /// The status is handed over, or nobody waits for it any longer.
    private(set) var isAnswered = false
    private(set) var hasSentHeaders = false
    private var failure: RPCError?
    /// What a route answered with.
    private(set) var httpResponse: HTTPResponse?
    /// Set once the handler has returned: what to end the stream with.
    private var ending: RPCError??

    init(_ connection: ServerConnection) {
        self.connection = connection
        super.init(loop: connection.loop)
    }

    var core: ServerCore { connection.core }
    override func markDirty() { connection.markDirty() }
    override var partialMessageBytes: Int { deframer.bufferedByteCount }

    // MARK: the request

    func receivedHead(_ metadata: Metadata) {
        startedAt = .now
        self.metadata = metadata
        if headersTooLarge { return refuse(http: 431, RPCError(.resourceExhausted, "the header fields are too large")) }
        let contentType = metadata["content-type"] ?? ""
        if contentType.hasPrefix("application/grpc") {
            beginGRPC(contentType)
        } else {
            beginConnectOrPlain(contentType)
        }
    }

    private func beginGRPC(_ contentType: String) {
        dialect = .grpc
        guard pseudo.method == "POST" else { return refuse(http: 405, RPCError(.internal, "gRPC needs POST")) }
        switch contentType.prefix(while: { $0 != ";" }) {
        case "application/grpc", "application/grpc+proto": coding = MessageCoding(form: .protobuf)
        case "application/grpc+json": coding = MessageCoding(form: .json)
        default: return refuse(http: 415, RPCError(.internal, "no such content type"))
        }
        requestEncoding = metadata["grpc-encoding"]
        guard setDeadline(metadata["grpc-timeout"].map { Timeout.parse($0) }) else {
            return finish(RPCError(.invalidArgument, "grpc-timeout is malformed"))
        }
        beginRPC()
    }

    private func beginConnectOrPlain(_ contentType: String) {
        let path = pseudo.path.prefix { $0 != "?" }
        let isPost = pseudo.method == "POST"
        switch contentType.prefix(while: { $0 != ";" }) {
        case "application/json" where isPost && isRPCPath(path):
            beginConnect(.connectUnary, .json)
        case "application/proto" where isPost && isRPCPath(path):
            beginConnect(.connectUnary, .protobuf)
        case "application/connect+json" where isPost:
            beginConnect(.connectStream, .json)
        case "application/connect+proto" where isPost:
            beginConnect(.connectStream, .protobuf)
        default:
            if pseudo.method == "GET", core.router.method(String(path))?.descriptor.idempotency == .noSideEffects {
                beginConnectGet(String(path))
            } else {
                beginRoute(path)
            }
        }
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
        coding = MessageCoding(form: value("encoding") == "proto" ? .protobuf : .json, hasEnvelope: false)
        guard setDeadline(nil) else { return }
        pseudo.path = path
        let text = value("message") ?? (coding.form == .json ? "{}" : "")
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
        let path = String(pseudo.path.prefix { $0 != "?" })
        switch requestEncoding {
        case nil, "identity": break
        case "gzip": deframer.allowsCompressed = true
        default:
            responseMetadata.update { $0.trailing["grpc-accept-encoding"] = "identity,gzip" }
            return finish(RPCError(.unimplemented, "the message encoding is not supported; use identity or gzip"))
        }
        deframer = MessageDeframer(maxMessageBytes: core.limits.maxMessageBytes, allowsCompressed: deframer.allowsCompressed)
        if let method = core.router.method(path) {
            target = .method(method)
            switch method.implementation {
            case .unary:
                guard dialect != .connectStream else { return refuse(http: 415, RPCError(.unimplemented, "the method is unary")) }
                gather(maxBytes: core.limits.maxMessageBytes + MessageCoding.envelopeByteCount)
            case .streaming:
                guard dialect != .connectUnary else { return refuse(http: 415, RPCError(.unimplemented, "the method streams")) }
                start(on: method.execution)
            }
        } else if core.rawFallback != nil, dialect != .connectStream {
            target = .raw
            gather(maxBytes: core.limits.maxMessageBytes + MessageCoding.envelopeByteCount)
        } else {
            finish(RPCError(.unimplemented, "there is no method \(path)"))
        }
    }

    private func beginRoute(_ path: Substring) {
        dialect = .plain
        _ = setDeadline(nil)
        switch core.router.route(pseudo.method, String(path)) {
        case .found(let route, let parameters):
            target = .route(route, parameters: parameters)
            gather(maxBytes: route.maxBodyBytes)
        case .otherMethods(let methods):
            responseMetadata.update { $0.initial["allow"] = methods.joined(separator: ", ") }
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
        deadlineTimer = loop.eventLoop.scheduleTask(in: .nanoseconds(max(duration.nanoseconds, 0))) { [self] in
            abort(RPCError(.deadlineExceeded, "the deadline has passed"))
        }
        return true
    }

    private func gather(maxBytes: Int) {
        gathersBody = true
        maxBodyBytes = maxBytes
    }

    func receivedData() {
        guard !isAnswered, !gathersBody else {
            session?.consume(self, unconsumedBytes)
            guard !isAnswered else { return body = [] }
            if body.count > maxBodyBytes { refuseLargeBody() }
            return
        }
        guard target != nil, let session else { return }
        let bytes = session.takeBody(self)
        bytes.withUnsafeBytes { deframer.append($0) }
        do {
            while let payload = try deframer.next() { deliver(payload.bytes, wireByteCount: payload.wireByteCount) }
            deliveredAll()
        } catch {
            abort(RPCError(handlerError: error))
        }
    }

    private func refuseLargeBody() {
        let error = RPCError(.resourceExhausted, "the request is larger than \(maxBodyBytes) bytes")
        if dialect == .plain { refuse(http: 413, error) } else { finish(error) }
    }

    func receivedEnd() {
        guard !isAnswered else { return }
        if gathersBody {
            if case .method(let method) = target { start(on: method.execution) } else { start(on: .loop) }
        } else if target != nil {
            if deframer.bufferedByteCount > 0 {
                abort(RPCError(.internal, "the request ended within a message"))
            } else {
                endInbox(nil)
            }
        }
    }

    // MARK: the handler

    private func start(on execution: HandlerExecution) {
        connection.handlerStarted()
        switch execution {
        case .loop:
            task = Task.immediate(executorPreference: loop) { [self] in await run() }
        case .offLoop:
            task = Task(executorPreference: globalConcurrentExecutor) { [self] in await run() }
        }
    }

    private func run() async {
        var finishers: [@Sendable (CallOutcome) -> Void] = []
        var result: Result<Answer, any Error>
        do {
            var incoming = makeIncomingCall()
            for interceptor in core.interceptors {
                if let finisher = try await interceptor.begin(&incoming) { finishers.append(finisher) }
            }
            let context = incoming.serviceContext
            result = .success(
                try await CallDeadline.$current.withValue(deadline) { try await ServerHandling.answer(self, context) })
        } catch {
            result = .failure(error)
        }
        loop.run { [self, finishers, result] in
            connection.handlerEnded()
            complete(result, finishers)
        }
    }

    private func makeIncomingCall() -> IncomingCall {
        let path = String(pseudo.path.prefix { $0 != "?" })
        var route = path
        var method: MethodDescriptor?
        switch target {
        case .method(let found): method = found.descriptor
        case .route(let found, _): route = found.pattern
        case .raw, nil: break
        }
        return IncomingCall(
            path: path, route: route, isRPC: dialect != .plain, method: method, httpMethod: pseudo.method, metadata: metadata,
            peer: connection.peer, deadline: deadline)
    }

    /// What a handler came back with.
    enum Answer: Sendable {
        /// A message, encoded.
        case message([UInt8])
        /// Everything was written to the stream.
        case streamed
        case http(HTTPResponse)
    }

    /// The one request message; for calls whose body is gathered.
    func requestMessage() throws -> (bytes: [UInt8], range: Range<Int>) {
        let bytes = body
        guard coding.hasEnvelope else {
            guard requestEncoding == "gzip" else { return (bytes, 0..<bytes.count) }
            let expanded = try bytes.withUnsafeBytes { try Gzip.decompress($0, maxBytes: core.limits.maxMessageBytes) }
            return (expanded, 0..<expanded.count)
        }
        var single = deframer
        if bytes.count > MessageCoding.envelopeByteCount, bytes[0] == 0 {
            // The common case: one message, not compressed, read where it lies.
            let length = bytes[1..<5].reduce(0) { $0 << 8 | Int($1) }
            if length == bytes.count - 5, length <= core.limits.maxMessageBytes { return (bytes, 5..<bytes.count) }
        }
        bytes.withUnsafeBytes { single.append($0) }
        guard let payload = try single.next() else { throw RPCError(.internal, "the request ended within a message") }
        guard single.bufferedByteCount == 0 else { throw RPCError(.internal, "a unary call has more than one request message") }
        return (payload.bytes, 0..<payload.bytes.count)
    }

    private func complete(_ result: Result<Answer, any Error>, _ finishers: [@Sendable (CallOutcome) -> Void]) {
        if !isAnswered {
            switch result {
            case .success(.message(let bytes)): sendMessage(bytes)
            case .success(.streamed): finish(nil)
            case .success(.http(let response)):
                sendHTTP(response)
                finish(nil)
            case .failure(let error): fail(error)
            }
        }
        guard !finishers.isEmpty else { return }
        let httpStatus = httpResponse?.status ?? (dialect == .grpc ? 200 : failure?.code.httpStatus ?? 200)
        let outcome = CallOutcome(
            status: failure?.code ?? .ok, httpStatus: httpStatus, message: failure?.message ?? "",
            duration: ContinuousClock.now - startedAt)
        for finisher in finishers.reversed() { finisher(outcome) }
    }

    private func fail(_ error: any Error) {
        if !(error is RPCError), !(error is CancellationError) {
            core.logger.error(
                "a handler failed", metadata: ["path": "\(pseudo.path.prefix { $0 != "?" })", "error": "\(error)"])
        }
        finish(RPCError(handlerError: error))
    }

    // MARK: the answer

    private func sendMessage(_ bytes: [UInt8]) {
        guard let session else { return }
        willSendFirst()
        session.write(self, bytes)
        finish(nil)
    }

    private func sendHTTP(_ response: HTTPResponse) {
        guard let session else { return }
        httpResponse = response
        willSendFirst()
        if pseudo.method != "HEAD" { session.write(self, response.bytes) }
    }

    /// Sends the headers of a response whose body the handler is about to stream.
    func beginHTTPStream(_ response: HTTPResponse) {
        guard !isAnswered else { return }
        httpResponse = response
        willSendFirst()
        markDirty()
    }

    /// Hands over the status; output that the handler wrote goes out before it.
    func finish(_ error: RPCError?) {
        guard !isAnswered else { return }
        isAnswered = true
        failure = error
        ending = .some(error)
        deadlineTimer?.cancel()
        endInbox(RPCError(.cancelled, "the call is over"), discarding: true)
        finishSending()
    }

    override func willFinish() {
        guard let ending, let session, !outputFinished else { return }
        endOutbox(ending ?? RPCError(.cancelled, "the call is over"))
        ServerAnswer.end(self, session, ending)
        markDirty()
    }

    /// Ends the call from outside the handler: a deadline, a broken request.
    func abort(_ error: RPCError) {
        guard !isAnswered else { return }
        task?.cancel()
        endInbox(error, discarding: true)
        endOutbox(error)
        finish(error)
    }

    /// Refuses before a handler ran, with an HTTP status where the caller speaks HTTP.
    private func refuse(http status: Int, _ error: RPCError) {
        guard !isAnswered, let session else { return }
        isAnswered = true
        failure = error
        deadlineTimer?.cancel()
        ServerAnswer.refuse(self, session, status, error)
        markDirty()
    }

    override func willSendFirst() {
        guard !hasSentHeaders, let session else { return }
        hasSentHeaders = true
        ServerAnswer.begin(self, session)
    }

    func streamClosed(_ code: HTTP2ErrorCode) {
        deadlineTimer?.cancel()
        let gone = RPCError(.cancelled, "the caller has gone")
        if !isAnswered {
            isAnswered = true
            failure = gone
            task?.cancel()
        }
        endInbox(gone, discarding: true)
        endOutbox(gone)
        body = []
        task = nil
    }
}
