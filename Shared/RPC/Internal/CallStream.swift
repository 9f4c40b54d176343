internal import DequeModule
internal import Synchronization

/// What both sides' calls share: messages that came in and wait to be read, messages that wait to go out, each with
/// back-pressure, and the end.
///
/// `@unchecked Sendable`: `inbox` and `outbox` are behind their locks, and `queues` is set before anybody else knows of the call;
/// everything inherited from `HTTP2Stream`, and what is marked so, is touched on the loop only, and checked to be.
class CallStream: HTTP2Stream, @unchecked Sendable {
    final let loop: LoopExecutor

    struct Received {
        let bytes: [UInt8]
        /// What it took on the wire, to be given back to flow control.
        let wireByteCount: Int
        var wasCompressed = false
    }

    private struct Inbox {
        var messages: Deque<Received> = []
        var queuedBytes = 0
        /// Bytes read since flow control was last told.
        var readBytes = 0
        var isReporting = false
        /// How the stream ended: well (nil inside) or with an error.
        var end: RPCError??
        var reader: CheckedContinuation<[UInt8]?, any Error>?
        var initialMetadata: Metadata?
        var metadataReader: CheckedContinuation<Metadata, any Error>?
        var trailers = Metadata()
        var messageCount = 0
    }

    private struct Outbox {
        var chunks: [[UInt8]] = []
        /// Bytes handed in that have not left in frames.
        var unsentBytes = 0
        var isFinished = false
        var end: RPCError?
        var isPumping = false
        var writer: CheckedContinuation<Void, any Error>?
        var messageCount = 0
    }

    private final class Queues: Sendable {
        let inbox = Mutex(Inbox())
        let outbox = Mutex(Outbox())
    }

    /// What it costs to make and to give up the queues is saved where one message is answered by one.
    @exclusivity(unchecked) private var queues: Queues?
    private let lastWasCompressed = Atomic<Bool>(false)

    /// A writer waits while more than this is unsent.
    private static let highWaterBytes = 64 << 10
    private static let lowWaterBytes = 16 << 10
    /// Reads off the loop report to flow control in steps of this.
    private static let reportBytes = 16 << 10

    init(loop: LoopExecutor) {
        self.loop = loop
    }

    /// Messages are read and written one by one. To be called before anybody does, and before other threads know of the call.
    final func openQueues() {
        if queues == nil { queues = Queues() }
    }

    final var hasQueues: Bool { queues != nil }

    private var openedQueues: Queues {
        guard let queues else { preconditionFailure("the call's messages are not read or written one by one") }
        return queues
    }

    private func withInbox<R: Sendable>(_ body: (inout Inbox) -> R) -> R {
        openedQueues.inbox.withLock(of: self, body)
    }

    private func withOutbox<R: Sendable>(_ body: (inout Outbox) -> R) -> R {
        openedQueues.outbox.withLock(of: self, body)
    }

    // MARK: reading

    /// The next message's bytes; nil at the end. One reader at a time.
    final func nextMessage() async throws -> [UInt8]? {
        enum Step {
            case message([UInt8], report: Bool)
            case end(RPCError?)
            case wait
        }
        let step: Step = withInbox { inbox in
            if let message = inbox.messages.popFirst() {
                return .message(message.bytes, report: popped(&inbox, message))
            }
            if let end = inbox.end { return .end(end) }
            return .wait
        }
        switch step {
        case .message(let message, let report):
            if report { reportRead() }
            return message
        case .end(let error):
            if let error { throw error }
            return nil
        case .wait:
            return try await waitForMessage()
        }
    }

    /// Whether flow control must be told.
    private func popped(_ inbox: inout Inbox, _ message: Received) -> Bool {
        inbox.queuedBytes -= message.wireByteCount
        inbox.readBytes += message.wireByteCount
        lastMessageWasCompressed = message.wasCompressed
        guard !inbox.isReporting, inbox.readBytes >= Self.reportBytes || inbox.messages.isEmpty else { return false }
        inbox.isReporting = true
        return true
    }

