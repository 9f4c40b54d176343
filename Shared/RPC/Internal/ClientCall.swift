internal import CNGHTTP2
internal import NIOCore
internal import Synchronization

/// One request on a client's connection.
final class ClientCall: CallStream, @unchecked Sendable {
    enum Dialect: Equatable {
        case grpc
        /// Body bytes are delivered as they come.
        case plain
    }

    /// What is asked for. Attempts of one call share it.
    final class Request: Sendable {
        let dialect: Dialect
        let method: String
        let path: String
        let contentType: String
        let metadata: Metadata
        let deadline: NIODeadline?
        let compression: CallOptions.Compression
        /// The whole body, where it is known from the start.
        let body: [UInt8]?
        /// Whether the peer reads a body at all.
        let hasBody: Bool
        /// Whether the caller waits for ``ClientCall/awaitReply()`` instead of reading messages one by one.
        let expectsReply: Bool
        /// Whether anybody will ask for the metadata of a reply.
        let wantsMetadata: Bool

        init(
            dialect: Dialect = .grpc, method: String = "POST", path: String, contentType: String = Request.grpcContentType,
            metadata: Metadata = [:], deadline: NIODeadline? = nil, compression: CallOptions.Compression = .none,
            body: [UInt8]? = nil, hasBody: Bool = true, expectsReply: Bool = false, wantsMetadata: Bool = true
        ) {
            self.dialect = dialect
            self.method = method
            self.path = path
            self.contentType = contentType
            self.metadata = metadata
            self.deadline = deadline
            self.compression = compression
            self.body = body
            self.hasBody = hasBody
            self.expectsReply = expectsReply
            self.wantsMetadata = wantsMetadata
        }

        static let grpcContentType = "application/grpc"
    }

    private static let usualReplyBytes = 256

    /// Where the one message of a unary call is waited for: the caller is woken once, when all is known.
    private enum Reply {
        case pending
        case awaited(UnsafeContinuation<ArraySlice<UInt8>, any Error>)
        case done
    }

    /// Told of what comes in instead of a reader; on the loop.
    struct Listener {
        var message: ([UInt8]) -> Void
        var ended: (RPCError?) -> Void
    }

    let connection: ClientConnection
    let request: Request
    var listener: Listener?
    @exclusivity(unchecked) private var deframer: MessageDeframer
    private let reply = Mutex(Reply.pending)
    /// These are the loop's until the reply is done, then whoever waited for it may look at them.
    @exclusivity(unchecked) private var replyMessage: ArraySlice<UInt8>?
    @exclusivity(unchecked) private var replyError: RPCError?
    @exclusivity(unchecked) private var replyMetadata: (initial: Metadata, trailing: Metadata)?
    private var isOver = false
    @exclusivity(unchecked) private var trailerFields: Metadata?
    @exclusivity(unchecked) private var response = ResponseFields()
    private let failedWriter = Atomic<Bool>(false)
    private let unprocessed = Atomic<Bool>(false)
    private let httpStatus = Atomic<Int>(0)

    init(_ connection: ClientConnection, _ request: Request, maxMessageBytes: Int) {
        self.connection = connection
        self.request = request
        deframer = MessageDeframer(maxMessageBytes: maxMessageBytes)
        super.init(loop: connection.loop)
        if request.expectsReply {
            // Here and not where it comes in: the caller's thread frees it, and memory of another thread is dearer to free.
            body.reserveCapacity(Self.usualReplyBytes)
        } else {
            openQueues()
        }
    }

    override func markDirty() { connection.markDirty() }
    override func expire() { abort(RPCError(.deadlineExceeded, "the deadline has passed")) }
    override var partialMessageBytes: Int { deframer.bufferedByteCount }
    override var canSend: Bool { session != nil && id != 0 }

    /// The server certainly has not begun the call.
    var isUnprocessed: Bool { unprocessed.load(ordering: .acquiring) }
    /// Of a plain response; 0 until it has begun.
    var responseStatus: Int { httpStatus.load(ordering: .acquiring) }

    /// The closure that writes the request threw.
    var hasFailedWriter: Bool { failedWriter.load(ordering: .acquiring) }

    // MARK: start and end, on the loop

