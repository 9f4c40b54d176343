/// Cuts HTTP/1.1 requests out of a connection's bytes. Source: RFC 9112, sections 2 to 7.
///
/// Strict: what two readers of one text might take for different requests (bare line feeds, folded or doubled fields, white
/// space before a colon, a body where none is meant or of a length that is not told once and plainly) is refused, for it is how requests are
/// smuggled past a proxy.
struct HTTP1RequestParser {
    struct Request: Equatable {
        var method = ""
        /// Path and query, as they were sent.
        var target = ""
        var host = ""
        /// Names in lower case; those that concern this connection alone are left out.
        var fields: [Metadata.Field] = []
        /// Whether the peer may send another request behind this one.
        var keepsAlive = true
        /// Of the body, which follows; ``takeBody(atMost:)`` has it.
        var bodyBytes = 0
        /// Whether the peer wants to be told that its body is awaited.
        var expectsContinue = false
    }

    /// A request that is not served, and the status that says why.
    struct Refusal: Error, Equatable {
        let status: Int
        let reason: String
    }

    /// Of the first line. A longer one is answered 414.
    static let maxRequestLineBytes = 8 << 10
    /// Of all lines of a head, with 32 for each field as in HTTP/2. A longer head is answered 431.
    let maxHeaderBytes: Int
    /// Of a request's body. A longer one is answered 413.
    let maxBodyBytes: Int

    private var buffer: [UInt8] = []
    /// Where the line begins that is read next, and where to go on looking for its end.
    private var lineStart = 0
    private var searchStart = 0
    private var request = Request()
    private var hasRequestLine = false
    private var hasHost = false
    private var hasLength = false
    private var headBytes = 0

    init(maxHeaderBytes: Int, maxBodyBytes: Int) {
        self.maxHeaderBytes = maxHeaderBytes
        self.maxBodyBytes = maxBodyBytes
    }

