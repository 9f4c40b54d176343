/// HTTP/2 frames as bytes, right and wrong ones, for tests that play the peer.
enum Frame {
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    static func make(_ type: UInt8, flags: UInt8 = 0, stream: Int32 = 0, _ payload: [UInt8] = []) -> [UInt8] {
        let count = payload.count
        let id = UInt32(bitPattern: stream)
        return [
            UInt8(truncatingIfNeeded: count >> 16), UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count), type,
            flags, UInt8(id >> 24), UInt8(truncatingIfNeeded: id >> 16), UInt8(truncatingIfNeeded: id >> 8),
            UInt8(truncatingIfNeeded: id),
        ] + payload
    }

    static let settings = make(4)
    static let settingsAck = make(4, flags: 1)

    static func data(_ stream: Int32, _ payload: [UInt8], end: Bool = false) -> [UInt8] {
        make(0, flags: end ? 1 : 0, stream: stream, payload)
    }

    static func headers(_ stream: Int32, _ fields: [(String, String)], end: Bool = false, endHeaders: Bool = true) -> [UInt8] {
        make(1, flags: (end ? 1 : 0) | (endHeaders ? 4 : 0), stream: stream, block(fields))
    }

    /// A HEADERS frame as a peer must send it whose block is longer than a frame may be: the rest in CONTINUATION frames.
    static func cut(_ headers: [UInt8]) -> [UInt8] {
        let (flags, stream) = (headers[4], Int32(headers[8]))
        var rest = headers.dropFirst(9)
        var frames: [UInt8] = []
        while !rest.isEmpty {
            let piece = Array(rest.prefix(16_384))
            rest = rest.dropFirst(piece.count)
            let end: UInt8 = rest.isEmpty ? 4 : 0
            frames += frames.isEmpty ? make(1, flags: flags & 1 | end, stream: stream, piece) : make(9, flags: end, stream: stream, piece)
        }
        return frames
    }

    static func continuation(_ stream: Int32, _ fields: [(String, String)], endHeaders: Bool) -> [UInt8] {
        make(9, flags: endHeaders ? 4 : 0, stream: stream, block(fields))
    }

    static func reset(_ stream: Int32, _ code: UInt8 = 8) -> [UInt8] { make(3, stream: stream, [0, 0, 0, code]) }
    static func ping() -> [UInt8] { make(6, [0, 0, 0, 0, 0, 0, 0, 1]) }

    static func windowUpdate(_ stream: Int32, _ count: UInt32) -> [UInt8] {
        make(8, stream: stream, [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> UInt32($0)) })
    }

    /// HPACK literals without indexing (RFC 7541, section 6.2.2).
    static func block(_ fields: [(String, String)]) -> [UInt8] {
        fields.flatMap { [0] + string($0.0) + string($0.1) }
    }

    private static func string(_ text: String) -> [UInt8] {
        var length: [UInt8] = []
        var rest = text.utf8.count
        if rest < 127 {
            length = [UInt8(rest)]
        } else {
            length = [127]
            rest -= 127
            while rest >= 128 {
                length.append(UInt8(rest & 127) | 128)
                rest >>= 7
            }
            length.append(UInt8(rest))
        }
        return length + Array(text.utf8)
    }

    static func request(
        _ stream: Int32, path: String = "/test.Test/Echo", _ extra: [(String, String)] = [], end: Bool = false
    ) -> [UInt8] {
        let fields = [
            (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "test"), ("content-type", "application/grpc"),
            ("te", "trailers"),
        ]
        return headers(stream, fields + extra, end: end)
    }

    /// Cuts bytes into frames: type, flags, stream, payload.
    static func parse(_ bytes: [UInt8]) -> [(type: UInt8, flags: UInt8, stream: Int32, payload: [UInt8])] {
        var frames: [(type: UInt8, flags: UInt8, stream: Int32, payload: [UInt8])] = []
        var rest = bytes[...]
        while rest.count >= 9 {
            let head = Array(rest.prefix(9))
            let count = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
            let stream = head[5...].reduce(Int32(0)) { $0 << 8 | Int32($1) }
            frames.append((head[3], head[4], stream, Array(rest.dropFirst(9).prefix(count))))
            rest = rest.dropFirst(9 + count)
        }
        return frames
    }
}
