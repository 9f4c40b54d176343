/// How long to wait before a delivery is tried again.
struct RetrySchedule: Sendable, Hashable {
    /// With the first.
    var maxAttempts: Int
    var firstSeconds = 1.0
    var maxSeconds = 600.0

    /// The wait after the attempt of that number failed, nil after the last one. It doubles from attempt to attempt.
    ///
    /// - Parameters:
    ///   - attempt: from 1.
    ///   - jitter: 0 ..< 1, so that what failed together does not come again together.
    func waitSeconds(afterAttempt attempt: Int, jitter: Double) -> Double? {
        guard attempt < maxAttempts else { return nil }
        let doubled = firstSeconds * Double(1 << min(max(attempt - 1, 0), 30))
        return min(maxSeconds, doubled) * (0.5 + jitter / 2)
    }
}
