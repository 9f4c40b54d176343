internal import CNGHTTP2

/// The strings of names and values that a peer sends again and again. Header compression keeps such bytes in a table;
/// here they are known by their place in it, so that a repeated field makes no new string.
///
/// Confined to its session.
final class HeaderStrings {
    private struct Entry {
        var buffer: OpaquePointer?
        var text = ""
    }

    private var entries: UnsafeMutableBufferPointer<Entry>?

    private static let slotBits = 6
    /// Longer ones are rarely the same twice.
    private static let maxCachedBytes = 160

    deinit {
        removeAll()
    }

    /// The text of a buffer of nghttp2's.
    func text(_ buffer: OpaquePointer, _ bytes: nghttp2_vec) -> String {
        guard bytes.len <= Self.maxCachedBytes else { return Self.string(bytes) }
        let entries = entries ?? makeEntries()
        // Buffers are allocated, so the lowest bits of their addresses say little: the highest of a product say more.
        let slot = Int(truncatingIfNeeded: (UInt64(UInt(bitPattern: buffer)) &* 0x9E37_79B9_7F4A_7C15) >> UInt64(64 - Self.slotBits))
        if entries[slot].buffer == buffer { return entries[slot].text }
        if let old = entries[slot].buffer { nghttp2_rcbuf_decref(old) }
        let text = Self.string(bytes)
        // Holding the buffer keeps its address from meaning other bytes.
        nghttp2_rcbuf_incref(buffer)
        entries[slot].buffer = buffer
        entries[slot].text = text
        return text
    }

    private func makeEntries() -> UnsafeMutableBufferPointer<Entry> {
        let made = UnsafeMutableBufferPointer<Entry>.allocate(capacity: 1 << Self.slotBits)
        made.initialize(repeating: Entry())
        entries = made
        return made
    }

    private static func string(_ bytes: nghttp2_vec) -> String {
        var text = UnsafeBufferPointer(start: bytes.base, count: bytes.len)[...]
        while let first = text.first, isSpace(first) { text.removeFirst() }
        while let last = text.last, isSpace(last) { text.removeLast() }
        return String(decoding: UnsafeBufferPointer(rebasing: text), as: UTF8.self)
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    /// A value without the white space round it, which is no part of it (RFC 9110, section 5.5).
    static func trimmed(_ value: String) -> String {
        guard let first = value.utf8.first, let last = value.utf8.last, isSpace(first) || isSpace(last) else { return value }
        var bytes = value.utf8[...]
        while bytes.first.map(isSpace) == true { bytes.removeFirst() }
        while bytes.last.map(isSpace) == true { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Lets the buffers go; to be called before the session is.
    func removeAll() {
        guard let entries else { return }
        for entry in entries { if let buffer = entry.buffer { nghttp2_rcbuf_decref(buffer) } }
        entries.deinitialize()
        entries.deallocate()
        self.entries = nil
    }
}
