import CZlib
import Foundation

/// The uncompressed bytes of a file, which may be gzip: known by its first bytes, whatever its name; several members in a row are one file.
final class ByteSource {
    /// The file's own size; nil for a pipe.
    let totalBytes: Int64?
    /// How far the file itself has been read, compressed or not.
    private(set) var bytesRead: Int64 = 0

    /// Uncompressed bytes handed out so far.
    private(set) var bytesProduced: Int64 = 0

    private let name: String
    private let descriptor: Int32
    private let closes: Bool
    private var inflater: Inflater?
    private var input: UnsafeMutableRawBufferPointer
    private var inputStart = 0
    private var inputEnd = 0
    private var atEnd = false

    /// - Parameter path: `-` is the standard input.
    init(path: String) throws(DatasetError) {
        name = path == "-" ? "the standard input" : path
        input = .allocate(byteCount: DatasetLimits.chunkBytes, alignment: 16)
        if path == "-" {
            descriptor = 0
            closes = false
        } else {
            descriptor = open(path, O_RDONLY | O_CLOEXEC)
            closes = true
        }
        var status = stat()
        let opened = descriptor >= 0 && fstat(descriptor, &status) == 0
        totalBytes = opened && status.st_mode & S_IFMT == S_IFREG ? Int64(status.st_size) : nil
        guard opened else { throw DatasetError(.unreadable, "cannot open \(name): \(Self.reason())") }
        guard status.st_mode & S_IFMT != S_IFDIR else { throw DatasetError(.unreadable, "\(name) is a folder, not a file") }
        while inputEnd < 4, try readMore() {}
        try lookAtStart()
    }

    deinit {
        if closes, descriptor >= 0 { close(descriptor) }
        input.deallocate()
    }

    /// How long the file is uncompressed, judged by what has been read of it; nil for a pipe.
    var estimatedUncompressedBytes: Int64? {
        guard let totalBytes else { return nil }
        let consumed = bytesRead - Int64(inputEnd - inputStart)
        guard inflater != nil else { return totalBytes }
        return consumed > 0 && bytesProduced > 0 ? Int64(Double(totalBytes) * Double(bytesProduced) / Double(consumed)) : nil
    }

    /// Puts at least one byte at the start of `target`, or returns 0 at the end of the data.
    func read(into target: UnsafeMutableRawBufferPointer) throws(DatasetError) -> Int {
        let count = try readUncompressed(into: target)
        if inflater != nil, bytesProduced == 0, count >= 2, target[0] == 0x1F, target[1] == 0x8B {
            throw DatasetError(.unsupported, "\(name) is compressed with gzip twice; uncompress it once first (gunzip)")
        }
        bytesProduced += Int64(count)
        return count
    }

    private func readUncompressed(into target: UnsafeMutableRawBufferPointer) throws(DatasetError) -> Int {
        guard let inflater else { return try readPlain(into: target) }
        while true {
            if inputStart == inputEnd {
                inputStart = 0
                inputEnd = 0
                if try !readMore() {
                    guard inflater.isBetweenMembers else {
                        throw DatasetError(.truncated, "\(name) ends in the middle of its gzip data; it was not copied whole")
                    }
                    return 0
                }
            }
            let available = UnsafeMutableRawBufferPointer(rebasing: input[inputStart..<inputEnd])
            let step: Inflater.Step
            do {
                step = try inflater.inflate(available, into: target)
            } catch {
                let place = bytesRead - Int64(available.count)
                throw DatasetError(.corrupt, "\(name) holds damaged gzip data near byte \(place): \(error.reason)")
            }
            inputStart += step.consumed
            if step.produced > 0 { return step.produced }
        }
    }

