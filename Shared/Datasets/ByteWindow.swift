/// A part of a file in memory that moves on: bytes are addressed from the window's start, which `consume` moves.
final class ByteWindow {
    private let source: ByteSource
    private var storage: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private var start = 0
    private var end = 0
    private(set) var isAtEnd = false
    /// The uncompressed offset of the window's first byte.
    private(set) var offset: Int64 = 0

    init(_ source: ByteSource) {
        self.source = source
        capacity = 2 * DatasetLimits.chunkBytes
        storage = .allocate(capacity: capacity)
    }

    deinit { storage.deallocate() }

    /// Valid until the next `fill` or `consume`.
    var bytes: UnsafeMutablePointer<UInt8> { storage + start }
    var count: Int { end - start }
    var bytesRead: Int64 { source.bytesRead }
    var totalBytes: Int64? { source.totalBytes }
    var estimatedUncompressedBytes: Int64? { source.estimatedUncompressedBytes }

    /// Reads more; false when the file has no more.
    func fill() throws(DatasetError) -> Bool {
        guard !isAtEnd else { return false }
        if capacity - end < DatasetLimits.chunkBytes {
            if start >= DatasetLimits.chunkBytes {
                storage.update(from: storage + start, count: end - start)
            } else {
                let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity * 2)
                larger.update(from: storage + start, count: end - start)
                storage.deallocate()
                storage = larger
                capacity *= 2
            }
            end -= start
            start = 0
        }
        let count = try source.read(into: UnsafeMutableRawBufferPointer(start: storage + end, count: capacity - end))
        end += count
        isAtEnd = count == 0
        return count > 0
    }

    func consume(_ count: Int) {
        start += count
        offset += Int64(count)
    }

    /// Leaves out what comes before `target`.
    func skip(to target: Int64) throws(DatasetError) {
        while offset < target {
            if count == 0, try !fill() { return }
            consume(min(count, Int(target - offset)))
        }
    }

    /// Leaves out everything up to and with the next line feed after `index`, however far that is, without keeping it.
    ///
    /// - Parameter passed: gets what is left out, piece by piece, without the line feed.
    func skipLine(from index: Int, passed: (UnsafeBufferPointer<UInt8>) -> Void = { _ in }) throws(DatasetError) {
        var index = index
        while true {
            while index < count {
                if bytes[index] == UInt8(ascii: "\n") {
                    passed(UnsafeBufferPointer(start: bytes, count: index))
                    consume(index + 1)
                    return
                }
                index += 1
            }
            passed(UnsafeBufferPointer(start: bytes, count: count))
            consume(count)
            index = 0
            if try !fill() { return }
        }
    }
}
