import SeededRandom
import TestPrograms
import Testing

@testable import RPC

/// How a channel comes back to an address that it could not connect to.
@Suite(.timeLimit(.minutes(1))) struct ConnectionBackoffTests {
    private let backoff = ConnectionBackoff(minMilliseconds: 100, maxSeconds: 10)

    /// The waits after so many failures, for many seeds.
    private func waits(_ failures: Int) -> [Double] {
        (0..<200 as Range<UInt64>).map { seed in
            var generator = SplitMix64(seed: seed)
            return backoff.wait(failures: failures, using: &generator) / .milliseconds(1)
        }
    }

    @Test func eachFailureMakesTheWaitLongerUpToTheLimit() {
        let middles = (1...30).map { failures in waits(failures).reduce(0, +) / 200 }
        // 100 ms times 1.6 to the 10th is more than the 10 s allowed.
        for (before, after) in zip(middles, middles.dropFirst()).prefix(9) { #expect(after > 1.5 * before) }
        for middle in middles[10...] { #expect(abs(middle - 10_000) < 300) }
    }

    @Test(arguments: [(1, 100.0), (2, 160), (5, 655.36), (11, 10_000), (1_000_000, 10_000)])
    func theRandomPartIsAFifthEitherWay(failures: Int, milliseconds: Double) throws {
        let waits = waits(failures)
        let (least, most) = (try #require(waits.min()), try #require(waits.max()))
        #expect(least >= 0.8 * milliseconds - 0.001 && least < 0.82 * milliseconds)
        #expect(most <= 1.2 * milliseconds && most > 1.18 * milliseconds)
    }

    @Test func oneSeedGivesOneWait() {
        #expect(waits(3) == waits(3))
        #expect(Set(waits(3)).count > 190)
    }

    /// A port that nobody listens at; then somebody does; then nobody again.
    @Test func aRefusedPortIsTriedAgainAfterTheWaitAndASuccessBeginsAnew() async throws {
        func serve<R>(port: Int, _ body: (RunningServer) async throws -> R) async throws -> R {
            var configuration = ServerConfiguration(port: port)
            configuration.limits.drainTimeoutSeconds = 2
            return try await withServer(
                configuration, services: [TestService(methods: [echo])], health: HealthRegistry(), logger: testLogger, body)
        }
        let port = try await serve(port: 0) { $0.port }
        var configuration = ChannelConfiguration(target: "http://127.0.0.1:\(port)")
        configuration.minBackoffMilliseconds = 10
        configuration.maxBackoffSeconds = 1
        let log = RecordedLog()
        @Sendable func failures(_ lines: [RecordedLog.Line]) -> [RecordedLog.Line] { lines.filter { $0.message == "cannot connect" } }
        try await withChannel(configuration, logger: log.logger) { channel in
            let patient = CallOptions(timeout: .seconds(50), waitForReady: true)
            let first = Task { () async throws -> Reply in
                try await channel.unary(echo.descriptor, request("first"), options: patient)
            }
            await log.wait { failures($0).count >= 4 }
            try await serve(port: port) { _ in
                let answer = try await first.value
                #expect(answer.text == "first")
            }
            let refused = failures(log.lines)
            #expect(refused.map { $0.metadata["failures"] } == (1...refused.count).map { "\($0)" })
            for (index, (before, after)) in zip(refused, refused.dropFirst()).enumerated() {
                let milliseconds = (0..<index).reduce(10.0) { wait, _ in min(wait * ConnectionBackoff.multiplier, 1000) }
                let least = Duration.microseconds(Int64(1000 * milliseconds * (1 - ConnectionBackoff.jitter)) - 1)
                #expect(after.time - before.time >= least)
            }
            // A call that does not wait tells why; whatever came before is forgotten.
            let error = await #expect(throws: RPCError.self) {
                let _: Reply = try await channel.unary(echo.descriptor, request("second"))
            }
            #expect(error?.code == .unavailable)
            await log.wait { failures($0).count > refused.count }
            #expect(failures(log.lines)[refused.count].metadata["failures"] == "1")
        }
    }
}
