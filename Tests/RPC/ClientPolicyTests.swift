import Contracts
import Logging
import RPC
import Synchronization
import Testing

/// What a channel does beside calling: health, hedging, ejection, interceptors.
@Suite(.serialized, .timeLimit(.minutes(1))) struct ClientPolicyTests {
    private static let name = method("Name", .unary, .noSideEffects)

    private func named(_ name: String) -> RPCMethod {
        .unary(Self.name) { (_: Echo, _: CallContext) async throws -> Reply in reply(name) }
    }

    private func ask(_ channel: RPCChannel, _ options: CallOptions = CallOptions()) async throws -> String {
        let answer: Reply = try await channel.unary(Self.name, request(""), options: options)
        return answer.text
    }

    /// Two servers of one method each and a channel to both.
    private func withTwoServers<R>(
        _ first: RPCMethod, _ second: RPCMethod, health: HealthRegistry = HealthRegistry(),
        configure: (inout ChannelConfiguration) -> Void = { _ in }, _ body: (RPCChannel) async throws -> R
    ) async throws -> R {
        var limits = ServerLimits()
        limits.drainTimeoutSeconds = 2
        let configuration = ServerConfiguration(limits: limits)
        return try await withServer(
            configuration, services: [TestService(methods: [first])], health: health, logger: testLogger
        ) { one in
            try await withServer(
                configuration, services: [TestService(methods: [second])], health: HealthRegistry(), logger: testLogger
            ) { two in
                var channel = ChannelConfiguration(target: "http://127.0.0.1:\(one.port),127.0.0.1:\(two.port)")
                configure(&channel)
                return try await withChannel(channel, logger: testLogger, body)
            }
        }
    }

    @Test func anAddressThatDoesNotServeIsLeftOutUntilItDoes() async throws {
        let health = HealthRegistry()
        try await withTwoServers(named("sick"), named("well"), health: health, configure: { $0.healthService = "" }) { channel in
            // The server as a whole serves; both are called.
            var seen: Set<String> = []
            while seen.count < 2 { seen.insert(try await ask(channel)) }
            health.set("", .notServing)
            // Told by a message on its way: until it has come, calls may still go there.
            while try await (ask(channel), ask(channel), ask(channel)) != ("well", "well", "well") {}
            health.set("", .serving)
            seen = []
            while seen.count < 2 { seen.insert(try await ask(channel)) }
        }
    }

    @Test func whenNobodyServesACallFailsAtOnce() async throws {
        let health = HealthRegistry()
        health.set("", .notServing)
        try await withServer(
            ServerConfiguration(), services: [TestService(methods: [named("a")])], health: health, logger: testLogger
        ) { server in
            var configuration = ChannelConfiguration(target: "http://\(server.address)")
            configuration.healthService = ""
            try await withChannel(configuration, logger: testLogger) { channel in
                let error = await #expect(throws: RPCError.self) { _ = try await ask(channel) }
                #expect(error?.code == .unavailable)
            }
        }
    }

    @Test func aReadWithoutAnswerIsTriedElsewhereAtTheSameTime() async throws {
        let stuck = RPCMethod.unary(Self.name) { (_: Echo, _: CallContext) async throws -> Reply in
            await untilCancelled()
            return reply("stuck")
        }
        try await withTwoServers(stuck, named("quick"), configure: { $0.retry.hedgeAfterMilliseconds = 5 }) { channel in
            for _ in 0..<4 {
                let answer = try await ask(channel, CallOptions(timeout: .seconds(30)))
                #expect(answer == "quick")
            }
        }
    }

    @Test func anAddressWhoseCallsFailIsLeftOut() async throws {
        let broken = RPCMethod.unary(Self.name) { (_: Echo, _: CallContext) async throws -> Reply in throw RPCError(.internal, "broken") }
        try await withTwoServers(broken, named("well"), configure: { $0.outlierEjection.consecutiveFailures = 3 }) { channel in
            // In turn, one of two calls would fail for ever.
            var goodInARow = 0
            while goodInARow < 20 {
                do {
                    _ = try await ask(channel)
                    goodInARow += 1
                } catch is RPCError {
                    goodInARow = 0
                }
            }
        }
    }

    @Test func leastRequestsGivesTheServerThatIsStuckNothingMore() async throws {
        let (arrived, released) = (Signal(), Signal())
        let slow = RPCMethod.unary(Self.name) { (request: Echo, _: CallContext) async throws -> Reply in
            if request.text == "wait" {
                arrived.fire()
                await released.wait()
            }
            return reply("slow")
        }
        try await withTwoServers(slow, named("quick"), configure: { $0.balancing = .leastRequests }) { channel in
            // Until both are connected.
            var seen: Set<String> = []
            while seen.count < 2 { seen.insert(try await ask(channel)) }
            // Servers with as much to do are taken in turn, so one of these calls soon is the slow one's.
            async let last = {
                while true {
                    let answer: Reply = try await channel.unary(Self.name, request("wait"))
                    if answer.text == "slow" { return answer.text }
                }
            }()
            await arrived.wait()
            for _ in 0..<50 {
                let answer = try await ask(channel)
                #expect(answer == "quick")
            }
            released.fire()
            let stuck = try await last
            #expect(stuck == "slow")
        }
    }

    @Test func callsOfOneKeyGoToOneAddress() async throws {
        try await withTwoServers(named("a"), named("b"), configure: { $0.balancing = .ringHash }) { channel in
            var seen: Set<String> = []
            while seen.count < 2 { seen.insert(try await ask(channel)) }
            for key in ["x", "y", "z", "w"] {
                var options = CallOptions()
                options.hashKey = key
                let first = try await ask(channel, options)
                for _ in 0..<5 {
                    let again = try await ask(channel, options)
                    #expect(again == first)
                }
            }
        }
    }

    private final class Recorder: ClientInterceptor {
        let outcomes = Mutex<[String]>([])

        func begin(_ call: inout OutgoingCall) async throws -> CallFinisher? {
            guard call.metadata["x-refuse"] == nil else { throw RPCError(.permissionDenied, "refused here") }
            call.metadata["x-added"] = "yes"
            let path = call.path
            return CallFinisher { [self] outcome in
                outcomes.withLock { $0.append("\(path) \(outcome.status.name) \(outcome.sentMessages) \(outcome.receivedMessages)") }
            }
        }
    }

    @Test func interceptorsAddMetadataAndHearHowCallsEnd() async throws {
        let recorder = Recorder()
        let added = RPCMethod.unary(Self.name) { (_: Echo, context: CallContext) async throws -> Reply in
            reply(context.metadata["x-added"] ?? "no")
        }
        let three = RPCMethod.serverStreaming(method("Three", .serverStreaming)) {
            (_: Echo, responses: ResponseWriter<Reply>, _: CallContext) async throws in
            for number in 0..<3 { try await responses.write(reply("\(number)")) }
        }
        try await withServerAndChannel([added, three], configureChannel: { $0.interceptors = [recorder] }) { channel, _ in
            let answer = try await ask(channel)
            #expect(answer == "yes")
            try await channel.serverStreaming(method("Three", .serverStreaming), request("")) { (responses: ResponseStream<Reply>) in
                for try await _ in responses {}
            }
            let error = await #expect(throws: RPCError.self) { _ = try await ask(channel, CallOptions(metadata: ["x-refuse": "1"])) }
            #expect(error?.code == .permissionDenied)
        }
        #expect(recorder.outcomes.withLock { $0 } == ["/test.Test/Name ok 1 1", "/test.Test/Three ok 1 3"])
    }
}
