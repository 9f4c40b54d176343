internal import Synchronization

/// Where a call stands in a trace that spans services (W3C Trace Context, level 1).
public struct TraceContext: Sendable, Hashable {
    /// Sixteen bytes, not all zero: the same for everything that one outer request caused.
    public let traceIDHigh: UInt64
    public let traceIDLow: UInt64
    /// Not zero: this step.
    public let spanID: UInt64
    /// Whether somebody upstream records the trace.
    public let isSampled: Bool
    /// What other tracing systems pass along; handed on as it came.
    public let state: String

    public init(traceIDHigh: UInt64, traceIDLow: UInt64, spanID: UInt64, isSampled: Bool = false, state: String = "") {
        self.traceIDHigh = traceIDHigh
        self.traceIDLow = traceIDLow
        self.spanID = spanID
        self.isSampled = isSampled
        self.state = state
    }

    /// A trace that begins here.
    public static func root() -> TraceContext {
        TraceContext(traceIDHigh: SpanIDs.next(), traceIDLow: SpanIDs.next(), spanID: SpanIDs.next())
    }

    /// A step below this one.
    public func child() -> TraceContext {
        TraceContext(
            traceIDHigh: traceIDHigh, traceIDLow: traceIDLow, spanID: SpanIDs.next(), isSampled: isSampled, state: state)
    }

    /// Reads the header field `traceparent`, `00-<32 hex>-<16 hex>-<2 hex>`; nil where it is malformed, so that the trace
    /// begins anew. Later versions are read as far as this form goes.
    public init?(traceparent: String, state: String = "") {
        var text = traceparent
        let fields = text.withUTF8 { Self.parse($0) }
        guard let fields else { return nil }
        // A state longer than any receiver must keep is dropped (section 3.3.1.5).
        self.init(
            traceIDHigh: fields.high, traceIDLow: fields.low, spanID: fields.span, isSampled: fields.flags & 1 == 1,
            state: state.utf8.count <= 512 ? state : "")
    }

    private static func parse(_ text: UnsafeBufferPointer<UInt8>) -> (high: UInt64, low: UInt64, span: UInt64, flags: UInt64)? {
        guard text.count >= 55, text[2] == dash, text[35] == dash, text[52] == dash,
            let version = hex(text, 0, 2), version != 0xFF, text.count == 55 || (version > 0 && text[55] == dash),
            let high = hex(text, 3, 16), let low = hex(text, 19, 16), let span = hex(text, 36, 16), let flags = hex(text, 53, 2),
            high | low != 0, span != 0
        else { return nil }
        return (high, low, span, flags)
    }

    private static let dash = UInt8(ascii: "-")

    /// Lower-case digits only, as the standard has it. The caller has seen that there are as many.
    private static func hex(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ count: Int) -> UInt64? {
        var value: UInt64 = 0
        var index = start
        while index < start + count {
            let (digit, letter) = (text[index] &- UInt8(ascii: "0"), text[index] &- UInt8(ascii: "a"))
            guard digit < 10 || letter < 6 else { return nil }
            value = value << 4 | UInt64(digit < 10 ? digit : letter + 10)
            index += 1
        }
        return value
    }

    /// The value of the header field `traceparent`.
    public var traceparent: String {
        String(unsafeUninitializedCapacity: 55) { text in
            var end = 0
            func put(_ byte: UInt8) {
                text[end] = byte
                end += 1
            }
            func put(_ value: UInt64, digits: Int) {
                for shift in stride(from: 4 * (digits - 1), through: 0, by: -4) {
                    let digit = UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 15
                    put(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
                }
            }
            put(0, digits: 2)
            put(Self.dash)
            put(traceIDHigh, digits: 16)
            put(traceIDLow, digits: 16)
            put(Self.dash)
            put(spanID, digits: 16)
            put(Self.dash)
            put(isSampled ? 1 : 0, digits: 2)
            return end
        }
    }

    /// The trace's name in logs: 32 hexadecimal digits.
    public var traceID: String { String(traceparent.dropFirst(3).prefix(32)) }

    /// The trace of the call that the current task handles; calls made below carry it on. nil where there is none.
    public static var current: TraceContext? { CallScope.current?.trace }
}

/// Numbers that do not repeat within a process and are not guessed alike by two: a random start, stepped and mixed as in
/// splitmix64 (Steele, Lea, Flood, 2014). Asking the kernel for each would cost more than the call.
private enum SpanIDs {
    private static let counter = Atomic<UInt64>(UInt64.random(in: .min ... .max))

    static func next() -> UInt64 {
        var value = counter.wrappingAdd(0x9E37_79B9_7F4A_7C15, ordering: .relaxed).newValue
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return max(value ^ (value >> 31), 1)
    }
}

/// Takes each call's place in a trace from its `traceparent`, or begins a trace. Handlers find it in
/// ``TraceContext/current``; calls that they make carry it on.
public struct TracingInterceptor: PromptServerInterceptor {
    public init() {}

    public func beginPromptly(_ call: inout IncomingCall) throws -> CallFinisher? {
        let parent = call.metadata["traceparent"].flatMap { TraceContext(traceparent: $0, state: call.metadata["tracestate"] ?? "") }
        call.trace = parent?.child() ?? .root()
        return nil
    }
}
