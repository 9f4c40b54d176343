@testable import RPC
import Testing

@Suite struct FramingTests {
    private func message(_ flags: UInt8 = 0, _ payload: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = [0, 0, 0, 0, 0]
        MessageCoding.writeEnvelope(flags: flags, byteCount: payload.count, to: &bytes)
        return bytes + payload
    }

    @Test func messagesAreCutOutWhereverTheBytesBreak() throws {
        let stream = message(0, [1, 2, 3]) + message(0, []) + message(0, [4])
        for size in 1...stream.count {
            var deframer = MessageDeframer(maxMessageBytes: 100)
            var found: [[UInt8]] = []
            var rest = stream[...]
            while !rest.isEmpty {
                Array(rest.prefix(size)).withUnsafeBytes { deframer.append($0) }
                rest = rest.dropFirst(size)
                while let payload = try deframer.next() { found.append(payload.bytes) }
            }
            #expect(found == [[1, 2, 3], [], [4]])
            #expect(deframer.bufferedByteCount == 0)
        }
    }

    @Test func aPrefixThatAnnouncesTooMuchIsRefusedBeforeItsBytesCome() {
        var deframer = MessageDeframer(maxMessageBytes: 1000)
        [UInt8]([0, 0xFF, 0xFF, 0xFF, 0xFF]).withUnsafeBytes { deframer.append($0) }
        let error = #expect(throws: RPCError.self) { try deframer.next() }
        #expect(error?.code == .resourceExhausted)
    }

    @Test func gzipGivesBackWhatItTook() throws {
        let text = Array(String(repeating: "the same again ", count: 5000).utf8)
        let packed = try text.withUnsafeBytes { try Gzip.compress($0) }
        #expect(packed.count < text.count / 20)
        #expect(try packed.withUnsafeBytes { try Gzip.decompress($0, maxBytes: text.count) } == text)
    }

    @Test func aGzipBombIsStoppedAtTheLimit() throws {
        let zeros = [UInt8](repeating: 0, count: 50 << 20)
        let bomb = try zeros.withUnsafeBytes { try Gzip.compress($0) }
        var deframer = MessageDeframer(maxMessageBytes: 1 << 20, allowsCompressed: true)
        message(1, bomb).withUnsafeBytes { deframer.append($0) }
        let error = #expect(throws: RPCError.self) { try deframer.next() }
        #expect(error?.code == .resourceExhausted)
    }

    @Test(arguments: [[UInt8]](arrayLiteral: [], [1, 2, 3], [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3]))
    func brokenGzipIsRefused(bytes: [UInt8]) {
        #expect(throws: RPCError.self) { try bytes.withUnsafeBytes { try Gzip.decompress($0, maxBytes: 1000) } }
    }

    @Test func compressionWithoutAgreementIsRefused() {
        var deframer = MessageDeframer(maxMessageBytes: 1000)
        message(1, [1, 2, 3]).withUnsafeBytes { deframer.append($0) }
        #expect(throws: RPCError.self) { try deframer.next() }
    }

    @Test(arguments: [
        ("1H", Duration.seconds(3600)), ("2M", .seconds(120)), ("3S", .seconds(3)), ("4m", .milliseconds(4)),
        ("5u", .microseconds(5)), ("99999999n", .nanoseconds(99_999_999)),
    ])
    func timeoutsAreRead(text: String, duration: Duration) {
        #expect(Timeout.parse(text) == duration)
    }

    @Test(arguments: ["", "S", "5", "-1S", "999999999S", "1.5S", "1s", "5 S"])
    func brokenTimeoutsAreRefused(text: String) {
        #expect(Timeout.parse(text) == nil)
    }

