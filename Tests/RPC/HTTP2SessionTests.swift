import NIOCore
@testable import RPC
import SeededRandom
import Testing

@Suite struct HTTP2SessionTests {
    private func server(_ change: (inout HTTP2Limits) -> Void = { _ in }) throws -> HTTP2Session {
        var limits = HTTP2Limits()
        change(&limits)
        let session = HTTP2Session(role: .server, limits: limits)
        try feed(session, Frame.preface + Frame.settings)
        _ = session.takeEvents()
        _ = take(session)
        return session
    }

    private func feed(_ session: HTTP2Session, _ bytes: [UInt8], now: UInt64 = 0) throws {
        try bytes.withUnsafeBytes { try session.receive($0, now: now) }
    }

    private func take(_ session: HTTP2Session) -> [UInt8] {
        session.takeOutput(maxBytes: 1 << 20).withUnsafeBytes { Array($0) }
    }

    @Test func aRequestCutIntoSingleBytesArrivesWhole() throws {
        let session = try server()
        for byte in Frame.request(1, [("x-name", "value")]) + Frame.data(1, [1, 2, 3], end: true) { try feed(session, [byte]) }
        var path = ""
        var fields: [Metadata.Field] = []
        var body: [UInt8] = []
        var hasEnded = false
        for event in session.takeEvents() {
            switch event {
            case .headers(let stream, let received, isTrailers: false):
                path = stream.pseudo.path
                fields = received
            case .data(let stream): body += stream.takeBody()
            case .remoteEnded: hasEnded = true
            default: break
            }
        }
        #expect(path == "/test.Test/Echo")
        #expect(fields.contains(Metadata.Field(name: "x-name", value: "value")))
        #expect(body == [1, 2, 3])
        #expect(hasEnded)
    }

    @Test func trailersFollowTheBodyAndEndTheStream() throws {
        let session = try server()
        try feed(session, Frame.request(1, end: true))
        let stream = try #require(session.streams.first)
        var headers = HeaderList()
        headers.add(":status", "200")
        session.submitResponse(stream, headers: headers, endStream: false)
        session.write(stream, [UInt8](repeating: 7, count: 20_000))
        var trailers = HeaderList()
        trailers.add("grpc-status", "0")
        session.finish(stream, trailers: trailers)
        let frames = Frame.parse(take(session)).filter { $0.stream == 1 }
        #expect(frames.map(\.type) == [1, 0, 0, 1])
        #expect(frames[1].payload.count + frames[2].payload.count == 20_000)
        #expect(frames[3].flags & 1 == 1)
        #expect(session.streams.isEmpty)
    }

    @Test func outputStopsAtThePeersWindowAndGoesOnWhenItOpens() throws {
        let session = try server()
        try feed(session, Frame.request(1, end: true))
        let stream = try #require(session.streams.first)
        var headers = HeaderList()
        headers.add(":status", "200")
        session.submitResponse(stream, headers: headers, endStream: false)
        session.write(stream, [UInt8](repeating: 7, count: 100_000))
        func sent() -> Int { Frame.parse(take(session)).filter { $0.type == 0 }.map(\.payload.count).reduce(0, +) }
        // The initial window of RFC 9113.
        #expect(sent() == 65_535)
        #expect(stream.output.byteCount == 100_000 - 65_535)
        try feed(session, Frame.windowUpdate(0, 1 << 20) + Frame.windowUpdate(1, 1000))
        #expect(sent() == 1000)
        try feed(session, Frame.windowUpdate(1, 1 << 20))
        #expect(sent() == 100_000 - 66_535)
    }

    @Test func windowIsGivenBackOnlyForWhatWasRead() throws {
        let session = try server { $0.streamWindowBytes = 65_535 }
        try feed(session, Frame.request(1))
        for _ in 0..<4 { try feed(session, Frame.data(1, [UInt8](repeating: 0, count: 10_000))) }
        let stream = try #require(session.streams.first)
        func updates() -> [Int32] { Frame.parse(take(session)).filter { $0.type == 8 && $0.stream == 1 }.map(\.stream) }
        #expect(updates().isEmpty)
        #expect(stream.unconsumedBytes == 40_000)
        session.consume(stream, 40_000)
        #expect(updates() == [1])
    }

