internal import NIOCore
#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Bytes on their way to a socket, in order: frames and small bodies gathered in a buffer, large bodies where they lie.
struct OutputBatch {
    private struct Piece {
        /// Which of the lent arrays; -1 for the buffer.
        var array = -1
        var range: Range<Int>
    }

    private var gathered = ByteBuffer()
    private var arrays: [[UInt8]] = []
    /// What is left to be written; empty where all is in the buffer.
    private var pieces: [Piece] = []
    private(set) var byteCount = 0

    /// Fewer bytes of a body are copied.
    static let minLentBytes = 4 << 10

    init() {}

    init(_ bytes: ByteBuffer) {
        gathered = bytes
        byteCount = bytes.readableBytes
    }

    /// How many were copied.
    var gatheredByteCount: Int { gathered.writerIndex }

    mutating func reserveCapacity(_ byteCount: Int) { gathered.reserveCapacity(byteCount) }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if !pieces.isEmpty { pieces.append(Piece(range: gathered.writerIndex..<gathered.writerIndex + bytes.count)) }
        gathered.writeBytes(bytes)
        byteCount += bytes.count
    }

    /// Appends bytes of an array, which is kept until they are written.
    mutating func lend(_ array: [UInt8], _ range: Range<Int>) {
        if pieces.isEmpty, byteCount > 0 { pieces.append(Piece(range: gathered.readerIndex..<gathered.writerIndex)) }
        if !continuesLast(array) { arrays.append(array) }
        pieces.append(Piece(array: arrays.count - 1, range: range))
        byteCount += range.count
    }

    private func continuesLast(_ array: [UInt8]) -> Bool {
        guard let last = arrays.last else { return false }
        return last.withUnsafeBytes { $0.baseAddress } == array.withUnsafeBytes { $0.baseAddress }
    }

    mutating func removeFirst(_ count: Int) {
        precondition(count <= byteCount, "more was written than was there")
        byteCount -= count
        guard !pieces.isEmpty else { return gathered.moveReaderIndex(forwardBy: count) }
        var left = count
        var whole = 0
        while left > 0, pieces[whole].range.count <= left {
            left -= pieces[whole].range.count
            whole += 1
        }
        if left > 0 { pieces[whole].range = pieces[whole].range.lowerBound + left..<pieces[whole].range.upperBound }
        pieces.removeFirst(whole)
    }

    /// Takes the first bytes off, at most `maxBytes`, as a copy.
    mutating func takeFirst(maxBytes: Int) -> ByteBuffer {
        var taken = ByteBuffer()
        taken.reserveCapacity(min(maxBytes, byteCount))
        withVectors { vectors in
            for vector in vectors {
                let count = min(vector.iov_len, maxBytes - taken.readableBytes)
                taken.writeBytes(UnsafeRawBufferPointer(start: vector.iov_base, count: count))
            }
        }
        removeFirst(taken.readableBytes)
        return taken
    }

    /// Writes as much as a socket takes now, and takes it off. What kept the socket from taking the rest, an error too, is told by the
    /// next write.
    mutating func write(to socket: NIOBSDSocket.Handle) {
        while byteCount > 0 {
            let count = withVectors { vectors in
                vectors.count == 1
                    ? systemWrite(socket, vectors[0].iov_base, vectors[0].iov_len)
                    : writev(socket, vectors.baseAddress, Int32(vectors.count))
            }
            if count < 0, errno == EINTR { continue }
            let isAll = count == byteCount
            if count > 0 { removeFirst(count) }
            guard isAll else { return }
        }
    }

    /// Hands out the bytes in one run. Only where none are lent.
    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        precondition(pieces.isEmpty, "the bytes lie in several places")
        return try gathered.withUnsafeReadableBytes(body)
    }

    // MARK: where the bytes lie

    private func withVectors<R>(_ body: (UnsafeMutableBufferPointer<iovec>) -> R) -> R {
        gathered.withUnsafeReadableBytes { bytes in
            withUnsafeTemporaryAllocation(of: iovec.self, capacity: max(pieces.count, 1)) { vectors in
                guard !pieces.isEmpty else {
                    vectors.initializeElement(at: 0, to: Self.vector(bytes))
                    return body(vectors)
                }
                // Pieces of the buffer count from where it began.
                let start = gathered.readerIndex
                for (index, piece) in pieces.enumerated() where piece.array < 0 {
                    let part = UnsafeRawBufferPointer(rebasing: bytes[piece.range.lowerBound - start..<piece.range.upperBound - start])
                    vectors.initializeElement(at: index, to: Self.vector(part))
                }
                return fill(vectors, 0, body)
            }
        }
    }

    /// Fills in the vectors of the pieces from one on, each array being held in place while those behind it are filled in. The pieces of
    /// one array, as the frames of a large message are, take one step, so that few steps nest.
    private func fill<R>(
        _ vectors: UnsafeMutableBufferPointer<iovec>, _ first: Int, _ body: (UnsafeMutableBufferPointer<iovec>) -> R
    ) -> R {
        guard let next = pieces[first...].firstIndex(where: { $0.array >= 0 }) else { return body(vectors) }
        let array = pieces[next].array
        let end = pieces[next...].firstIndex { $0.array >= 0 && $0.array != array } ?? pieces.count
        return arrays[array].withUnsafeBytes { bytes in
            for index in next..<end where pieces[index].array == array {
                vectors.initializeElement(at: index, to: Self.vector(UnsafeRawBufferPointer(rebasing: bytes[pieces[index].range])))
            }
            return fill(vectors, end, body)
        }
    }

    private static func vector(_ bytes: UnsafeRawBufferPointer) -> iovec {
        iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
    }
}

/// `write`, which within a type that has a method of this name means that method.
private func systemWrite(_ file: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int { write(file, bytes, count) }
