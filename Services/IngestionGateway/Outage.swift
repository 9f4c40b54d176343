import Logging
import RPC
import Synchronization

/// Tells once that a service does not answer, for each reason, and once that it answers again: not for each batch, of which there are
/// hundreds a second.
final class Outage: Sendable {
    /// An outage is over when the service answers and has not failed for so long: one that answers now and then is in one outage.
    private static let calm = Duration.seconds(5)

    private struct State {
        /// About how many it was asked in vain, by reason; with them those it was no longer asked about.
        var counts: [StatusCode: Int] = [:]
        var newest = ContinuousClock.now
    }

    private let state = Mutex(State())
    private let service: String
    private let logger: Logger

    init(of service: String, logger: Logger) {
        self.service = service
        self.logger = logger
    }

    func failed(_ error: any Error, count: Int, now: ContinuousClock.Instant = .now) {
        let code = (error as? RPCError)?.code ?? .unknown
        let isNews = state.withLock { state in
            defer { state.counts[code, default: 0] += count }
            state.newest = now
            return state.counts[code] == nil
        }
        if isNews { logger.warning("answering PENDING", metadata: ["service": "\(service)", "reason": "\(error)"]) }
    }

    /// Nobody asked, since it has not answered before.
    func passedOver(count: Int, now: ContinuousClock.Instant = .now) {
        state.withLock { state in
            guard let code = state.counts.keys.first else { return }
            state.counts[code, default: 0] += count
            state.newest = now
        }
    }

    func answered(now: ContinuousClock.Instant = .now) {
        let ended = state.withLock { state -> [StatusCode: Int] in
            guard !state.counts.isEmpty, state.newest.duration(to: now) >= Self.calm else { return [:] }
            defer { state.counts = [:] }
            return state.counts
        }
        for (code, count) in ended {
            logger.info("no longer answering PENDING", metadata: ["service": "\(service)", "reason": "\(code.name)", "count": "\(count)"])
        }
    }
}
