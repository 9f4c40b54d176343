internal import NIOCore

/// HTTP/1.1 in front of a server's HTTP/2 session, as a state machine without I/O: for callers that know no better, such as
/// desktop map programs and most libraries that fetch tokens. GET, HEAD and POST, one request after another on a connection that is kept;
/// RFC 9112.
///
/// It is a client of the session it stands before: a request becomes a stream, and the frames that answer it become a
/// response. So all that holds for HTTP/2 calls holds for these as well: routes, interceptors, limits, cancellation; and
/// the session's windows hold back a handler whose reader is slow. That costs a few microseconds a request.
///
/// Confined to one event loop.
final class HTTP1Session {
    private let server: HTTP2Session
    private let client: HTTP2Session
    private let scheme: String
    private let timeoutNanoseconds: UInt64
    private var parser: HTTP1RequestParser
    private var exchange: Exchange?
    private var output = ByteBuffer()
    private var hasBytesAhead = false
    private var isDraining = false
    /// A request was refused: what follows it is thrown away until the peer closes, or a little longer than it takes to
    /// read why. Closing at once, with bytes unread, would take the answer away again.
    private var refusedAt: UInt64?
    private var headBeganAt: UInt64?
    /// When the last bytes came of a body that is not whole.
    private var bodyCameAt: UInt64?
    private var isOver = false

    /// A request in flight and its response so far.
    private struct Exchange {
        let stream: HTTP2Stream
        let isHead: Bool
        var keepsAlive: Bool
        var hasHead = false
        var isChunked = false
        var hasBody = true
        /// Of the request's body, what has not come yet.
        var bodyBytesLeft: Int
    }

    private static let lingerNanoseconds: UInt64 = 1_000_000_000

    /// - Parameters:
    ///   - timeoutNanoseconds: within which a request's head must be whole, from its first byte on, and more must come of a body.
    ///   - maxBodyBytes: of a request.
    init(server: HTTP2Session, scheme: String, timeoutNanoseconds: UInt64, maxBodyBytes: Int) {
        self.server = server
        self.scheme = scheme
        self.timeoutNanoseconds = timeoutNanoseconds
        client = HTTP2Session(role: .client, limits: server.limits)
        // Its frames are read back at once.
        server.lendsBodies = false
        parser = HTTP1RequestParser(maxHeaderBytes: server.limits.maxHeaderBytes, maxBodyBytes: maxBodyBytes)
    }

    deinit { client.close(.cancel) }

    /// Whether a connection's first bytes are one of the requests that are answered here. HTTP/2 begins with `PRI`.
    static func begins(with bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.first == UInt8(ascii: "G") || bytes.first == UInt8(ascii: "H") || bytes.starts(with: "PO".utf8)
    }

    /// The connection is to be closed: all that is to be said was handed over.
    var isFinished: Bool { isOver && output.readableBytes == 0 }

    // MARK: in

    /// Feeds bytes from the peer.
    ///
    /// - Parameter now: monotonic nanoseconds.
    func receive(_ bytes: UnsafeRawBufferPointer, now: UInt64) {
        guard !isOver, refusedAt == nil else { return }
        parser.append(bytes)
        guard exchange == nil else {
            passBody(now)
            guard exchange?.bodyBytesLeft == 0, parser.bufferedByteCount > 0 else { return }
            hasBytesAhead = true
            // Requests sent ahead are answered in order, but not kept without end.
            if parser.bufferedByteCount > parser.maxHeaderBytes { isOver = true }
            return
        }
        beginNext(now)
    }

    /// The response before is made, and there are bytes of a request that was sent ahead: ``beginNext(_:)`` takes them.
    var hasRequestAhead: Bool { hasBytesAhead && exchange == nil && !isOver }