    @Test func aPeerThatSendsBeyondItsWindowLosesTheStream() throws {
        let session = try server { $0.streamWindowBytes = 20_000 }
        // The smaller window holds from the acknowledgement on.
        try feed(session, Frame.settingsAck + Frame.request(1))
        for _ in 0..<3 { try feed(session, Frame.data(1, [UInt8](repeating: 0, count: 10_000))) }
        #expect(Frame.parse(take(session)).contains { $0.type == 3 || $0.type == 7 })
    }

    @Test func resetsAreToldWithTheirCode() throws {
        let session = try server()
        try feed(session, Frame.request(1) + Frame.reset(1, 8))
        let closed = session.takeEvents().compactMap { event -> HTTP2ErrorCode? in
            if case .closed(_, let code) = event { code } else { nil }
        }
        #expect(closed == [.cancel])
        #expect(session.streams.isEmpty)
    }

    @Test func rapidResetsEndTheConnection() throws {
        let session = try server { $0.flood.maxResetBurst = 100 }
        let error = #expect(throws: HTTP2ConnectionError.self) {
            for number in 0..<1000 {
                let id = Int32(1 + 2 * number)
                try feed(session, Frame.request(id) + Frame.reset(id))
            }
        }
        #expect(error?.code == .enhanceYourCalm)
        #expect(Frame.parse(take(session)).last?.type == 7)
    }

    @Test func resetsAtAModestRateAreAllowed() throws {
        let session = try server { $0.flood.maxResetBurst = 100 }
        for number in 0..<1000 {
            let id = Int32(1 + 2 * number)
            try feed(session, Frame.request(id) + Frame.reset(id), now: UInt64(number) * 20_000_000)
            _ = take(session)
        }
        #expect(session.streams.isEmpty)
    }

    @Test(arguments: [
        ("PING", Frame.ping()), ("SETTINGS", Frame.settings), ("empty DATA", Frame.data(1, [])),
        ("PRIORITY", Frame.make(2, stream: 1, [0, 0, 0, 0, 1])),
    ])
    func floodsOfCheapFramesEndTheConnection(name: String, frame: [UInt8]) throws {
        let session = try server()
        try feed(session, Frame.request(1))
        let error = #expect(throws: HTTP2ConnectionError.self) {
            for _ in 0..<5000 {
                try feed(session, frame)
                _ = take(session)
            }
        }
        #expect(error?.code == .enhanceYourCalm)
    }

    @Test func moreWindowUpdatesThanAnyReaderHasUseForEndTheConnection() throws {
        var limits = FloodLimits()
        limits.maxWindowUpdatesPerSecond = 100
        var guarded = FloodGuard(limits)
        guarded.advance(to: 0)
        func allowed(of count: Int) -> Int { (0..<count).filter { _ in guarded.allowsWindowUpdate() }.count }
        #expect(allowed(of: 200) == 100)
        guarded.advance(to: 500_000_000)
        #expect(allowed(of: 200) == 50)
    }

    @Test func aHeaderBlockInManyContinuationsEndsTheConnection() throws {
        let session = try server()
        #expect(throws: HTTP2ConnectionError.self) {
            try feed(session, Frame.headers(1, [(":method", "POST"), (":scheme", "http"), (":path", "/")], endHeaders: false))
            for _ in 0..<1000 { try feed(session, Frame.continuation(1, [("a", "b")], endHeaders: false)) }
        }
    }

    @Test func anOversizedHeaderBlockRefusesTheStreamAndAHugeOneTheConnection() throws {
        let session = try server { $0.maxHeaderBytes = 2000 }
        try feed(session, Frame.request(1, [("x-large", String(repeating: "a", count: 3000))], end: true))
        #expect(session.streams.first?.headersTooLarge == true)
        #expect(throws: HTTP2ConnectionError.self) {
            let fields = (0..<10).map { ("x-\($0)", String(repeating: "a", count: 1590)) }
            try feed(session, Frame.request(3, fields, end: true))
        }
    }

    @Test func aFewBytesThatExpandToManyHeadersEndTheConnection() throws {
        let session = try server()
        // One large field for the table of header compression, then that entry again and again, a byte each.
        var large = Frame.block([("x", String(repeating: "a", count: 3900))])
        large[0] = 0x40
        let start = Frame.block([(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "test")])
        #expect(throws: HTTP2ConnectionError.self) {
            try feed(session, Frame.make(1, flags: 5, stream: 1, start + large + [UInt8](repeating: 0xBE, count: 2000)))
        }
    }

    @Test func repeatedHeaderFieldsKeepTheirOwnText() throws {
        let session = try server()
        // Names and values that the table holds are known by their place; places are used again for others.
        func indexed(_ name: String, _ value: String) -> [UInt8] {
            var field = Frame.block([(name, value)])
            field[0] = 0x40
            return field
        }
        let start = Frame.block([(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "test")])
        for number in 0..<400 {
            let value = "a value that is not short, number \(number % 50)"
            let fields = indexed("x-repeated-name-\(number % 7)", value)
            try feed(session, Frame.make(1, flags: 5, stream: Int32(2 * number + 1), start + fields + [0xBE]))
            let received = session.takeEvents().compactMap { event -> [Metadata.Field]? in
                if case .headers(_, let fields, _) = event { fields } else { nil }
            }
            let name = "x-repeated-name-\(number % 7)"
            #expect(received == [[.init(name: name, value: value), .init(name: name, value: value)]])
            if let stream = session.streams.first { session.reset(stream, .cancel) }
            _ = take(session)
            _ = session.takeEvents()
        }
    }

    @Test func moreStreamsThanAllowedAreRefused() throws {
        let session = try server { $0.maxConcurrentStreams = 2 }
        // Not acknowledged yet, so the peer may not know: no reason to end the connection.
        for id in [1, 3, 5, 7] as [Int32] { try feed(session, Frame.request(id)) }
        #expect(session.streams.count == 2)
        let resets = Frame.parse(take(session)).filter { $0.type == 3 }
        #expect(resets.map(\.stream) == [5, 7])
        #expect(resets.allSatisfy { $0.payload == [0, 0, 0, 7] })
    }

    @Test func aWrongPrefaceIsToldApart() {
        let session = HTTP2Session(role: .server)
        let error = #expect(throws: HTTP2ConnectionError.self) {
            try feed(session, Array("GET / HTTP/1.1\r\nhost: a\r\n\r\n".utf8))
        }
        #expect(error?.isWrongPreface == true)
    }

    @Test func framesOnClosedStreamsDoNoHarm() throws {
        let session = try server()
        try feed(session, Frame.request(1) + Frame.reset(1))
        _ = session.takeEvents()
        try feed(session, Frame.request(3))
        try? feed(session, Frame.data(1, [1, 2, 3]))
        let touched = session.takeEvents().filter { if case .data = $0 { true } else { false } }
        #expect(touched.isEmpty)
    }

    @Test func bytesThatAreNoFramesNeverCrash() throws {
        var generator = SplitMix64(seed: 17)
        for _ in 0..<300 {
            guard let session = try? server() else { continue }
            var bytes = Frame.request(1) + Frame.data(1, [0, 0, 0, 0, 3, 1, 2, 3]) + Frame.ping() + Frame.request(3, end: true)
            for _ in 0..<Int.random(in: 1...8, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            try? feed(session, bytes)
            _ = session.takeEvents()
            _ = take(session)
            session.close(.cancel)
        }
    }

    @Test func closingTellsEveryStream() throws {
        let session = try server()
        try feed(session, Frame.request(1) + Frame.request(3))
        _ = session.takeEvents()
        session.close(.cancel)
        #expect(session.takeEvents().count == 2)
        #expect(!session.wantsWrite)
    }
}
