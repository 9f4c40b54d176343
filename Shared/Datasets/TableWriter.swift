import Foundation
public import Records

/// Writes a large table to a file, CSV, through one buffer and without making a text of any cell: some hundred million numbers a minute.
///
/// ```swift
/// let table = try TableWriter(path: "features.csv", header: ["transaction_id", "event_time", "amount"])
/// table.text(id); table.time(time); table.numbers(values); try table.endRow()
/// try table.close()
/// ```
///
/// Not to be shared between tasks.
public final class TableWriter {
    private static let flushBytes = 1 << 20
    private let name: String
    private let descriptor: Int32
    private var isOpen = true
    private var bytes: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private var count = 0
    private var isRowStart = true

    /// Replaces what lies at `path`.
    /// - Throws: `DatasetError` when it cannot be written.
    public convenience init(path: String, header: [String]) throws(DatasetError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Self.fault(path) }
        try self.init(descriptor: descriptor, name: path, header: header)
    }

    /// Writes into what is open already, and closes it at the end.
    /// - Parameter name: what faults call it.
    /// - Throws: `DatasetError` when it cannot be written.
    public init(descriptor: Int32, name: String, header: [String]) throws(DatasetError) {
        self.name = name
        self.descriptor = descriptor
        capacity = 2 * Self.flushBytes
        bytes = .allocate(capacity: capacity)
        for column in header { text(column) }
        try endRow()
    }

    deinit {
        if isOpen { Foundation.close(descriptor) }
        bytes.deallocate()
    }

    /// A text as RFC 4180 has it.
    public func text(_ text: UnsafeBufferPointer<UInt8>) {
        beginCell(2 * text.count + 2)
        let needsQuotes = text.contains { $0 == 0x22 || $0 == 0x2C || $0 == 0x0A || $0 == 0x0D }
        var end = bytes + count
        if needsQuotes { end = Self.append(0x22, end) }
        for byte in text {
            if byte == 0x22 { end = Self.append(0x22, end) }
            end = Self.append(byte, end)
        }
        if needsQuotes { end = Self.append(0x22, end) }
        count = end - bytes
    }

    /// As `text(_:)` of its bytes.
    public func text(_ text: String) {
        var text = text
        text.withUTF8 { self.text($0) }
    }

    /// 1 for true, 0 for false, nothing for nil.
    public func flag(_ flag: Bool?) {
        beginCell(1)
        guard let flag else { return }
        bytes[count] = flag ? UInt8(ascii: "1") : UInt8(ascii: "0")
        count += 1
    }

    /// ISO 8601, as `Timestamp.iso8601`.
    public func time(_ time: Timestamp) {
        beginCell(NumberText.maxBytes)
        let day = time.dayNumber()
        let second = time.seconds - Int64(day) * 86_400
        guard time.microseconds == time.seconds * Timestamp.microsecondsPerSecond, (0...2_932_896).contains(day) else {
            var text = time.iso8601
            text.withUTF8 { (bytes + count).update(from: $0.baseAddress ?? UnsafePointer(bytes), count: $0.count) }
            count += text.utf8.count
            return
        }
        if day != lastDay {
            lastDay = day
            lastDate = Array(Timestamp(seconds: Int64(day) * 86_400).iso8601.utf8.prefix(10))
        }
        let place = bytes + count
        for index in 0..<10 { place[index] = lastDate[index] }
        place[10] = UInt8(ascii: "T")
        NumberText.write(UInt64(second / 3_600), width: 2, to: place + 11)
        place[13] = UInt8(ascii: ":")
        NumberText.write(UInt64(second / 60 % 60), width: 2, to: place + 14)
        place[16] = UInt8(ascii: ":")
        NumberText.write(UInt64(second % 60), width: 2, to: place + 17)
        place[19] = UInt8(ascii: "Z")
        count += 20
    }

    private var lastDay = Int.min
    private var lastDate: [UInt8] = []

    /// A cell for each number; empty for NaN.
    public func numbers(_ values: UnsafeBufferPointer<Double>) {
        guard !values.isEmpty else { return }
        beginCell(values.count * (NumberText.maxBytes + 1))
        var end = bytes + count
        // Neighbours are often equal, as windows of one entity are in which nothing changed: the longer text is copied.
        var last = 0.0
        var lastText = end
        var lastCount = 0
        for index in values.indices {
            if index > 0 { end = Self.append(UInt8(ascii: ","), end) }
            let value = values[index]
            if value == last, lastCount > 0 {
                end.update(from: lastText, count: lastCount)
                end += lastCount
                continue
            }
            let start = end
            end = NumberText.write(value, to: end)
            if end - start > 4 {
                last = value
                lastText = start
                lastCount = end - start
            }
        }
        count = end - bytes
    }

    /// - Throws: `DatasetError` when the file cannot be written.
    public func endRow() throws(DatasetError) {
        reserve(1)
        bytes[count] = UInt8(ascii: "\n")
        count += 1
        isRowStart = true
        if count >= Self.flushBytes { try flush() }
    }

    /// - Throws: `DatasetError` when the file cannot be written.
    public func close() throws(DatasetError) {
        try flush()
        isOpen = false
        guard Foundation.close(descriptor) == 0 else { throw Self.fault(name) }
    }

    private func beginCell(_ room: Int) {
        reserve(room + 1)
        if !isRowStart {
            bytes[count] = UInt8(ascii: ",")
            count += 1
        }
        isRowStart = false
    }

    private func reserve(_ room: Int) {
        guard count + room > capacity else { return }
        capacity = max(count + room, capacity * 2)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        larger.update(from: bytes, count: count)
        bytes.deallocate()
        bytes = larger
    }

    private func flush() throws(DatasetError) {
        var written = 0
        while written < count {
            let step = Foundation.write(descriptor, bytes + written, count - written)
            if step > 0 { written += step } else if errno != EINTR { throw Self.fault(name) }
        }
        count = 0
    }

    private static func fault(_ path: String) -> DatasetError {
        DatasetError(.unreadable, "\(path) cannot be written: \(String(cString: strerror(errno)).lowercased())")
    }

    @inline(__always)
    private static func append(_ byte: UInt8, _ end: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        end.pointee = byte
        return end + 1
    }
}
