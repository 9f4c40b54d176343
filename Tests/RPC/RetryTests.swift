import Contracts
import RPC
import Testing

@Suite(.serialized, .timeLimit(.minutes(1))) struct RetryTests {
    /// Fails with `unavailable` so many times, then answers.
    private func flaky(_ failures: Int, _ count: Counter, _ idempotency: Idempotency) -> RPCMethod {
        .unary(method("Flaky", .unary, idempotency)) { (_: Echo, _: CallContext) async throws -> Reply in
            count.increase()
            guard count.value > failures else { throw RPCError(.unavailable, "not now") }
            return reply("\(count.value)")
        }
    }

    @Test func aReadIsTriedAgain() async throws {
        let count = Counter()
        try await withServerAndChannel([flaky(2, count, .noSideEffects)]) { channel, _ in
            let answer: Reply = try await channel.unary(method("Flaky", .unary, .noSideEffects), request(""))
            #expect(answer.text == "3")
        }
    }

    @Test func aServerThatDoesNotWantToBeAskedAgainIsNot() async throws {
        let count = Counter()
        let tired = RPCMethod.unary(method("Tired", .unary, .noSideEffects)) { (_: Echo, _: CallContext) async throws -> Reply in
            count.increase()
            throw RPCError(.unavailable, "not now", metadata: ["grpc-retry-pushback-ms": "-1"])
        }
        try await withServerAndChannel([tired]) { channel, _ in
            let error = await #expect(throws: RPCError.self) {
                let _: Reply = try await channel.unary(method("Tired", .unary, .noSideEffects), request(""))
            }
            #expect(error?.code == .unavailable)
            #expect(count.value == 1)
        }
    }

    @Test func aWriteIsNotTriedAgain() async throws {
        let count = Counter()
        try await withServerAndChannel([flaky(1, count, .none)]) { channel, _ in
            let error = await #expect(throws: RPCError.self) {
                let _: Reply = try await channel.unary(method("Flaky", .unary), request(""))
            }
            #expect(error?.code == .unavailable)
            #expect(count.value == 1)
        }
    }

    @Test func retriesStopWhenTheBudgetIsSpent() async throws {
        let count = Counter()
        try await withServerAndChannel([flaky(.max, count, .noSideEffects)]) { channel, _ in
            for _ in 0..<50 {
                let error = await #expect(throws: RPCError.self) {
                    let _: Reply = try await channel.unary(method("Flaky", .unary, .noSideEffects), request(""))
                }
                #expect(error?.code == .unavailable)
            }
            // 50 first tries, and the ten of the budget.
            #expect(count.value == 60)
        }
    }

    @Test func callsSurviveServersThatRetireTheirConnections() async throws {
        try await withServerAndChannel([echo], configure: { $0.limits.maxConnectionAgeSeconds = 1 }) { channel, _ in
            let end = ContinuousClock.now + .seconds(3)
            var count = 0
            while ContinuousClock.now < end {
                let answer: Reply = try await channel.unary(method("Echo", .unary), request("x"))
                #expect(answer.text == "x")
                count += 1
            }
            #expect(count > 10)
        }
    }

    @Test func aChannelFindsAServerThatCameBack() async throws {
        let port = try await withServerAndChannel([echo]) { _, server in server.port }
        try await withChannel(ChannelConfiguration(target: "http://127.0.0.1:\(port)"), logger: testLogger) { channel in
            for round in 0..<3 {
                try await withServerAndChannel([echo], configure: { $0.port = port }) { _, _ in
                    let answer: Reply = try await channel.unary(
                        method("Echo", .unary), request("\(round)"), options: CallOptions(timeout: .seconds(20), waitForReady: true))
                    #expect(answer.text == "\(round)")
                }
            }
        }
    }
}