    private func waitForMessage() async throws -> [UInt8]? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let (result, report): (Result<[UInt8]?, any Error>?, Bool) = withInbox { inbox in
                    if let message = inbox.messages.popFirst() {
                        return (.success(message.bytes), popped(&inbox, message))
                    }
                    if let end = inbox.end {
                        return (end.map { .failure($0) } ?? .success(nil), false)
                    }
                    if Task.isCancelled { return (.failure(RPCError(.cancelled, "the reading task was cancelled")), false) }
                    precondition(inbox.reader == nil, "two tasks read one stream of messages")
                    inbox.reader = continuation
                    return (nil, false)
                }
                if report { reportRead() }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            let reader = withInbox { $0.reader.take() }
            reader?.resume(throwing: RPCError(.cancelled, "the reading task was cancelled"))
        }
    }

    private func reportRead() {
        loop.run { [self] in
            withInbox { $0.isReporting = false }
            returnWindow(partialBytes: partialMessageBytes)
        }
    }

    /// Bytes of a message that is not whole yet. Loop only.
    var partialMessageBytes: Int { 0 }

    /// Gives back to the peer what was read. While nobody has anything left to read, that includes an unfinished
    /// message, or one larger than the window would never become whole. Loop only.
    private func returnWindow(partialBytes: Int) {
        let kept = withInbox { inbox in
            inbox.readBytes = 0
            return inbox.messages.isEmpty ? 0 : inbox.queuedBytes + partialBytes
        }
        guard unconsumedBytes > kept, let session else { return }
        session.consume(self, unconsumedBytes - kept)
        markDirty()
    }

    /// A message came in. Loop only.
    final func deliver(_ message: Received) {
        let reader = withInbox { inbox -> CheckedContinuation<[UInt8]?, any Error>? in
            guard inbox.end == nil else { return nil }
            inbox.messageCount += 1
            if let reader = inbox.reader.take() {
                lastMessageWasCompressed = message.wasCompressed
                return reader
            }
            inbox.messages.append(message)
            inbox.queuedBytes += message.wireByteCount
            return nil
        }
        reader?.resume(returning: message.bytes)
    }

    /// Whether the message read last came compressed.
    final var lastMessageWasCompressed: Bool {
        get { lastWasCompressed.load(ordering: .relaxed) }
        set { lastWasCompressed.store(newValue, ordering: .relaxed) }
    }

    /// To be called after bytes came in and whole messages were delivered. Loop only.
    final func deliveredAll() {
        returnWindow(partialBytes: partialMessageBytes)
    }

    /// No more messages follow. The first end counts. What was delivered can still be read, unless the end is an error
    /// that `discarding` says makes it worthless.
    final func endInbox(_ error: RPCError?, trailers: Metadata = [:], discarding: Bool = false) {
        guard hasQueues else { return }
        typealias Waiting = (CheckedContinuation<[UInt8]?, any Error>?, CheckedContinuation<Metadata, any Error>?)
        let (reader, metadataReader): Waiting = withInbox { inbox in
            guard inbox.end == nil else { return (nil, nil) }
            inbox.end = .some(error)
            inbox.trailers = trailers
            if discarding {
                inbox.messages.removeAll()
            }
            return (inbox.reader.take(), inbox.metadataReader.take())
        }
        if let error {
            reader?.resume(throwing: error)
            metadataReader?.resume(throwing: error)
        } else {
            reader?.resume(returning: nil)
            metadataReader?.resume(returning: [:])
        }
    }

    /// How the call ended, as this side was told; nil while it goes on.
    final var endStatus: (code: StatusCode, message: String)? {
        withInbox { inbox in inbox.end.map { ($0?.code ?? .ok, $0?.message ?? "") } }
    }

    /// Messages that came in, and that were handed in to go out, as a stream.
    final var receivedMessages: Int { hasQueues ? withInbox { $0.messageCount } : 0 }
    final var sentMessages: Int { hasQueues ? withOutbox { $0.messageCount } : 0 }

    /// Nothing more comes in.
    final var hasEnded: Bool { withInbox { $0.end != nil } }

    final var receivedTrailers: Metadata { withInbox { $0.trailers } }

    final func deliverInitialMetadata(_ metadata: Metadata) {
        let reader = withInbox { inbox in
            inbox.initialMetadata = metadata
            return inbox.metadataReader.take()
        }
        reader?.resume(returning: metadata)
    }

    final var receivedInitialMetadata: Metadata { withInbox { $0.initialMetadata } ?? [:] }

    final func awaitInitialMetadata() async throws -> Metadata {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let result: Result<Metadata, any Error>? = withInbox { inbox in
                    if let metadata = inbox.initialMetadata { return .success(metadata) }
                    if let end = inbox.end { return end.map { .failure($0) } ?? .success([:]) }
                    if Task.isCancelled { return .failure(RPCError(.cancelled, "the reading task was cancelled")) }
                    inbox.metadataReader = continuation
                    return nil
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            let reader = withInbox { $0.metadataReader.take() }
            reader?.resume(throwing: RPCError(.cancelled, "the reading task was cancelled"))
        }
    }

    // MARK: writing

    /// Queues bytes to go out; returns when there is room for more. One writer at a time waits.
    final func send(_ chunk: [UInt8]) async throws {
        try await send { outbox in
            outbox.chunks.append(chunk)
            outbox.unsentBytes += chunk.count
        }
    }

    /// The same for one message in several pieces.
    final func send(message pieces: [[UInt8]]) async throws {
        try await send { outbox in
            outbox.chunks += pieces
            for piece in pieces { outbox.unsentBytes += piece.count }
        }
    }

    /// The same for several messages, each in one piece.
    final func send(messages: [[UInt8]]) async throws {
        try await send { outbox in
            outbox.chunks += messages
            for message in messages { outbox.unsentBytes += message.count }
            outbox.messageCount += messages.count - 1
        }
    }

    @inline(__always)
    private func send(_ add: (inout Outbox) -> Void) async throws {
        let (mustPump, isFull, end) = withOutbox { outbox -> (Bool, Bool, RPCError?) in
            if outbox.end == nil, outbox.isFinished { return (false, false, RPCError(.internal, "written after the end")) }
            guard outbox.end == nil else { return (false, false, outbox.end) }
            outbox.messageCount += 1
            add(&outbox)
            defer { outbox.isPumping = true }
            return (!outbox.isPumping, outbox.unsentBytes > Self.highWaterBytes, nil)
        }
        if let end { throw end }
        if mustPump { loop.run { [self] in pump() } }
        if isFull { try await waitForRoom() }
    }

    private func waitForRoom() async throws {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let result: Result<Void, any Error>? = withOutbox { outbox in
                    if let end = outbox.end { return .failure(end) }
                    if outbox.unsentBytes <= Self.lowWaterBytes { return .success(()) }
                    if Task.isCancelled { return .failure(RPCError(.cancelled, "the writing task was cancelled")) }
                    precondition(outbox.writer == nil, "two tasks write one stream of messages")
                    outbox.writer = continuation
                    return nil
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            let writer = withOutbox { $0.writer.take() }
            writer?.resume(throwing: RPCError(.cancelled, "the writing task was cancelled"))
        }
    }

    /// Says that no more will be written.
    final func finishSending() {
        let mustPump = withOutbox { outbox in
            outbox.isFinished = true
            defer { outbox.isPumping = true }
            return !outbox.isPumping
        }
        if mustPump { loop.run { [self] in pump() } }
    }

    /// Ends the way out at once if nothing was ever written this way; else false. Loop only.
    final func endIdleOutbox(_ end: RPCError) -> Bool {
        withOutbox { outbox in
            guard outbox.end == nil, outbox.chunks.isEmpty, outbox.unsentBytes == 0, !outbox.isPumping else { return false }
            outbox.isFinished = true
            outbox.end = end
            return true
        }
    }

    /// Moves what was written to the HTTP/2 stream. Loop only.
    final func pump() {
        let (chunks, isFinished) = withOutbox { outbox -> ([[UInt8]], Bool) in
            guard canSend else { return ([], false) }
            outbox.isPumping = false
            return (exchange(&outbox.chunks, with: []), outbox.isFinished)
        }
        guard canSend else { return }
        if !chunks.isEmpty {
            guard mayQueue(chunks.reduce(0) { $0 + $1.count }) else { return }
            willSendFirst()
        }
        for chunk in chunks { session?.write(self, chunk) }
        if isFinished { willFinish() }
        markDirty()
    }

    /// Whether output may go to the session yet. Loop only.
    var canSend: Bool { true }
    /// Whether so much more may wait for the peer to take it; false where the call was given up for it. Loop only.
    func mayQueue(_ byteCount: Int) -> Bool { true }
    /// Comes before the first chunk. Loop only.
    func willSendFirst() {}
    /// Everything was handed to the session. Loop only.
    func willFinish() { session?.finish(self) }
    /// Tells the connection that there is something to write. Loop only.
    func markDirty() {}

    /// Bytes moved, either way. Loop only.
    func madeProgress() {}

    /// Output left in frames. Loop only.
    final func sentOutput() {
        hasSentEvent = false
        madeProgress()
        guard hasQueues else { return }
        let queued = output.byteCount
        let writer = withOutbox { outbox -> CheckedContinuation<Void, any Error>? in
            outbox.unsentBytes = outbox.chunks.reduce(queued) { $0 + $1.count }
            guard outbox.unsentBytes <= Self.lowWaterBytes else { return nil }
            return outbox.writer.take()
        }
        writer?.resume()
    }

    /// Nothing more can go out; writers learn why. The first end counts.
    final func endOutbox(_ error: RPCError) {
        guard hasQueues else { return }
        let writer = withOutbox { outbox -> CheckedContinuation<Void, any Error>? in
            guard outbox.end == nil else { return nil }
            outbox.end = error
            outbox.chunks.removeAll()
            return outbox.writer.take()
        }
        writer?.resume(throwing: error)
    }
}
