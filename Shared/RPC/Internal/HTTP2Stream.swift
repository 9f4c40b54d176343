internal import CNGHTTP2
internal import DequeModule

/// One HTTP/2 stream as its session sees it: what came in and waits for Swift to look at it, what waits to go out.
/// Calls subclass it, so that a call is one object.
///
/// Confined to the session's event loop.
class HTTP2Stream {
    /// nghttp2's number; 0 until the stream is opened.
    final var id: Int32 = 0
    /// The stream's place in its session's list of open streams.
    final var index = -1
    final var session: HTTP2Session?

    // MARK: what came in

    /// The fields of the header block that is coming in, pseudo-header fields taken out.
    @exclusivity(unchecked) final var fields: [Metadata.Field] = []
    @exclusivity(unchecked) final var pseudo = PseudoHeaders()
    @exclusivity(unchecked) final var headerBytes = 0
    final var headersTooLarge = false
    /// Body bytes that Swift has not taken yet.
    @exclusivity(unchecked) final var body: [UInt8] = []
    final var hasDataEvent = false
    /// Bytes received for which the peer was not given new window.
    @exclusivity(unchecked) final var unconsumedBytes = 0
    final var remoteEnded = false
    /// The header block that is no interim response (1xx) has come.
    final var hasFinalHeaders = false

    /// How much of the request is still let in, to be thrown away, once it is answered: some clients drop an answer that
    /// a reset follows while they send.
    final var drainBytesLeft = 0

    // MARK: what goes out

    @exclusivity(unchecked) final var output = OutputQueue()
    /// No more output follows what is queued.
    final var outputFinished = false
    /// Sent after the last output, in place of an empty DATA frame.
    @exclusivity(unchecked) final var trailers: HeaderList?
    /// nghttp2 was told to ask again when there is output.
    final var isDeferred = false
    final var localEnded = false
    final var isClosed = false
    /// Output left the queue since the owner last looked.
    final var hasSentEvent = false
    /// Monotonic; `max` where there is none.
    final var deadlineNanoseconds = UInt64.max

    init() {}

    /// Takes the body bytes that arrived, also after the stream closed. They count against its window until the session
    /// is told that they were consumed.
    final func takeBody() -> [UInt8] { exchange(&body, with: []) }

    /// The deadline has passed.
    func expire() {}

    // MARK: a client's, while a header block comes in

    /// A header block begins.
    func beginFields() {}
    /// Whether the field is looked at here, and so need not be kept.
    func takes(_ name: nghttp2_vec, _ value: nghttp2_vec) -> Bool { false }
}

/// The fields whose names begin with a colon.
struct PseudoHeaders {
    var method = ""
    var path = ""
    var scheme = ""
    var authority = ""
    var status = 0
}

/// Chunks of bytes in order, read from the front. The first lies by itself: most streams have no other.
struct OutputQueue {
    private var first: [UInt8] = []
    private var others: Deque<[UInt8]> = []
    private var offset = 0
    private(set) var byteCount = 0

    var isEmpty: Bool { byteCount == 0 }

    mutating func append(_ chunk: [UInt8]) {
        guard !chunk.isEmpty else { return }
        if byteCount == 0 { first = chunk } else { others.append(chunk) }
        byteCount += chunk.count
    }

    /// Moves the first `count` bytes to a batch.
    ///
    /// - Parameter lends: whether long runs may stay where they lie.
    mutating func move(_ count: Int, to batch: inout OutputBatch, lends: Bool) {
        precondition(count <= byteCount)
        byteCount -= count
        var missing = count
        while missing > 0 {
            let available = first.count - offset
            let taken = min(available, missing)
            let range = offset..<offset + taken
            if lends, taken >= OutputBatch.minLentBytes {
                batch.lend(first, range)
            } else {
                first.withUnsafeBytes { batch.append(UnsafeRawBufferPointer(rebasing: $0[range])) }
            }
            missing -= taken
            if taken == available {
                first = others.popFirst() ?? []
                offset = 0
            } else {
                offset += taken
            }
        }
    }

    mutating func removeAll() {
        guard byteCount > 0 else { return }
        first = []
        others.removeAll()
        offset = 0
        byteCount = 0
    }
}

/// A header block to be sent: names and values in one run of bytes, ready for nghttp2.
///
/// `@unchecked Sendable`: what `fixed` points to never changes.
struct HeaderList: @unchecked Sendable {
    private struct Entry {
        var name: Text
        var value: Text
    }

    private enum Text {
        case literal(StaticString)
        case copied(offset: Int, count: Int)
    }

    private var entries: [Entry] = []
    private var bytes: [UInt8] = []
    /// nghttp2's form of fields that come first and never change, made once.
    private var fixed: UnsafeBufferPointer<nghttp2_nv>?
    private var fixedText: UnsafeBufferPointer<UInt8>?

    var isEmpty: Bool { entries.isEmpty && fixed == nil }

    init() {}

