import Records

/// How much one bank may send: so many transactions and records a second in the long run, and a burst at once.
struct TokenBucket: Sendable {
    let perSecond: Double
    let burst: Double
    private var level: Double
    private var filledAt: Timestamp

    init(perSecond: Double, burst: Double, now: Timestamp) {
        self.perSecond = perSecond
        self.burst = burst
        level = burst
        filledAt = now
    }

    /// Takes one.
    ///
    /// - Returns: nil when it was taken; otherwise the seconds until there is one.
    mutating func take(now: Timestamp) -> Double? {
        let seconds = Double(max(0, now.microseconds - filledAt.microseconds)) / 1_000_000
        level = min(burst, level + seconds * perSecond)
        filledAt = max(filledAt, now)
        guard level < 1 else {
            level -= 1
            return nil
        }
        return (1 - level) / perSecond
    }
}