    func beginNext(_ now: UInt64) {
        hasBytesAhead = false
        guard !isOver, refusedAt == nil else { return }
        do throws(HTTP1RequestParser.Refusal) {
            guard let request = try parser.next() else {
                if headBeganAt == nil, parser.isWithinHead { headBeganAt = now }
                return
            }
            headBeganAt = nil
            begin(request, now)
        } catch {
            refuse(error, now)
        }
    }

    private func begin(_ request: HTTP1RequestParser.Request, _ now: UInt64) {
        var headers = HeaderList()
        headers.add(":method", request.method)
        headers.add(":scheme", scheme)
        headers.add(":path", request.target)
        if !request.host.isEmpty { headers.add(":authority", request.host) }
        for field in request.fields { headers.addChecked(field) }
        let stream = HTTP2Stream()
        guard client.submitRequest(stream, headers: headers, endStream: request.bodyBytes == 0) else {
            return refuse(HTTP1RequestParser.Refusal(status: 431, reason: "the header fields are too large"), now)
        }
        exchange = Exchange(
            stream: stream, isHead: request.method == "HEAD", keepsAlive: request.keepsAlive, bodyBytesLeft: request.bodyBytes)
        if request.bodyBytes > 0 {
            bodyCameAt = now
            if request.expectsContinue, parser.bufferedByteCount == 0 { output.writeString("HTTP/1.1 100 Continue\r\n\r\n") }
            passBody(now)
        }
        hasBytesAhead = exchange?.bodyBytesLeft == 0 && parser.bufferedByteCount > 0
        passRequests(now)
    }

    /// Hands on what has come of the request's body; the session's windows decide when it leaves here.
    private func passBody(_ now: UInt64) {
        guard var current = exchange, current.bodyBytesLeft > 0 else { return }
        let piece = parser.takeBody(atMost: current.bodyBytesLeft)
        guard !piece.isEmpty else { return }
        current.bodyBytesLeft -= piece.count
        exchange = current
        bodyCameAt = current.bodyBytesLeft > 0 ? now : nil
        client.write(current.stream, piece)
        if current.bodyBytesLeft == 0 { client.finish(current.stream) }
        passRequests(now)
    }

    /// Ends the connection with a response of its own.
    private func refuse(_ refusal: HTTP1RequestParser.Refusal, _ now: UInt64) {
        refusedAt = now
        headBeganAt = nil
        bodyCameAt = nil
        let body = refusal.reason + "\n"
        output.writeString(
            Self.statusLine(refusal.status) + "content-type: text/plain; charset=utf-8\r\ncontent-length: \(body.utf8.count)\r\n"
                + "connection: close\r\n\r\n" + body)
    }

    /// To be called now and then. Returns whether there is something to be written or to be closed.
    func tick(_ now: UInt64) -> Bool {
        if let refusedAt, now > refusedAt + Self.lingerNanoseconds { isOver = true }
        if let began = headBeganAt ?? bodyCameAt, now > began + timeoutNanoseconds {
            endRequest(now)
            refuse(HTTP1RequestParser.Refusal(status: 408, reason: "the request did not come in time"), now)
        }
        return isOver || output.readableBytes > 0
    }

    private func endRequest(_ now: UInt64) {
        guard let ended = exchange else { return }
        exchange = nil
        // A response that was begun can only be cut off.
        if ended.hasHead { isOver = true }
        client.reset(ended.stream, .cancel)
        passRequests(now)
    }

    // MARK: out

    /// What is to be sent, about `maxBytes` of it. It is taken from the session only now, so a peer that does not read
    /// leaves the session's windows closed.
    func takeOutput(maxBytes: Int, now: UInt64) -> ByteBuffer {
        while output.readableBytes < maxBytes, !isOver {
            let frames = server.takeOutput(maxBytes: maxBytes)
            guard frames.byteCount > 0 else { break }
            frames.withUnsafeBytes { bytes in
                do throws(HTTP2ConnectionError) { try client.receive(bytes, now: now) } catch { isOver = true }
            }
            for event in client.takeEvents() { handle(event, now) }
            passRequests(now)
        }
        var taken = ByteBuffer()
        swap(&taken, &output)
        return taken
    }

