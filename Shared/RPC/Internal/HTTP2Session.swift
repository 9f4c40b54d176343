internal import CNGHTTP2

/// One HTTP/2 connection, either side, as a state machine without I/O over nghttp2: bytes in, events and bytes out.
///
/// Confined to one event loop. nghttp2's callbacks only record; the owner takes `takeEvents()` after each call. No access to a
/// property calls out while it lasts, so those that every frame touches go unchecked for overlap.
final class HTTP2Session {
    enum Role { case server, client }

    let role: Role
    let limits: HTTP2Limits
    /// Makes the object for a stream that the peer opens.
    private let makeStream: () -> HTTP2Stream
    private(set) var handle: OpaquePointer?

    /// The streams that are open, in no order.
    @exclusivity(unchecked) private(set) var streams: [HTTP2Stream] = []
    @exclusivity(unchecked) var events: [HTTP2Event] = []
    /// Bytes to be written to the peer.
    @exclusivity(unchecked) private(set) var output = OutputBatch()
    @exclusivity(unchecked) private var outputLimit = 0
    private var lastOutputBytes = 0
    /// Whether long bodies may be handed out where they lie.
    var lendsBodies = false
    /// Names and values that the peer's header compression repeats.
    private let headerStrings = HeaderStrings()
    /// The stream whose header block is coming in; nghttp2 never interleaves two.
    /// Unmanaged, because it is looked at for every field; `streams` keeps it.
    @exclusivity(unchecked) var headerStream: Unmanaged<HTTP2Stream>?
    /// The header block that comes in is cut into several frames.
    var headerBlockContinues = false
    var fault: HTTP2ConnectionError?
    @exclusivity(unchecked) var flood: FloodGuard
    @exclusivity(unchecked) private var bufferedBytes = 0
    @exclusivity(unchecked) private var withheldBytes = 0
    /// Body bytes that wait for the peer to take them, of all streams.
    @exclusivity(unchecked) private(set) var queuedBytes = 0

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
        releaseWithheld()
        if let fault {
            refuseHeaderBlock()
            terminate(fault.code)
            throw fault
        }
        guard result < 0 else {
            if headerBlockContinues, headerStream != nil { refuseHeaderBlockIfEnded() }
            return
        }
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

    /// nghttp2 gives a connection up whose peer sends a longer field than it can hold (64 KiB). The caller shall know why.
    private func refuseHeaderBlockIfEnded() {
        frameOutput(maxBytes: .max)
        if nghttp2_session_want_read(handle) == 0 { refuseHeaderBlock() }
    }

    /// Answers the stream whose header block came in when the connection had to be given up, with status 431. nghttp2 sends no
    /// headers on such a connection any more, so the frame is made by hand: HPACK, section 6.2.2, of the 8th static entry.
    private func refuseHeaderBlock() {
        guard role == .server, let stream = headerStream else { return }
        headerStream = nil
        frameOutput(maxBytes: .max)
        let block: [UInt8] = [0x08, 3] + Array("431".utf8)
        let id = UInt32(bitPattern: stream._withUnsafeGuaranteedRef { $0.id })
        let endStreamAndHeaders: UInt8 = 0x5
        let start = [0, 0, UInt8(block.count), UInt8(NGHTTP2_HEADERS.rawValue), endStreamAndHeaders]
        let frame = start + withUnsafeBytes(of: id.bigEndian) { Array($0) } + block
        frame.withUnsafeBytes { output.append($0) }
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
        // Where nothing more will come, there is no use in telling the peer.
        if !stream.isClosed, !stream.remoteEnded { nghttp2_session_consume_stream(handle, stream.id, count) }
        releaseWithheld()
    }

    /// Called for every field of the header block that is coming in; false where the block is so large that it is meant to hurt.
    func receivedField(_ nameBuffer: OpaquePointer, _ valueBuffer: OpaquePointer) -> Bool {
        headerStream?._withUnsafeGuaranteedRef { receivedField(nameBuffer, valueBuffer, of: $0) } ?? true
    }

    @inline(__always)
    private func receivedField(_ nameBuffer: OpaquePointer, _ valueBuffer: OpaquePointer, of stream: HTTP2Stream) -> Bool {
        let (name, value) = (nghttp2_rcbuf_get_buf(nameBuffer), nghttp2_rcbuf_get_buf(valueBuffer))
        let total = stream.headerBytes + name.len + value.len + 32
        stream.headerBytes = total
        guard total <= limits.maxHeaderBytes, let first = name.base else {
            stream.headersTooLarge = true
            return total <= 8 * limits.maxHeaderBytes
        }
        guard first[0] == UInt8(ascii: ":") else {
            if role == .client, stream.takes(name, value) { return true }
            stream.fields.append(headerStrings.field(nameBuffer, valueBuffer, name, value))
            return true
        }
        // The second letter and the length tell the pseudo-header fields apart; nghttp2 lets no others through.
        switch (first[1], name.len) {
        case (UInt8(ascii: "m"), 7): stream.pseudo.method = headerStrings.field(nameBuffer, valueBuffer, name, value).value
        case (UInt8(ascii: "p"), 5): stream.pseudo.path = headerStrings.path(value)
        case (UInt8(ascii: "s"), 7) where first[2] == UInt8(ascii: "c"):
            stream.pseudo.scheme = headerStrings.field(nameBuffer, valueBuffer, name, value).value
        case (UInt8(ascii: "s"), 7): stream.pseudo.status = HeaderStrings.number(HeaderStrings.trimmed(value)) ?? 0
        case (UInt8(ascii: "a"), 10): stream.pseudo.authority = headerStrings.field(nameBuffer, valueBuffer, name, value).value
        default: break
        }
        return true
    }

