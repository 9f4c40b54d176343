#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The operator asked to stop while something was waited for.
struct StopRequested: Error {}

/// Starts children, starts them again when they die, and ends them in order. Everything happens on the thread that calls,
/// which must be the process's first: the children's death signal follows that thread.
final class Supervisor {
    typealias Instant = ContinuousClock.Instant

    /// A child that is to live as long as the suite.
    struct ChildSpecification {
        let name: String
        let command: ProcessCommand
        /// Asks it to drain and end.
        var stopSignal = SIGTERM
        /// How long it may take before it is killed; a service allows itself 15 s.
        var stopLimit = Duration.seconds(16)
        /// Children of a lower stage have ended before those of a higher one are asked to.
        var stopStage = 0
    }

    private struct Child {
        let specification: ChildSpecification
        var life: ChildLife
        var lifeline: Int32 = -1
        var lastEnd: ProcessEnd?
    }

    /// Told of each start and each end, for the operator's eyes and the files of process ids.
    enum Event {
        case started(name: String, pid: pid_t, restarts: Int)
        case ended(name: String, end: ProcessEnd)
        case failedToStart(name: String, reason: String)
    }

    private let inbox: SignalInbox
    private let report: (Event) -> Void
    private var children: [Child] = []
    private var jobEnds: [pid_t: ProcessEnd] = [:]
    private var runningJobs: Set<pid_t> = []
    private(set) var stopRequests = 0

    init(report: @escaping (Event) -> Void) throws(LaunchError) {
        inbox = try SignalInbox([SIGCHLD, SIGINT, SIGTERM, SIGHUP])
        self.report = report
    }

    // MARK: Children

    func start(_ specification: ChildSpecification) {
        children.append(Child(specification: specification, life: ChildLife(startAt: .now, stopLimit: specification.stopLimit)))
        actOnDeadlines()
    }

    func pid(of name: String) -> pid_t? { child(name)?.life.pid }

    func restarts(of name: String) -> Int { child(name)?.life.restarts ?? 0 }

    func lastEnd(of name: String) -> ProcessEnd? { child(name)?.lastEnd }

    private func child(_ name: String) -> Child? { children.first { $0.specification.name == name } }

    // MARK: Waiting

    /// Runs a program to its end while looking after the children. It is killed at the limit, or when `isFutile` says so.
    func run(_ command: ProcessCommand, limit: Duration, givingUpWhen isFutile: () -> Bool = { false }) throws -> ProcessEnd {
        let job = try command.start()
        runningJobs.insert(job.pid)
        let deadline = Instant.now + limit
        while true {
            if let end = jobEnds.removeValue(forKey: job.pid) { return end }
            let gaveUp = isFutile()
            if gaveUp || Instant.now >= deadline || stopRequests > 0 {
                kill(job.pid, SIGKILL)
                while jobEnds[job.pid] == nil { turn(until: .now + .seconds(1)) }
                let end = jobEnds.removeValue(forKey: job.pid) ?? .signalled(SIGKILL)
                if stopRequests > 0 { throw StopRequested() }
                if gaveUp { return end }
                throw LaunchError("\(command.executable) took longer than \(limit.components.seconds) s")
            }
            turn(until: deadline)
        }
    }

    /// Waits until the condition holds, asking every few milliseconds; false when the limit is over.
    func wait(limit: Duration, until condition: () throws -> Bool) throws -> Bool {
        let deadline = Instant.now + limit
        while true {
            if try condition() { return true }
            if Instant.now >= deadline { return false }
            turn(until: min(.now + .milliseconds(20), deadline))
            if stopRequests > 0 { throw StopRequested() }
        }
    }

    /// Looks after the children until the operator asks to stop.
    func runUntilStopRequested() {
        while stopRequests == 0 { turn(until: .now + .seconds(60)) }
    }

    /// Ends all children, stage by stage. A second request from the operator kills what has not ended.
    func stopAll() {
        let requestsBefore = stopRequests
        let stages = Set(children.map(\.specification.stopStage)).sorted()
        for stage in stages {
            let members = children.indices.filter { children[$0].specification.stopStage == stage }
            for index in members {
                if let pid = children[index].life.stop(at: .now) { kill(pid, children[index].specification.stopSignal) }
            }
            while members.contains(where: { !children[$0].life.isEnded }) {
                if stopRequests > requestsBefore + (requestsBefore == 0 ? 1 : 0) {
                    for index in members { children[index].life.hasten(at: .now) }
                }
                turn(until: .now + .seconds(60))
            }
        }
    }

    // MARK: One turn

    private func turn(until limit: Instant) {
        let wake = children.compactMap(\.life.deadline).min().map { min($0, limit) } ?? limit
        for signal in inbox.wait(atMost: wake - .now) where signal != SIGCHLD { stopRequests += 1 }
        reap()
        actOnDeadlines()
    }

    private func reap() {
        for pid in runningJobs {
            guard let end = ended(pid) else { continue }
            runningJobs.remove(pid)
            jobEnds[pid] = end
        }
        for index in children.indices {
            guard let pid = children[index].life.pid, let end = ended(pid) else { continue }
            children[index].life.exited(at: .now)
            children[index].lastEnd = end
            if children[index].lifeline >= 0 { close(children[index].lifeline) }
            children[index].lifeline = -1
            report(.ended(name: children[index].specification.name, end: end))
        }
    }

    private func ended(_ pid: pid_t) -> ProcessEnd? {
        var status: Int32 = 0
        return waitpid(pid, &status, WNOHANG) == pid ? ProcessEnd(waitStatus: status) : nil
    }

    private func actOnDeadlines() {
        for index in children.indices {
            switch children[index].life.action(at: .now) {
            case .start: startChild(at: index)
            case .kill(let pid):
                kill(pid, SIGKILL)
                children[index].life.killed(at: .now)
            case nil: break
            }
        }
    }

    private func startChild(at index: Int) {
        let name = children[index].specification.name
        do {
            let process = try children[index].specification.command.start()
            children[index].life.started(pid: process.pid, at: .now)
            children[index].lifeline = process.lifeline
            report(.started(name: name, pid: process.pid, restarts: children[index].life.restarts))
        } catch {
            children[index].life.failedToStart(at: .now)
            report(.failedToStart(name: name, reason: error.description))
        }
    }
}
