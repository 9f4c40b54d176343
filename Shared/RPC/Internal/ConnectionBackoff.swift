/// How long an address that cannot be connected to is left alone. Each failure makes it longer, up to a limit, and a random part keeps
/// clients that lost one server together from coming back together.
///
/// Source: "gRPC Connection Backoff Protocol", gRPC documentation: multiplier 1.6, jitter .2.
struct ConnectionBackoff {
    let minMilliseconds: Int
    let maxSeconds: Int

    static let multiplier = 1.6
    static let jitter = 0.2

    /// - Parameter failures: one after another, at least 1.
    func wait(failures: Int, using generator: inout some RandomNumberGenerator) -> Duration {
        let limit = Double(maxSeconds) * 1000
        var milliseconds = Double(minMilliseconds)
        for _ in 1..<max(failures, 1) where milliseconds < limit { milliseconds *= Self.multiplier }
        let factor = Double.random(in: 1 - Self.jitter...1 + Self.jitter, using: &generator)
        return .microseconds(Int64(min(milliseconds, limit) * factor * 1000))
    }
}
