/// Gathers a message's wire format in pieces, so that a large field of bytes is handed on as it is, not copied.
@usableFromInline
final class MessagePieces {
    private let storage: UnsafeMutableRawBufferPointer
    private(set) var pieces: [[UInt8]] = []
    /// The beginning of the next piece: what comes before the storage's bytes.
    private var pending: [UInt8]
    private var start = 0

    init(_ storage: UnsafeMutableRawBufferPointer, behind prefix: [UInt8]) {
        self.storage = storage
        pending = prefix
    }

    /// Takes `bytes` as they are; they come behind the storage's first `offset` bytes.
    @usableFromInline
    func lend(_ bytes: [UInt8], at offset: Int) {
        cut(at: offset)
        pieces.append(bytes)
    }

    /// What was written up to `offset` is a piece of its own.
    func cut(at offset: Int) {
        pending += storage[start..<offset]
        start = offset
        if !pending.isEmpty { pieces.append(pending) }
        pending = []
    }
}

extension Message {
    /// The wire format behind `prefix`, in pieces whose fields of at least ``ProtobufWriter/lentByteCount`` bytes are the
    /// message's own arrays. For messages that are large because of such a field: others gain nothing.
    package func protobufPieces(behind prefix: [UInt8]) -> [[UInt8]] {
        // As large as if everything were copied, but memory that is never touched costs next to nothing.
        let storage = UnsafeMutableRawBufferPointer.allocate(byteCount: protobufByteCount, alignment: 1)
        defer { storage.deallocate() }
        let pieces = MessagePieces(storage, behind: prefix)
        var writer = ProtobufWriter(storage, lendingTo: pieces)
        writeProtobuf(to: &writer)
        pieces.cut(at: writer.count)
        return pieces.pieces
    }
}
