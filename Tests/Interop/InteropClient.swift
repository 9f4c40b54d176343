import Contracts
import RPC
import Synchronization
import Testing

/// The client's side of the published cases.
struct InteropClient {
    private let stub: GRPCTesting.TestService.Client
    private let channel: RPCChannel

    init(_ channel: RPCChannel) {
        self.channel = channel
        stub = GRPCTesting.TestService.Client(channel)
    }

    func run(_ name: String) async throws {
        switch name {
        case "empty_unary": #expect(try await stub.emptyCall(GRPCTesting.Empty()) == GRPCTesting.Empty())
        case "large_unary", "server_compressed_unary": try await largeUnary()
        case "client_compressed_unary": try await largeUnary(.gzip)
        case "client_streaming": try await clientStreaming(.none)
        case "client_compressed_streaming": try await clientStreaming(.gzip)
        case "server_streaming": try await serverStreaming(compressed: false)
        case "server_compressed_streaming": try await serverStreaming(compressed: true)
        case "ping_pong": try await pingPong()
        case "empty_stream": try await emptyStream()
        case "cancel_after_begin": try await cancelAfterBegin()
        case "cancel_after_first_response": try await cancelAfterFirstResponse()
        case "timeout_on_sleeping_server": try await timeoutOnSleepingServer()
        case "custom_metadata": try await customMetadata()
        case "status_code_and_message": try await echoStatus("test status message")
        case "special_status_message": try await echoStatus("\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n")
        case "unimplemented_method": await unimplementedMethod()
        case "unimplemented_service": await unimplementedService()
        default: Issue.record("there is no case \(name)")
        }
    }

    private func untilCancelled() async {
        for await _ in AsyncStream<Void>.makeStream().stream {}
    }

    private func payload(_ count: Int) -> GRPCTesting.Payload {
        GRPCTesting.Payload(body: [UInt8](repeating: 0, count: count))
    }

    private func largeUnary(_ compression: CallOptions.Compression = .none) async throws {
        let request = GRPCTesting.SimpleRequest(
            responseSize: 314_159, payload: payload(271_828), responseCompressed: GRPCTesting.BoolValue(value: true))
        let response = try await stub.unaryCall(request, options: CallOptions(compression: compression))
        #expect(response.payload?.body == [UInt8](repeating: 0, count: 314_159))
    }

    private func clientStreaming(_ compression: CallOptions.Compression) async throws {
        let response = try await stub.streamingInputCall(options: CallOptions(compression: compression)) { writer in
            for size in [27182, 8, 1828, 45904] {
                try await writer.write(GRPCTesting.StreamingInputCallRequest(payload: payload(size)))
            }
        }
        #expect(response.aggregatedPayloadSize == 74922)
    }

    private func serverStreaming(compressed: Bool) async throws {
        let sizes = [31415, 9, 2653, 58979]
        var request = GRPCTesting.StreamingOutputCallRequest()
        for size in sizes {
            request.responseParameters.append(
                GRPCTesting.ResponseParameters(size: Int32(size), compressed: GRPCTesting.BoolValue(value: compressed)))
        }
        let received = try await stub.streamingOutputCall(request) { responses in
            var received: [Int] = []
            for try await response in responses { received.append(response.payload?.body.count ?? 0) }
            return received
        }
        #expect(received == sizes)
    }

    private func ask(_ responseSize: Int, _ requestSize: Int, intervalUs: Int32 = 0) -> GRPCTesting.StreamingOutputCallRequest {
        GRPCTesting.StreamingOutputCallRequest(
            responseParameters: [GRPCTesting.ResponseParameters(size: Int32(responseSize), intervalUs: intervalUs)],
            payload: payload(requestSize))
    }

    private func pingPong() async throws {
        let pairs = [(27182, 31415), (8, 9), (1828, 2653), (45904, 58979)]
        let (turns, turn) = AsyncStream<Void>.makeStream()
        let received = try await stub.fullDuplexCall(
            write: { writer in
                var turns = turns.makeAsyncIterator()
                for (requestSize, responseSize) in pairs {
                    try await writer.write(ask(responseSize, requestSize))
                    await turns.next()
                }
            },
            read: { responses in
                var received: [Int] = []
                for try await response in responses {
                    received.append(response.payload?.body.count ?? 0)
                    turn.yield()
                }
                return received
            })
        #expect(received == pairs.map(\.1))
    }