    private func passRequests(_ now: UInt64) {
        let frames = client.takeOutput(maxBytes: .max)
        frames.withUnsafeBytes { bytes in
            do throws(HTTP2ConnectionError) { try server.receive(bytes, now: now) } catch { isOver = true }
        }
    }

    private func handle(_ event: HTTP2Event, _ now: UInt64) {
        switch event {
        case .headers(let stream, let fields, isTrailers: false) where stream === exchange?.stream:
            writeHead(stream.pseudo.status, fields)
        case .data(let stream):
            stream.hasDataEvent = false
            let bytes = stream.takeBody()
            client.consume(stream, bytes.count)
            if stream === exchange?.stream { writeBody(bytes) }
        case .remoteEnded(let stream) where stream === exchange?.stream:
            endResponse(now)
        case .closed(let stream, let code) where stream === exchange?.stream:
            endEarly(code, now)
        case .goAway:
            isDraining = true
            if exchange == nil { isOver = true }
        case .headers, .remoteEnded, .closed, .sent, .settings, .pong:
            break
        }
    }

    /// The stream was reset. A body that was begun can only be cut off.
    private func endEarly(_ code: HTTP2ErrorCode, _ now: UInt64) {
        let hadHead = exchange?.hasHead ?? false
        exchange = nil
        switch code {
        case _ where hadHead: isOver = true
        case .protocolError: refuse(HTTP1RequestParser.Refusal(status: 400, reason: "the request is malformed"), now)
        default: refuse(HTTP1RequestParser.Refusal(status: 500, reason: "the request was given up"), now)
        }
    }

    private func writeHead(_ status: Int, _ fields: [Metadata.Field]) {
        guard var current = exchange else { return }
        current.hasHead = true
        // What is still to come of a body would be taken for a request.
        if isDraining || current.bodyBytesLeft > 0 { current.keepsAlive = false }
        current.hasBody = !current.isHead && status != 204 && status != 304
        var head = Self.statusLine(status)
        var hasLength = false
        for field in fields {
            if field.name == "content-length" { hasLength = true }
            head += "\(field.name): \(field.value)\r\n"
        }
        current.isChunked = current.hasBody && !hasLength
        if current.isChunked { head += "transfer-encoding: chunked\r\n" }
        if !current.keepsAlive { head += "connection: close\r\n" }
        exchange = current
        output.writeString(head + "\r\n")
    }

    private func writeBody(_ bytes: [UInt8]) {
        guard let exchange, exchange.hasBody, !bytes.isEmpty else { return }
        guard exchange.isChunked else {
            output.writeBytes(bytes)
            return
        }
        output.writeString(String(bytes.count, radix: 16) + "\r\n")
        output.writeBytes(bytes)
        output.writeString("\r\n")
    }

    private func endResponse(_ now: UInt64) {
        guard let ended = exchange else { return }
        if ended.isChunked { output.writeString("0\r\n\r\n") }
        exchange = nil
        bodyCameAt = nil
        if ended.bodyBytesLeft > 0 {
            refusedAt = now
        } else if !ended.keepsAlive || isDraining {
            isOver = true
        }
    }

    private static func statusLine(_ status: Int) -> String { "HTTP/1.1 \(status) \(reasons[status] ?? "")\r\n" }

    /// RFC 9110, section 15: of those that routes answer with. No reason is as good as one.
    private static let reasons = [
        200: "OK", 204: "No Content", 302: "Found", 303: "See Other", 304: "Not Modified", 400: "Bad Request", 401: "Unauthorized",
        403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout", 411: "Length Required",
        413: "Content Too Large", 414: "URI Too Long", 429: "Too Many Requests", 431: "Request Header Fields Too Large",
        500: "Internal Server Error", 503: "Service Unavailable", 504: "Gateway Timeout", 505: "HTTP Version Not Supported",
    ]
}
