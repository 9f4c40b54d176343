internal import Protobuf

/// How the messages of one call travel: their form, whether each has an envelope (flags and length), whether it is
/// compressed.
struct MessageCoding: Sendable, Hashable {
    enum Form: Sendable, Hashable { case protobuf, json }

    /// Bytes of an envelope: one of flags, four of length, big-endian.
    static let envelopeByteCount = 5
    static let compressedFlag: UInt8 = 0x01
    /// In the Connect protocol: the envelope holds the end of the stream, status and trailers, as JSON.
    static let endOfStreamFlag: UInt8 = 0x02

    var form: Form = .protobuf
    var hasEnvelope = true
    var compressesOutput = false
    var maxSentMessageBytes = Int.max

    /// Below this, compression costs more than it saves.
    private static let minCompressedBytes = 256

    func encode<M: Message>(_ message: M, compressed: Bool = false) throws -> [UInt8] {
        let prefix = hasEnvelope ? Self.envelopeByteCount : 0
        var bytes: [UInt8]
        switch form {
        case .protobuf:
            bytes = Self.makeBytes(prefix + message.protobufByteCount) { storage in
                _ = message.encodeProtobuf(into: UnsafeMutableRawBufferPointer(rebasing: storage[prefix...]))
            }
        case .json:
            bytes = message.jsonBytes()
            if hasEnvelope { bytes.insert(contentsOf: repeatElement(0, count: prefix), at: 0) }
        }
        try checkSize(bytes.count - prefix)
        if hasEnvelope { try seal(&bytes, compressed: compressed || compressesOutput) }
        return bytes
    }

    /// Messages from here on are worth the trouble of not being copied.
    private static let minLentBytes = 64 << 10

    /// The same in pieces, in which a large message's large fields of bytes lie uncopied; nil where that is no use.
    func encodeInPieces<M: Message>(_ message: M, compressed: Bool) throws -> [[UInt8]]? {
        guard form == .protobuf, hasEnvelope, !compressed, !compressesOutput else { return nil }
        let byteCount = message.protobufByteCount
        guard byteCount >= Self.minLentBytes else { return nil }
        try checkSize(byteCount)
        var envelope = [UInt8](repeating: 0, count: Self.envelopeByteCount)
        Self.writeEnvelope(flags: 0, byteCount: byteCount, to: &envelope)
        return message.protobufPieces(behind: envelope)
    }

    private func checkSize(_ byteCount: Int) throws {
        guard byteCount <= maxSentMessageBytes else {
            throw RPCError(.resourceExhausted, "the message of \(byteCount) bytes is larger than may be sent")
        }
    }

    /// Not generic, so that nothing about arrays is looked up for each message.
    @inline(never)
    private static func makeBytes(_ count: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { storage, initialized in
            fill(UnsafeMutableRawBufferPointer(storage))
            initialized = count
        }
    }

    /// Puts an envelope round bytes that are encoded already.
    func envelop(_ payload: [UInt8]) throws -> [UInt8] {
        guard hasEnvelope else { return payload }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.envelopeByteCount + payload.count)
        bytes.append(contentsOf: [0, 0, 0, 0, 0])
        bytes.append(contentsOf: payload)
        try seal(&bytes, compressed: compressesOutput)
        return bytes
    }

    /// Fills in the envelope for which the first five bytes were kept free, compressing where that is wanted and pays.
    private func seal(_ bytes: inout [UInt8], compressed: Bool) throws {
        var flags: UInt8 = 0
        if compressed, bytes.count - Self.envelopeByteCount >= Self.minCompressedBytes {
            let compressed = try bytes.withUnsafeBytes { bytes in
                try Gzip.compress(UnsafeRawBufferPointer(rebasing: bytes[Self.envelopeByteCount...]))
            }
            bytes.replaceSubrange(Self.envelopeByteCount..., with: compressed)
            flags = Self.compressedFlag
        }
        Self.writeEnvelope(flags: flags, byteCount: bytes.count - Self.envelopeByteCount, to: &bytes)
    }

    static func writeEnvelope(flags: UInt8, byteCount: Int, to bytes: inout [UInt8]) {
        let length = UInt32(byteCount)
        bytes[0] = flags
        bytes[1] = UInt8(truncatingIfNeeded: length >> 24)
        bytes[2] = UInt8(truncatingIfNeeded: length >> 16)
        bytes[3] = UInt8(truncatingIfNeeded: length >> 8)
        bytes[4] = UInt8(truncatingIfNeeded: length)
    }

    /// On the server: what is no message is the caller's fault.
    func decodeRequest<M: Message>(_ type: M.Type, _ bytes: UnsafeRawBufferPointer) throws -> M {
        do {
            // A typing error in JSON must not be taken for a field that is not given.
            return try decode(type, bytes, JSONReader.Options(refusesUnknownFields: true))
        } catch let error as ProtobufError {
            throw RPCError.malformedRequest(error)
        }
    }

    /// On the client: what is no message is the server's fault. A newer server may say more in JSON than is known here.
    func decodeResponse<M: Message>(_ type: M.Type, _ bytes: UnsafeRawBufferPointer) throws -> M {
        do {
            return try decode(type, bytes, JSONReader.Options())
        } catch let error as ProtobufError {
            throw RPCError(.internal, "the response is no \(M.fullName): \(error.message)")
        }
    }

    private func decode<M: Message>(_ type: M.Type, _ bytes: UnsafeRawBufferPointer, _ options: JSONReader.Options) throws -> M {
        switch form {
        case .protobuf: try M(protobuf: bytes)
        case .json: try M(jsonBytes: bytes, options: options)
        }
    }
}
