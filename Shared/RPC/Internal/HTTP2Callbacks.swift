internal import CNGHTTP2

/// nghttp2's callbacks: each records what happened in the session and returns. No Swift code of the owner runs in one.
enum HTTP2Callbacks {
    /// Never changed or freed once made, and nghttp2 only reads it, from any thread.
    private nonisolated(unsafe) static let shared: OpaquePointer? = {
        var callbacks: OpaquePointer?
        guard nghttp2_session_callbacks_new(&callbacks) == 0, let callbacks else { return nil }
        nghttp2_session_callbacks_set_send_callback(callbacks, send)
        nghttp2_session_callbacks_set_send_data_callback(callbacks, sendData)
        nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, beginFrame)
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, beginHeaders)
        nghttp2_session_callbacks_set_on_header_callback2(callbacks, header)
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, dataChunk)
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frameReceived)
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, frameSent)
        nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, frameNotSent)
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, streamClosed)
        return callbacks
    }()

    /// The only failure is running out of memory, which ends the process as it does elsewhere in Swift.
    static func makeSession(for session: HTTP2Session) -> OpaquePointer {
        var option: OpaquePointer?
        nghttp2_option_new(&option)
        defer { nghttp2_option_del(option) }
        nghttp2_option_set_no_auto_window_update(option, 1)
        nghttp2_option_set_no_closed_streams(option, 1)
        nghttp2_option_set_peer_max_concurrent_streams(option, 100)
        // White space round a value (`authorization: Bearer `) is taken off, not answered with a reset that says nothing.
        nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(option, 1)
        var handle: OpaquePointer?
        let userData = Unmanaged.passUnretained(session).toOpaque()
        let result =
            session.role == .server
            ? nghttp2_session_server_new2(&handle, shared, userData, option)
            : nghttp2_session_client_new2(&handle, shared, userData, option)
        guard result == 0, let handle else { fatalError("out of memory for an HTTP/2 session") }
        return handle
    }

    static func dataProvider(for stream: HTTP2Stream) -> nghttp2_data_provider {
        nghttp2_data_provider(
            source: nghttp2_data_source(ptr: Unmanaged.passUnretained(stream).toOpaque()), read_callback: readData)
    }

    // Every session passes itself as user data and outlives its nghttp2 handle; a stream is kept by its session until
    // nghttp2 has closed it. So nobody needs to count references here.

    @inline(__always)
    private static func withSession<R>(_ userData: UnsafeMutableRawPointer?, _ body: (HTTP2Session) -> R) -> R {
        Unmanaged<HTTP2Session>.fromOpaque(userData.unsafelyUnwrapped)._withUnsafeGuaranteedRef { body($0) }
    }

    @inline(__always)
    private static func withStream<R>(_ pointer: UnsafeMutableRawPointer, _ body: (HTTP2Stream) -> R) -> R {
        Unmanaged<HTTP2Stream>.fromOpaque(pointer)._withUnsafeGuaranteedRef { body($0) }
    }

    private static func session(_ userData: UnsafeMutableRawPointer?) -> HTTP2Session {
        Unmanaged<HTTP2Session>.fromOpaque(userData.unsafelyUnwrapped).takeUnretainedValue()
    }

    private static func stream(_ handle: OpaquePointer?, _ id: Int32) -> HTTP2Stream? {
        guard let pointer = nghttp2_session_get_stream_user_data(handle, id) else { return nil }
        return Unmanaged<HTTP2Stream>.fromOpaque(pointer).takeUnretainedValue()
    }

    private static func fail(_ session: HTTP2Session, _ reason: String) -> Int32 {
        session.fault = HTTP2ConnectionError(code: .enhanceYourCalm, reason: reason)
        return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue
    }

    // MARK: out

    private static let send: nghttp2_send_callback = { _, data, count, _, userData in
        withSession(userData) { $0.emit(UnsafeRawBufferPointer(start: data, count: count)) }
            ? count : Int(NGHTTP2_ERR_WOULDBLOCK.rawValue)
    }

    private static let sendData: nghttp2_send_data_callback = { _, _, frameHeader, count, source, userData in
        guard let frameHeader, let pointer = source?.pointee.ptr else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
        return withSession(userData) { session in
            withStream(pointer) { session.emitData(header: frameHeader, count: count, of: $0) }
        } ? 0 : NGHTTP2_ERR_WOULDBLOCK.rawValue
    }

    private static let readData: nghttp2_data_source_read_callback = { handle, id, _, limit, flags, source, _ in
        guard let flags, let pointer = source?.pointee.ptr else { return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
        return withStream(pointer) { read($0, handle, id, limit, flags) }
    }

    private static func read(
        _ stream: HTTP2Stream, _ handle: OpaquePointer?, _ id: Int32, _ limit: Int, _ flags: UnsafeMutablePointer<UInt32>
    ) -> Int {
        let count = min(limit, stream.output.byteCount)
        if count == 0, !stream.outputFinished {
            stream.isDeferred = true
            return Int(NGHTTP2_ERR_DEFERRED.rawValue)
        }
        if count > 0 { flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue }
        if stream.outputFinished, count == stream.output.byteCount {
            flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
            if let trailers = stream.trailers {
                flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
                _ = trailers.withNameValues { nghttp2_submit_trailer(handle, id, $0, $1) }
            }
        }
        return count
    }

    private static let frameSent: nghttp2_on_frame_send_callback = { handle, frame, userData in
        guard let frame else { return 0 }
        let type = frame.pointee.hd.type
        guard type == NGHTTP2_DATA.rawValue || type == NGHTTP2_HEADERS.rawValue,
            frame.pointee.hd.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0,
            let pointer = nghttp2_session_get_stream_user_data(handle, frame.pointee.hd.stream_id)
        else { return 0 }
        withStream(pointer) { stream in
            stream.localEnded = true
            // A server that has answered wants no more of the request (RFC 9113, section 8.1).
            guard !stream.remoteEnded, stream.drainBytesLeft == 0, withSession(userData, { $0.role == .server }) else { return }
            nghttp2_submit_rst_stream(handle, 0, stream.id, NGHTTP2_NO_ERROR.rawValue)
        }
        return 0
    }

    private static let frameNotSent: nghttp2_on_frame_not_send_callback = { _, frame, error, userData in
        guard let frame, frame.pointee.hd.type == NGHTTP2_HEADERS.rawValue else { return 0 }
        let (session, id) = (session(userData), frame.pointee.hd.stream_id)
        switch session.role {
        // A block may be larger than what nghttp2 sends (64 KiB).
        case .client: session.neverOpened(id, error == NGHTTP2_ERR_FRAME_SIZE_ERROR.rawValue ? .frameSizeError : .refusedStream)
        // Nothing else would end the stream.
        case .server: nghttp2_submit_rst_stream(session.handle, 0, id, NGHTTP2_INTERNAL_ERROR.rawValue)
        }
        return 0
    }

    // MARK: in

    private static let beginFrame: nghttp2_on_begin_frame_callback = { _, header, userData in
        guard let header else { return 0 }
        return withSession(userData) { beginFrame(header.pointee, $0) }
    }

    private static func beginFrame(_ header: nghttp2_frame_hd, _ session: HTTP2Session) -> Int32 {
        switch UInt32(header.type) {
        case NGHTTP2_DATA.rawValue:
            let isEmpty = header.length == 0 && header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) == 0
            guard !isEmpty || session.flood.allowsIdleFrame() else { return fail(session, "too many empty DATA frames") }
        case NGHTTP2_HEADERS.rawValue:
            session.flood.beginHeaders()
            session.headerBlockContinues = header.flags & UInt8(NGHTTP2_FLAG_END_HEADERS.rawValue) == 0
        case NGHTTP2_CONTINUATION.rawValue:
            guard session.flood.allowsContinuation() else { return fail(session, "too many CONTINUATION frames") }
        case NGHTTP2_SETTINGS.rawValue:
            guard session.flood.allowsSettings() else { return fail(session, "too many SETTINGS frames") }
        case NGHTTP2_PING.rawValue:
            guard session.flood.allowsPing() else { return fail(session, "too many PING frames") }
        case NGHTTP2_WINDOW_UPDATE.rawValue:
            guard session.flood.allowsWindowUpdate() else { return fail(session, "too many WINDOW_UPDATE frames") }
        case NGHTTP2_RST_STREAM.rawValue, NGHTTP2_GOAWAY.rawValue:
            break
        default:
            guard session.flood.allowsIdleFrame() else { return fail(session, "too many frames without use") }
        }
        return 0
    }

    private static let beginHeaders: nghttp2_on_begin_headers_callback = { handle, frame, userData in
        guard let frame else { return 0 }
        return withSession(userData) { session in
            let id = frame.pointee.hd.stream_id
            let opens = session.role == .server && frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST
            guard let stream = opens ? session.opened(id) : stream(handle, id) else { return 0 }
            if !stream.fields.isEmpty { stream.fields.removeAll() }
            // Few requests have more, and growing step by step costs as much as the fields.
            if session.role == .server { stream.fields.reserveCapacity(12) } else { stream.beginFields() }
            stream.headerBytes = 0
            session.headerStream = Unmanaged.passUnretained(stream)
            return 0
        }
    }

    private static let header: nghttp2_on_header_callback2 = { _, _, nameBuffer, valueBuffer, _, userData in
        guard let nameBuffer, let valueBuffer else { return 0 }
        return withSession(userData) { session in
            session.receivedField(nameBuffer, valueBuffer)
                ? 0 : fail(session, "a header block of more than \(8 * session.limits.maxHeaderBytes) bytes")
        }
    }

    private static let dataChunk: nghttp2_on_data_chunk_recv_callback = { handle, _, id, data, count, userData in
        guard let pointer = nghttp2_session_get_stream_user_data(handle, id) else {
            // Bytes on a stream that is gone were counted by nghttp2 all the same.
            nghttp2_session_consume_connection(handle, count)
            return 0
        }
        withSession(userData) { session in
            withStream(pointer) { session.received(UnsafeRawBufferPointer(start: data, count: count), on: $0) }
        }
        return 0
    }

    private static let frameReceived: nghttp2_on_frame_recv_callback = { handle, frame, userData in
        guard let frame else { return 0 }
        withSession(userData) { received(frame.pointee, handle, $0) }
        return 0
    }

    private static func received(_ frame: nghttp2_frame, _ handle: OpaquePointer?, _ session: HTTP2Session) {
        let header = frame.hd
        switch UInt32(header.type) {
        case NGHTTP2_HEADERS.rawValue:
            guard let pointer = nghttp2_session_get_stream_user_data(handle, header.stream_id) else { return }
            withStream(pointer) { receivedHeaders(frame, $0, session) }
        case NGHTTP2_DATA.rawValue:
            guard header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0,
                let pointer = nghttp2_session_get_stream_user_data(handle, header.stream_id)
            else { return }
            withStream(pointer) { endIfLast($0, header, session) }
        case NGHTTP2_SETTINGS.rawValue where header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0:
            let limit = nghttp2_session_get_remote_settings(handle, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
            session.events.append(.settings(maxConcurrentStreams: Int(limit)))
        case NGHTTP2_PING.rawValue where header.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0:
            let opaque = withUnsafeBytes(of: frame.ping.opaque_data) { $0.loadUnaligned(as: UInt64.self) }
            session.events.append(.pong(UInt64(bigEndian: opaque)))
        case NGHTTP2_GOAWAY.rawValue:
            let goAway = frame.goaway
            let debug = UnsafeBufferPointer(start: goAway.opaque_data, count: min(goAway.opaque_data_len, 256))
            session.events.append(
                .goAway(
                    lastStreamID: goAway.last_stream_id, HTTP2ErrorCode(rawValue: goAway.error_code),
                    String(decoding: debug, as: UTF8.self)))
        default:
            break
        }
    }

    private static func receivedHeaders(_ frame: nghttp2_frame, _ stream: HTTP2Stream, _ session: HTTP2Session) {
        session.headerStream = nil
        // An interim response (1xx) says nothing of the call.
        if session.role == .client, (100..<200).contains(stream.pseudo.status) { return }
        let isTrailers =
            frame.headers.cat == NGHTTP2_HCAT_HEADERS && (session.role == .server || stream.hasFinalHeaders)
        stream.hasFinalHeaders = true
        session.events.append(.headers(stream, exchange(&stream.fields, with: []), isTrailers: isTrailers))
        endIfLast(stream, frame.hd, session)
    }

    private static func endIfLast(_ stream: HTTP2Stream, _ header: nghttp2_frame_hd, _ session: HTTP2Session) {
        guard header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0, !stream.remoteEnded else { return }
        stream.remoteEnded = true
        session.events.append(.remoteEnded(stream))
    }

    private static let streamClosed: nghttp2_on_stream_close_callback = { handle, id, code, userData in
        guard let pointer = nghttp2_session_get_stream_user_data(handle, id) else { return 0 }
        return withSession(userData) { session in
            let wasAnswered = withStream(pointer) { stream in
                let wasAnswered = stream.localEnded
                session.closed(stream, HTTP2ErrorCode(rawValue: code))
                return wasAnswered
            }
            // Counts resets by the peer and those that its frames made us send.
            if session.role == .server, !wasAnswered, !session.flood.allowsReset() {
                return fail(session, "too many streams given up")
            }
            return 0
        }
    }
}
