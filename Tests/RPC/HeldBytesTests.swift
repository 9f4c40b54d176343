import Contracts
import RPC
import Testing

/// What peers make a server hold, or say, has bounds: over a connection and over all.
@Suite(.serialized, .timeLimit(.minutes(1))) struct HeldBytesTests {
    private let opening = Frame.preface + Frame.settings

    /// A call in JSON that has sent so many bytes of its message and no end.
    private static func begun(_ stream: Int32, _ byteCount: Int) -> [UInt8] {
        let fields = [
            (":method", "POST"), (":scheme", "http"), (":path", "/test.Test/Echo"), (":authority", "test"),
            ("content-type", "application/json"),
        ]
        return Frame.headers(stream, fields) + Frame.data(stream, [UInt8](repeating: UInt8(ascii: " "), count: byteCount))
    }

    @Test func smallRequestsThatAreNotEndedCountOverAllConnections() async throws {
        try await withServerAndChannel(
            [echo], configure: { $0.limits.maxServerUnfinishedBytes = 60_000; $0.limits.smallShareBytes = 20_000 }
        ) { channel, server in
            var attack = opening + Frame.settingsAck
            for stream in stride(from: Int32(1), to: 40, by: 2) { attack += Self.begun(stream, 8_000) }
            let answer = try await exchange(server, attack) { received in
                Frame.parse(received).contains { $0.type == 0 && $0.flags & 1 == 1 }
            }
            let refused = Frame.parse(answer).filter { $0.type == 0 }
            #expect(refused.first?.stream == 15)
            #expect(refused.first.map { String(decoding: $0.payload, as: UTF8.self).contains("resource_exhausted") } == true)
            // Who asks for little is served, and what the connection held is free when it is gone.
            let answered: Reply = try await channel.unary(method("Echo", .unary), request("hello"))
            #expect(answered.text == "hello")
            let large = Echo(payload: GRPCTesting.Payload(body: [UInt8](repeating: 7, count: 50_000)))
            let whole: Reply = try await channel.unary(method("Echo", .unary), large)
            #expect(whole.payload?.body.count == 50_000)
        }
    }

    @Test func answersThatAreNotTakenAreBounded() async throws {
        try await withServerAndChannel([echo], configure: { $0.limits.maxUnsentBytes = 100_000 }) { channel, server in
            // SETTINGS_INITIAL_WINDOW_SIZE 0: nothing of an answer may leave but headers.
            let closedWindow = Frame.preface + Frame.make(4, [0, 4, 0, 0, 0, 0]) + Frame.settingsAck
            let message = [UInt8](repeating: UInt8(ascii: "x"), count: 12_000)
            let json = Array(#"{"payload":{"body":""#.utf8) + message + Array(#""}}"#.utf8)
            let fields = [
                (":method", "POST"), (":scheme", "http"), (":path", "/test.Test/Echo"), (":authority", "test"),
                ("content-type", "application/json"),
            ]
            var asked: [UInt8] = []
            for stream in stride(from: Int32(1), to: 40, by: 2) {
                asked += Frame.headers(stream, fields)
                asked += Frame.data(stream, json, end: true)
            }
            let answer = try await exchange(server, closedWindow + asked) { received in
                Frame.parse(received).filter { $0.type == 1 }.count == 20
            }
            // A block begins with `:status`, of which 200 has a number in HPACK's static table.
            let heads = Frame.parse(answer).filter { $0.type == 1 }
            let answered200 = heads.filter { $0.payload.first == 0x88 }.count
            #expect((1..<20).contains(answered200))
            let answered: Reply = try await channel.unary(method("Echo", .unary), request("hello"))
            #expect(answered.text == "hello")
        }
    }

    @Test func anErrorOfAnyLengthReachesItsCaller() async throws {
        let verbose = RPCMethod.unary(method("Verbose", .unary)) { (_: Echo, _: CallContext) async throws -> Reply in
            throw RPCError(.notFound, String(repeating: "%", count: 66_000))
        }
        try await withServerAndChannel([verbose]) { channel, _ in
            let error = await #expect(throws: RPCError.self) {
                let _: Reply = try await channel.unary(method("Verbose", .unary), request(""))
            }
            #expect(error?.code == .notFound)
            #expect(error.map { (1_000...3_000).contains($0.message.count) } == true)
        }
    }

    @Test func metadataThatCannotBeSentEndsTheCall() async throws {
        let text = String(repeating: "x", count: 70_000)
        let heavy = RPCMethod.unary(method("Heavy", .unary)) { (_: Echo, context: CallContext) async throws -> Reply in
            context.setInitialMetadata(["x-heavy": text])
            return reply("")
        }
        let trailing = RPCMethod.unary(method("Trailing", .unary)) { (_: Echo, context: CallContext) async throws -> Reply in
            context.setTrailingMetadata(["x-heavy": text])
            return reply("")
        }
        try await withServerAndChannel([heavy, trailing]) { channel, _ in
            for name in ["Heavy", "Trailing"] {
                let error = await #expect(throws: RPCError.self) {
                    let _: Reply = try await channel.unary(method(name, .unary), request(""))
                }
                #expect(error?.code == .internal)
            }
        }
    }

    @Test func requestMetadataThatCannotBeSentIsTheCallersFault() async throws {
        try await withServerAndChannel([echo]) { channel, _ in
            let options = CallOptions(metadata: ["x-heavy": String(repeating: "x", count: 70_000)])
            let error = await #expect(throws: RPCError.self) {
                let _: Reply = try await channel.unary(method("Echo", .unary, .noSideEffects), request("hello"), options: options)
            }
            #expect(error?.code == .resourceExhausted)
            let answered: Reply = try await channel.unary(method("Echo", .unary), request("hello"))
            #expect(answered.text == "hello")
        }
    }

    @Test func flagsThatAreNotKnownAreRefused() async throws {
        try await withServerAndChannel([echo]) { _, server in
            let odd = opening + Frame.request(1) + Frame.data(1, [2, 0, 0, 0, 0], end: true)
            let answer = try await exchange(server, odd) { Frame.parse($0).contains { $0.stream == 1 && $0.flags & 1 == 1 } }
            #expect(!Frame.parse(answer).contains { $0.type == 0 && $0.stream == 1 })
        }
    }
}
