#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The life of one long-lived child, without I/O: it says when to start, signal or kill, and is told what happened.
///
/// A child that dies is started again at once. If it dies young again and again, the wait doubles from a quarter of a
/// second to eight seconds, and starts over once it has lived for ten.
struct ChildLife {
    typealias Instant = ContinuousClock.Instant

    enum State: Equatable {
        case due(at: Instant)
        case running(pid: pid_t, since: Instant)
        /// It was asked to stop; at `killAt` it is killed.
        case stopping(pid: pid_t, killAt: Instant)
        case ended
    }

    enum Action: Equatable {
        case start
        case kill(pid_t)
    }

    static let matureAge = Duration.seconds(10)
    static let firstDelay = Duration.milliseconds(250)
    static let longestDelay = Duration.seconds(8)

    private(set) var state: State
    /// How often it was started again.
    private(set) var restarts = 0
    /// Deaths in a row before `matureAge`.
    private(set) var youngDeaths = 0
    let stopLimit: Duration

    init(startAt: Instant, stopLimit: Duration) {
        state = .due(at: startAt)
        self.stopLimit = stopLimit
    }

    var pid: pid_t? {
        switch state {
        case .running(let pid, _), .stopping(let pid, _): pid
        case .due, .ended: nil
        }
    }

    var isEnded: Bool { state == .ended }

    /// When `action` next has something to say.
    var deadline: Instant? {
        switch state {
        case .due(let at): at
        case .stopping(_, let killAt): killAt
        case .running, .ended: nil
        }
    }

    func action(at now: Instant) -> Action? {
        switch state {
        case .due(let at) where at <= now: .start
        case .stopping(let pid, let killAt) where killAt <= now: .kill(pid)
        default: nil
        }
    }

    mutating func started(pid: pid_t, at now: Instant) {
        state = .running(pid: pid, since: now)
    }

    /// It could not be started at all.
    mutating func failedToStart(at now: Instant) {
        scheduleRestart(at: now)
    }

    mutating func exited(at now: Instant) {
        switch state {
        case .running(_, let since):
            if now - since >= Self.matureAge { youngDeaths = 0 }
            scheduleRestart(at: now)
        case .stopping:
            state = .ended
        case .due, .ended:
            break
        }
    }

    /// Returns the process to be asked to stop, if one runs and was not asked before.
    mutating func stop(at now: Instant) -> pid_t? {
        switch state {
        case .running(let pid, _):
            state = .stopping(pid: pid, killAt: now + stopLimit)
            return pid
        case .due:
            state = .ended
            return nil
        case .stopping, .ended:
            return nil
        }
    }

    /// The operator has lost patience: kill at once.
    mutating func hasten(at now: Instant) {
        if case .stopping(let pid, _) = state { state = .stopping(pid: pid, killAt: now) }
    }

    /// The kill was sent; the exit will be reported.
    mutating func killed(at now: Instant) {
        if case .stopping(let pid, _) = state { state = .stopping(pid: pid, killAt: now + .seconds(5)) }
    }

    private mutating func scheduleRestart(at now: Instant) {
        var delay = Duration.zero
        if youngDeaths > 0 {
            let doublings = min(youngDeaths - 1, 10)
            delay = min(Self.firstDelay * (1 << doublings), Self.longestDelay)
        }
        youngDeaths += 1
        restarts += 1
        state = .due(at: now + delay)
    }
}
