import Contracts
import Logging
import NIOCore
import NIOPosix
import RPC
import Synchronization

/// A service of given methods, for tests that look at one behaviour each.
struct TestService: RPCService {
    let serviceName = "test.Test"
    let methods: [RPCMethod]
    let fileDescriptors: [[UInt8]] = []
}

typealias Echo = GRPCTesting.SimpleRequest
typealias Reply = GRPCTesting.SimpleResponse

func method(_ name: String, _ kind: CallKind, _ idempotency: Idempotency = .none) -> MethodDescriptor {
    MethodDescriptor(service: "test.Test", name: name, kind: kind, idempotency: idempotency)
}

func request(_ text: String) -> Echo {
    Echo(payload: GRPCTesting.Payload(body: Array(text.utf8)))
}

func reply(_ text: String) -> Reply {
    Reply(payload: GRPCTesting.Payload(body: Array(text.utf8)))
}

extension Echo {
    var text: String { String(decoding: payload?.body ?? [], as: UTF8.self) }
}

extension Reply {
    var text: String { String(decoding: payload?.body ?? [], as: UTF8.self) }
}

let testLogger: Logger = {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return logger
}()

/// Runs a server of these methods and a channel to it.
func withServerAndChannel<R>(
    _ methods: [RPCMethod], routes: [HTTPRoute] = [], interceptors: [any ServerInterceptor] = [],
    configure: (inout ServerConfiguration) -> Void = { _ in }, configureChannel: (inout ChannelConfiguration) -> Void = { _ in },
    _ body: (RPCChannel, RunningServer) async throws -> R
) async throws -> R {
    var configuration = ServerConfiguration()
    configuration.limits.drainTimeoutSeconds = 2
    configure(&configuration)
    let scheme = configuration.tls == nil ? "http" : "https"
    return try await withServer(
        configuration, services: [TestService(methods: methods)], routes: routes, interceptors: interceptors,
        health: HealthRegistry(), logger: testLogger
    ) { server in
        var channelConfiguration = ChannelConfiguration(target: "\(scheme)://127.0.0.1:\(server.port)")
        configureChannel(&channelConfiguration)
        return try await withChannel(channelConfiguration, logger: testLogger) { channel in
            try await body(channel, server)
        }
    }
}

/// Returns when the task is cancelled.
func untilCancelled() async {
    for await _ in AsyncStream<Void>.makeStream().stream {}
}

/// A number that only grows.
final class Counter: Sendable {
    private let count = Atomic<Int>(0)

    func increase() { count.wrappingAdd(1, ordering: .relaxed) }

    var value: Int { count.load(ordering: .relaxed) }
}

/// Something that happens once and can be waited for.
final class Signal: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() {
        (stream, continuation) = AsyncStream.makeStream()
    }

    func fire() {
        continuation.yield()
    }

    /// Waits for the next `fire`, also one that has been.
    func wait() async {
        for await _ in stream { return }
    }
}


/// Answers each request with its own payload.
let echo = RPCMethod.unary(method("Echo", .unary, .noSideEffects)) { (request: Echo, _: CallContext) async throws -> Reply in
    Reply(payload: request.payload)
}

/// Sends bytes to a server and collects what it answers, until it closes or `isEnough`.
func exchange(
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
