import Contracts
import Foundation
import NIOCore
import NIOPosix
import RPC
import Testing

/// A hostile or broken peer loses its connection or its call; others notice nothing.
@Suite(.serialized, .timeLimit(.minutes(1))) struct HardeningTests {
    /// Sends bytes to a server and collects what it answers, until it closes or `isEnough`.
    private func exchange(
        _ server: RunningServer, _ bytes: [UInt8], until isEnough: @escaping @Sendable ([UInt8]) -> Bool = { _ in false }
    ) async throws -> [UInt8] {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: server.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            try? await outbound.write(ByteBuffer(bytes: bytes))
            var received: [UInt8] = []
            do {
                for try await buffer in inbound {
                    received += Array(buffer.readableBytesView)
                    if isEnough(received) { break }
                }
            } catch is IOError {
                // Closed hard: as good as closed.
            }
            return received
        }
    }

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

    @Test func manyIdleConnectionsHoldUpNobody() async throws {
        let count = 100
        try await withServerAndChannel([echo]) { channel, server in
            var idle: [any Channel] = []
            for _ in 0..<count {
                let peer = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .connect(host: "127.0.0.1", port: server.port).get()
                try await peer.writeAndFlush(ByteBuffer(bytes: opening))
                idle.append(peer)
            }
            while await server.connections().count < count { await Task.yield() }
            try await expectService(channel)
            for peer in idle { try? await peer.close().get() }
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