    private func emptyStream() async throws {
        let count = try await stub.fullDuplexCall(write: { _ in }, read: { responses in
            var count = 0
            for try await _ in responses { count += 1 }
            return count
        })
        #expect(count == 0)
    }

    private func cancelAfterBegin() async throws {
        let code = await withTaskGroup(of: StatusCode?.self) { group in
            let (begun, begin) = AsyncStream<Void>.makeStream()
            group.addTask {
                do {
                    _ = try await stub.streamingInputCall { _ in
                        begin.yield()
                        await untilCancelled()
                    }
                    return .ok
                } catch {
                    return error is CancellationError ? .cancelled : (error as? RPCError)?.code
                }
            }
            for await _ in begun { break }
            group.cancelAll()
            return await group.next() ?? nil
        }
        #expect(code == .cancelled)
    }

    private func cancelAfterFirstResponse() async throws {
        let size = try await stub.fullDuplexCall(
            write: { writer in
                try await writer.write(ask(31415, 27182))
                await untilCancelled()
            },
            read: { responses in
                for try await response in responses { return response.payload?.body.count ?? 0 }
                return 0
            })
        #expect(size == 31415)
    }

    private func timeoutOnSleepingServer() async throws {
        let error = await #expect(throws: RPCError.self) {
            try await stub.fullDuplexCall(
                options: CallOptions(timeout: .milliseconds(200)),
                write: { writer in try await writer.write(ask(1, 27182, intervalUs: 2_000_000)) },
                read: { responses in for try await _ in responses {} })
        }
        #expect(error?.code == .deadlineExceeded)
    }

    private func customMetadata() async throws {
        var metadata: Metadata = ["x-grpc-test-echo-initial": "test_initial_metadata_value"]
        metadata[bytes: "x-grpc-test-echo-trailing-bin"] = [0xAB, 0xAB, 0xAB]
        let told = Mutex<[(Metadata, Metadata)]>([])
        let options = CallOptions(metadata: metadata) { initial, trailing in told.withLock { $0.append((initial, trailing)) } }
        _ = try await stub.unaryCall(GRPCTesting.SimpleRequest(responseSize: 314_159, payload: payload(271_828)), options: options)
        try await stub.fullDuplexCall(
            options: options, write: { writer in try await writer.write(ask(9, 8)) },
            read: { responses in for try await _ in responses {} })
        for (initial, trailing) in told.withLock({ $0 }) {
            #expect(initial["x-grpc-test-echo-initial"] == "test_initial_metadata_value")
            #expect(trailing[bytes: "x-grpc-test-echo-trailing-bin"] == [0xAB, 0xAB, 0xAB])
        }
    }

    private func echoStatus(_ message: String) async throws {
        let status = GRPCTesting.EchoStatus(code: 2, message: message)
        let unary = await #expect(throws: RPCError.self) {
            _ = try await stub.unaryCall(GRPCTesting.SimpleRequest(responseStatus: status))
        }
        #expect(unary?.code == .unknown && unary?.message == message)
        let stream = await #expect(throws: RPCError.self) {
            try await stub.fullDuplexCall(
                write: { writer in try await writer.write(GRPCTesting.StreamingOutputCallRequest(responseStatus: status)) },
                read: { responses in for try await _ in responses {} })
        }
        #expect(stream?.code == .unknown && stream?.message == message)
    }

    private func unimplementedMethod() async {
        let error = await #expect(throws: RPCError.self) { _ = try await stub.unimplementedCall(GRPCTesting.Empty()) }
        #expect(error?.code == .unimplemented)
    }

    private func unimplementedService() async {
        let error = await #expect(throws: RPCError.self) {
            _ = try await GRPCTesting.UnimplementedService.Client(channel).unimplementedCall(GRPCTesting.Empty())
        }
        #expect(error?.code == .unimplemented)
    }
}
