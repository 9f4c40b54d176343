import Logging
import RPC
import Synchronization

/// Tells once that something fails, for each reason, and once that it is over: not for each batch, of which there are hundreds a second.
final class Outage: Sendable {
    /// What an outage is called at its beginning, and at its end.
    struct Words {
        let failing: Logger.Message
        let over: Logger.Message

        static let pending = Words(failing: "answering PENDING", over: "no longer answering PENDING")
        static let unstoredTransactions = Words(failing: "transactions could not be stored", over: "transactions are stored again")
        static let unstoredRecords = Words(failing: "records could not be stored", over: "records are stored again")
    }

    /// An outage is over when the service answers and has not failed for so long: one that answers now and then is in one outage.
    private static let calm = Duration.seconds(5)

    private struct State {
        /// Since when it has not answered once.
        var silentSince: ContinuousClock.Instant?
        /// About how many it was asked in vain, by reason; with them those it was no longer asked about.
        var counts: [StatusCode: Int] = [:]
        var newest = ContinuousClock.now
    }

    private let state = Mutex(State())
    private let service: String
    private let words: Words
    private let logger: Logger

    init(of service: String, _ words: Words = .pending, logger: Logger) {
        self.service = service
        self.words = words
        self.logger = logger
    }

    /// - Returns: how long it has failed by now, without having answered once.
    @discardableResult
    func failed(_ error: any Error, count: Int, now: ContinuousClock.Instant = .now) -> Duration {
        let code = (error as? RPCError)?.code ?? (error as? any RPCErrorConvertible)?.rpcError.code ?? .unknown
        let (isNews, span) = state.withLock { state in
            defer { state.counts[code, default: 0] += count }
            state.newest = now
            let since = state.silentSince ?? now
            state.silentSince = since
            return (state.counts[code] == nil, since.duration(to: now))
        }
        if isNews { logger.warning(words.failing, metadata: ["service": "\(service)", "reason": "\(error)"]) }
        return span
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
            state.silentSince = nil
            guard !state.counts.isEmpty, state.newest.duration(to: now) >= Self.calm else { return [:] }
            defer { state.counts = [:] }
            return state.counts
        }
        for (code, count) in ended {
            logger.info(words.over, metadata: ["service": "\(service)", "reason": "\(code.name)", "count": "\(count)"])
        }
    }
}
