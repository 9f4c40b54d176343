import CNGHTTP2
import Contracts
import Geo
import NIOCore
import Protobuf
import RecordCoding
import SeededRandom
import StandardContracts
import Testing
@testable import RPC

/// A parser and right input for it. It must return or throw whatever it is fed; what it must hold besides is checked by
/// preconditions, so that a finding ends the process just as a crash does.
struct FuzzTarget: Sendable, CustomTestStringConvertible {
    let name: String
    let corpus: [[UInt8]]
    let run: @Sendable ([UInt8], inout SplitMix64) -> Void

    var testDescription: String { name }

    static let all: [FuzzTarget] = [
        http2(.server), http2(.client), http1, framing, gzip, protobuf(transaction), protobuf(request), json(transaction), json(request),
        packedValues, headerValues, geoJSON,
    ] + files

    // MARK: Feature values

    /// What can be read at all says the same when it is written again, in no more bytes.
    private static let packedValues = FuzzTarget(
        name: "packed feature values",
        corpus: [[], [0, 0], PackedValues.pack([1, 57.16, 0, .nan, -0.0]), PackedValues.pack([Double](repeating: .pi, count: 62))]
    ) { bytes, _ in
        guard let values = try? PackedValues.unpack(bytes) else { return }
        let again = PackedValues.pack(values)
        precondition(again.count <= bytes.count, "packed values grow")
        precondition((try? PackedValues.unpack(again))?.map(\.bitPattern) == values.map(\.bitPattern), "packed values change")
    }

    // MARK: HTTP/2

