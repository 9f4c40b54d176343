import Foundation
import Testing

@testable import Vigil

/// With real children, each a small shell script. Serialized: the signals of a process go to one inbox.
@Suite("The supervisor", .serialized)
struct SupervisorTests {
    private final class Record {
        var lines: [String] = []

        func take(_ event: Supervisor.Event) {
            switch event {
            case .started(let name, _, let restarts): lines.append("\(name) started \(restarts)")
            case .ended(let name, let end): lines.append("\(name) ended by \(end)")
            case .failedToStart(let name, _): lines.append("\(name) failed")
            }
        }
    }

    private func shell(_ script: String, input: ProcessCommand.Input = .nothing) -> ProcessCommand {
        ProcessCommand(executable: "/bin/sh", arguments: ["-c", script], environment: ["PATH": "/usr/bin:/bin"], input: input)
    }

    @Test func aKilledChildIsStartedAgainAtOnce() throws {
        let record = Record()
        let supervisor = try Supervisor(report: record.take)
        supervisor.start(.init(name: "a", command: shell("exec cat", input: .lifeline)))
        let first = try #require(supervisor.pid(of: "a"))
        kill(first, SIGKILL)
        #expect(try supervisor.wait(limit: .seconds(10)) { supervisor.restarts(of: "a") == 1 && supervisor.pid(of: "a") != nil })
        #expect(supervisor.pid(of: "a") != first)
        #expect(supervisor.lastEnd(of: "a") == .signalled(SIGKILL))
        supervisor.stopAll()
        #expect(record.lines == ["a started 0", "a ended by signal 9", "a started 1", "a ended by signal 15"])
    }

    @Test func stagesEndOneAfterTheOther() throws {
        let record = Record()
        let supervisor = try Supervisor(report: record.take)
        supervisor.start(.init(name: "database", command: shell("exec cat", input: .lifeline), stopSignal: SIGINT, stopStage: 2))
        supervisor.start(.init(name: "service", command: shell("trap 'exit 3' TERM; echo; while :; do read -r _ || exit 4; done", input: .lifeline)))
        #expect(try supervisor.wait(limit: .seconds(10)) { isTrapping(supervisor.pid(of: "service")) })
        supervisor.stopAll()
        #expect(record.lines.suffix(2) == ["service ended by exit status 3", "database ended by signal 2"])
    }

    /// Whether the shell has got as far as its trap: signal 15 is among those it catches (proc(5), SigCgt).
    private func isTrapping(_ pid: pid_t?) -> Bool {
        guard let pid, let status = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("SigCgt:") }),
            let mask = UInt64(line.split(separator: "\t").last ?? "", radix: 16)
        else { return false }
        return mask & (1 << 14) != 0
    }

    @Test func aChildThatIgnoresTheRequestIsKilled() throws {
        let record = Record()
        let supervisor = try Supervisor(report: record.take)
        supervisor.start(.init(
            name: "deaf", command: shell("trap '' TERM; exec cat", input: .lifeline), stopLimit: .milliseconds(50)))
        #expect(try supervisor.wait(limit: .seconds(10)) { ignoresTermination(supervisor.pid(of: "deaf")) })
        supervisor.stopAll()
        #expect(record.lines.last == "deaf ended by signal 9")
    }

    private func ignoresTermination(_ pid: pid_t?) -> Bool {
        guard let pid, let status = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("SigIgn:") }),
            let mask = UInt64(line.split(separator: "\t").last ?? "", radix: 16)
        else { return false }
        return mask & (1 << 14) != 0
    }

    @Test func aJobRunsToItsEndWhileChildrenAreLookedAfter() throws {
        let supervisor = try Supervisor(report: { _ in })
        supervisor.start(.init(name: "a", command: shell("exec cat", input: .lifeline)))
        var job = shell("read -r word; test \"$word\" = hello && exit 5")
        job.input = .text("hello\n")
        #expect(try supervisor.run(job, limit: .seconds(10)) == .exited(5))
        supervisor.stopAll()
    }

    @Test func aJobThatTakesTooLongIsKilled() throws {
        let supervisor = try Supervisor(report: { _ in })
        #expect(throws: LaunchError.self) { try supervisor.run(shell("exec cat", input: .lifeline), limit: .milliseconds(50)) }
    }

    @Test func aProgramThatIsNotThereIsReportedAndTriedAgain() throws {
        let supervisor = try Supervisor(report: { _ in })
        supervisor.start(.init(name: "ghost", command: ProcessCommand(executable: "/nonexistent/ghost")))
        #expect(try supervisor.wait(limit: .seconds(10)) { supervisor.restarts(of: "ghost") >= 2 })
        supervisor.stopAll()
    }

    @Test func aChildDoesNotHoldAnothersLifeline() throws {
        let supervisor = try Supervisor(report: { _ in })
        supervisor.start(.init(name: "other", command: shell("exec cat", input: .lifeline)))
        let pid = try #require(supervisor.pid(of: "other"))
        let pipe = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/fd/0")
        let job = shell("! ls -l /proc/self/fd | grep --quiet --fixed-strings '\(pipe)'")
        #expect(try supervisor.run(job, limit: .seconds(10)) == .exited(0))
        supervisor.stopAll()
    }
}