    func start(_ session: HTTP2Session, at now: NIODeadline) {
        guard !isOver else { return }
        let headers = connection.headers(of: request)
        var timeout: String?
        if let deadline = request.deadline, request.dialect == .grpc {
            timeout = Timeout.format(nanoseconds: max((deadline - now).nanoseconds, 1))
        }
        guard session.submitRequest(self, headers: headers, timeout: timeout, endStream: !request.hasBody) else {
            return streamClosed(.refusedStream)
        }
        if let deadline = request.deadline { connection.watchDeadline(of: self, at: deadline.uptimeNanoseconds) }
        if let body = request.body, request.hasBody {
            session.write(self, body)
            session.finish(self)
        } else {
            pump()
        }
        markDirty()
    }

    /// Ends the call from this side.
    func abort(_ error: RPCError) {
        end(error)
        session?.reset(self, .cancel)
        markDirty()
    }

    private func end(_ error: RPCError?, trailers: Metadata = [:], discarding: Bool = false) {
        guard !isOver else { return }
        isOver = true
        deadlineNanoseconds = .max
        guard request.expectsReply else {
            endInbox(error, trailers: trailers, discarding: discarding)
            endOutbox(error ?? RPCError(.cancelled, "the server has ended the call"))
            listener.take()?.ended(error)
            return
        }
        replyError = error ?? (replyMessage == nil ? RPCError(.internal, "the server answered without a message") : nil)
        if request.wantsMetadata { replyMetadata = (replyMetadata?.initial ?? [:], trailers) }
        connection.answered(self)
    }

    /// Tells the caller that the reply is there. Loop only.
    func wake() {
        let waiting = withReply { reply -> UnsafeContinuation<ArraySlice<UInt8>, any Error>? in
            defer { reply = .done }
            if case .awaited(let continuation) = reply { return continuation }
            return nil
        }
        waiting?.resume(with: replyResult)
    }

    private var replyResult: Result<ArraySlice<UInt8>, any Error> {
        if let replyError { return .failure(replyError) }
        return .success(replyMessage ?? [])
    }

    private func withReply<R: Sendable>(_ body: (inout Reply) -> R) -> R {
        reply.withLock(of: self, body)
    }

