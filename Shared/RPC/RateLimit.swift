internal import Synchronization

/// How many calls a caller may make: a burst at once, refilled over time.
public struct RateLimit: Sendable, Hashable {
    public var callsPerSecond: Double
    public var burst: Int

    public init(callsPerSecond: Double, burst: Int) {
        self.callsPerSecond = callsPerSecond
        self.burst = burst
    }
}

/// Refuses the calls of callers that make too many with `resourceExhausted` (HTTP 429), telling when to come again
/// (`google.rpc.RetryInfo`).
public struct RateLimitInterceptor: PromptServerInterceptor {
    private let buckets: TokenBuckets
    private let key: @Sendable (IncomingCall) -> String?

    /// - Parameters:
    ///   - limit: for each caller.
    ///   - maxCallers: callers remembered; beyond, the one that has been quiet for longest is forgotten.
    ///   - key: who calls; calls of which nil is told are not limited. The IP address where it is left out.
    ///   - clock: monotonic nanoseconds.
    public init(
        _ limit: RateLimit, maxCallers: Int = 10_000, by key: @escaping @Sendable (IncomingCall) -> String? = { $0.peer.host },
        clock: @escaping @Sendable () -> UInt64 = RateLimitInterceptor.monotonicNanoseconds
    ) {
        buckets = TokenBuckets(limit, maxCallers: maxCallers, clock: clock)
        self.key = key
    }

    /// Since some moment before the process began.
    public static let monotonicNanoseconds: @Sendable () -> UInt64 = {
        let origin = ContinuousClock.now
        return { UInt64(max((ContinuousClock.now - origin).nanoseconds, 0)) }
    }()

    public func beginPromptly(_ call: inout IncomingCall) throws -> CallFinisher? {
        guard let caller = key(call), let wait = buckets.take(caller) else { return nil }
        let milliseconds = max(Int64(wait * 1000), 1)
        throw RPCError.resourceExhausted(
            "too many calls; the next one may come in \(milliseconds) ms", retryAfter: .milliseconds(milliseconds))
    }
}

extension Peer {
    /// The address without the port.
    public var host: String {
        guard let colon = address.lastIndex(of: ":") else { return address }
        return String(address[..<colon])
    }
}

/// A bucket of tokens for each caller.
private final class TokenBuckets: Sendable {
    private struct Bucket {
        var tokens: Double
        var filledAt: UInt64
    }

    private let limit: RateLimit
    private let maxCallers: Int
    private let clock: @Sendable () -> UInt64
    private let buckets = Mutex<[String: Bucket]>([:])

    init(_ limit: RateLimit, maxCallers: Int, clock: @escaping @Sendable () -> UInt64) {
        self.limit = limit
        self.maxCallers = max(maxCallers, 1)
        self.clock = clock
    }

    /// nil where the call may go on; else how many seconds are left until the next one may.
    func take(_ caller: String) -> Double? {
        let now = clock()
        return buckets.withLock(of: self) { buckets in
            if buckets[caller] == nil, buckets.count >= maxCallers { forgetQuiet(&buckets) }
            var bucket = buckets[caller] ?? Bucket(tokens: Double(limit.burst), filledAt: now)
            let elapsed = Double(now - min(bucket.filledAt, now)) / 1e9
            bucket.tokens = min(Double(limit.burst), bucket.tokens + elapsed * limit.callsPerSecond)
            bucket.filledAt = now
            defer { buckets[caller] = bucket }
            guard bucket.tokens < 1 else {
                bucket.tokens -= 1
                return nil
            }
            return limit.callsPerSecond > 0 ? (1 - bucket.tokens) / limit.callsPerSecond : 3600
        }
    }

    /// A tenth at a time, so that the search is paid by many.
    private func forgetQuiet(_ buckets: inout [String: Bucket]) {
        let quietest = buckets.sorted { $0.value.filledAt < $1.value.filledAt }.prefix(max(maxCallers / 10, 1))
        for (caller, _) in quietest { buckets[caller] = nil }
    }
}
