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
    static let frameSizeError = Self(rawValue: 6)
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
