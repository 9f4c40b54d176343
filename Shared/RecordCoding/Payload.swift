public import Contracts
public import Protobuf

/// Messages as bytes for a store's column or a log's entry, where a service must not know the codec.
public enum Payload {
    /// The protobuf encoding; equal messages give equal bytes.
    public static func encode(_ message: some Message) -> [UInt8] { message.protobufBytes() }

    /// - Throws: `ProtobufError` for bytes that are no such message.
    public static func decode<M: Message>(_ type: M.Type, _ bytes: [UInt8]) throws -> M { try M(protobuf: bytes) }
}

extension Payload {
    /// What ``encode(_:)`` gives of the `IngestionEvent` that says that a transaction was accepted, without a copy of the transaction in one.
    public static func encode(accepted transaction: RecordsV1.Transaction, senderID: String) -> [UInt8] {
        let byteCount = transaction.protobufByteCount
        var counter = ProtobufCounter()
        counter.begin(1, byteCount: byteCount)
        if !senderID.isEmpty { counter.string(8, senderID) }
        return [UInt8](unsafeUninitializedCapacity: counter.count + byteCount) { storage, initialized in
            var writer = ProtobufWriter(UnsafeMutableRawBufferPointer(storage))
            writer.begin(1, byteCount: byteCount)
            transaction.writeProtobuf(to: &writer)
            if !senderID.isEmpty { writer.string(8, senderID) }
            initialized = writer.count
        }
    }
}
