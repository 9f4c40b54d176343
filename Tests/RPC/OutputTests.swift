import NIOCore
import NIOPosix
import SeededRandom
import Testing

@testable import RPC

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What leaves a connection: bytes that were copied and bytes that lie where their message has them, in order, however little a socket takes.
@Suite(.timeLimit(.minutes(1))) struct OutputTests {
    /// Frames' headers and bodies of many lengths, some of them cut from one array, and what they come to.
    private func makeBatch(seed: UInt64, arrays: Int) -> (OutputBatch, [UInt8]) {
        var generator = SplitMix64(seed: seed)
        var batch = OutputBatch()
        var expected: [UInt8] = []
        func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) } }
        for _ in 0..<arrays {
            let body = bytes(Int.random(in: 1...60_000, using: &generator))
            var start = 0
            while start < body.count {
                let end = min(start + 16 << 10, body.count)
                let header = bytes(9)
                header.withUnsafeBytes { batch.append($0) }
                if end - start >= OutputBatch.minLentBytes {
                    batch.lend(body, start..<end)
                } else {
                    body[start..<end].withUnsafeBytes { batch.append($0) }
                }
                expected += header + body[start..<end]
                start = end
            }
        }
        return (batch, expected)
    }

    @Test(arguments: 0..<20 as Range<UInt64>) func bytesAreTakenInOrder(seed: UInt64) {
        var (batch, expected) = makeBatch(seed: seed, arrays: 5)
        var generator = SplitMix64(seed: seed)
        var taken: [UInt8] = []
        #expect(batch.byteCount == expected.count)
        while batch.byteCount > 0 {
            let count = Int.random(in: 1...20_000, using: &generator)
            let copy = batch.takeFirst(maxBytes: count)
            #expect(copy.readableBytes == min(count, expected.count - taken.count))
            taken += Array(copy.readableBytesView)
        }
        #expect(taken == expected)
    }

    @Test func whatIsAppendedBehindBytesThatHaveLeftComesInItsPlace() {
        var (batch, expected) = makeBatch(seed: 1, arrays: 2)
        batch.removeFirst(expected.count - 3)
        let more: [UInt8] = [1, 2, 3]
        more.withUnsafeBytes { batch.append($0) }
        let rest = Array(batch.takeFirst(maxBytes: .max).readableBytesView)
        #expect(rest == Array(expected.suffix(3)) + more)
    }

    /// One end of a pair of sockets as a channel, the other to be read from.
    private func withSocketPair(_ body: (any Channel, Int32) async throws -> Void) async throws {
        var ends: [Int32] = [-1, -1]
        #if canImport(Glibc)
            let kind = Int32(SOCK_STREAM.rawValue)
        #else
            let kind = SOCK_STREAM
        #endif
        try #require(socketpair(AF_UNIX, kind, 0, &ends) == 0)
        defer { close(ends[1]) }
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Silent(), name: "silent") }
            }
            .withConnectedSocket(ends[0]).get()
        try await body(channel, ends[1])
        try await channel.close().get()
    }

    private final class Silent: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
    }

    private func read(_ socket: Int32, _ count: Int) async throws -> [UInt8] {
        try await NIOThreadPool.singleton.runIfActive {
            var received: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 100_000)
            while received.count < count {
                let count = recv(socket, &buffer, buffer.count, 0)
                guard count > 0 else { break }
                received += buffer[..<count]
            }
            return received
        }
    }

    /// Far more than a socket holds, so that it fills up many times; a batch follows whenever there is room.
    @Test func whatASocketDoesNotTakeFollowsWhenItHasRoom() async throws {
        try await withSocketPair { channel, socket in
            let batches = (0..<4).map { makeBatch(seed: UInt64($0), arrays: 60) }
            let expected = batches.flatMap { $0.1 }
            let outputs = NIOLoopBoundBox<[SocketOutput]>.makeBoxSendingValue([], eventLoop: channel.eventLoop)
            try await channel.eventLoop.submit {
                var left = batches.map { $0.0 }[...]
                func writeMore() {
                    guard let output = outputs.value.first else { return }
                    while !output.isFull, let next = left.popFirst() { output.write(next) }
                }
                let context = try channel.pipeline.syncOperations.context(name: "silent")
                outputs.value = [SocketOutput(context, hasRoom: writeMore)]
                writeMore()
                #expect(outputs.value[0].isFull)
            }.get()
            #expect(try await read(socket, expected.count) == expected)
            try await channel.eventLoop.submit { outputs.value = [] }.get()
        }
    }

    /// The end of a connection: what waits, and its last words behind it, leave before the channel closes.
    @Test func whatWaitsLeavesBeforeTheLastWords() async throws {
        try await withSocketPair { channel, socket in
            let (batch, expected) = makeBatch(seed: 9, arrays: 60)
            let written = try await channel.eventLoop.submit {
                let output = SocketOutput(try channel.pipeline.syncOperations.context(name: "silent")) {}
                output.write(batch)
                #expect(output.isFull)
                return output.finish(ByteBuffer(bytes: [7, 8, 9]))
            }.get()
            #expect(try await read(socket, expected.count + 3) == expected + [7, 8, 9])
            try await written.get()
        }
    }
}
