public import Protobuf

/// Messages as bytes for a store's column or a log's entry, where a service must not know the codec.
public enum Payload {
    /// The protobuf encoding; equal messages give equal bytes.
    public static func encode(_ message: some Message) -> [UInt8] { message.protobufBytes() }

    /// - Throws: `ProtobufError` for bytes that are no such message.
    public static func decode<M: Message>(_ type: M.Type, _ bytes: [UInt8]) throws -> M { try M(protobuf: bytes) }
}
