internal import CNGHTTP2
internal import NIOCore

/// What a session has to tell after bytes came in or went out.
enum HTTP2Event {
    /// A header block is whole. Its pseudo-header fields are in the stream's `pseudo`.
    case headers(HTTP2Stream, [Metadata.Field], isTrailers: Bool)
    /// The stream's `body` has grown.
    case data(HTTP2Stream)
    /// Nothing more comes in on the stream.
    case remoteEnded(HTTP2Stream)
    /// Queued output has left.
    case sent(HTTP2Stream)
    /// The stream is over, both sides done or one having reset it.
    case closed(HTTP2Stream, HTTP2ErrorCode)
    /// The peer's settings arrived; how many streams it lets us have open.
    case settings(maxConcurrentStreams: Int)
    /// The answer to a ping of ours.
    case pong(UInt64)
    /// The peer opens no new streams and has seen none of ours above the number.
    case goAway(lastStreamID: Int32, HTTP2ErrorCode, String)
}

/// RFC 9113, section 7.
struct HTTP2ErrorCode: Sendable, Hashable {
    let rawValue: UInt32

    static let noError = Self(rawValue: 0)
    static let protocolError = Self(rawValue: 1)
    static let internalError = Self(rawValue: 2)
    static let flowControlError = Self(rawValue: 3)
    static let refusedStream = Self(rawValue: 7)
    static let cancel = Self(rawValue: 8)
    static let enhanceYourCalm = Self(rawValue: 11)
    static let inadequateSecurity = Self(rawValue: 12)
    static let http11Required = Self(rawValue: 13)
}

/// Why a connection cannot go on.
struct HTTP2ConnectionError: Error, Hashable {
    let code: HTTP2ErrorCode
    let reason: String
    /// The first bytes were no HTTP/2 at all.
    var isWrongPreface = false
}

struct HTTP2Limits: Sendable {
    var maxConcurrentStreams = 256
    /// Names, values and 32 bytes for each field.
    var maxHeaderBytes = 32 << 10
    var streamWindowBytes = 256 << 10
    var connectionWindowBytes = 4 << 20
    /// Bytes received and not yet read by handlers, over all streams, above which the connection is held back.
    var maxBufferedBytes = 16 << 20
    var flood = FloodLimits()
}

/// One HTTP/2 connection, either side, as a state machine without I/O over nghttp2: bytes in, events and bytes out.
///
/// Confined to one event loop. nghttp2's callbacks only record; the owner takes `takeEvents()` after each call.
final class HTTP2Session {
    enum Role { case server, client }

    let role: Role
    let limits: HTTP2Limits
    /// Makes the object for a stream that the peer opens.
    private let makeStream: () -> HTTP2Stream
    private(set) var handle: OpaquePointer?

    /// The streams that are open, in no order.
    private(set) var streams: [HTTP2Stream] = []
    var events: [HTTP2Event] = []
    /// Bytes to be written to the peer.
    private(set) var output = ByteBuffer()
    private var outputLimit = 0
    private var lastOutputBytes = 0
    /// Names and values that the peer's header compression repeats.
    var headerStrings = HeaderStrings()
    /// The stream whose header block is coming in; nghttp2 never interleaves two.
    var headerStream: HTTP2Stream?
    var fault: HTTP2ConnectionError?
    var flood: FloodGuard
    private var bufferedBytes = 0
    private var withheldBytes = 0

    init(role: Role, limits: HTTP2Limits = HTTP2Limits(), makeStream: @escaping () -> HTTP2Stream = { HTTP2Stream() }) {
        self.role = role
        self.limits = limits
        self.makeStream = makeStream
        self.flood = FloodGuard(limits.flood)
        handle = HTTP2Callbacks.makeSession(for: self)
        submitSettings()
    }

    deinit {
        headerStrings.removeAll()
        if let handle { nghttp2_session_del(handle) }
    }

    private func submitSettings() {
        func entry(_ id: nghttp2_settings_id, _ value: Int) -> nghttp2_settings_entry {
            nghttp2_settings_entry(settings_id: Int32(id.rawValue), value: UInt32(clamping: value))
        }
        var entries = [
            entry(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.streamWindowBytes),
            entry(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits.maxHeaderBytes),
        ]
        switch role {
        case .server:
            entries.append(entry(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.maxConcurrentStreams))
            entries.append(entry(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1))
        case .client:
            entries.append(entry(NGHTTP2_SETTINGS_ENABLE_PUSH, 0))
        }
        nghttp2_submit_settings(handle, 0, entries, entries.count)
        nghttp2_session_set_local_window_size(handle, 0, 0, Int32(limits.connectionWindowBytes))
    }

    // MARK: in