    /// Bytes that came in and are no whole request yet.
    var bufferedByteCount: Int { buffer.count - lineStart }
    /// The head of a request has begun and is not whole.
    var isWithinHead: Bool { hasRequestLine || bufferedByteCount > 0 }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        buffer.append(contentsOf: bytes)
    }

    /// What is there of a body, behind the head that came last.
    mutating func takeBody(atMost count: Int) -> [UInt8] {
        let end = min(buffer.count, lineStart + count)
        let taken = Array(buffer[lineStart..<end])
        buffer.removeSubrange(..<end)
        (lineStart, searchStart) = (0, 0)
        return taken
    }

    /// The next request, if its head is whole.
    mutating func next() throws(Refusal) -> Request? {
        while let line = try nextLine() {
            if !hasRequestLine {
                // One empty line before a request is let pass by (section 2.2); here any, each is counted.
                guard !line.isEmpty else { continue }
                try readRequestLine(line)
                hasRequestLine = true
            } else if !line.isEmpty {
                try readField(line)
            } else {
                guard hasHost else { throw Refusal(status: 400, reason: "the request has no host") }
                let whole = request
                self = HTTP1RequestParser(rest: Array(buffer[lineStart...]), maxHeaderBytes: maxHeaderBytes, maxBodyBytes: maxBodyBytes)
                return whole
            }
        }
        return nil
    }

    private init(rest: [UInt8], maxHeaderBytes: Int, maxBodyBytes: Int) {
        self.init(maxHeaderBytes: maxHeaderBytes, maxBodyBytes: maxBodyBytes)
        buffer = rest
    }

    /// A line without its end, which must be CR LF.
    private mutating func nextLine() throws(Refusal) -> ArraySlice<UInt8>? {
        let end = buffer[searchStart...].firstIndex(of: UInt8(ascii: "\n"))
        let count = (end ?? buffer.count) - lineStart
        guard hasRequestLine || count <= Self.maxRequestLineBytes else {
            throw Refusal(status: 414, reason: "the request's first line is longer than \(Self.maxRequestLineBytes) bytes")
        }
        guard headBytes + count <= maxHeaderBytes else {
            throw Refusal(status: 431, reason: "the header fields are larger than \(maxHeaderBytes) bytes")
        }
        guard let end else {
            searchStart = buffer.count
            return nil
        }
        headBytes += count + 32
        let line = buffer[lineStart..<end]
        lineStart = end + 1
        searchStart = lineStart
        guard line.last == UInt8(ascii: "\r") else { throw Refusal(status: 400, reason: "a line does not end in CR LF") }
        return line.dropLast()
    }

    private mutating func readRequestLine(_ line: ArraySlice<UInt8>) throws(Refusal) {
        let parts = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard parts.count == 3, !parts[0].isEmpty, parts[0].allSatisfy({ Self.isToken($0) }) else {
            throw Refusal(status: 400, reason: "the first line is none of HTTP")
        }
        guard parts[2].elementsEqual("HTTP/1.1".utf8) else {
            throw Refusal(status: 505, reason: "this port speaks HTTP/2 and HTTP/1.1")
        }
        guard ["GET", "HEAD", "POST"].contains(where: { parts[0].elementsEqual($0.utf8) }) else {
            throw Refusal(status: 505, reason: "over HTTP/1.1 this port answers GET, HEAD and POST only; use HTTP/2")
        }
        guard parts[1].first == UInt8(ascii: "/"), parts[1].allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }) else {
            throw Refusal(status: 400, reason: "the request's target is no path")
        }
        request.method = String(decoding: parts[0], as: UTF8.self)
        request.target = String(decoding: parts[1], as: UTF8.self)
    }

    private mutating func readField(_ line: ArraySlice<UInt8>) throws(Refusal) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
            line[..<colon].allSatisfy({ Self.isToken($0) }),
            line[line.index(after: colon)...].allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == UInt8(ascii: "\t") })
        else { throw Refusal(status: 400, reason: "a header field is malformed") }
        let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
        let value = HeaderStrings.trimmed(String(decoding: line[line.index(after: colon)...], as: UTF8.self))
        switch name {
        case "host":
            guard !hasHost, value.utf8.allSatisfy({ Self.isHost($0) }) else {
                throw Refusal(status: 400, reason: "the host is malformed or told twice")
            }
            hasHost = true
            request.host = value
        case "connection":
            let options = value.split(separator: ",").map { HeaderStrings.trimmed(String($0)).lowercased() }
            if options.contains("close") { request.keepsAlive = false }
        case "content-length":
            request.bodyBytes = try bodyBytes(value)
        case "transfer-encoding":
            throw Refusal(status: 411, reason: "a body over HTTP/1.1 must tell its content-length")
        case "expect":
            request.expectsContinue = value.lowercased() == "100-continue"
        case "content-type" where value.lowercased().hasPrefix("application/grpc"):
            throw Refusal(status: 505, reason: "gRPC takes HTTP/2")
        // Offers to speak otherwise are not taken up (RFC 9110, section 7.8).
        case "keep-alive", "proxy-connection", "upgrade", "http2-settings", "te", "trailer":
            break
        default:
            request.fields.append(Metadata.Field(name: name, value: value))
        }
    }

    private mutating func bodyBytes(_ value: String) throws(Refusal) -> Int {
        guard !hasLength, !value.isEmpty, value.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }) else {
            throw Refusal(status: 400, reason: "the content-length is malformed or told twice")
        }
        hasLength = true
        guard let count = Int(value), count <= maxBodyBytes else {
            throw Refusal(status: 413, reason: "the body is longer than \(maxBodyBytes) bytes")
        }
        guard count == 0 || request.method == "POST" else {
            throw Refusal(status: 400, reason: "\(request.method) over HTTP/1.1 takes no body here")
        }
        return count
    }

    /// RFC 9110, section 5.6.2.
    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    /// A name, an address, a port.
    private static func isHost(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "-._~:[]%".utf8.contains(byte)
        }
    }
}