    /// The one message that answers the call, once the call is over. To be asked for once.
    @inline(__always)
    func awaitReply() async throws -> ArraySlice<UInt8> {
        try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { continuation in
                let isDone = withReply { reply in
                    if case .done = reply { return true }
                    reply = .awaited(continuation)
                    return false
                }
                if isDone { continuation.resume(with: replyResult) }
            }
        } onCancel: {
            loop.run { [self] in abort(RPCError(.cancelled, "the calling task was cancelled")) }
        }
    }

    /// How a call that was answered with one message, or failed, ended. For who has waited for its reply.
    var replyStatus: StatusCode { replyError?.code ?? .ok }
    /// What the server said of when to ask again.
    @exclusivity(unchecked) private(set) var retryPushback: String?
    /// Its metadata, where it was wanted.
    var receivedMetadata: (initial: Metadata, trailing: Metadata) { replyMetadata ?? ([:], [:]) }

    /// From any thread: the caller has what it wanted, or wants no more.
    func abandon() {
        guard !(hasEnded && (request.body != nil || !request.hasBody)) else { return }
        loop.run { [self] in
            guard !isClosed else { return }
            abort(RPCError(.cancelled, "the call was given up"))
        }
    }

    /// From any thread: what should have been sent failed; the reader learns it.
    func fail(_ error: any Error) {
        failedWriter.store(true, ordering: .releasing)
        let reason = error as? RPCError ?? RPCError(.cancelled, "the request could not be written to its end")
        loop.run { [self] in
            guard !isClosed else { return }
            abort(reason)
        }
    }

    // MARK: what comes in, on the loop

    override func beginFields() {
        // What an interim response (1xx) said does not count.
        if !hasFinalHeaders { response = ResponseFields() }
    }

    override func takes(_ name: nghttp2_vec, _ value: nghttp2_vec) -> Bool {
        request.dialect == .grpc && response.take(name, value, isTrailer: hasFinalHeaders)
    }

    func receivedHead(_ fields: Metadata, isTrailers: Bool) {
        if headersTooLarge { return abort(RPCError(.resourceExhausted, "the response's header fields are too large")) }
        guard !isTrailers else {
            trailerFields = fields
            return
        }
        httpStatus.store(pseudo.status, ordering: .releasing)
        guard request.dialect == .grpc else { return deliverInitialMetadata(fields) }
        guard response.headStatus == nil else {
            trailerFields = fields
            return
        }
        guard pseudo.status == 200, response.isGRPC else {
            let code = pseudo.status == 200 ? StatusCode.unknown : StatusCode(httpStatus: pseudo.status)
            return abort(RPCError(code, "the server answered with HTTP status \(pseudo.status) and no gRPC"))
        }
        switch response.encoding {
        case .identity: break
        case .gzip: deframer.allowsCompressed = true
        case .other(let other): return abort(RPCError(.internal, "the server compresses with \(other)"))
        }
        guard request.wantsMetadata else { return }
        let metadata = Self.stripped(fields)
        if request.expectsReply { replyMetadata = (metadata, [:]) } else { deliverInitialMetadata(metadata) }
    }

    func receivedData() {
        // The stream may have closed in the same read; what came before that counts.
        let bytes = takeBody()
        guard !isOver else {
            session?.consume(self, unconsumedBytes)
            return
        }
        if request.dialect == .plain {
            deliver(Received(bytes: bytes, wireByteCount: bytes.count))
            return deliveredAll()
        }
        do {
            if request.expectsReply {
                session?.consume(self, unconsumedBytes)
                return try receivedReply(bytes)
            }
            bytes.withUnsafeBytes { deframer.append($0) }
            while let message = try deframer.next() {
                if let listener { listener.message(message.bytes) } else { deliver(message) }
            }
            deliveredAll()
        } catch {
            abort(RPCError(handlerError: error))
        }
    }

    private func receivedReply(_ bytes: [UInt8]) throws {
        // The common case: one message, not compressed, that stays where it lies.
        if replyMessage == nil, deframer.bufferedByteCount == 0, deframer.holdsOneMessage(bytes) {
            replyMessage = bytes[MessageCoding.envelopeByteCount...]
            return
        }
        bytes.withUnsafeBytes { deframer.append($0) }
        while let message = try deframer.next() {
            guard replyMessage == nil else { throw RPCError(.internal, "the server answered with more than one message") }
            replyMessage = message.bytes[...]
            lastMessageWasCompressed = message.wasCompressed
        }
    }

    func receivedEnd() {
        guard request.dialect == .grpc else { return end(nil, trailers: trailerFields ?? [:]) }
        guard let trailers = trailerFields, let status = response.trailerStatus ?? response.headStatus else {
            return end(RPCError(.internal, "the server ended the call without a status"))
        }
        let code = StatusCode(rawValue: status) ?? .unknown
        guard code != .ok else {
            if deframer.bufferedByteCount > 0 { return end(RPCError(.internal, "the response ended within a message")) }
            return end(nil, trailers: request.wantsMetadata ? Self.stripped(trailers) : [:])
        }
        let metadata = Self.stripped(trailers)
        retryPushback = trailers["grpc-retry-pushback-ms"]
        let details = trailers[bytes: "grpc-status-details-bin"].map { StatusDetails.decode($0) } ?? []
        let error = RPCError(
            code, PercentEncoding.decode(trailers["grpc-message"] ?? ""), packedDetails: details, metadata: metadata)
        end(error, trailers: metadata)
    }

    /// What is the protocol's own is no metadata.
    private static func stripped(_ fields: Metadata) -> Metadata {
        Metadata(
            receivedFields: fields.fields.filter { !$0.name.hasPrefix("grpc-") })
    }

    func streamClosed(_ code: HTTP2ErrorCode) {
        guard !isOver else { return }
        switch code {
        case .refusedStream:
            unprocessed.store(true, ordering: .releasing)
            end(RPCError(.unavailable, "the server refused the call"))
        case .frameSizeError where id > 0 && !hasFinalHeaders && !connection.isClosed:
            end(RPCError(.resourceExhausted, "the request's metadata is larger than the 64 KiB that can be sent, or a frame was refused"))
        case .noError:
            end(RPCError(.internal, "the server ended the stream early"))
        case .enhanceYourCalm:
            end(RPCError(.resourceExhausted, "the server asked to slow down"))
        case .inadequateSecurity:
            end(RPCError(.permissionDenied, "the server wants better security"))
        case .cancel where !connection.isClosed:
            end(RPCError(.cancelled, "the server cancelled the call"))
        default:
            let isLost = connection.isClosed
            let reason = isLost ? "the connection was lost" : "the server reset the call (\(code.rawValue))"
            end(RPCError(isLost ? .unavailable : .internal, reason))
        }
    }
}