    @Test(arguments: [
        Duration.nanoseconds(1), .nanoseconds(1001), .milliseconds(50), .seconds(1), .seconds(98), .milliseconds(98_765), .seconds(500),
        .seconds(1_000_001), .seconds(99_900_001), .seconds(1 << 40),
    ])
    func aWrittenTimeoutIsNeverShorterAndHardlyLonger(duration: Duration) throws {
        let text = Timeout.format(nanoseconds: duration.nanoseconds)
        #expect(text.count <= 9)
        let read = try #require(Timeout.parse(text))
        if duration < .seconds(1 << 38) { #expect(read >= duration && read <= duration * 1.01) }
    }

    @Test(arguments: [(Int64(999), "999n"), (1001, "1010n"), (4_999_970_123, "5000m"), (29_999_871_000, "30000m"), (100_000_000_001, "101S")])
    func nearlyEqualTimeoutsAreWrittenAlike(nanoseconds: Int64, text: String) {
        #expect(Timeout.format(nanoseconds: nanoseconds) == text)
    }

    @Test(arguments: ["plain", "100 %", "ü\n\u{0}", "%41", "\u{1F600} tab\t"])
    func messagesSurvivePercentEncoding(text: String) {
        let encoded = PercentEncoding.encode(text)
        #expect(encoded.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F })
        #expect(PercentEncoding.decode(encoded) == text)
    }

    @Test func malformedEscapesStayAsTheyAre() {
        #expect(PercentEncoding.decode("%zz%4") == "%zz%4")
    }

    @Test func base64IsReadWithAndWithoutPadding() {
        for count in 0..<20 {
            let bytes = (0..<count).map { UInt8($0 * 13) }
            let text = Base64.encode(bytes)
            #expect(Base64.decode(text.utf8) == bytes)
            #expect(Base64.decode(text.utf8.filter { $0 != UInt8(ascii: "=") }) == bytes)
        }
        #expect(Base64.decode("a$b=".utf8) == nil)
    }
}

@Suite struct RouterTests {
    private func router(_ patterns: [String], method: String = "GET") throws -> Router {
        try Router(services: [], routes: patterns.map { HTTPRoute(method, $0) { _ in HTTPResponse() } })
    }

    private func match(_ router: Router, _ path: String, _ method: String = "GET") -> (String, PathParameters)? {
        if case .found(let route, let parameters) = router.route(method, path) { (route.pattern, parameters) } else { nil }
    }

    @Test func parametersAreTakenFromThePath() throws {
        let router = try router(["/tiles/{layer}/{z}/{x}/{y}.{format}", "/static/{path*}", "/", "/tiles/{layer}.json"])
        #expect(match(router, "/tiles/risk/3/4/5.mvt")?.1 == ["layer": "risk", "z": "3", "x": "4", "y": "5", "format": "mvt"])
        #expect(match(router, "/static/js/map.js")?.1 == ["path": "js/map.js"])
        #expect(match(router, "/tiles/risk.json")?.1 == ["layer": "risk"])
        #expect(match(router, "/")?.0 == "/")
        #expect(match(router, "/tiles/risk") == nil)
        #expect(match(router, "/tiles/risk/3/4/5") == nil)
    }

    @Test func literalsWinOverParameters() throws {
        let router = try router(["/{anything}", "/metrics", "/{path*}"])
        #expect(match(router, "/metrics")?.0 == "/metrics")
        #expect(match(router, "/other")?.0 == "/{anything}")
        #expect(match(router, "/a/b")?.0 == "/{path*}")
    }

    @Test func anEncodedSlashStaysWithinItsSegment() throws {
        let router = try router(["/files/{name}"])
        #expect(match(router, "/files/a%2Fb")?.1 == ["name": "a/b"])
    }

    @Test func headIsAnsweredByGetAndOtherMethodsAreTold() throws {
        let router = try router(["/a"])
        #expect(match(router, "/a", "HEAD") != nil)
        guard case .otherMethods(let methods) = router.route("POST", "/a") else {
            Issue.record("POST should not match")
            return
        }
        #expect(methods == ["GET"])
    }

    @Test func twoRoutesOfOnePatternAreRefused() {
        #expect(throws: RPCSetupError.self) { try router(["/a", "/a"]) }
    }
}
