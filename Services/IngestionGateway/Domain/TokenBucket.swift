/// How much one bank may send: so many transactions and records a second in the long run, and a burst at once. Its time is
/// monotonic, so that no clock set back keeps a bank waiting.
struct TokenBucket: Sendable {
    let perSecond: Double
    let burst: Double
    private var level: Double
    private var filledAt: ContinuousClock.Instant

    init(perSecond: Double, burst: Double, now: ContinuousClock.Instant) {
        self.perSecond = perSecond
        self.burst = burst
        level = burst
        filledAt = now
    }

    /// Takes one.
    ///
    /// - Returns: nil when it was taken; otherwise the seconds until there is one.
    mutating func take(now: ContinuousClock.Instant) -> Double? {
        let seconds = max(0, (now - filledAt) / .seconds(1))
        level = min(burst, level + seconds * perSecond)
        filledAt = max(filledAt, now)
        guard level < 1 else {
            level -= 1
            return nil
        }
        return (1 - level) / perSecond
    }
}
