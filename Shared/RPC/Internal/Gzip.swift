internal import CZlib

/// gzip (RFC 1952) in memory.
enum Gzip {
    /// Adds the gzip header and trailer to zlib's window bits; 32 more on reading accepts zlib's own header too.
    private static let gzipWindowBits: Int32 = 15 + 16

    static func compress(_ bytes: UnsafeRawBufferPointer, level: Int32 = 6) throws -> [UInt8] {
        var stream = z_stream()
        guard deflateInit2_(
            &stream, level, Z_DEFLATED, gzipWindowBits, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else { throw RPCError(.internal, "compression failed") }
        defer { deflateEnd(&stream) }
        let bound = Int(deflateBound(&stream, UInt(bytes.count)))
        stream.next_in = UnsafeMutablePointer(mutating: bytes.bindMemory(to: UInt8.self).baseAddress)
        stream.avail_in = UInt32(bytes.count)
        var result = Z_OK
        let output = [UInt8](unsafeUninitializedCapacity: bound) { storage, initialized in
            stream.next_out = storage.baseAddress
            stream.avail_out = UInt32(bound)
            result = deflate(&stream, Z_FINISH)
            initialized = bound - Int(stream.avail_out)
        }
        guard result == Z_STREAM_END else { throw RPCError(.internal, "compression failed") }
        return output
    }

    /// - Parameter maxBytes: what expands to more is refused before memory for it is taken.
    static func decompress(_ bytes: UnsafeRawBufferPointer, maxBytes: Int) throws -> [UInt8] {
        var stream = z_stream()
        guard inflateInit2_(&stream, gzipWindowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw RPCError(.internal, "decompression failed")
        }
        defer { inflateEnd(&stream) }
        stream.next_in = UnsafeMutablePointer(mutating: bytes.bindMemory(to: UInt8.self).baseAddress)
        stream.avail_in = UInt32(bytes.count)
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: min(max(bytes.count * 4, 1024), 64 << 10))
        while true {
            let (result, produced) = chunk.withUnsafeMutableBufferPointer { storage in
                stream.next_out = storage.baseAddress
                stream.avail_out = UInt32(storage.count)
                let result = inflate(&stream, Z_NO_FLUSH)
                return (result, storage.count - Int(stream.avail_out))
            }
            guard output.count + produced <= maxBytes else {
                throw RPCError(.resourceExhausted, "the message expands to more than \(maxBytes) bytes")
            }
            output.append(contentsOf: chunk[..<produced])
            if result == Z_STREAM_END { break }
            guard result == Z_OK, produced > 0 || stream.avail_in > 0 else {
                throw RPCError(.internal, "the message is no valid gzip")
            }
        }
        guard stream.avail_in == 0 else { throw RPCError(.internal, "bytes follow the compressed message") }
        return output
    }
}
