import Contracts
import RPC
import Testing

@Suite(.timeLimit(.minutes(1))) struct TracingTests {
    private static let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    @Test func aTraceParentIsReadAndWritten() throws {
        let trace = try #require(TraceContext(traceparent: Self.parent, state: "vendor=1"))
        #expect(trace.traceID == "0af7651916cd43dd8448eb211c80319c")
        #expect(trace.isSampled)
        #expect(trace.traceparent == Self.parent)
        let child = trace.child()
        #expect(child.traceID == trace.traceID && child.spanID != trace.spanID && child.isSampled && child.state == "vendor=1")
    }

    @Test(arguments: [
        "", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
    ])
    func whatIsMalformedBeginsNoTrace(text: String) {
        #expect(TraceContext(traceparent: text) == nil)
    }

    @Test func aLaterVersionIsReadAsFarAsItIsKnown() {
        #expect(TraceContext(traceparent: "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more") != nil)
    }

    @Test func theTracePassesThroughAServiceToWhatItCalls() async throws {
        let seen = RPCMethod.unary(method("Seen", .unary)) { (_: Echo, context: CallContext) async throws -> Reply in
            reply("\(context.metadata["traceparent"] ?? "none") \(context.metadata["tracestate"] ?? "none")")
        }
        try await withServerAndChannel([seen]) { inner, _ in
            let pass = RPCMethod.unary(method("Pass", .unary)) { (_: Echo, _: CallContext) async throws -> Reply in
                try await inner.unary(method("Seen", .unary), request(""))
            }
            try await withServerAndChannel([pass], interceptors: [TracingInterceptor()]) { outer, _ in
                let options = CallOptions(metadata: ["traceparent": Self.parent, "tracestate": "vendor=1"])
                let answer: Reply = try await outer.unary(method("Pass", .unary), request(""), options: options)
                let parts = answer.text.split(separator: " ")
                #expect(parts[0].hasPrefix("00-0af7651916cd43dd8448eb211c80319c-") && parts[0].hasSuffix("-01"))
                #expect(!parts[0].contains("b7ad6b7169203331"))
                #expect(parts[1] == "vendor=1")
                let fresh: Reply = try await outer.unary(method("Pass", .unary), request(""))
                #expect(fresh.text.hasPrefix("00-") && !fresh.text.contains("0af7651916cd43dd8448eb211c80319c"))
            }
        }
    }
}

@Suite(.timeLimit(.minutes(1))) struct RateLimitTests {
    /// A clock that stands still until it is moved.
    private final class Clock: Sendable {
        private let ticks = Counter()
        var nanoseconds: UInt64 { UInt64(ticks.value) * 100_000_000 }
        func moveTenthOfASecond() { ticks.increase() }
    }

    private func begin(_ limiter: RateLimitInterceptor, _ caller: String) async throws {
        var call = IncomingCall(path: "/a/B", peer: Peer(address: caller))
        _ = try await limiter.begin(&call)
    }

    @Test func aBurstIsAllowedThenCallsComeAsTimeDoes() async throws {
        let clock = Clock()
        let limiter = RateLimitInterceptor(RateLimit(callsPerSecond: 10, burst: 3), clock: { clock.nanoseconds })
        for port in 1...3 { try await begin(limiter, "10.0.0.1:\(port)") }
        let error = await #expect(throws: RPCError.self) { try await begin(limiter, "10.0.0.1:9") }
        #expect(error?.code == .resourceExhausted)
        #expect(error?.retryDelay == .milliseconds(100))
        try await begin(limiter, "10.0.0.2:1")
        clock.moveTenthOfASecond()
        try await begin(limiter, "10.0.0.1:9")
        await #expect(throws: RPCError.self) { try await begin(limiter, "10.0.0.1:9") }
    }

    @Test func whoCallsMayBeToldByATrailingClosure() async throws {
        let limiter = RateLimitInterceptor(RateLimit(callsPerSecond: 1, burst: 1)) { $0.peer.address == "free" ? nil : "all others" }
        try await begin(limiter, "10.0.0.1:1")
        await #expect(throws: RPCError.self) { try await begin(limiter, "10.0.0.2:1") }
        for _ in 1...2 { try await begin(limiter, "free") }
    }

    @Test func rememberedCallersAreBounded() async throws {
        let clock = Clock()
        let limiter = RateLimitInterceptor(RateLimit(callsPerSecond: 1, burst: 1), maxCallers: 10, clock: { clock.nanoseconds })
        for number in 0..<100 {
            clock.moveTenthOfASecond()
            try await begin(limiter, "10.0.1.\(number):1")
        }
        // The latest are still known.
        await #expect(throws: RPCError.self) { try await begin(limiter, "10.0.1.99:1") }
    }
}
