import Contracts
import NIOCore
import NIOPosix
import RPC
import Testing

/// A peer may be gone without a word: the machine lost its power, a middlebox forgot the connection. Whoever waits for messages of a stream,
/// as the followers of a log do without end, must find out.
@Suite(.timeLimit(.minutes(1))) struct SilentConnectionTests {
    private let ticks = RPCMethod.serverStreaming(method("Ticks", .serverStreaming)) {
        (_: Echo, responses: ResponseWriter<Reply>, _: CallContext) async throws in
        try await responses.write(reply("first"))
        await untilCancelled()
    }

    @Test func aStreamOverASilentConnectionIsGivenUpAndTheNextOneGoesOn() async throws {
        try await withServerAndChannel([ticks]) { _, server in
            try await Relay.with(port: server.port) { relay in
                var configuration = ChannelConfiguration(target: "http://127.0.0.1:\(relay.port)")
                configuration.keepAliveSeconds = 1
                configuration.keepAliveTimeoutSeconds = 1
                configuration.drainTimeoutSeconds = 1
                try await withChannel(configuration, logger: testLogger) { channel in
                    let lost = await #expect(throws: RPCError.self) {
                        try await channel.serverStreaming(method("Ticks", .serverStreaming), request("")) { (replies: ResponseStream<Reply>) in
                            for try await reply in replies {
                                #expect(reply.text == "first")
                                relay.fallSilent()
                            }
                        }
                    }
                    #expect(lost?.code == .unavailable)
                    let again = try await channel.serverStreaming(method("Ticks", .serverStreaming), request("")) {
                        (replies: ResponseStream<Reply>) in
                        for try await reply in replies { return reply.text }
                        return ""
                    }
                    #expect(again == "first")
                }
            }
        }
    }
}

/// Passes bytes on between clients and a server until it falls silent: then the connections it has stay open, and nothing passes.
private final class Relay: Sendable {
    private let silences: Counter
    private let listener: any Channel

    var port: Int { listener.localAddress?.port ?? 0 }

    static func with<R>(port: Int, _ body: (Relay) async throws -> R) async throws -> R {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let result: Result<R, any Error>
        do {
            result = .success(try await body(Relay(port: port, group: group)))
        } catch {
            result = .failure(error)
        }
        try await group.shutdownGracefully()
        return try result.get()
    }

    private init(port: Int, group: MultiThreadedEventLoopGroup) async throws {
        let silences = Counter()
        self.silences = silences
        listener = try await ServerBootstrap(group: group)
            .childChannelInitializer { client in
                // Everything is on the group's only loop; the client is read from once this is done.
                ClientBootstrap(group: client.eventLoop).connect(host: "127.0.0.1", port: port)
                    .flatMapThrowing { server in
                        let born = silences.value
                        for (channel, other) in [(client, server), (server, client)] {
                            try channel.pipeline.syncOperations.addHandler(Passing(to: other) { silences.value == born })
                        }
                    }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    func fallSilent() { silences.increase() }
}

private final class Passing: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let other: any Channel
    private let passes: @Sendable () -> Bool

    init(to other: any Channel, while passes: @escaping @Sendable () -> Bool) {
        self.other = other
        self.passes = passes
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if passes() { other.writeAndFlush(unwrapInboundIn(data), promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if passes() { other.close(promise: nil) }
    }
}
