internal import CBrotli

/// Brotli (RFC 7932) in memory.
enum Brotli {
    /// - Parameter quality: 0…11; 5 costs about what gzip does and is smaller, 11 is for what is compressed once.
    static func compress(_ bytes: UnsafeRawBufferPointer, quality: Int32) throws -> [UInt8] {
        let capacity = BrotliEncoderMaxCompressedSize(bytes.count)
        guard capacity > 0 else { throw RPCError(.internal, "compression failed") }
        var succeeded = false
        let output = [UInt8](unsafeUninitializedCapacity: capacity) { storage, initialized in
            var size = capacity
            succeeded = BrotliEncoderCompress(
                quality, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_GENERIC, bytes.count,
                bytes.bindMemory(to: UInt8.self).baseAddress, &size, storage.baseAddress) == BROTLI_TRUE
            initialized = succeeded ? size : 0
        }
        guard succeeded else { throw RPCError(.internal, "compression failed") }
        return output
    }
}
