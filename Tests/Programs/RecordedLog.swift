public import Logging
import Synchronization

/// Keeps what is logged, from the level `debug` on, for a test to look at.
public final class RecordedLog: Sendable {
    public struct Line: Sendable, CustomStringConvertible {
        public let message: String
        public let metadata: [String: String]
        public let time: ContinuousClock.Instant

        public var description: String {
            ([message] + metadata.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }).joined(separator: " ")
        }
    }

    private struct State {
        var lines: [Line] = []
        var waiters: [(isRipe: @Sendable ([Line]) -> Bool, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state = Mutex(State())

    public init() {}

    public var lines: [Line] { state.withLock { $0.lines } }
    public var text: String { lines.map(\.description).joined(separator: "\n") }

    public var logger: Logger {
        var logger = Logger(label: "recorded") { _ in Handler(log: self) }
        logger.logLevel = .debug
        return logger
    }

    /// Waits until the lines are as `isRipe` wants them.
    public func wait(until isRipe: @escaping @Sendable ([Line]) -> Bool) async {
        await withCheckedContinuation { continuation in
            let isRipeNow = state.withLock { state in
                if isRipe(state.lines) { return true }
                state.waiters.append((isRipe, continuation))
                return false
            }
            if isRipeNow { continuation.resume() }
        }
    }

    private func add(_ line: Line) {
        let ripe = state.withLock { state in
            state.lines.append(line)
            let lines = state.lines
            let ripe = state.waiters.filter { $0.isRipe(lines) }
            state.waiters.removeAll { $0.isRipe(lines) }
            return ripe
        }
        for waiter in ripe { waiter.continuation.resume() }
    }

    private struct Handler: LogHandler {
        let log: RecordedLog
        var logLevel = Logger.Level.debug
        var metadata: Logger.Metadata = [:]

        init(log: RecordedLog) { self.log = log }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let all = metadata.merging(event.metadata ?? [:]) { $1 }.mapValues { "\($0)" }
            log.add(Line(message: "\(event.message)", metadata: all, time: .now))
        }
    }
}
