public import Protobuf

/// The messages that a client sends in one call. Reading asks the client for more; not reading holds it back.
///
/// To be read once, by one task.
public struct RequestStream<Element: Message>: AsyncSequence, Sendable {
    let source: MessageSource<Element>

    init(call: CallStream, coding: MessageCoding) {
        source = .call(call, coding, isRequest: true)
    }

    /// A stream of given messages, for tests of handlers.
    public init(_ messages: [Element]) {
        source = .messages(messages)
    }

    public func makeAsyncIterator() -> MessageIterator<Element> {
        MessageIterator(source)
    }
}

/// The messages that a server sends in one call. The sequence ends when the call ended well, and throws ``RPCError``
/// when it did not.
///
/// To be read once, by one task.
public struct ResponseStream<Element: Message>: AsyncSequence, Sendable {
    let source: MessageSource<Element>

    init(call: CallStream, coding: MessageCoding) {
        source = .call(call, coding, isRequest: false)
    }

    /// A stream of given messages, for tests.
    public init(_ messages: [Element]) {
        source = .messages(messages)
    }

    public func makeAsyncIterator() -> MessageIterator<Element> {
        MessageIterator(source)
    }

    /// What the server sent before its first message. Waits for it.
    public func initialMetadata() async throws -> Metadata {
        guard case .call(let call, _, _) = source else { return [:] }
        return try await call.awaitInitialMetadata()
    }

    /// What the server sent with the status; empty until the stream has been read to its end.
    public var trailingMetadata: Metadata {
        guard case .call(let call, _, _) = source else { return [:] }
        return call.receivedTrailers
    }
}

/// Where a stream's messages come from.
enum MessageSource<Element: Message>: Sendable {
    case call(CallStream, MessageCoding, isRequest: Bool)
    case messages([Element])
}

/// Reads the messages of a ``RequestStream`` or ``ResponseStream``.
public struct MessageIterator<Element: Message>: AsyncIteratorProtocol {
    private let source: MessageSource<Element>
    private var index = 0

    init(_ source: MessageSource<Element>) {
        self.source = source
    }

    /// The next message; nil at the end.
    ///
    /// - Throws: ``RPCError``: the peer's status, `cancelled` when the peer or this task gave up, `invalidArgument`
    ///   (`internal` on a client) when the bytes are no such message.
    public mutating func next() async throws -> Element? {
        switch source {
        case .call(let call, let coding, let isRequest):
            guard let bytes = try await call.nextMessage() else { return nil }
            return try bytes.withUnsafeBytes {
                isRequest ? try coding.decodeRequest(Element.self, $0) : try coding.decodeResponse(Element.self, $0)
            }
        case .messages(let messages):
            guard index < messages.count else { return nil }
            defer { index += 1 }
            return messages[index]
        }
    }
}

/// Where a handler writes the messages of its response.
public struct ResponseWriter<Element: Message>: Sendable {
    private let sink: MessageSink<Element>
    private let response: ResponseMetadata?

    init(call: CallStream, coding: MessageCoding, response: ResponseMetadata) {
        sink = .call(call, coding)
        self.response = response
    }

    /// A writer that hands every message to a closure, for tests of handlers.
    public init(_ receive: @escaping @Sendable (Element) async throws -> Void) {
        sink = .closure(receive)
        response = nil
    }

    /// Sends a message. Returns when there is room for the next one, so a slow reader slows the handler down.
    ///
    /// - Parameter compressed: false leaves this message as it is in a response that compresses.
    /// - Throws: ``RPCError`` with `cancelled` or `deadlineExceeded` when nobody waits for the response any longer.
    public func write(_ message: Element, compressed: Bool = true) async throws {
        try await sink.write(message, compressed: compressed && response?.compresses ?? false)
    }

    /// Sends a message for each item, in order: many small ones for less than one by one.
    ///
    /// - Throws: what `message` throws, when those of the items before it are sent, and what ``write(_:compressed:)`` throws.
    public func write<Item>(each items: [Item], as message: (Item) throws -> Element) async throws {
        try await sink.write(each: items, compressed: response?.compresses ?? false, message)
    }
}

/// Where a client writes the messages of its request.
public struct RequestWriter<Element: Message>: Sendable {
    private let sink: MessageSink<Element>

    init(call: CallStream, coding: MessageCoding) {
        sink = .call(call, coding)
    }

    /// A writer that hands every message to a closure, for tests.
    public init(_ receive: @escaping @Sendable (Element) async throws -> Void) {
        sink = .closure(receive)
    }

    /// Sends a message. Returns when there is room for the next one.
    ///
    /// - Throws: ``RPCError`` when the call is over: the server's status if it failed, `cancelled` if the server
    ///   ended it well without waiting for more.
    public func write(_ message: Element) async throws {
        try await sink.write(message)
    }
}

enum MessageSink<Element: Message>: Sendable {
    case call(CallStream, MessageCoding)
    case closure(@Sendable (Element) async throws -> Void)

    func write(_ message: Element, compressed: Bool = false) async throws {
        switch self {
        case .call(let call, let coding):
            if let pieces = try coding.encodeInPieces(message, compressed: compressed) {
                try await call.send(message: pieces)
            } else {
                try await call.send(try coding.encode(message, compressed: compressed))
            }
        case .closure(let receive): try await receive(message)
        }
    }
    /// So much is encoded before it is handed on.
    private static var maxGatheredBytes: Int { 32 << 10 }

    func write<Item>(each items: [Item], compressed: Bool, _ message: (Item) throws -> Element) async throws {
        guard case .call(let call, let coding) = self else {
            for item in items { try await write(message(item), compressed: compressed) }
            return
        }
        var gathered: [[UInt8]] = []
        var byteCount = 0
        var failure: (any Error)?
        for item in items {
            do {
                let bytes = try coding.encode(try message(item), compressed: compressed)
                gathered.append(bytes)
                byteCount += bytes.count
            } catch {
                failure = error
                break
            }
            if byteCount >= Self.maxGatheredBytes {
                try await call.send(messages: gathered)
                (gathered, byteCount) = ([], 0)
            }
        }
        if !gathered.isEmpty { try await call.send(messages: gathered) }
        if let failure { throw failure }
    }
}
