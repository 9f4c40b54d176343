import Synchronization

/// A ``TokenBucket`` a bank. There are as many as banks have registered, since only they get this far.
final class Quotas: Sendable {
    private let perSecond: Double
    private let burst: Double
    private let buckets = Mutex<[String: TokenBucket]>([:])

    /// - Parameter perSecond: 0 for no quotas.
    init(perSecond: Double, burst: Double) {
        self.perSecond = perSecond
        self.burst = max(burst, 1)
    }

    /// Takes one from a bank's bucket.
    ///
    /// - Returns: nil when it was taken; otherwise how long until there is one.
    func take(_ bankID: String, now: ContinuousClock.Instant = .now) -> Duration? {
        guard perSecond > 0 else { return nil }
        return buckets.withLock { buckets in
            buckets[bankID, default: TokenBucket(perSecond: perSecond, burst: burst, now: now)].take(now: now)
        }.map { .seconds($0) }
    }
}
