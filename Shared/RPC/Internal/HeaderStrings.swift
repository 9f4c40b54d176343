internal import CNGHTTP2

/// The strings of names and values that a peer sends again and again. Header compression keeps such bytes in a table;
/// here they are known by their place in it, so that a repeated field makes no new string.
///
/// Confined to its session.
struct HeaderStrings {
    private struct Entry {
        let buffer: OpaquePointer
        let text: String
    }

    private var entries: [Entry?] = []

    private static let slotCount = 32
    /// Shorter ones are kept within a `String` itself; longer ones are rarely the same twice.
    private static let cachedByteCounts = 16...160

    /// The text of a buffer of nghttp2's.
    mutating func text(_ buffer: OpaquePointer) -> String {
        let bytes = nghttp2_rcbuf_get_buf(buffer)
        let count = bytes.len
        guard Self.cachedByteCounts.contains(count) else { return Self.string(bytes) }
        if entries.isEmpty { entries = Array(repeating: nil, count: Self.slotCount) }
        // Buffers are allocated, so the lowest bits of their addresses say nothing.
        let slot = (Int(bitPattern: buffer) >> 4) % Self.slotCount
        if let entry = entries[slot] {
            if entry.buffer == buffer { return entry.text }
            nghttp2_rcbuf_decref(entry.buffer)
        }
        let text = Self.string(bytes)
        // Holding the buffer keeps its address from meaning other bytes.
        nghttp2_rcbuf_incref(buffer)
        entries[slot] = Entry(buffer: buffer, text: text)
        return text
    }

    private static func string(_ bytes: nghttp2_vec) -> String {
        trimmed(String(decoding: UnsafeBufferPointer(start: bytes.base, count: bytes.len), as: UTF8.self))
    }

    /// A value without the white space round it, which is no part of it (RFC 9110, section 5.5).
    static func trimmed(_ value: String) -> String {
        func isSpace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        guard let first = value.utf8.first, let last = value.utf8.last, isSpace(first) || isSpace(last) else { return value }
        var bytes = value.utf8[...]
        while bytes.first.map(isSpace) == true { bytes.removeFirst() }
        while bytes.last.map(isSpace) == true { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Lets the buffers go; to be called before the session is.
    mutating func removeAll() {
        for entry in entries { if let entry { nghttp2_rcbuf_decref(entry.buffer) } }
        entries = []
    }
}
