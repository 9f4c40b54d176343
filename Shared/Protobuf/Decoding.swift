#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

public import CProtobufC

/// Which message protobuf-c shall unpack. For generated code, in whatever package that is; of no use to others.
public struct MessageDescriptor: @unchecked Sendable {
    // Sendable: the description is a constant of the generated C code.
    let pointer: UnsafePointer<ProtobufCMessageDescriptor>
    let isRecursive: Bool

    /// - Parameters:
    ///   - empty: protobuf-c's structure, of any content.
    ///   - initialize: protobuf-c's generated function that makes that structure an empty message. It is what knows the
    ///     description's address; the importer would copy the description itself.
    ///   - isRecursive: whether a message of this type can lie inside another of it. Only then is the nesting measured
    ///     before protobuf-c recurses, which it does without a limit of its own.
    public init<T>(_ empty: T, _ initialize: (UnsafeMutablePointer<T>?) -> Void, isRecursive: Bool) {
        var message = empty
        let descriptor = withUnsafeMutablePointer(to: &message) { pointer in
            initialize(pointer)
            return UnsafeRawPointer(pointer).assumingMemoryBound(to: ProtobufCMessage.self).pointee.descriptor
        }
        guard let descriptor else { preconditionFailure("protobuf-c left a message without its description") }
        self.pointer = descriptor
        self.isRecursive = isRecursive
    }
}

/// Unpacks the wire format into protobuf-c's structure, lets `body` read that, and frees it. For generated code.
///
/// - Throws: ``ProtobufError`` where the bytes are no such message, and what `body` throws.
@inlinable
public func withUnpacked<R>(
    _ bytes: UnsafeRawBufferPointer, _ descriptor: MessageDescriptor, _ body: (UnsafeRawPointer) throws -> R
) throws -> R {
    let unpacked = try UnpackedMessage(bytes, descriptor)
    defer { unpacked.free() }
    do {
        return try body(unpacked.message)
    } catch let error as ProtobufError {
        throw error.located(in: bytes, descriptor)
    }
}

/// A message in protobuf-c's structure, and the arena it lies in.
@usableFromInline
struct UnpackedMessage {
    @usableFromInline let message: UnsafeRawPointer
    private let arena: UnsafeMutablePointer<Arena>

    @usableFromInline
    init(_ bytes: UnsafeRawBufferPointer, _ descriptor: MessageDescriptor) throws {
        if descriptor.isRecursive {
            try checkNesting(of: bytes, descriptor.pointer, depth: 1)
        }
        let budget = min(
            ProtobufLimits.freeArenaBytes + bytes.count * ProtobufLimits.maxExpansionFactor, ProtobufLimits.maxArenaBytes)
        let arena = ArenaPool.take(budget: budget)
        var allocator = ProtobufCAllocator(arena: arena)
        let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        guard let message = protobuf_c_message_unpack(descriptor.pointer, &allocator, bytes.count, start) else {
            defer { ArenaPool.giveBack(arena) }
            let name = String(cString: descriptor.pointer.pointee.name)
            throw arena.pointee.isExhausted
                ? ProtobufError(.tooLarge, "the message expands beyond the limit", fieldPath: name)
                : ProtobufError(.malformed, "not a message of this type", fieldPath: name)
        }
        self.message = UnsafeRawPointer(message)
        self.arena = arena
    }

    @usableFromInline
    func free() { ArenaPool.giveBack(arena) }
}

/// What generated code reads protobuf-c's fields with, in whatever package that is; of no use to others.
public enum Unpacked {
    /// A string; NUL and invalid UTF-8 are refused.
    public static func string(_ text: UnsafePointer<CChar>?, _ field: StaticString) throws -> String {
        guard let text, text != vigil_protobuf_c_empty_string() else { return "" }
        // The allocation holds the text and the NUL that protobuf-c appends: an earlier one is the sender's.
        guard strlen(text) == Arena.byteCount(of: text) - 1 else {
            throw ProtobufError(.nulInString, "a string contains NUL", fieldPath: field.description)
        }
        // Not `String(validating:as:)`, which is generic over the encoding: looking that up costs more than the string.
        guard let string = String(validatingCString: text) else {
            throw ProtobufError(.invalidUTF8, "a string is not valid UTF-8", fieldPath: field.description)
        }
        return string
    }

    /// A field of bytes, copied.
    public static func bytes(_ data: ProtobufCBinaryData) -> [UInt8] {
        [UInt8](UnsafeBufferPointer(start: data.data, count: data.len))
    }

    /// A repeated field of numbers as it lies in memory.
    @inlinable
    public static func list<T>(_ start: UnsafeMutablePointer<T>?, _ count: Int) -> [T] {
        [T](UnsafeBufferPointer(start: start, count: count))
    }

    /// A repeated field whose elements need conversion.
    @inlinable
    public static func list<T, R>(_ start: UnsafeMutablePointer<T>?, _ count: Int, _ convert: (T) throws -> R) rethrows -> [R] {
        try UnsafeBufferPointer(start: start, count: count).map(convert)
    }

    /// The message behind a pointer that is only nil where protobuf-c has broken its word.
    @inlinable
    public static func message<T>(_ pointer: UnsafeMutablePointer<T>?) throws -> UnsafePointer<T> {
        guard let pointer else { throw ProtobufError(.malformed, "a message is missing") }
        return UnsafePointer(pointer)
    }
}
