/// Cuts a stream of bytes into messages by their envelopes. Pure: bytes in, payloads out.
struct MessageDeframer {
    let maxMessageBytes: Int
    /// Whether the peer announced a compression that we can undo.
    var allowsCompressed = false

    private var buffer: [UInt8] = []
    private var start = 0

    init(maxMessageBytes: Int, allowsCompressed: Bool = false) {
        self.maxMessageBytes = maxMessageBytes
        self.allowsCompressed = allowsCompressed
    }

    /// Bytes received that are no whole message yet.
    var bufferedByteCount: Int { buffer.count - start }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if start == buffer.count {
            buffer.removeAll(keepingCapacity: buffer.capacity <= 64 << 10)
            start = 0
        } else if start > 64 << 10 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// Whether bytes are one whole message, not compressed and of a length that is allowed: then there is nothing to cut.
    func holdsOneMessage(_ bytes: [UInt8]) -> Bool {
        guard bytes.count > MessageCoding.envelopeByteCount, bytes[0] == 0 else { return false }
        let length = Int(bytes[1]) << 24 | Int(bytes[2]) << 16 | Int(bytes[3]) << 8 | Int(bytes[4])
        return length == bytes.count - MessageCoding.envelopeByteCount && length <= maxMessageBytes
    }

    /// The next whole message, expanded if it was compressed.
    ///
    /// - Throws: ``RPCError`` as soon as a length is announced that is not allowed, before its bytes arrive.
    mutating func next() throws -> CallStream.Received? {
        guard bufferedByteCount >= MessageCoding.envelopeByteCount else { return nil }
        let flags = buffer[start]
        guard flags & ~MessageCoding.compressedFlag == 0 else { throw RPCError(.internal, "a message has flags that are not known: \(flags)") }
        let length =
            Int(buffer[start + 1]) << 24 | Int(buffer[start + 2]) << 16 | Int(buffer[start + 3]) << 8 | Int(buffer[start + 4])
        guard length <= maxMessageBytes else {
            throw RPCError(.resourceExhausted, "a message of \(length) bytes is larger than the \(maxMessageBytes) allowed")
        }
        guard bufferedByteCount >= MessageCoding.envelopeByteCount + length else { return nil }
        let body = start + MessageCoding.envelopeByteCount
        start = body + length
        var bytes = Array(buffer[body..<start])
        if flags & MessageCoding.compressedFlag != 0 {
            guard allowsCompressed else {
                throw RPCError(.internal, "a compressed message came without an encoding that was agreed on")
            }
            bytes = try bytes.withUnsafeBytes { try Gzip.decompress($0, maxBytes: maxMessageBytes) }
        }
        return CallStream.Received(
            bytes: bytes, wireByteCount: MessageCoding.envelopeByteCount + length,
            wasCompressed: flags & MessageCoding.compressedFlag != 0)
    }
}
