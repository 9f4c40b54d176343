import Contracts
import NIOCore
import NIOPosix
import RPC
import Testing

/// What a client makes of a server's header blocks, right ones and others.
@Suite(.timeLimit(.minutes(1))) struct ResponseFieldsTests {
    private static let head = Frame.headers(1, [(":status", "200"), ("content-type", "application/grpc+proto")])
    private static let message = Frame.data(1, [0, 0, 0, 0, 6, 0x0A, 4, 0x12, 2, 0x6F, 0x6B])

    private func call(_ answer: [UInt8]) async throws -> Reply {
        try await CannedServer.with(answer) { port in
            try await withChannel(ChannelConfiguration(target: "http://127.0.0.1:\(port)"), logger: testLogger) { channel in
                try await channel.unary(method("Echo", .unary), request(""))
            }
        }
    }

    private func error(_ answer: [UInt8]) async throws -> RPCError {
        try #require(await #expect(throws: RPCError.self) { _ = try await call(answer) })
    }

    @Test(arguments: ["0", " 0", "0 \t"])
    func aStatusMayHaveSpaceRoundIt(_ status: String) async throws {
        #expect(try await call(Self.head + Self.message + Frame.headers(1, [("grpc-status", status)], end: true)).text == "ok")
    }

    @Test func whatAnInterimResponseSaysDoesNotCount() async throws {
        let interim = Frame.headers(1, [(":status", "103"), ("grpc-status", "13"), ("grpc-encoding", "br")])
        #expect(try await call(interim + Self.head + Self.message + Frame.headers(1, [("grpc-status", "0")], end: true)).text == "ok")
    }

    @Test func oneBlockMayBeAll() async throws {
        let fields = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "5"), ("grpc-message", "none"), ("x-why", "gone")]
        let error = try await error(Frame.headers(1, fields, end: true))
        #expect(error.code == .notFound)
        #expect(error.message == "none")
        #expect(error.metadata == ["x-why": "gone"])
    }

    @Test func trailersTellWhatTheServerSaysOfAFailure() async throws {
        let trailers = [("grpc-status", "8"), ("grpc-message", "too%20much"), ("content-type", "text/plain"), ("x-why", "quota")]
        let error = try await error(Self.head + Self.message + Frame.headers(1, trailers, end: true))
        #expect(error.code == .resourceExhausted)
        #expect(error.message == "too much")
        #expect(error.metadata == ["x-why": "quota"])
    }

    @Test(arguments: ["x", "", "-1", "99", "99999999999999999999"])
    func aStatusThatIsNoneIsUnknown(_ status: String) async throws {
        #expect(try await error(Self.head + Frame.headers(1, [("grpc-status", status)], end: true)).code == .unknown)
    }

    @Test func noStatusIsTheServersFault() async throws {
        let error = try await error(Self.head + Self.message + Frame.headers(1, [("x-other", "1")], end: true))
        #expect(error.code == .internal)
        #expect(error.message == "the server ended the call without a status")
    }

    @Test func anotherContentTypeIsNoGRPC() async throws {
        let page = Frame.headers(1, [(":status", "502"), ("content-type", "text/html")], end: true)
        #expect(try await error(page).message == "the server answered with HTTP status 502 and no gRPC")
        let untyped = Frame.headers(1, [(":status", "200")]) + Self.message + Frame.headers(1, [("grpc-status", "0")], end: true)
        #expect(try await error(untyped).message == "the server answered with HTTP status 200 and no gRPC")
    }

    @Test func anUnknownCompressionIsRefused() async throws {
        let head = Frame.headers(1, [(":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "snappy")])
        #expect(try await error(head + Self.message).message == "the server compresses with snappy")
    }
}

/// Sends the same bytes to whoever asks for anything, whatever that is.
private enum CannedServer {
    static func with<R>(_ answer: [UInt8], _ body: (_ port: Int) async throws -> R) async throws -> R {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let result: Result<R, any Error>
        do {
            let listener = try await ServerBootstrap(group: group)
                .childChannelInitializer { $0.pipeline.addHandler(Answering(answer)) }
                .bind(host: "127.0.0.1", port: 0).get()
            result = .success(try await body(listener.localAddress?.port ?? 0))
        } catch {
            result = .failure(error)
        }
        try await group.shutdownGracefully()
        return try result.get()
    }

    private final class Answering: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let answer: [UInt8]

        init(_ answer: [UInt8]) { self.answer = answer }

        func channelActive(context: ChannelHandlerContext) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: Frame.settings)), promise: nil)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            // The request's HEADERS frame, not the preface and settings before it.
            let bytes = Array(unwrapInboundIn(data).readableBytesView)
            guard Frame.parse(bytes.starts(with: Frame.preface) ? Array(bytes.dropFirst(Frame.preface.count)) : bytes).contains(where: { $0.type == 1 })
            else { return }
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: answer)), promise: nil)
        }
    }
}
