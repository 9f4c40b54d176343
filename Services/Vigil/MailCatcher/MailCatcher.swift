import Foundation
import NIOCore
import NIOPosix
import Synchronization

/// An SMTP receiver on the loopback address that keeps every mail in a folder. For development and tests: it delivers nothing.
struct MailCatcher: Sendable {
    let folder: MailFolder
    var limits = SMTPLimits()
    var maxConnections = 100
    var idleTimeoutSeconds: Int64 = 300
    /// Told of each mail that was kept.
    let report: @Sendable (_ fileName: String, ReceivedMail) -> Void

    private typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    /// Listens until the task is cancelled.
    ///
    /// - Parameters:
    ///   - port: 0 takes any free one.
    ///   - listening: told the port, once mails are taken.
    func run(port: Int, listening: @Sendable (Int) -> Void = { _ in }) async throws {
        let idleTimeout = TimeAmount.seconds(idleTimeoutSeconds)
        let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // A peer that has sent all and shut down its side still gets its answers.
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .bind(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([IdleStateHandler(allTimeout: idleTimeout), CloseWhenIdle()])
                    return try Connection(wrappingChannelSynchronously: channel)
                }
            }
        listening(server.channel.localAddress?.port ?? port)
        let open = ConnectionCount()
        try await server.executeThenClose { connections in
            try await withThrowingDiscardingTaskGroup { group in
                for try await connection in connections {
                    let isTooMany = open.add(1) > maxConnections
                    group.addTask {
                        defer { _ = open.add(-1) }
                        // A peer that breaks off harms nobody else.
                        try? await serve(connection, isTooMany: isTooMany)
                    }
                }
            }
        }
    }

    private func serve(_ connection: Connection, isTooMany: Bool) async throws {
        try await connection.executeThenClose { inbound, outbound in
            guard !isTooMany else { return try await outbound.write(ByteBuffer(string: "421 4.3.2 Too many connections\r\n")) }
            var session = SMTPSession(hostName: "localhost", limits: limits)
            try await outbound.write(ByteBuffer(string: session.greeting))
            for try await buffer in inbound {
                session.receive(buffer.readableBytesView)
                var replies = ""
                while let output = session.next() {
                    switch output {
                    case .reply(let text): replies += text
                    case .mail(let mail):
                        if case .reply(let text) = session.finish(kept: await keep(mail)) { replies += text }
                    }
                }
                if !replies.isEmpty { try await outbound.write(ByteBuffer(string: replies)) }
                if session.isClosed { return }
            }
        }
    }

    private func keep(_ mail: ReceivedMail) async -> Bool {
        do {
            // Waits for the disk, so not on a thread of Swift's pool.
            let name = try await NIOThreadPool.singleton.runIfActive { try folder.keep(mail) }
            report(name, mail)
            return true
        } catch {
            FileHandle.standardError.write(Data("mail-catcher: a mail was not kept: \(error)\n".utf8))
            return false
        }
    }
}

private final class ConnectionCount: Sendable {
    private let count = Atomic(0)

    /// The count afterwards.
    func add(_ change: Int) -> Int { count.add(change, ordering: .relaxed).newValue }
}

/// Closes a connection on which nothing has moved for too long.
private final class CloseWhenIdle: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent {
            context.close(promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }
}
