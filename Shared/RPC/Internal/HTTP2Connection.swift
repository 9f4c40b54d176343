internal import NIOCore

/// A socket with HTTP/2 on it, with or without TLS: moves bytes between the channel, the TLS session and the HTTP/2
/// session, hands events to its subclass, and writes once a turn of the loop.
///
/// `@unchecked Sendable`: everything is touched on `loop` only; other threads reach it through `loop.run`.
class HTTP2Connection: ChannelInboundHandler, TurnEnding, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    final let loop: LoopExecutor
    final private(set) var session: HTTP2Session
    final private(set) var tls: TLSSession?
    /// Between the socket and the session, where the peer of a server speaks HTTP/1.1.
    final private(set) var http1: HTTP1Session?
    final private(set) var context: ChannelHandlerContext?
    private var output: SocketOutput?
    final private(set) var isClosed = false
    private var isDirty = false
    final private(set) var isHandling = false
    /// Those being handled; swapped with the session's, so that both keep their storage.
    @exclusivity(unchecked) private var events: [HTTP2Event] = []
    /// Written before the connection is closed.
    private var lastWords = ByteBuffer()
    /// A server is silent until it knows that the peer speaks HTTP/2, so that others can be told off in their own language.
    private var mayWrite: Bool
    private var deadlineTimer: Scheduled<Void>?
    private var deadlineTimerNanoseconds = UInt64.max
    /// Monotonic nanoseconds of the last bytes from the peer.
    final private(set) var lastReadNanoseconds: UInt64 = 0
    /// The same moment on the clock of deadlines.
    final private(set) var lastReadAt = ContinuousClock.now

    /// Handed to the socket at a time, where there is as much.
    private static let outputBatchBytes = 256 << 10

    init(loop: LoopExecutor, role: HTTP2Session.Role, limits: HTTP2Limits, tls: TLSSession?, makeStream: @escaping () -> HTTP2Stream) {
        self.loop = loop
        self.tls = tls
        mayWrite = role == .client
        session = HTTP2Session(role: role, limits: limits, makeStream: makeStream)
        // Encryption copies whatever it gets, and wants it in long runs.
        session.lendsBodies = tls == nil
    }

    // MARK: for the subclass

    func handle(_ event: HTTP2Event) {}
    /// The peer speaks HTTP/1.1; nil where that is not answered.
    func makeHTTP1Session() -> HTTP1Session? { nil }
    /// The events that there were are handled.
    func handledAll() {}
    /// What the socket and the peer's windows take has been written.
    func wrote() {}
    /// TLS is set up. May refuse by calling `fail`.
    func secured(_ tls: TLSSession) {}
    func opened() {}
    /// Called once, before the calls learn of it. The reason is nil where the close was orderly.
    func closed(_ reason: String?) {}

    // MARK: the channel

    final func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { start() }
    }

    final func channelActive(context: ChannelHandlerContext) {
        start()
    }

    private var hasStarted = false

    private func start() {
        guard !hasStarted, let context else { return }
        hasStarted = true
        output = SocketOutput(context) { [unowned self] in markDirty() }
        lastReadNanoseconds = NIODeadline.now().uptimeNanoseconds
        opened()
        if let tls, session.role == .client {
            do { try tls.start() } catch { fail(error.reason) }
        }
        if session.role == .client { markDirty() }
    }

    final func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosed else { return }
        let buffer = unwrapInboundIn(data)
        let now = NIODeadline.now().uptimeNanoseconds
        lastReadNanoseconds = now
        lastReadAt = .now
        var failure: (any Error)?
        buffer.withUnsafeReadableBytes { bytes in
            failure = receive(bytes, now)
        }
        processEvents()
        if let failure { fail(failure) }
        markDirty()
    }

    private func receive(_ bytes: UnsafeRawBufferPointer, _ now: UInt64) -> (any Error)? {
        guard let tls else {
            do throws(HTTP2ConnectionError) { try receivePlaintext(bytes, now) } catch { return error }
            return nil
        }
        let wasEstablished = tls.isEstablished
        var failure: (any Error)?
        do throws(TLSError) {
            try tls.receive(bytes) { plaintext in
                guard failure == nil else { return }
                do throws(HTTP2ConnectionError) { try receivePlaintext(plaintext, now) } catch { failure = error }
            }
        } catch {
            failure = failure ?? error
        }
        if !wasEstablished, tls.isEstablished {
            mayWrite = mayWrite || tls.applicationProtocol == "h2"
            secured(tls)
        }
        return failure
    }

    private func receivePlaintext(_ bytes: UnsafeRawBufferPointer, _ now: UInt64) throws(HTTP2ConnectionError) {
        if !mayWrite, tls?.applicationProtocol != "h2", HTTP1Session.begins(with: bytes) { http1 = makeHTTP1Session() }
        if let http1 { http1.receive(bytes, now: now) } else { try session.receive(bytes, now: now) }
        mayWrite = true
    }

    final func channelReadComplete(context: ChannelHandlerContext) {
        loop.endTurnSoon()
    }

    final func channelInactive(context: ChannelHandlerContext) {
        finishClose(nil)
        loop.endTurn()
    }

    final func errorCaught(context: ChannelHandlerContext, error: any Error) {
        finishClose("\(error)")
        loop.endTurn()
    }

    final func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        output = nil
    }

    // MARK: events and output

    private func processEvents() {
        guard !isHandling else { return }
        isHandling = true
        while !session.events.isEmpty {
            swap(&events, &session.events)
            for event in events { handle(event) }
            events.removeAll(keepingCapacity: events.capacity <= 256)
        }
        isHandling = false
        handledAll()
    }

    // MARK: deadlines

    /// Ends the call when its time has come. One timer serves all calls of a connection: it waits for the soonest
    /// deadline that it was told of, so that a call with a deadline costs no timer of its own.
    final func watchDeadline(of stream: HTTP2Stream, at nanoseconds: UInt64) {
        stream.deadlineNanoseconds = nanoseconds
        guard nanoseconds < deadlineTimerNanoseconds, !isClosed else { return }
        deadlineTimer?.cancel()
        waitForDeadline(nanoseconds)
    }

    private func waitForDeadline(_ nanoseconds: UInt64) {
        deadlineTimerNanoseconds = nanoseconds
        deadlineTimer = loop.eventLoop.scheduleTask(deadline: .uptimeNanoseconds(nanoseconds)) { [self] in expireCalls() }
    }

    private func expireCalls() {
        deadlineTimerNanoseconds = .max
        guard !isClosed else { return }
        let now = NIODeadline.now().uptimeNanoseconds
        var soonest = UInt64.max
        for stream in session.streams {
            if stream.deadlineNanoseconds <= now {
                stream.deadlineNanoseconds = .max
                stream.expire()
            } else {
                soonest = min(soonest, stream.deadlineNanoseconds)
            }
        }
        if soonest < .max { waitForDeadline(soonest) }
    }

    /// There may be something to write; it is written when the loop's turn ends.
    final func markDirty() {
        guard !isDirty, !isClosed else { return }
        isDirty = true
        loop.markDirty(self)
    }

    final func turnEnded() {
        isDirty = false
        flush()
        if !isClosed { wrote() }
    }

    private func flush() {
        guard !isClosed, let output else { return }
        writeCiphertext(output)
        while mayWrite, tls?.isEstablished ?? true, !output.isFull {
            let batch = takeOutput()
            processEvents()
            guard batch.byteCount > 0, !isClosed else { break }
            let isLast = batch.byteCount < Self.outputBatchBytes
            if let tls {
                do {
                    try batch.withUnsafeBytes { bytes in try tls.write(bytes) }
                } catch {
                    fail(error)
                    return
                }
                writeCiphertext(output)
            } else {
                output.write(batch)
            }
            if isLast { break }
        }
        if let failure = session.failure {
            finishClose(failure.reason)
        } else if session.isFinished || http1?.isFinished == true {
            tls?.close()
            finishClose(nil)
        } else if http1?.hasRequestAhead == true {
            // Not at once: this turn's handlers have been run.
            loop.eventLoop.execute { [self] in beginRequestAhead() }
        }
    }

    private func beginRequestAhead() {
        guard !isClosed else { return }
        http1?.beginNext(NIODeadline.now().uptimeNanoseconds)
        processEvents()
        markDirty()
    }

    private func takeOutput() -> OutputBatch {
        guard let http1 else { return session.takeOutput(maxBytes: Self.outputBatchBytes) }
        return OutputBatch(http1.takeOutput(maxBytes: Self.outputBatchBytes, now: NIODeadline.now().uptimeNanoseconds))
    }

    private func writeCiphertext(_ output: SocketOutput) {
        guard !output.isFull, let ciphertext = takeCiphertext() else { return }
        output.write(OutputBatch(ciphertext))
    }

    private func takeCiphertext() -> ByteBuffer? {
        guard let tls, tls.outputByteCount > 0 else { return nil }
        var buffer = ByteBuffer()
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: tls.outputByteCount) { tls.takeOutput(into: $0) }
        return buffer
    }

    /// Gives the connection up: what it still has to say (an alert, GOAWAY) is sent, then it is closed.
    final func fail(_ error: any Error) {
        guard !isClosed else { return }
        let isWrongPreface = (error as? HTTP2ConnectionError)?.isWrongPreface ?? false
        var last = isWrongPreface ? OutputBatch(ByteBuffer(string: Self.http1Refusal)) : takeOutput()
        if let tls {
            if tls.isEstablished, last.byteCount > 0 { try? last.withUnsafeBytes { bytes in try tls.write(bytes) } }
            if isWrongPreface { tls.close() }
        } else {
            lastWords = last.takeFirst(maxBytes: .max)
        }
        finishClose((error as? HTTP2ConnectionError)?.reason ?? "\(error)")
    }

    final func fail(_ reason: String) {
        fail(TLSError(reason: reason))
    }

    /// What a caller gets to read that begins with neither HTTP/2 nor a request that is answered over HTTP/1.1.
    private static let http1Refusal: String = {
        let body = "This port speaks HTTP/2, and over HTTP/1.1 GET, HEAD and POST only.\n"
        return "HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-type: text/plain\r\nconnection: close\r\n"
            + "content-length: \(body.utf8.count)\r\n\r\n" + body
    }()

    /// Closes every stream, then the channel. Safe to call again.
    final func finishClose(_ reason: String?) {
        guard !isClosed else { return }
        isClosed = true
        deadlineTimer?.cancel()
        session.close(.cancel)
        // First, so that nobody who learns that a call has ended is given this connection for the next one.
        closed(reason)
        isHandling = false
        processEvents()
        guard let context else { return }
        if let output {
            // What was written before is to leave first; a peer that does not read it does not keep the socket.
            let channel = context.channel
            let timer = context.eventLoop.scheduleTask(in: .seconds(5)) { channel.close(promise: nil) }
            output.finish(takeCiphertext() ?? lastWords).whenComplete { _ in
                timer.cancel()
                channel.close(promise: nil)
            }
        } else {
            context.close(promise: nil)
        }
    }
}