    private func readPlain(into target: UnsafeMutableRawBufferPointer) throws(DatasetError) -> Int {
        if inputStart < inputEnd {
            let count = min(target.count, inputEnd - inputStart)
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: input[inputStart..<inputStart + count]))
            inputStart += count
            return count
        }
        return try readFile(into: target)
    }

    /// Appends to `input`; false at the end of the file.
    private func readMore() throws(DatasetError) -> Bool {
        guard inputEnd < input.count else { return true }
        let count = try readFile(into: UnsafeMutableRawBufferPointer(rebasing: input[inputEnd...]))
        inputEnd += count
        return count > 0
    }

    private func readFile(into target: UnsafeMutableRawBufferPointer) throws(DatasetError) -> Int {
        while !atEnd {
            let count = Foundation.read(descriptor, target.baseAddress, target.count)
            if count > 0 {
                bytesRead += Int64(count)
                return count
            }
            if count == 0 { atEnd = true } else if errno != EINTR {
                throw DatasetError(.unreadable, "cannot read \(name) after byte \(bytesRead): \(Self.reason())")
            }
        }
        return 0
    }

    private func lookAtStart() throws(DatasetError) {
        let start = Array(input[0..<min(4, inputEnd)])
        if start.starts(with: [0x1F, 0x8B]) {
            guard let inflater = Inflater() else { throw DatasetError(.unreadable, "no memory to uncompress \(name)") }
            self.inflater = inflater
        } else if start.starts(with: [0x50, 0x4B, 0x03, 0x04]) {
            throw DatasetError(.unsupported, "\(name) is a zip archive or an Excel workbook; unpack it or save it as CSV")
        } else if [[0x28, 0xB5, 0x2F, 0xFD], [0x42, 0x5A, 0x68], [0xFD, 0x37, 0x7A]].contains(where: { start.starts(with: $0) }) {
            throw DatasetError(.unsupported, "\(name) is compressed with zstd, bzip2 or xz; uncompress it first (gzip is read directly)")
        } else if start == [0xFE, 0xFF, 0x00, 0x3C] || start == [0xFF, 0xFE, 0x3C, 0x00] {
            // XML, which says itself what it is in.
        } else if start.starts(with: [0xFE, 0xFF]) || start.starts(with: [0xFF, 0xFE]) {
            throw DatasetError(.unsupported, "\(name) is in UTF-16; convert it to UTF-8 first (iconv -f UTF-16 -t UTF-8)")
        }
    }

    private static func reason() -> String { String(cString: strerror(errno)).lowercased() }
}

/// gzip by zlib.
private final class Inflater {
    struct Step {
        var consumed: Int
        var produced: Int
    }

    struct Damage: Error { var reason: String }

    /// True before the first byte of a member; what follows the last member may be nothing.
    private(set) var isBetweenMembers = true
    private var hasFinishedOne = false
    private let stream: UnsafeMutablePointer<z_stream>

    init?() {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // 15 bits of window, 16 asks for the gzip wrapper.
        guard inflateInit2_(stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            stream.deallocate()
            return nil
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    func inflate(_ input: UnsafeMutableRawBufferPointer, into target: UnsafeMutableRawBufferPointer) throws(Damage) -> Step {
        if isBetweenMembers, hasFinishedOne, input.first == 0 {
            // Tapes and block devices pad with zeros after the last member.
            guard let rest = input.firstIndex(where: { $0 != 0 }) else { return Step(consumed: input.count, produced: 0) }
            return Step(consumed: rest, produced: 0)
        }
        isBetweenMembers = false
        stream.pointee.next_in = input.baseAddress?.assumingMemoryBound(to: Bytef.self)
        stream.pointee.avail_in = uInt(input.count)
        stream.pointee.next_out = target.baseAddress?.assumingMemoryBound(to: Bytef.self)
        stream.pointee.avail_out = uInt(target.count)
        let status = CZlib.inflate(stream, Z_NO_FLUSH)
        let step = Step(consumed: input.count - Int(stream.pointee.avail_in), produced: target.count - Int(stream.pointee.avail_out))
        switch status {
        case Z_OK, Z_BUF_ERROR: break
        case Z_STREAM_END:
            inflateReset(stream)
            isBetweenMembers = true
            hasFinishedOne = true
        default:
            // What came out before the damage is handed on first; the next call meets the damage again.
            guard step.produced == 0 else { return Step(consumed: step.consumed, produced: step.produced) }
            throw Damage(reason: stream.pointee.msg.map { String(cString: $0) } ?? "error \(status)")
        }
        return step
    }
}
