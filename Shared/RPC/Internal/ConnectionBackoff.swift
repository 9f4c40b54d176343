/// How long an address that cannot be connected to is left alone. Each failure makes it longer, up to a limit, and a random part keeps
/// clients that lost one server together from coming back together.
///
/// Source: "GRPC Connection Backoff Protocol", `doc/connection-backoff.md` in gRPC's repository, which has a multiplier of 1.6, a jitter
/// of .2, a first wait of 1 s and a longest of 120 s. Multiplier and jitter are the document's. By default (``ChannelConfiguration``)
/// the first wait is shorter here, 100 ms, and so is the longest, 20 s, because a channel calls services beside it, which are back within
/// seconds; a client that many run against one server far away should be given the document's. Here the wait counts from the failure,
/// there from the attempt's start; and the first wait has its random part too, which the document's has not.
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
