import Contracts
import Foundation
import RPC
import TestPrograms
import Testing

/// A hostile or broken peer loses its connection or its call; others notice nothing.
@Suite(.serialized, .timeLimit(.minutes(1))) struct HardeningTests {
    private func expectService(_ channel: RPCChannel) async throws {
        let answer: Reply = try await channel.unary(method("Echo", .unary), request("alive"))
        #expect(answer.text == "alive")
    }

    private let opening = Frame.preface + Frame.settings

    @Test func aRapidResetCostsTheAttackerItsConnectionOnly() async throws {
        try await withServerAndChannel([echo]) { channel, server in
            try await expectService(channel)
            var attack: [UInt8] = []
            for number in 0..<5000 {
                let id = Int32(1 + 2 * number)
                attack += Frame.request(id)
                attack += Frame.reset(id)
            }
            let answer = try await exchange(server, opening + attack)
            // GOAWAY, unless the kernel threw it away with the rest of the attack unread.
            let goAways = Frame.parse(answer).filter { $0.type == 7 }
            #expect(goAways.allSatisfy { $0.payload.suffix(4) == [0, 0, 0, 11] })
            try await expectService(channel)
        }
    }

    @Test func aPrefixThatLiesAboutItsLengthIsRefusedAtOnce() async throws {
        try await withServerAndChannel([echo, pingPong]) { channel, server in
            for path in ["/test.Test/Echo", "/test.Test/PingPong"] {
                let lie = opening + Frame.request(1, path: path) + Frame.data(1, [0, 0x7F, 0xFF, 0xFF, 0xFF, 1, 2, 3])
                let answer = try await exchange(server, lie) { received in
                    Frame.parse(received).contains { $0.stream == 1 && $0.type == 1 && $0.flags & 1 == 1 }
                }
                #expect(Frame.parse(answer).contains { $0.stream == 1 && $0.flags & 1 == 1 })
            }
            try await expectService(channel)
        }
    }

    @Test func whiteSpaceRoundAFieldsValueIsNoPartOfIt() async throws {
        let tell = HTTPRoute("GET", "/tell") { .text("[\($0.headers["authorization"] ?? "none")]") }
        try await withServerAndChannel([], routes: [tell]) { _, server in
            for value in ["Bearer ", "\t Bearer"] {
                let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/tell"), (":authority", "test"), ("authorization", value)]
                let answer = try await exchange(server, opening + Frame.headers(1, fields, end: true)) { received in
                    Frame.parse(received).contains { $0.stream == 1 && ($0.type == 3 || $0.flags & 1 == 1) }
                }
                let body = Frame.parse(answer).filter { $0.stream == 1 && $0.type == 0 }.flatMap(\.payload)
                #expect(String(decoding: body, as: UTF8.self) == "[Bearer]")
            }
        }
    }

    @Test func aMessageCutInTheMiddleIsRefused() async throws {
        try await withServerAndChannel([echo]) { _, server in
            let cut = opening + Frame.request(1) + Frame.data(1, [0, 0, 0, 0, 9, 1, 2], end: true)
            let answer = try await exchange(server, cut) { Frame.parse($0).contains { $0.stream == 1 && $0.flags & 1 == 1 } }
            #expect(Frame.parse(answer).contains { $0.stream == 1 && $0.type == 1 })
        }
    }

    /// A call in JSON that has sent 96,000 bytes of its message: enough to be large.
    private static func begun(_ stream: Int32) -> [UInt8] {
        let fields = [
            (":method", "POST"), (":scheme", "http"), (":path", "/test.Test/Echo"), (":authority", "test"),
            ("content-type", "application/json"),
        ]
        let piece = Frame.data(stream, [UInt8](repeating: UInt8(ascii: " "), count: 16_000))
        return (0..<6).reduce(Frame.headers(stream, fields)) { bytes, _ in bytes + piece }
    }

    /// The first refusal's stream and text.
    private func refusal(_ server: RunningServer, _ attack: [UInt8]) async throws -> (stream: Int32, text: String)? {
        // Acknowledged, because the server's larger windows count from then on.
        let answer = try await exchange(server, opening + Frame.settingsAck + attack) { received in
            Frame.parse(received).contains { $0.type == 0 && $0.flags & 1 == 1 }
        }
        let frame = Frame.parse(answer).first { $0.type == 0 }
        return frame.map { ($0.stream, String(decoding: $0.payload, as: UTF8.self)) }
    }

    @Test func requestsThatAreNotEndedHoldABoundedAmountTogether() async throws {
        try await withServerAndChannel([echo], configure: { $0.limits.maxUnfinishedBytes = 250_000 }) { channel, server in
            let refused = try await refusal(server, [1, 3, 5].flatMap { Self.begun($0) })
            #expect(refused?.stream == 5)
            #expect(refused?.text.contains("resource_exhausted") == true)
            try await expectService(channel)
        }
    }

    @Test func aCallerWhoIsRefusedIsToldBeforeItsLargeMessageIsWhole() async throws {
        struct Doorkeeper: ServerInterceptor {
            func begin(_ call: inout IncomingCall) async throws -> CallFinisher? {
                guard call.metadata["authorization"] != nil else { throw RPCError(.unauthenticated, "who are you?") }
                return nil
            }
        }
        try await withServerAndChannel([echo], interceptors: [Doorkeeper()]) { channel, server in
            #expect(try await refusal(server, Self.begun(1))?.text.contains("who are you?") == true)
            let large = Echo(payload: GRPCTesting.Payload(body: [UInt8](repeating: 7, count: 1 << 20)))
            let whole: Reply = try await channel.unary(
                method("Echo", .unary), large, options: CallOptions(metadata: ["authorization": "me"]))
            #expect(whole.payload?.body.count == 1 << 20)
        }
    }

    @Test func aMessageOfAStreamThatStopsHalfWayIsGivenUp() async throws {
        try await withServerAndChannel([pingPong], configure: { $0.limits.stallTimeoutSeconds = 1 }) { _, server in
            let half = opening + Frame.request(1, path: "/test.Test/PingPong") + Frame.data(1, [0, 0, 0, 0, 9, 1, 2])
            let answer = try await exchange(server, half) { received in Frame.parse(received).contains { $0.type == 3 } }
            #expect(Frame.parse(answer).contains { $0.type == 3 && $0.stream == 1 })
        }
    }

    @Test func aMessageThatExpandsBeyondTheLimitCostsItsCallOnly() async throws {
        try await withServerAndChannel([echo], configure: { $0.limits.maxMessageBytes = 64 << 10 }) { channel, _ in
            // Eight mebibytes of zeros are a few kibibytes on the wire.
            let bomb = Echo(payload: GRPCTesting.Payload(body: [UInt8](repeating: 0, count: 8 << 20)))
            let error = await #expect(throws: RPCError.self) {
                let _: Reply = try await channel.unary(method("Echo", .unary), bomb, options: CallOptions(compression: .gzip))
            }
            #expect(error?.code == .resourceExhausted)
            try await expectService(channel)
        }
    }

    /// Opens connections, waits for the server's settings on each, says so, and keeps them until its input ends.
    private static let idleClients = """
        import socket, sys
        peers = []
        for number in range(int(sys.argv[2])):
            peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
            peer.sendall(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
            peers.append(peer)
        for peer in peers:
            assert peer.recv(9)[3] == 4
        print("ready", flush=True)
        sys.stdin.read()
        """

    /// The first line, however many writes it comes in; what there is when the input ends before one.
    private static func line(from handle: FileHandle) -> String {
        var said = Data()
        while said.last != UInt8(ascii: "\n") {
            let more = handle.availableData
            guard !more.isEmpty else { return String(decoding: said, as: UTF8.self) }
            said += more
        }
        return String(decoding: said.dropLast(), as: UTF8.self)
    }

    private static let openFilesAllowed: UInt64 = {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(7), &limit)  // RLIMIT_NOFILE
        return UInt64(limit.rlim_cur)
    }()

    /// A sanitizer's own memory would count.
    private static let isSanitized = ProcessInfo.processInfo.environment["VIGIL_SANITIZED"] != nil

    @Test(.enabled(if: openFilesAllowed > 11_000 && !isSanitized, "too few files may be open, or a sanitizer watches"))
    func tenThousandIdleConnectionsHoldUpNobody() async throws {
        let count = 10_000
        try await withServerAndChannel([echo]) { channel, server in
            try await expectService(channel)
            let before = residentBytes()
            let clients = Process()
            let (input, output) = (Pipe(), Pipe())
            clients.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
            clients.arguments = ["-c", Self.idleClients, "\(server.port)", "\(count)"]
            (clients.standardInput, clients.standardOutput) = (input, output)
            try clients.run()
            let said = await withCheckedContinuation { continuation in
                Thread.detachNewThread { continuation.resume(returning: Self.line(from: output.fileHandleForReading)) }
            }
            #expect(said == "ready")
            #expect(await server.connections().count == count + 1)
            #expect(residentBytes() - before < count * (64 << 10))
            try await expectService(channel)
            try input.fileHandleForWriting.close()
        }
    }

    private func residentBytes() -> Int {
        let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ").dropFirst().first
        return (pages.flatMap { Int($0) } ?? 0) * 4096
    }

    @Test func headersOfNinetyKilobytesAreAnsweredWithTheirStatus() async throws {
        try await withServerAndChannel([echo]) { channel, server in
            let long = String(repeating: "a", count: 90_000)
            let status431: [UInt8] = [0x08, 3] + Array("431".utf8)
            // One field that no table holds ends the connection; many that are too much together end their call only.
            let one = try await exchange(server, opening + Frame.cut(Frame.request(1, [("x-large", long)], end: true)))
            #expect(Frame.parse(one).contains { $0.stream == 1 && $0.type == 1 && $0.flags == 5 && $0.payload == status431 })
            #expect(Frame.parse(one).contains { $0.type == 7 })
            let fields = (0..<9).map { ("x-large-\($0)", String(long.prefix(10_000))) }
            let two = Frame.cut(Frame.request(1, fields, end: true)) + Frame.request(3) + Frame.data(3, [0, 0, 0, 0, 0], end: true)
            let many = try await exchange(server, opening + two) { received in
                Frame.parse(received).contains { $0.stream == 3 && $0.flags & 1 == 1 }
            }
            let status200: UInt8 = 0x88
            #expect(Frame.parse(many).contains { $0.stream == 1 && $0.type == 1 && $0.flags & 1 == 1 && $0.payload.first == status200 })
            try await expectService(channel)
        }
    }

    @Test func aCancelledHandlerTakesNoOtherWithIt() async throws {
        let started = Signal()
        let hang = RPCMethod.unary(method("Hang", .unary)) { (_: Echo, _: CallContext) async throws -> Reply in
            started.fire()
            await untilCancelled()
            return reply("")
        }
        let isCancelled = RPCMethod.unary(method("Ask", .unary)) { (_: Echo, _: CallContext) async throws -> Reply in
            await Task.yield()
            return reply("\(Task.isCancelled)")
        }
        try await withServerAndChannel([hang, isCancelled], configure: { $0.threads = 1 }) { channel, _ in
            for _ in 0..<20 {
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { let _: Reply? = try? await channel.unary(method("Hang", .unary), request("")) }
                    await started.wait()
                    group.cancelAll()
                }
                for _ in 0..<5 {
                    let answer: Reply = try await channel.unary(method("Ask", .unary), request(""))
                    #expect(answer.text == "false")
                }
            }
        }
    }

    @Test func tasksMayRunWhereTheirConnectionIs() async throws {
        try await withServerAndChannel([echo]) { channel, _ in
            let texts = try await withThrowingTaskGroup(of: String.self) { group in
                for number in 0..<100 {
                    group.addTask(executorPreference: channel.executor) {
                        let answer: Reply = try await channel.unary(method("Echo", .unary), request("\(number)"))
                        return answer.text
                    }
                }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            #expect(texts.count == 100)
        }
    }

    @Test func connectionsAreListedAtTheirPath() async throws {
        try await withServerAndChannel([echo], configure: { $0.connectionsPath = "/debug/connections" }) { channel, _ in
            let response = try await channel.http(HTTPRequest(path: "/debug/connections"))
            let text = String(decoding: response.bytes, as: UTF8.self)
            #expect(response.headers["content-type"] == "application/json")
            #expect(text.contains("\"openCalls\":1,\"startedCalls\":1,\"openPaths\":[\"/debug/connections\"]"))
        }
    }

    @Test func aPeerThatNeverSpeaksIsClosed() async throws {
        try await withServerAndChannel([echo], configure: { $0.limits.handshakeTimeoutSeconds = 1 }) { channel, server in
            _ = try await exchange(server, [])
            _ = try await exchange(server, Array(Frame.preface.prefix(10)))
            try await expectService(channel)
        }
    }

    @Test func aSlowTLSHandshakeIsClosed() async throws {
        let certificates = try TestCertificates()
        let files = try certificates.make("server")
        try await withServerAndChannel([echo], configure: { configuration in
            configuration.tls = TLSConfiguration(certificateChainFile: files.certificate, privateKeyFile: files.key)
            configuration.limits.handshakeTimeoutSeconds = 1
        }) { _, server in
            // The beginning of a ClientHello.
            _ = try await exchange(server, [0x16, 0x03, 0x01, 0x02])
        }
    }

    @Test func aReaderThatNeverOpensItsWindowHoldsUpNobodyElse() async throws {
        let flood = RPCMethod.serverStreaming(method("Flood", .serverStreaming)) {
            (_: Echo, responses: ResponseWriter<Reply>, _: CallContext) async throws in
            let block = Reply(payload: GRPCTesting.Payload(body: [UInt8](repeating: 1, count: 10_000)))
            for _ in 0..<10_000 { try await responses.write(block) }
        }
        try await withServerAndChannel([echo, flood]) { channel, server in
            let ask = opening + Frame.request(1, path: "/test.Test/Flood") + Frame.data(1, [0, 0, 0, 0, 0], end: true)
            let answer = try await exchange(server, ask) { received in
                Frame.parse(received).filter { $0.type == 0 }.map(\.payload.count).reduce(0, +) >= 65_535
            }
            #expect(answer.count < 100_000)
            try await expectService(channel)
        }
    }

    @Test func connectionsAboveTheLimitAreRefused() async throws {
        try await withServerAndChannel([echo], configure: { $0.limits.maxConnections = 1 }) { channel, server in
            try await expectService(channel)
            let answer = try await exchange(server, opening)
            #expect(answer.isEmpty)
            try await expectService(channel)
        }
    }

    @Test func aConnectionIsDrainedWhenItIsOld() async throws {
        try await withServerAndChannel([echo], configure: { $0.limits.maxConnectionAgeSeconds = 1 }) { channel, server in
            let answer = try await exchange(server, opening)
            #expect(Frame.parse(answer).contains { $0.type == 7 })
            // The channel's own connection ages too; calls go on over a new one.
            try await expectService(channel)
        }
    }

    @Test func aSilentPeerIsAskedForASignOfLifeAndThenClosed() async throws {
        try await withServerAndChannel([echo], configure: { configuration in
            configuration.limits.keepAliveSeconds = 1
            configuration.limits.keepAliveTimeoutSeconds = 1
        }) { _, server in
            let answer = try await exchange(server, opening)
            #expect(Frame.parse(answer).contains { $0.type == 6 })
        }
    }

    @Test func aRequestThatStopsHalfWayIsGivenUp() async throws {
        try await withServerAndChannel([echo], configure: { $0.limits.stallTimeoutSeconds = 1 }) { channel, server in
            let half = opening + Frame.request(1) + Frame.data(1, [0, 0, 0, 0, 9, 1, 2])
            let answer = try await exchange(server, half) { received in Frame.parse(received).contains { $0.type == 3 } }
            #expect(Frame.parse(answer).contains { $0.type == 3 && $0.stream == 1 })
            try await expectService(channel)
        }
    }

    @Test func connectionsAreDescribed() async throws {
        try await withServerAndChannel([echo]) { channel, server in
            try await expectService(channel)
            let connections = await server.connections()
            #expect(connections.map(\.startedCalls) == [1])
            #expect(connections.first?.peer.hasPrefix("127.0.0.1:") == true)
        }
    }

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/h2load"), "h2load is not installed"))
    func h2loadSeesEveryRequestAnswered() async throws {
        try await withServerAndChannel([echo]) { _, server in
            let (status, output) = try await runInBackground(
                "/usr/bin/h2load",
                [
                    "-n", "2000", "-c", "4", "-m", "20", "-H", "content-type: application/json", "-d", #filePath,
                    "http://\(server.address)/test.Test/Echo",
                ])
            #expect(status == 0)
            // This file is no JSON, so every request is answered with the caller's fault.
            #expect(output.contains("2000 succeeded") || output.contains("2000 4xx"), "\(output)")
        }
    }

    @Test func anIdleConnectionIsClosedInGoodOrder() async throws {
        try await withServerAndChannel([echo], configure: { $0.limits.idleTimeoutSeconds = 1 }) { _, server in
            let answer = try await exchange(server, opening)
            #expect(Frame.parse(answer).contains { $0.type == 7 && $0.payload.suffix(4) == [0, 0, 0, 0] })
        }
    }
}
