internal import NIOCore

/// The way out of a connection: writes to the socket at once, past the channel's pipeline and its list of pending writes, which would cost a
/// small answer more than its framing does. What the socket does not take now waits here, and the channel tells when there is room: it
/// is given the first bytes of what waits, and its promise for them is kept when the socket has taken them.
///
/// Confined to the connection's event loop.
final class SocketOutput {
    private let context: ChannelHandlerContext
    /// nil for a channel that is no socket; then everything goes through the channel.
    private let socket: NIOBSDSocket.Handle?
    private let hasRoom: () -> Void
    private var waiting = OutputBatch()
    /// Nothing may be written until `hasRoom` is called.
    private(set) var isFull = false

    /// Given to the channel at a time.
    private static let channelBytes = 16 << 10

    /// - Parameter hasRoom: called when writing may go on.
    init(_ context: ChannelHandlerContext, hasRoom: @escaping () -> Void) {
        self.context = context
        self.hasRoom = hasRoom
        socket = try? context.channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { $0 }
    }

    /// Writes what the socket takes and keeps the rest. The channel must be open, and the output not full.
    func write(_ batch: consuming OutputBatch) {
        precondition(!isFull, "written to a socket that is full")
        waiting = batch
        isFull = true
        writeWaiting()
    }

    private func writeWaiting() {
        if let socket { waiting.write(to: socket) }
        guard waiting.byteCount > 0 else {
            waiting = OutputBatch()
            isFull = false
            return
        }
        let first = waiting.takeFirst(maxBytes: Self.channelBytes)
        context.writeAndFlush(NIOAny(first)).assumeIsolated().whenSuccess { [self] in
            // The channel may have been closed with what waited handed over.
            guard isFull else { return }
            writeWaiting()
            if !isFull { hasRoom() }
        }
    }

    /// Gives the channel what waits and `last`, to be written before it is closed.
    func finish(_ last: ByteBuffer = ByteBuffer()) -> EventLoopFuture<Void> {
        if isFull { context.write(NIOAny(waiting.takeFirst(maxBytes: .max)), promise: nil) }
        isFull = false
        return context.writeAndFlush(NIOAny(last))
    }
}