    /// A list that is sent again and again. Its memory is kept for the process's life.
    init(fixed fields: KeyValuePairs<StaticString, StaticString>) {
        let pairs = UnsafeMutableBufferPointer<nghttp2_nv>.allocate(capacity: fields.count)
        for (index, (name, value)) in fields.enumerated() {
            pairs.initializeElement(
                at: index,
                to: nghttp2_nv(
                    name: UnsafeMutablePointer(mutating: name.utf8Start), value: UnsafeMutablePointer(mutating: value.utf8Start),
                    namelen: name.utf8CodeUnitCount, valuelen: value.utf8CodeUnitCount,
                    flags: UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)))
        }
        fixed = UnsafeBufferPointer(pairs)
    }

    mutating func reserveCapacity(fields: Int, bytes: Int) {
        entries.reserveCapacity(fields)
        self.bytes.reserveCapacity(bytes)
    }

    mutating func add(_ name: StaticString, _ value: StaticString) {
        entries.append(Entry(name: .literal(name), value: .literal(value)))
    }

    mutating func add(_ name: StaticString, _ value: String) {
        entries.append(Entry(name: .literal(name), value: copy(value)))
    }

    mutating func add(_ name: String, _ value: String) {
        entries.append(Entry(name: copy(name), value: copy(value)))
    }

    /// Adds metadata, leaving out names that the protocol keeps for itself.
    mutating func add(_ metadata: Metadata) {
        for field in metadata where !Self.isReserved(field.name) { addChecked(field) }
    }

    /// Adds a field that came from outside the protocol, unless its name or value may not stand in a header (RFC 9113,
    /// section 8.2.1): one bad field must not cost the whole call. White space round a value is no part of it (RFC 9110,
    /// section 5.5) and is left away.
    mutating func addChecked(_ field: Metadata.Field) {
        let nameIsToken = field.name.utf8.allSatisfy { byte in
            byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: ":") && !(UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
        }
        let valueIsText = field.value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }
        guard !field.name.isEmpty, nameIsToken, valueIsText else { return }
        add(field.name, HeaderStrings.trimmed(field.value))
    }

    private static func isReserved(_ name: String) -> Bool {
        // A handler may tell its caller when to come again (gRFC A6).
        name.isEmpty || name.hasPrefix(":") || name.hasPrefix("grpc-") && name != "grpc-retry-pushback-ms"
            || name == "content-type" || name == "te" || name == "connection" || name == "transfer-encoding"
    }

    private mutating func copy(_ text: String) -> Text {
        let offset = bytes.count
        bytes.append(contentsOf: text.utf8)
        return .copied(offset: offset, count: bytes.count - offset)
    }

    /// Hands out nghttp2's form, valid during the call. Literals are marked so that nghttp2 does not copy them.
    func withNameValues<R>(_ body: (UnsafePointer<nghttp2_nv>, Int) -> R) -> R {
        if entries.isEmpty, let fixed, let base = fixed.baseAddress { return body(base, fixed.count) }
        return withNameValues(and: nil, body)
    }

    /// The same with a field `grpc-timeout` behind the others.
    func withNameValues<R>(timeout: String?, _ body: (UnsafePointer<nghttp2_nv>, Int) -> R) -> R {
        guard var timeout else { return withNameValues(body) }
        return timeout.withUTF8 { text in
            let name: StaticString = "grpc-timeout"
            let pair = nghttp2_nv(
                name: UnsafeMutablePointer(mutating: name.utf8Start), value: UnsafeMutablePointer(mutating: text.baseAddress),
                namelen: name.utf8CodeUnitCount, valuelen: text.count, flags: UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue))
            return withNameValues(and: pair, body)
        }
    }

    private func withNameValues<R>(and last: nghttp2_nv?, _ body: (UnsafePointer<nghttp2_nv>, Int) -> R) -> R {
        let fixedCount = fixed?.count ?? 0
        let count = fixedCount + entries.count + (last == nil ? 0 : 1)
        return bytes.withUnsafeBufferPointer { bytes in
            withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: max(count, 1)) { pairs in
                if let fixed { _ = pairs[..<fixedCount].initialize(fromContentsOf: fixed) }
                for (index, entry) in entries.enumerated() {
                    pairs.initializeElement(at: fixedCount + index, to: Self.pair(entry, bytes))
                }
                if let last { pairs.initializeElement(at: count - 1, to: last) }
                // The allocation has at least one element, so it has a base address.
                return body(UnsafePointer(pairs.baseAddress.unsafelyUnwrapped), count)
            }
        }
    }

    private static func pair(_ entry: Entry, _ bytes: UnsafeBufferPointer<UInt8>) -> nghttp2_nv {
        var flags = UInt8(NGHTTP2_NV_FLAG_NONE.rawValue)
        let (name, nameCount, nameIsLiteral) = pointer(entry.name, bytes)
        let (value, valueCount, valueIsLiteral) = pointer(entry.value, bytes)
        if nameIsLiteral { flags |= UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue) }
        if valueIsLiteral { flags |= UInt8(NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue) }
        return nghttp2_nv(name: name, value: value, namelen: nameCount, valuelen: valueCount, flags: flags)
    }

    /// The same fields in nghttp2's form, which it does not copy: valid until ``freeFixed()``.
    func madeFixed() -> HeaderList {
        let text = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: max(bytes.count, 1))
        _ = text.initialize(fromContentsOf: bytes)
        let pairs = UnsafeMutableBufferPointer<nghttp2_nv>.allocate(capacity: entries.count)
        for (index, entry) in entries.enumerated() {
            var pair = Self.pair(entry, UnsafeBufferPointer(text))
            pair.flags = UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)
            pairs.initializeElement(at: index, to: pair)
        }
        var list = HeaderList()
        list.fixed = UnsafeBufferPointer(pairs)
        list.fixedText = UnsafeBufferPointer(text)
        return list
    }

    /// Frees what ``madeFixed()`` made; nobody may send it any more.
    func freeFixed() {
        fixed?.deallocate()
        fixedText?.deallocate()
    }

    /// nghttp2's fields are not const, but it writes to none of them.
    private static func pointer(
        _ span: Text, _ bytes: UnsafeBufferPointer<UInt8>
    ) -> (UnsafeMutablePointer<UInt8>?, Int, Bool) {
        switch span {
        case .literal(let text): (UnsafeMutablePointer(mutating: text.utf8Start), text.utf8CodeUnitCount, true)
        case .copied(let offset, let count):
            (bytes.baseAddress.map { UnsafeMutablePointer(mutating: $0 + offset) }, count, false)
        }
    }
}
