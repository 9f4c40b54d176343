import Contracts
import RPC
import Testing

@Suite(.serialized, .timeLimit(.minutes(1))) struct LifetimeTests {
    /// A handler that waits until it is cancelled, and says so.
    private func hanging(started: Signal, cancelled: Signal, count: Counter = Counter()) -> RPCMethod {
        .unary(method("Hang", .unary)) { (_: Echo, _: CallContext) async throws -> Reply in
            count.increase()
            started.fire()
            await untilCancelled()
            cancelled.fire()
            throw CancellationError()
        }
    }

    @Test func theDeadlineEndsTheCallAndCancelsTheHandler() async throws {
        let (started, cancelled, count) = (Signal(), Signal(), Counter())
        try await withServerAndChannel([hanging(started: started, cancelled: cancelled, count: count)]) { channel, _ in
            // On a busy machine the deadline may pass before the handler has begun.
            while count.value == 0 {
                let error = await #expect(throws: RPCError.self) {
                    let _: Reply = try await channel.unary(
                        method("Hang", .unary), request(""), options: CallOptions(timeout: .milliseconds(50)))
                }
                #expect(error?.code == .deadlineExceeded)
            }
            await cancelled.wait()
        }
    }

    @Test func cancellingTheCallersTaskCancelsTheHandler() async throws {
        let (started, cancelled) = (Signal(), Signal())
        try await withServerAndChannel([hanging(started: started, cancelled: cancelled)]) { channel, _ in
            let error = await withTaskGroup(of: RPCError?.self) { group in
                group.addTask {
                    do {
                        let _: Reply = try await channel.unary(method("Hang", .unary), request(""))
                        return nil
                    } catch {
                        return error as? RPCError
                    }
                }
                await started.wait()
                group.cancelAll()
                return await group.next() ?? nil
            }
            #expect(error?.code == .cancelled)
            await cancelled.wait()
        }
    }

    @Test func leavingAStreamEarlyCancelsTheHandler() async throws {
        let cancelled = Signal()
        let endless = RPCMethod.serverStreaming(method("Endless", .serverStreaming)) {
            (_: Echo, responses: ResponseWriter<Reply>, _: CallContext) async throws in
            do {
                while true { try await responses.write(reply("more")) }
            } catch {
                cancelled.fire()
                throw error
            }
        }
        try await withServerAndChannel([endless]) { channel, _ in
            let first = try await channel.serverStreaming(method("Endless", .serverStreaming), request("")) {
                (responses: ResponseStream<Reply>) in
                for try await response in responses { return response.text }
                return ""
            }
            #expect(first == "more")
            await cancelled.wait()
        }
    }

    @Test func theDeadlineIsInheritedByCallsMadeWhileHandling() async throws {
        let inner = RPCMethod.unary(method("Inner", .unary)) { (_: Echo, context: CallContext) async throws -> Reply in
            let left = context.deadline.map { $0 - .now } ?? .zero
            return reply(left > .seconds(20) && left <= .seconds(30) ? "inherited" : "\(left)")
        }
        try await withServerAndChannel([inner]) { innerChannel, _ in
            let outer = RPCMethod.unary(method("Outer", .unary)) { (request: Echo, _: CallContext) async throws -> Reply in
                try await innerChannel.unary(method("Inner", .unary), request)
            }
            try await withServerAndChannel([outer]) { channel, _ in
                let answer: Reply = try await channel.unary(
                    method("Outer", .unary), request(""), options: CallOptions(timeout: .seconds(30)))
                #expect(answer.text == "inherited")
            }
        }
    }

    @Test func aSlowReaderHoldsTheWritingHandlerBack() async throws {
        let written = Counter()
        let flood = RPCMethod.serverStreaming(method("Flood", .serverStreaming)) {
            (_: Echo, responses: ResponseWriter<Reply>, _: CallContext) async throws in
            let block = Reply(payload: GRPCTesting.Payload(body: [UInt8](repeating: 1, count: 10_000)))
            for _ in 0..<2000 {
                try await responses.write(block)
                written.increase()
            }
        }
        try await withServerAndChannel([echo, flood]) { channel, _ in
            let count = try await channel.serverStreaming(method("Flood", .serverStreaming), request("")) {
                (responses: ResponseStream<Reply>) in
                var count = 0
                for try await _ in responses {
                    count += 1
                    guard count == 1 else { continue }
                    // Other calls go on meanwhile, and give the flood the time to come as far as it can.
                    for _ in 0..<200 {
                        let _: Reply = try await channel.unary(method("Echo", .unary), request("x"))
                    }
                    // 20 MB are to be sent; the windows and queues hold far less.
                    #expect(written.value < 200)
                }
                return count
            }
            #expect(count == 2000)
        }
    }

    @Test func aHandlerThatDoesNotReadHoldsTheClientBack() async throws {
        let go = Signal()
        let slow = RPCMethod.clientStreaming(method("Slow", .clientStreaming)) {
            (requests: RequestStream<Echo>, _: CallContext) async throws -> Reply in
            await go.wait()
            var count = 0
            for try await _ in requests { count += 1 }
            return reply("\(count)")
        }
        let written = Counter()
        try await withServerAndChannel([echo, slow]) { channel, _ in
            try await withThrowingTaskGroup(of: String.self) { group in
                group.addTask {
                    let answer: Reply = try await channel.clientStreaming(method("Slow", .clientStreaming)) { writer in
                        let block = Echo(payload: GRPCTesting.Payload(body: [UInt8](repeating: 1, count: 10_000)))
                        for _ in 0..<2000 {
                            try await writer.write(block)
                            written.increase()
                        }
                    }
                    return answer.text
                }
                for _ in 0..<200 {
                    let _: Reply = try await channel.unary(method("Echo", .unary), request("x"))
                }
                #expect(written.value < 200)
                go.fire()
                #expect(try await group.next() == "2000")
            }
        }
    }

    @Test func drainingLetsCallsInFlightFinishAndSendsNewOnesElsewhere() async throws {
        let (started, go) = (Signal(), Signal())
        let slow = RPCMethod.unary(method("Slow", .unary)) { (_: Echo, _: CallContext) async throws -> Reply in
            started.fire()
            await go.wait()
            return reply("done")
        }
        try await withServerAndChannel([slow, echo]) { channel, server in
            try await withThrowingTaskGroup(of: String.self) { group in
                group.addTask {
                    let answer: Reply = try await channel.unary(method("Slow", .unary), request(""))
                    return answer.text
                }
                await started.wait()
                async let draining: Void = server.drain(timeout: .seconds(10))
                // The port is closed, so once the connection drains, a new call finds nobody.
                var refused: RPCError?
                while refused == nil {
                    do {
                        let _: Reply = try await channel.unary(
                            method("Echo", .unary), request(""), options: CallOptions(timeout: .seconds(5)))
                    } catch let error as RPCError {
                        refused = error
                    }
                }
                #expect(refused?.code == .unavailable)
                go.fire()
                #expect(try await group.next() == "done")
                await draining
            }
        }
    }

    @Test func aCallFailsFastWhenNobodyListensAndWaitsWhenToldTo() async throws {
        let port = try await withServerAndChannel([echo]) { _, server in server.port }
        try await withChannel(ChannelConfiguration(target: "http://127.0.0.1:\(port)"), logger: testLogger) { channel in
            let error = await #expect(throws: RPCError.self) {
                let _: Reply = try await channel.unary(method("Echo", .unary), request(""))
            }
            #expect(error?.code == .unavailable)
            try await withThrowingTaskGroup(of: String.self) { group in
                group.addTask {
                    let answer: Reply = try await channel.unary(
                        method("Echo", .unary), request("patience"), options: CallOptions(timeout: .seconds(30), waitForReady: true))
                    return answer.text
                }
                try await withServerAndChannel([echo], configure: { $0.port = port }) { _, _ in
                    let text = try await group.next()
                    #expect(text == "patience")
                }
            }
        }
    }

    @Test func callsGoToAllAddressesInTurn() async throws {
        func named(_ name: String) -> RPCMethod {
            .unary(method("Name", .unary)) { (_: Echo, _: CallContext) async throws -> Reply in reply(name) }
        }
        let seen = try await withServerAndChannel([named("a")]) { _, first in
            try await withServerAndChannel([named("b")]) { _, second in
                try await names(atLeast: 20, from: "http://127.0.0.1:\(first.port),127.0.0.1:\(second.port)")
            }
        }
        #expect(seen.suffix(6) == ["a", "b", "a", "b", "a", "b"] || seen.suffix(6) == ["b", "a", "b", "a", "b", "a"])
    }

    /// What the servers call themselves, call by call, until both have spoken and there are enough.
    private func names(atLeast count: Int, from target: String) async throws -> [String] {
        try await withChannel(ChannelConfiguration(target: target), logger: testLogger) { channel in
            var seen: [String] = []
            while seen.count < count || seen.suffix(6).count(where: { $0 == "a" }) != 3 {
                let answer: Reply = try await channel.unary(method("Name", .unary), request(""))
                seen.append(answer.text)
            }
            return seen
        }
    }
}
