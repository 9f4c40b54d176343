import Contracts
import RPC
import StandardContracts
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct CallTests {
    @Test func unaryCallAnswersWithTheHandlersMessage() async throws {
        try await withServerAndChannel([echo]) { channel, _ in
            let answer: Reply = try await channel.unary(method("Echo", .unary), request("hello"))
            #expect(answer.text == "hello")
        }
    }

    @Test func manyCallsShareOneConnection() async throws {
        try await withServerAndChannel([echo]) { channel, _ in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<500 {
                    group.addTask {
                        let answer: Reply = try await channel.unary(method("Echo", .unary), request("\(number)"))
                        return answer.text == "\(number)"
                    }
                }
                for try await isRight in group { #expect(isRight) }
            }
        }
    }

    @Test(arguments: [0, 1, 65_535, 300_000, 3 << 20])
    func messagesOfAnySizePass(byteCount: Int) async throws {
        try await withServerAndChannel([echo]) { channel, _ in
            let body = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let answer: Reply = try await channel.unary(
                method("Echo", .unary), Echo(payload: GRPCTesting.Payload(body: body)))
            #expect(answer.payload?.body == body)
        }
    }

    @Test func serverStreamDeliversEveryMessageInOrder() async throws {
        let count = RPCMethod.serverStreaming(method("Count", .serverStreaming)) {
            (request: Echo, responses: ResponseWriter<Reply>, _: CallContext) async throws in
            for number in 0..<Int(request.responseSize) { try await responses.write(reply("\(number)")) }
        }
        try await withServerAndChannel([count]) { channel, _ in
            let texts = try await channel.serverStreaming(method("Count", .serverStreaming), Echo(responseSize: 10_000)) {
                (responses: ResponseStream<Reply>) in
                var texts: [String] = []
                for try await response in responses { texts.append(response.text) }
                return texts
            }
            #expect(texts == (0..<10_000).map { "\($0)" })
        }
    }

    /// Many are handed on in several steps; what cannot be made a message ends the call behind those before it.
    @Test func messagesWrittenTogetherComeOneByOne() async throws {
        let count = RPCMethod.serverStreaming(method("Count", .serverStreaming)) {
            (request: Echo, responses: ResponseWriter<Reply>, _: CallContext) async throws in
            try await responses.write(each: Array(0..<Int(request.responseSize))) { reply("\($0)") }
            try await responses.write(each: []) { (_: Int) in reply("none") }
            try await responses.write(each: ["last", ""]) { text in
                guard !text.isEmpty else { throw RPCError(.dataLoss, "no text") }
                return reply(text)
            }
        }
        try await withServerAndChannel([count]) { channel, _ in
            var texts: [String] = []
            let error = await #expect(throws: RPCError.self) {
                try await channel.serverStreaming(method("Count", .serverStreaming), Echo(responseSize: 10_000)) {
                    (responses: ResponseStream<Reply>) in
                    for try await response in responses { texts.append(response.text) }
                }
            }
            #expect(error?.code == .dataLoss)
            #expect(texts == (0..<10_000).map { "\($0)" } + ["last"])
        }
    }

    @Test func clientStreamIsReadToItsEnd() async throws {
        let join = RPCMethod.clientStreaming(method("Join", .clientStreaming)) {
            (requests: RequestStream<Echo>, _: CallContext) async throws -> Reply in
            var count = 0
            for try await request in requests { count += request.text.count }
            return reply("\(count)")
        }
        try await withServerAndChannel([join]) { channel, _ in
            let answer: Reply = try await channel.clientStreaming(method("Join", .clientStreaming)) { writer in
                for _ in 0..<5000 { try await writer.write(request("abc")) }
            }
            #expect(answer.text == "15000")
        }
    }

    @Test func bothDirectionsRunAtOnce() async throws {
        try await withServerAndChannel([pingPong]) { channel, _ in
            let turn = Signal()
            let texts = try await channel.bidirectional(
                method("PingPong", .bidirectional),
                write: { writer in
                    for number in 0..<20 {
                        try await writer.write(request("\(number)"))
                        await turn.wait()
                    }
                },
                read: { (responses: ResponseStream<Reply>) in
                    var texts: [String] = []
                    for try await response in responses {
                        texts.append(response.text)
                        turn.fire()
                    }
                    return texts
                })
            #expect(texts == (0..<20).map { "\($0)" })
        }
    }

    @Test func aFailingRequestWriterFailsTheCallWithItsOwnError() async throws {
        struct Broken: Error {}
        try await withServerAndChannel([pingPong]) { channel, _ in
            _ = await #expect(throws: Broken.self) {
                try await channel.bidirectional(
                    method("PingPong", .bidirectional),
                    write: { (_: RequestWriter<Echo>) in throw Broken() },
                    read: { (responses: ResponseStream<Reply>) in for try await _ in responses {} })
            }
        }
    }

    @Test func errorsKeepCodeMessageAndDetails() async throws {
        let refuse = RPCMethod.unary(method("Refuse", .unary)) { (_: Echo, _: CallContext) async throws -> Reply in
            throw RPCError.invalidArgument([FieldViolation(field: "payload.körper", description: "100 % wrong\n")])
        }
        try await withServerAndChannel([refuse]) { channel, _ in
            let error = await #expect(throws: RPCError.self) {
                let _: Reply = try await channel.unary(method("Refuse", .unary), request(""))
            }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message == "payload.körper: 100 % wrong\n")
            #expect(error?.fieldViolations == [FieldViolation(field: "payload.körper", description: "100 % wrong\n")])
        }
    }

    @Test func anErrorOfAnotherKindSaysNothingOfItsInside() async throws {
        struct Secret: Error { let password = "tr0ub4dor" }
        let fail = RPCMethod.unary(method("Fail", .unary)) { (_: Echo, _: CallContext) async throws -> Reply in throw Secret() }
        try await withServerAndChannel([fail]) { channel, _ in
            let error = await #expect(throws: RPCError.self) {
                let _: Reply = try await channel.unary(method("Fail", .unary), request(""))
            }
            #expect(error == RPCError(.unknown, "the service failed"))
        }
    }

    @Test func anUnknownMethodIsUnimplemented() async throws {
        try await withServerAndChannel([echo]) { channel, _ in
            let error = await #expect(throws: RPCError.self) {
                let _: Reply = try await channel.unary(method("Nothing", .unary), request(""))
            }
            #expect(error?.code == .unimplemented)
        }
    }

    @Test func metadataPassesBothWaysBytesIncluded() async throws {
        let reflect = RPCMethod.unary(method("Reflect", .unary)) { (_: Echo, context: CallContext) async throws -> Reply in
            context.setInitialMetadata(["x-first": context.metadata["x-name"] ?? "missing"])
            var trailing = Metadata()
            trailing[bytes: "x-key-bin"] = context.metadata[bytes: "x-key-bin"]?.reversed()
            context.setTrailingMetadata(trailing)
            return Reply()
        }
        try await withServerAndChannel([reflect]) { channel, _ in
            let told = Mutex<(Metadata, Metadata)>(([:], [:]))
            var metadata: Metadata = ["X-Name": "value"]
            metadata[bytes: "x-key-bin"] = [0, 255, 7]
            let options = CallOptions(metadata: metadata) { initial, trailing in told.withLock { $0 = (initial, trailing) } }
            let _: Reply = try await channel.unary(method("Reflect", .unary), request(""), options: options)
            let (initial, trailing) = told.withLock { $0 }
            #expect(initial["x-first"] == "value")
            #expect(trailing[bytes: "x-key-bin"] == [7, 255, 0])
        }
    }

    @Test func aMessageAboveTheLimitIsRefusedAndTheConnectionGoesOn() async throws {
        try await withServerAndChannel([echo], configure: { $0.limits.maxMessageBytes = 1000 }) { channel, _ in
            let error = await #expect(throws: RPCError.self) {
                let _: Reply = try await channel.unary(method("Echo", .unary), request(String(repeating: "a", count: 100_000)))
            }
            #expect(error?.code == .resourceExhausted)
            let answer: Reply = try await channel.unary(method("Echo", .unary), request("small"))
            #expect(answer.text == "small")
        }
    }

    @Test func compressedMessagesAreUnderstood() async throws {
        try await withServerAndChannel([echo]) { channel, _ in
            let text = String(repeating: "repetition ", count: 10_000)
            let answer: Reply = try await channel.unary(
                method("Echo", .unary), request(text), options: CallOptions(compression: .gzip))
            #expect(answer.text == text)
        }
    }

    @Test func handlersMayRunOffTheLoop() async throws {
        let offLoop = RPCMethod.unary(method("Echo", .unary), on: .offLoop) { (request: Echo, _: CallContext) async throws -> Reply in
            Reply(payload: request.payload)
        }
        let stream = RPCMethod.bidirectional(method("PingPong", .bidirectional), on: .offLoop) {
            (requests: RequestStream<Echo>, responses: ResponseWriter<Reply>, _: CallContext) async throws in
            for try await request in requests { try await responses.write(Reply(payload: request.payload)) }
        }
        try await withServerAndChannel([offLoop, stream]) { channel, _ in
            let answer: Reply = try await channel.unary(method("Echo", .unary), request("far"))
            #expect(answer.text == "far")
            let count = try await channel.bidirectional(
                method("PingPong", .bidirectional),
                write: { writer in for _ in 0..<3000 { try await writer.write(request("x")) } },
                read: { (responses: ResponseStream<Reply>) in
                    var count = 0
                    for try await _ in responses { count += 1 }
                    return count
                })
            #expect(count == 3000)
        }
    }

    @Test(arguments: ["no model ", " no model", "  ", "50% "])
    func aMessageWithSpacesAtItsEndsArrives(_ message: String) async throws {
        let refuse = RPCMethod.unary(method("Refuse", .unary)) { (_: Echo, _: CallContext) async throws -> Reply in
            throw RPCError(.notFound, message, metadata: ["x-said": " \t both \t", "x-after": "yes"])
        }
        try await withServerAndChannel([refuse]) { channel, _ in
            let error = await #expect(throws: RPCError.self) {
                let _: Reply = try await channel.unary(method("Refuse", .unary), request(""))
            }
            #expect(error?.code == .notFound)
            #expect(error?.message == message)
            #expect(error?.metadata["x-said"] == "both")
            #expect(error?.metadata["x-after"] == "yes")
        }
    }
}

/// Answers each message at once with its own payload.
let pingPong = RPCMethod.bidirectional(method("PingPong", .bidirectional)) {
    (requests: RequestStream<Echo>, responses: ResponseWriter<Reply>, _: CallContext) async throws in
    for try await request in requests { try await responses.write(Reply(payload: request.payload)) }
}
