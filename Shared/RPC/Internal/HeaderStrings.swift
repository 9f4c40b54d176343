internal import CNGHTTP2
#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// The fields that a peer sends again and again. Header compression keeps their bytes in a table; here they are known by their
/// place in it, so that a repeated field makes no new strings.
///
/// Confined to its session.
final class HeaderStrings {
    private struct Entry {
        var name: OpaquePointer?
        var value: OpaquePointer?
        var field = Metadata.Field(name: "", value: "")
    }

    private var entries: UnsafeMutableBufferPointer<Entry>?
    private var lastPath = ""

    private static let slotBits = 5
    /// Several, so that fields that meet in one place do not drive each other out for ever.
    private static let placesOfField = 4
    /// Longer ones are rarely the same twice.
    private static let maxCachedBytes = 160

    deinit {
        removeAll()
    }

    /// The texts of two buffers of nghttp2's.
    func field(_ nameBuffer: OpaquePointer, _ valueBuffer: OpaquePointer, _ name: nghttp2_vec, _ value: nghttp2_vec) -> Metadata.Field {
        guard name.len + value.len <= Self.maxCachedBytes else {
            return Metadata.Field(name: Self.string(name), value: Self.string(value))
        }
        let entries = entries ?? makeEntries()
        // Buffers are allocated, so the lowest bits of their addresses say little: the highest of a product say more.
        let mixed = (UInt64(UInt(bitPattern: nameBuffer)) &+ UInt64(UInt(bitPattern: valueBuffer)) &* 3) &* 0x9E37_79B9_7F4A_7C15
        let first = Int(truncatingIfNeeded: mixed >> UInt64(64 - Self.slotBits))
        var slot = first
        for distance in 0..<Self.placesOfField {
            let place = first ^ distance
            if entries[place].value == valueBuffer, entries[place].name == nameBuffer { return entries[place].field }
            if entries[place].value == nil { slot = place }
        }
        Self.release(entries[slot])
        // Holding the buffers keeps their addresses from meaning other bytes.
        nghttp2_rcbuf_incref(nameBuffer)
        nghttp2_rcbuf_incref(valueBuffer)
        let field = Metadata.Field(name: Self.string(name), value: Self.string(value))
        entries[slot] = Entry(name: nameBuffer, value: valueBuffer, field: field)
        return field
    }

    /// The value of `:path`. Header compression does not keep it, but it often is that of the request before.
    func path(_ value: nghttp2_vec) -> String {
        let isSame = lastPath.utf8.withContiguousStorageIfAvailable { last in
            guard last.count == value.len, let start = last.baseAddress else { return false }
            return memcmp(start, value.base, value.len) == 0
        }
        if isSame == true { return lastPath }
        let path = Self.string(value)
        if value.len <= Self.maxCachedBytes { lastPath = path }
        return path
    }

    /// A number of at most four digits; nil where it is none.
    static func number(_ digits: UnsafeBufferPointer<UInt8>.SubSequence) -> Int? {
        guard !digits.isEmpty else { return nil }
        var number = 0
        for byte in digits {
            guard byte &- UInt8(ascii: "0") < 10, number < 1000 else { return nil }
            number = number * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return number
    }

    private static func release(_ entry: Entry) {
        guard let name = entry.name, let value = entry.value else { return }
        nghttp2_rcbuf_decref(name)
        nghttp2_rcbuf_decref(value)
    }

    private func makeEntries() -> UnsafeMutableBufferPointer<Entry> {
        let made = UnsafeMutableBufferPointer<Entry>.allocate(capacity: 1 << Self.slotBits)
        made.initialize(repeating: Entry())
        entries = made
        return made
    }

    static func string(_ bytes: nghttp2_vec) -> String {
        String(decoding: UnsafeBufferPointer(rebasing: trimmed(bytes)), as: UTF8.self)
    }

    /// Bytes without the white space round them.
    static func trimmed(_ bytes: nghttp2_vec) -> UnsafeBufferPointer<UInt8>.SubSequence {
        var text = UnsafeBufferPointer(start: bytes.base, count: bytes.len)[...]
        while let first = text.first, isSpace(first) { text.removeFirst() }
        while let last = text.last, isSpace(last) { text.removeLast() }
        return text
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
        for entry in entries { Self.release(entry) }
        entries.deinitialize()
        entries.deallocate()
        self.entries = nil
    }
}