    /// Feeds bytes from the peer.
    ///
    /// - Parameter now: monotonic time in nanoseconds, for the limits on how often a peer may do what costs us.
    /// - Throws: ``HTTP2ConnectionError`` when the connection is beyond repair; what is in `output` still goes out.
    func receive(_ bytes: UnsafeRawBufferPointer, now: UInt64) throws(HTTP2ConnectionError) {
        guard let handle, !bytes.isEmpty else { return }
        flood.advance(to: now)
        let result = nghttp2_session_mem_recv(handle, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count)
        if let fault {
            terminate(fault.code)
            throw fault
        }
        guard result < 0 else { return }
        switch nghttp2_error(Int32(result)) {
        case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
            throw HTTP2ConnectionError(code: .protocolError, reason: "no HTTP/2 preface", isWrongPreface: true)
        case NGHTTP2_ERR_FLOODED:
            terminate(.enhanceYourCalm)
            throw HTTP2ConnectionError(code: .enhanceYourCalm, reason: "more control frames than answers can leave")
        default:
            terminate(.internalError)
            throw HTTP2ConnectionError(code: .internalError, reason: String(cString: nghttp2_strerror(Int32(result))))
        }
    }

    /// Events since the last call, in order.
    func takeEvents() -> [HTTP2Event] {
        guard !events.isEmpty else { return [] }
        var taken: [HTTP2Event] = []
        swap(&taken, &events)
        return taken
    }

    /// Tells that the bytes were read, so that the peer may send as many more.
    func consume(_ stream: HTTP2Stream, _ count: Int) {
        let count = min(count, stream.unconsumedBytes)
        guard count > 0, let handle else { return }
        stream.unconsumedBytes -= count
        bufferedBytes -= count
        if !stream.isClosed { nghttp2_session_consume_stream(handle, stream.id, count) }
        releaseWithheld()
    }

    /// Called for every DATA chunk. The connection's window reopens at once, so that one slow handler does not hold up
    /// the others, unless too much lies unread.
    func received(_ bytes: UnsafeRawBufferPointer, on stream: HTTP2Stream) {
        stream.body.append(contentsOf: bytes)
        stream.unconsumedBytes += bytes.count
        bufferedBytes += bytes.count
        withheldBytes += bytes.count
        releaseWithheld()
        if !stream.hasDataEvent {
            stream.hasDataEvent = true
            events.append(.data(stream))
        }
    }

    private func releaseWithheld() {
        guard withheldBytes > 0, bufferedBytes <= limits.maxBufferedBytes, let handle else { return }
        nghttp2_session_consume_connection(handle, withheldBytes)
        withheldBytes = 0
    }

    // MARK: out

    /// Whether there is anything that could be sent now.
    var wantsWrite: Bool {
        guard let handle else { return false }
        return output.readableBytes > 0 || nghttp2_session_want_write(handle) != 0
    }

    /// Whether the connection is over: nothing more to be read or written.
    var isFinished: Bool {
        guard let handle else { return true }
        return output.readableBytes == 0 && nghttp2_session_want_read(handle) == 0 && nghttp2_session_want_write(handle) == 0
    }

    /// What made the connection unusable, also while sending. The owner closes it after the output.
    var failure: HTTP2ConnectionError? { fault }

    /// Frames what is queued, as far as flow control allows, until about `maxBytes` are there; then hands them over.
    func takeOutput(maxBytes: Int) -> ByteBuffer {
        if let handle {
            outputLimit = maxBytes
            // About as much as last time, so that the buffer is not grown step by step.
            if lastOutputBytes > 0, nghttp2_session_want_write(handle) != 0 { output.reserveCapacity(lastOutputBytes) }
            let result = nghttp2_session_send(handle)
            if result < 0, fault == nil {
                fault = HTTP2ConnectionError(code: .internalError, reason: String(cString: nghttp2_strerror(result)))
            }
        }
        var taken = ByteBuffer()
        swap(&taken, &output)
        lastOutputBytes = taken.readableBytes
        return taken
    }

    /// Appends framed bytes; false when the batch is full.
    func emit(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard output.readableBytes < outputLimit else { return false }
        output.writeBytes(bytes)
        return true
    }

    /// Appends a DATA frame: its header and bytes from the stream's queue.
    func emitData(header: UnsafePointer<UInt8>, count: Int, of stream: HTTP2Stream) -> Bool {
        guard output.readableBytes < outputLimit else { return false }
        output.writeBytes(UnsafeRawBufferPointer(start: header, count: 9))
        stream.output.take(count) { output.writeBytes($0) }
        if !stream.hasSentEvent {
            stream.hasSentEvent = true
            events.append(.sent(stream))
        }
        return true
    }

