internal import Logging
internal import NIOCore
internal import ServiceContextModule
internal import Synchronization

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
        case route(HTTPRoute, parameters: PathParameters)
    }

    let connection: ServerConnection
    var dialect = Dialect.plain
    @exclusivity(unchecked) var coding = MessageCoding()
    @exclusivity(unchecked) var target: Target?
    var execution = HandlerExecution.loop
    /// The handler was given to a worker or a task.
    var hasStarted = false
    @exclusivity(unchecked) private(set) var metadata = Metadata()
    /// What was asked for, without the query.
    @exclusivity(unchecked) private(set) var path = ""
    var deadline: ContinuousClock.Instant?
    let startedAt: ContinuousClock.Instant
    /// The caller reads gzip. Does not change once the handler runs.
    var acceptsGzip = false
    /// Nearly all handlers leave none.
    private let lazyResponseMetadata = AtomicLazyReference<ResponseMetadata>()

    /// The connection's tick when bytes last moved.
    private var lastTick = 0
    /// Received since then.
    private var drops = 0
    private static let minProgressBytes = 4 << 10
    @exclusivity(unchecked) var deframer = MessageDeframer(maxMessageBytes: 0)
    var requestEncoding: String?
    /// What runs the handler: a worker of the loop, or a task of its own.
    var worker: HandlerWorker?
    var task: Task<Void, Never>?
    /// Whether body bytes are kept until the request is whole.
    var gathersBody = false
    var maxBodyBytes = 0
    /// The handler was started before the body was whole; to be set before it is.
    var beganWithoutBody = false
    var largeBody = LargeBody.whole
    /// The call's part in its connection's sum of what is kept of unfinished requests.
    var unfinishedBytes = 0
    /// The status is handed over, or nobody waits for it any longer.
    private(set) var isAnswered = false
    private(set) var hasSentHeaders = false
    private var failure: RPCError?
    /// Messages of a call whose body is gathered.
    private var unaryMessages = (received: 0, sent: 0)
    /// What a route answered with.
    private(set) var httpResponse: HTTPResponse?
    /// Set once the handler has returned: what to end the stream with.
    private var ending: RPCError??

    init(_ connection: ServerConnection) {
        self.connection = connection
        startedAt = connection.lastReadAt
        super.init(loop: connection.loop)
    }

    var core: ServerCore { connection.core }
    /// nil while nothing was set.
    var responseMetadata: ResponseMetadata? { lazyResponseMetadata.load() }
    func makeResponseMetadata() -> ResponseMetadata { responseMetadata ?? lazyResponseMetadata.storeIfNil(ResponseMetadata()) }
    override func markDirty() { connection.markDirty() }
    override func madeProgress() { lastTick = connection.tick }
    override func expire() { abort(RPCError(.deadlineExceeded, "the deadline has passed")) }
    override var partialMessageBytes: Int { deframer.bufferedByteCount }

    // MARK: the request

    func receivedHead(_ metadata: Metadata) {
        madeProgress()
        self.metadata = metadata
        path = Self.withoutQuery(pseudo.path)
        let fields = RequestFields(metadata)
        let grpc = "application/grpc"
        let isGRPC = fields.contentType.hasPrefix(grpc) || fields.contentType.lowercased().hasPrefix(grpc)
        if headersTooLarge {
            dialect = isGRPC ? .grpc : .plain
            return refuse(http: 431, RPCError(.resourceExhausted, "the header fields are larger than \(core.limits.maxHeaderBytes) bytes"))
        }
        if isGRPC {
            beginGRPC(fields)
        } else {
            beginConnectOrPlain(fields.contentType)
        }
    }

    func receivedData() {
        progressed(by: gathersBody ? unconsumedBytes : body.count)
        guard !isAnswered, !gathersBody else { return gatherData() }
        guard target != nil else { return }
        let bytes = takeBody()
        bytes.withUnsafeBytes { deframer.append($0) }
        do {
            while let message = try deframer.next() {
                madeProgress()
                deliver(message)
            }
            guard mayKeep(deframer.bufferedByteCount) else { throw tooMuchUnfinished }
            deliveredAll()
        } catch {
            abort(RPCError(handlerError: error))
        }
    }

    /// A request that comes in drops makes no progress.
    private func progressed(by byteCount: Int) {
        drops += byteCount
        guard remoteEnded || drops >= Self.minProgressBytes else { return }
        drops = 0
        madeProgress()
    }

    func receivedEnd() {
        guard !isAnswered else { return }
        if gathersBody {
            bodyIsWhole()
        } else if target != nil {
            if deframer.bufferedByteCount > 0 {
                abort(RPCError(.internal, "the request ended within a message"))
            } else {
                endInbox(nil)
            }
        }
    }

    /// Whether the response is a stream that its handler ends when it likes.
    var streamsResponse: Bool {
        switch target {
        case .method(let method): method.descriptor.kind == .serverStreaming || method.descriptor.kind == .bidirectional
        case .route: if case .stream = httpResponse?.body { true } else { false }
        case .raw, nil: false
        }
    }

    /// Bytes have not moved for `ticks` though they should. Loop only.
    func isStalled(for ticks: Int) -> Bool {
        // Part of a message, while the peer may send more.
        let hasPart = deframer.bufferedByteCount > 0 && unconsumedBytes == 0
        let awaitsRest = drainBytesLeft > 0 || (!isAnswered && (gathersBody || hasPart))
        let waits = !output.isEmpty || (!remoteEnded && awaitsRest)
        return waits && connection.tick - lastTick >= ticks
    }

    // MARK: the handler

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
        unaryMessages.received = 1
        guard coding.hasEnvelope else {
            guard requestEncoding == "gzip" else { return (bytes, 0..<bytes.count) }
            do {
                let expanded = try bytes.withUnsafeBytes { try Gzip.decompress($0, maxBytes: core.limits.maxMessageBytes) }
                return (expanded, 0..<expanded.count)
            } catch let error as RPCError where error.code == .internal {
                // What gRPC calls internal is the caller's fault in Connect's form.
                throw RPCError(.invalidArgument, error.message)
            }
        }
        // The common case: one message, not compressed, read where it lies.
        if deframer.holdsOneMessage(bytes) { return (bytes, MessageCoding.envelopeByteCount..<bytes.count) }
        var single = deframer
        bytes.withUnsafeBytes { single.append($0) }
        guard let payload = try single.next() else { throw RPCError(.internal, "the request ended within a message") }
        guard single.bufferedByteCount == 0 else { throw RPCError(.internal, "a unary call has more than one request message") }
        lastMessageWasCompressed = payload.wasCompressed
        return (payload.bytes, 0..<payload.bytes.count)
    }

    func complete(_ result: Result<Answer, any Error>, _ finishers: [CallFinisher]) {
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
            duration: ContinuousClock.now - startedAt, sentMessages: unaryMessages.sent + sentMessages,
            receivedMessages: unaryMessages.received + receivedMessages)
        for finisher in finishers.reversed() { finisher(outcome) }
    }

    private func fail(_ error: any Error) {
        let status = RPCError(handlerError: error)
        // Of a fault of the service's own the caller is not told what it was.
        if !(error is RPCError), status.code == .unknown || status.code == .internal {
            core.logger.error("a handler failed", metadata: ["path": "\(path)", "error": "\(error)"])
        }
        finish(status)
    }

    // MARK: the answer

    private func sendMessage(_ bytes: [UInt8]) {
        guard let session else { return }
        guard connection.mayQueue(bytes.count) else { return finish(Self.tooMuchUnsent) }
        unaryMessages.sent = 1
        willSendFirst()
        session.write(self, bytes)
        finish(nil)
    }

    private func sendHTTP(_ response: HTTPResponse) {
        guard let session else { return }
        guard connection.mayQueue(response.bytes.count) else { return finish(Self.tooMuchUnsent) }
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
        deadlineNanoseconds = .max
        if unfinishedBytes > 0 { endLargeBody(Self.over) }
        // Some clients drop an answer that a reset follows while they send.
        if error != nil, !remoteEnded, dialect == .connectUnary { drainBytesLeft = Self.maxDrainedBytes }
        guard hasQueues else { return endStream() }
        // Nobody reads the messages of a gathered body one by one.
        if !gathersBody { endInbox(Self.over, discarding: true) }
        if endIdleOutbox(error ?? Self.over) {
            endStream()
        } else {
            finishSending()
        }
    }

    override func willFinish() {
        guard let ending, !outputFinished else { return }
        endOutbox(ending ?? Self.over)
        endStream()
    }

    private static let gone = RPCError(.cancelled, "the caller has gone")
    private static let over = RPCError(.cancelled, "the call is over")
    private static let tooMuchUnsent = RPCError(
        .resourceExhausted, "responses that wait to be taken are more than a connection, or all of them, may have together")

    override func mayQueue(_ byteCount: Int) -> Bool {
        guard !connection.mayQueue(byteCount) else { return true }
        abort(Self.tooMuchUnsent)
        return false
    }

    private func endStream() {
        guard let ending, let session, !outputFinished else { return }
        ServerAnswer.end(self, session, ending)
        markDirty()
    }

    /// Ends the call from outside the handler: a deadline, a broken request.
    func abort(_ error: RPCError) {
        guard !isAnswered else { return }
        cancelHandler()
        endInbox(error, discarding: true)
        endOutbox(error)
        let isStuck = !output.isEmpty
        finish(error)
        // A status that waits behind output which the peer does not take would never arrive.
        if isStuck { session?.reset(self, .cancel) }
    }

    /// Refuses before a handler ran, with an HTTP status where the caller speaks HTTP.
    func refuse(http status: Int, _ error: RPCError) {
        guard !isAnswered, let session else { return }
        isAnswered = true
        failure = error
        deadlineNanoseconds = .max
        if unfinishedBytes > 0 { endLargeBody(error) }
        drainBytesLeft = Self.maxDrainedBytes
        ServerAnswer.refuse(self, session, status, error)
        markDirty()
    }

    override func willSendFirst() {
        guard !hasSentHeaders, let session else { return }
        hasSentHeaders = true
        ServerAnswer.begin(self, session)
    }

    func streamClosed(_ code: HTTP2ErrorCode) {
        deadlineNanoseconds = .max
        if !isAnswered {
            isAnswered = true
            failure = Self.gone
            cancelHandler()
        }
        if unfinishedBytes > 0 { endLargeBody(Self.gone) }
        // A handler may be reading it, on a thread of its own.
        if !hasStarted { body = [] }
        if !gathersBody { endInbox(Self.gone, discarding: true) }
        endOutbox(Self.gone)
    }
}