    /// Called for every DATA chunk. The connection's window reopens at once, so that one slow handler does not hold up
    /// the others, unless too much lies unread.
    func received(_ bytes: UnsafeRawBufferPointer, on stream: HTTP2Stream) {
        stream.body.append(contentsOf: bytes)
        stream.unconsumedBytes += bytes.count
        bufferedBytes += bytes.count
        withheldBytes += bytes.count
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
        return output.byteCount > 0 || nghttp2_session_want_write(handle) != 0
    }

    /// Whether the connection is over: nothing more to be read or written.
    var isFinished: Bool {
        guard let handle else { return true }
        return output.byteCount == 0 && nghttp2_session_want_read(handle) == 0 && nghttp2_session_want_write(handle) == 0
    }

    /// What made the connection unusable, also while sending. The owner closes it after the output.
    var failure: HTTP2ConnectionError? { fault }

    /// Frames what is queued, as far as flow control allows, until about `maxBytes` are there; then hands them over.
    func takeOutput(maxBytes: Int) -> OutputBatch {
        frameOutput(maxBytes: maxBytes)
        var taken = OutputBatch()
        swap(&taken, &output)
        lastOutputBytes = taken.gatheredByteCount
        return taken
    }

    private func frameOutput(maxBytes: Int) {
        guard let handle else { return }
        outputLimit = maxBytes
        // About as much as last time, so that the buffer is not grown step by step.
        if lastOutputBytes > 0, nghttp2_session_want_write(handle) != 0 { output.reserveCapacity(lastOutputBytes) }
        let result = nghttp2_session_send(handle)
        if result < 0, fault == nil {
            fault = HTTP2ConnectionError(code: .internalError, reason: String(cString: nghttp2_strerror(result)))
        }
    }

    /// Appends framed bytes; false when the batch is full.
    func emit(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard output.byteCount < outputLimit else { return false }
        output.append(bytes)
        return true
    }

    /// Appends a DATA frame: its header and bytes from the stream's queue.
    func emitData(header: UnsafePointer<UInt8>, count: Int, of stream: HTTP2Stream) -> Bool {
        guard output.byteCount < outputLimit else { return false }
        output.append(UnsafeRawBufferPointer(start: header, count: 9))
        stream.output.move(count, to: &output, lends: lendsBodies)
        queuedBytes -= count
        // Nobody waits for room behind the last bytes.
        if !stream.hasSentEvent, !stream.outputFinished || !stream.output.isEmpty {
            stream.hasSentEvent = true
            events.append(.sent(stream))
        }
        return true
    }

    /// Opens a stream. Its output may be queued before or after.
    ///
    /// - Parameter timeout: the value of `grpc-timeout`, by itself because it is all that differs from call to call.
    func submitRequest(_ stream: HTTP2Stream, headers: HeaderList, timeout: String? = nil, endStream: Bool) -> Bool {
        guard let handle else { return false }
        var provider = HTTP2Callbacks.dataProvider(for: stream)
        let userData = Unmanaged.passUnretained(stream).toOpaque()
        let id = headers.withNameValues(timeout: timeout) { pairs, count in
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
        queuedBytes += chunk.count
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
    func neverOpened(_ id: Int32, _ code: HTTP2ErrorCode) {
        guard let stream = streams.first(where: { $0.id == id }) else { return }
        closed(stream, code)
    }

    /// nghttp2 closed a stream.
    func closed(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
        guard stream.index >= 0 else { return }
        // First, because nobody else may keep the stream once it is off the list.
        events.append(.closed(stream, code))
        let last = streams.removeLast()
        if last !== stream {
            streams[stream.index] = last
            last.index = stream.index
        }
        if headerStream?.toOpaque() == Unmanaged.passUnretained(stream).toOpaque() { headerStream = nil }
        release(stream)
    }

    private func release(_ stream: HTTP2Stream) {
        stream.isClosed = true
        stream.index = -1
        stream.session = nil
        queuedBytes -= stream.output.byteCount
        stream.output.removeAll()
        bufferedBytes -= stream.unconsumedBytes
        stream.unconsumedBytes = 0
        releaseWithheld()
    }
}