    /// Opens a stream. Its output may be queued before or after.
    func submitRequest(_ stream: HTTP2Stream, headers: HeaderList, endStream: Bool) -> Bool {
        guard let handle else { return false }
        var provider = HTTP2Callbacks.dataProvider(for: stream)
        let userData = Unmanaged.passUnretained(stream).toOpaque()
        let id = headers.withNameValues { pairs, count in
            endStream
                ? nghttp2_submit_request(handle, nil, pairs, count, nil, userData)
                : nghttp2_submit_request(handle, nil, pairs, count, &provider, userData)
        }
        guard id > 0 else { return false }
        add(stream, id: id)
        return true
    }

    /// Answers a stream with headers; with `endStream`, that is all of it.
    func submitResponse(_ stream: HTTP2Stream, headers: HeaderList, endStream: Bool) {
        guard let handle, !stream.isClosed else { return }
        var provider = HTTP2Callbacks.dataProvider(for: stream)
        _ = headers.withNameValues { pairs, count in
            endStream
                ? nghttp2_submit_response(handle, stream.id, pairs, count, nil)
                : nghttp2_submit_response(handle, stream.id, pairs, count, &provider)
        }
    }

    /// Queues body bytes; they leave as flow control allows.
    func write(_ stream: HTTP2Stream, _ chunk: [UInt8]) {
        guard !stream.isClosed, !stream.outputFinished else { return }
        stream.output.append(chunk)
        resume(stream)
    }

    /// Ends our side after what is queued.
    func finish(_ stream: HTTP2Stream, trailers: HeaderList? = nil) {
        guard !stream.isClosed, !stream.outputFinished else { return }
        stream.outputFinished = true
        stream.trailers = trailers
        resume(stream)
    }

    private func resume(_ stream: HTTP2Stream) {
        guard stream.isDeferred, let handle else { return }
        stream.isDeferred = false
        nghttp2_session_resume_data(handle, stream.id)
    }

    /// Gives a stream up. What it had queued is dropped.
    func reset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
        guard let handle, !stream.isClosed, stream.id > 0 else { return }
        nghttp2_submit_rst_stream(handle, 0, stream.id, code.rawValue)
    }

    // MARK: the connection

    func ping(_ opaque: UInt64) {
        guard let handle else { return }
        withUnsafeBytes(of: opaque.bigEndian) { bytes in
            _ = nghttp2_submit_ping(handle, 0, bytes.bindMemory(to: UInt8.self).baseAddress)
        }
    }

    /// Announces that the connection will close, while streams on their way are still accepted. `drain` follows one
    /// round trip later.
    func announceShutdown() {
        guard let handle else { return }
        nghttp2_submit_shutdown_notice(handle)
    }

    /// Refuses streams from now on; those open finish.
    func drain() {
        guard let handle else { return }
        nghttp2_submit_goaway(
            handle, 0, nghttp2_session_get_last_proc_stream_id(handle), NGHTTP2_NO_ERROR.rawValue, nil, 0)
    }

    /// Sends GOAWAY with a code; the connection is to be closed after the output left.
    func terminate(_ code: HTTP2ErrorCode) {
        guard let handle else { return }
        nghttp2_session_terminate_session(handle, code.rawValue)
    }

    /// The connection is gone: closes every stream and frees nghttp2's state.
    func close(_ code: HTTP2ErrorCode) {
        for stream in streams { events.append(.closed(stream, code)) }
        for stream in streams { release(stream) }
        streams.removeAll()
        headerStream = nil
        headerStrings.removeAll()
        if let handle {
            self.handle = nil
            nghttp2_session_del(handle)
        }
    }

    // MARK: streams

    /// The peer opened a stream.
    func opened(_ id: Int32) -> HTTP2Stream {
        let stream = makeStream()
        add(stream, id: id)
        nghttp2_session_set_stream_user_data(handle, id, Unmanaged.passUnretained(stream).toOpaque())
        return stream
    }

    private func add(_ stream: HTTP2Stream, id: Int32) {
        stream.id = id
        stream.session = self
        stream.index = streams.count
        streams.append(stream)
    }

    /// A request was given up before nghttp2 opened its stream.
    func neverOpened(_ id: Int32) {
        guard let stream = streams.first(where: { $0.id == id }) else { return }
        closed(stream, .refusedStream)
    }

    /// nghttp2 closed a stream.
    func closed(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
        guard stream.index >= 0 else { return }
        let last = streams.removeLast()
        if last !== stream {
            streams[stream.index] = last
            last.index = stream.index
        }
        if headerStream === stream { headerStream = nil }
        release(stream)
        events.append(.closed(stream, code))
    }

    private func release(_ stream: HTTP2Stream) {
        stream.isClosed = true
        stream.index = -1
        stream.session = nil
        stream.output.removeAll()
        bufferedBytes -= stream.unconsumedBytes
        stream.unconsumedBytes = 0
        releaseWithheld()
    }
}