    /// Feeds a session in pieces, and does with what comes out what a connection does.
    private static func http2(_ role: HTTP2Session.Role) -> FuzzTarget {
        let preface = role == .server ? Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) : []
        let opening = preface + frame(4, 0, 0, []) + frame(4, 1, 0, [])
        let headers = role == .server ? requestBlock : responseBlock
        let corpus = [
            opening + frame(1, 4, 1, headers) + frame(0, 1, 1, [0, 0, 0, 0, 3, 1, 2, 3]),
            opening + frame(1, 0, 1, Array(headers.prefix(9))) + frame(9, 4, 1, Array(headers.dropFirst(9))) + frame(3, 0, 1, [0, 0, 0, 8]),
            opening + frame(6, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]) + frame(8, 0, 0, [0, 0, 1, 0]) + frame(7, 0, 0, [0, 0, 0, 1, 0, 0, 0, 0]),
            opening + frame(1, 0x2C, 1, [2, 0, 0, 0, 0, 7] + headers + [0, 0]) + frame(2, 0, 1, [0, 0, 0, 0, 1]),
            opening + frame(4, 0, 0, [0, 4, 0, 0, 0xFF, 0xFF, 0, 1, 0, 0, 0, 0]) + frame(1, 5, 1, headers) + frame(1, 5, 3, headers),
        ]
        return FuzzTarget(name: role == .server ? "HTTP/2 requests" : "HTTP/2 responses", corpus: corpus) { bytes, generator in
            let session = HTTP2Session(role: role)
            if role == .client { open(session) }
            _ = session.takeOutput(maxBytes: 64 << 10)
            var rest = bytes[...]
            var now: UInt64 = 1
            while !rest.isEmpty {
                let piece = rest.prefix(1 << Int.random(in: 0...12, using: &generator))
                rest = rest.dropFirst(piece.count)
                now += 1_000_000
                let isBroken = piece.withUnsafeBytes { piece in
                    do throws(HTTP2ConnectionError) { try session.receive(piece, now: now) } catch { return true }
                    return false
                }
                react(session)
                _ = session.takeOutput(maxBytes: 64 << 10)
                react(session)
                if isBroken || session.isFinished { break }
            }
            session.close(.cancel)
            react(session)
            precondition(session.streams.isEmpty, "streams are left after the end")
        }
    }

    private static func open(_ session: HTTP2Session) {
        var headers = HeaderList()
        headers.add(":method", "POST")
        headers.add(":scheme", "http")
        headers.add(":path", "/a/B")
        for _ in 0..<3 { _ = session.submitRequest(ResponseStream(), headers: headers, endStream: true) }
    }

    /// Looks at a response's fields as a call does.
    private final class ResponseStream: HTTP2Stream {
        private var response = ResponseFields()

        override func takes(_ name: nghttp2_vec, _ value: nghttp2_vec) -> Bool {
            response.take(name, value, isTrailer: hasFinalHeaders)
        }
    }

    private static func react(_ session: HTTP2Session) {
        for event in session.takeEvents() {
            switch event {
            case .data(let stream):
                stream.hasDataEvent = false
                session.consume(stream, stream.takeBody().count)
            case .remoteEnded(let stream) where session.role == .server:
                var headers = HeaderList()
                headers.add(":status", "200")
                session.submitResponse(stream, headers: headers, endStream: false)
                session.write(stream, [1, 2, 3])
                var trailers = HeaderList()
                trailers.add("grpc-status", "0")
                session.finish(stream, trailers: trailers)
            default: break
            }
        }
    }

    private static func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
        let count = UInt32(payload.count)
        return withUnsafeBytes(of: count.bigEndian) { Array($0.dropFirst()) } + [type, flags]
            + withUnsafeBytes(of: stream.bigEndian) { Array($0) } + payload
    }

    /// HPACK: indexed fields of the static table, and literals with and without indexing.
    private static let requestBlock: [UInt8] = [0x83, 0x86, 0x44] + text("/a/B") + [0x41] + text("host") + [0x5F] + text("application/grpc")
        + [0x00] + text("x") + text("y")
    private static let responseBlock: [UInt8] = [0x88, 0x5F] + text("application/grpc") + [0x10] + text("grpc-status") + text("0")

    private static func text(_ text: String) -> [UInt8] { [UInt8(text.utf8.count)] + Array(text.utf8) }

    // MARK: HTTP/1.1

    /// Requests with and without fault, in pieces, to an HTTP/2 session that answers all it hears of.
    private static let http1: FuzzTarget = {
        let get = "GET /a/b?c=d HTTP/1.1\r\nHost: h:1\r\nAccept-Encoding: gzip, br\r\n\r\n"
        let head = "HEAD / HTTP/1.1\r\nhost: [::1]\r\nconnection: keep-alive, Close\r\ncontent-length: 0\r\n\r\n"
        let large = "GET /\(String(repeating: "e", count: 3000)) HTTP/1.1\r\nhost: h\r\nx: \(String(repeating: " y", count: 2000))\r\n\r\n"
        let post = "POST /form HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 13\r\n\r\na=1&b=2&c=3&d"
        let refused = "GET / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
        let corpus = [get, head, get + get + head, large + get, get + refused, "\r\n" + get, post + get, post + post].map { Array($0.utf8) }
        return FuzzTarget(name: "HTTP/1.1 requests", corpus: corpus) { bytes, generator in
            let session = HTTP2Session(role: .server)
            let http1 = HTTP1Session(server: session, scheme: "http", timeoutNanoseconds: 1_000_000_000, maxBodyBytes: 4 << 10)
            var rest = bytes[...]
            var now: UInt64 = 1
            while !rest.isEmpty, !http1.isFinished {
                let piece = rest.prefix(1 << Int.random(in: 0...12, using: &generator))
                rest = rest.dropFirst(piece.count)
                now += UInt64.random(in: 1...20_000_000, using: &generator)
                piece.withUnsafeBytes { http1.receive($0, now: now) }
                _ = http1.tick(now)
                // Once for the request, once for its answer.
                for _ in 0..<2 {
                    react(session)
                    _ = http1.takeOutput(maxBytes: 64 << 10, now: now)
                    if http1.hasRequestAhead { http1.beginNext(now) }
                }
                precondition(session.failure == nil, "a request broke the session that answers it")
            }
            session.close(.cancel)
            react(session)
            precondition(session.streams.isEmpty, "streams are left after the end")
        }
    }()

    // MARK: messages

    private static func envelope(_ payload: [UInt8], flags: UInt8 = 0) -> [UInt8] {
        [flags] + withUnsafeBytes(of: UInt32(payload.count).bigEndian) { Array($0) } + payload
    }

    static func compressed(_ bytes: [UInt8]) -> [UInt8] {
        (try? bytes.withUnsafeBytes { try Gzip.compress($0) }) ?? []
    }

    private static let framing: FuzzTarget = {
        let zipped = envelope(compressed([UInt8](repeating: 7, count: 3000)), flags: 1)
        let corpus = [envelope([]), envelope([1, 2, 3]) + envelope([4]), zipped, envelope([9]) + zipped + envelope([8])]
        return FuzzTarget(name: "gRPC framing", corpus: corpus) { bytes, generator in
            var deframer = MessageDeframer(maxMessageBytes: 4096, allowsCompressed: true)
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 1...64, using: &generator))
                rest = rest.dropFirst(piece.count)
                piece.withUnsafeBytes { deframer.append($0) }
                do {
                    while let message = try deframer.next() { precondition(message.bytes.count <= 4096, "a message above the limit") }
                } catch {
                    return
                }
            }
        }
    }()

    private static let gzip = FuzzTarget(
        name: "gzip", corpus: [compressed([]), compressed([1, 2, 3]), compressed([UInt8](repeating: 7, count: 100_000))]
    ) { bytes, _ in
        if let output = try? bytes.withUnsafeBytes({ try Gzip.decompress($0, maxBytes: 10_000) }) {
            precondition(output.count <= 10_000, "more than was allowed")
        }
    }

    private static let transaction = RecordsV1.Transaction(
        key: RecordsV1.TransactionKey(bankID: "bank", transactionID: "7f3c1a52"),
        eventTime: GoogleProtobuf.Timestamp(seconds: 1_775_600_000, nanos: 5), timeZone: "Asia/Kolkata", customerID: "c", accountID: "a",
        channel: .atm, amount: RecordsV1.Money(minorUnits: -125_050, currency: "INR"),
        location: RecordsV1.Location(latitude: 17.2, longitude: -75.3))
    private static let request = GRPCTesting.StreamingOutputCallRequest(
        responseParameters: [.init(size: 3, intervalUs: -1), .init(size: .max, compressed: .init(value: true))],
        payload: .init(body: [0, 255, 10]), responseStatus: .init(code: 3, message: "\"ü\\\n"))

    private static func protobuf<M: Message>(_ sample: M) -> FuzzTarget {
        FuzzTarget(name: "protobuf \(M.fullName)", corpus: [sample.protobufBytes(), M().protobufBytes()]) { bytes, _ in
            guard let message = try? M(protobuf: bytes) else { return }
            let encoded = message.protobufBytes()
            precondition((try? M(protobuf: encoded))?.protobufBytes() == encoded, "what was read is not read again")
        }
    }

    private static func json<M: Message>(_ sample: M) -> FuzzTarget {
        let other = Array("{\"unknown\":[1,{\"a\":null}], \"payload\" : {}}".utf8)
        return FuzzTarget(name: "JSON \(M.fullName)", corpus: [sample.jsonBytes(), other]) { bytes, _ in
            guard let message = try? M(jsonBytes: bytes) else { return }
            precondition((try? M(jsonBytes: message.jsonBytes())) != nil, "what was read is not read again")
        }
    }

    // MARK: text

    private static let headerValues = FuzzTarget(
        name: "header values",
        corpus: [
            "100m", "99999999H", "%41%zz%", "a=b&c=%20+", "AQID", "AQI=", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "https://[::1]:8441,b:80/", "br;q=1, gzip;q=0.5, *",
        ].map { Array($0.utf8) }
    ) { bytes, _ in
        let text = String(decoding: bytes, as: UTF8.self)
        _ = Timeout.parse(text)
        _ = PercentEncoding.query(text)
        precondition(PercentEncoding.decode(PercentEncoding.encode(text)) == text, "percent-encoding loses text")
        _ = Base64.decode(bytes)
        if let trace = TraceContext(traceparent: text) { precondition(trace.traceparent.utf8.count == 55, "a trace of another length") }
        _ = try? Target(text)
        _ = ContentCoding.preferred(by: ["accept-encoding": text])
    }

    private static let geoJSON = FuzzTarget(
        name: "GeoJSON",
        corpus: [
            #"{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"a":"b"},"#
                + #""geometry":{"type":"Point","coordinates":[75.3,17.2]}}]}"#,
            #"{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}"#,
        ].map { Array($0.utf8) }
    ) { bytes, _ in
        guard let collection = try? GeoJSON.read(bytes) else { return }
        _ = try? GeoJSON.write(collection)
    }
}
