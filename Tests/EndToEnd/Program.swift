import Foundation
import Synchronization

/// What a program printed and how it ended. A negative status is a signal.
struct ProgramResult: Sendable {
    var status: Int32
    /// Standard output.
    var output: String
    var errors: String

    /// Standard output as a JSON object.
    func json() throws -> [String: Any] {
        try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any] ?? [:]
    }
}

enum Program {
    /// Runs a program to its end.
    static func run(_ executable: String, _ arguments: [String], environment: [String: String] = [:]) async throws -> ProgramResult {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        let output = ProgramOutput(of: process)
        try process.run()
        await output.finished()
        let status = process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
        return ProgramResult(status: status, output: output.text, errors: output.errorText)
    }

    /// Whether the process is there and not a zombie (proc(5), the field after the name).
    static func isAlive(_ pid: pid_t) -> Bool {
        guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8), let end = stat.lastIndex(of: ")") else {
            return false
        }
        return !["Z", "X"].contains(stat[stat.index(end, offsetBy: 2)])
    }

    /// Returns when the process is gone, of whatever parent; the kernel says so through a pidfd, which `tail --pid` waits for.
    static func waitForEnd(of pid: pid_t) async throws {
        _ = try await run("/usr/bin/timeout", ["30", "/usr/bin/tail", "--pid=\(pid)", "-s", "0.05", "-f", "/dev/null"])
    }
}

/// Collects what a process prints, on threads of its own, and tells who waits for a phrase or for the end.
final class ProgramOutput: Sendable {
    private struct State {
        var text = ""
        var errors = ""
        var openStreams = 2
        var isTerminated = false
        var waiters: [(phrase: String?, continuation: CheckedContinuation<Bool, Never>)] = []

        var isFinished: Bool { openStreams == 0 && isTerminated }

        /// Those whose wait is over, with the answer.
        mutating func ripe() -> [(CheckedContinuation<Bool, Never>, Bool)] {
            let answers = waiters.map { waiter in waiter.phrase.map { text.contains($0) } ?? false }
            let ripe = zip(waiters, answers).filter { $0.1 || isFinished }.map { ($0.0.continuation, $0.1) }
            waiters = zip(waiters, answers).filter { !($0.1 || isFinished) }.map(\.0)
            return ripe
        }
    }

    private let state = Mutex(State())

    /// Must be made before the process is started.
    init(of process: Process) {
        let output = Pipe()
        let errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        process.terminationHandler = { [self] _ in update { $0.isTerminated = true } }
        for (pipe, isError) in [(output, false), (errors, true)] {
            let handle = pipe.fileHandleForReading
            Thread.detachNewThread { [self] in
                while true {
                    let data = handle.availableData
                    guard !data.isEmpty else { break }
                    update { state in
                        if isError { state.errors += String(decoding: data, as: UTF8.self) }
                        else { state.text += String(decoding: data, as: UTF8.self) }
                    }
                }
                update { $0.openStreams -= 1 }
            }
        }
    }

    var text: String { state.withLock { $0.text } }
    var errorText: String { state.withLock { $0.errors } }

    /// True when the program has printed the phrase, false when it ended without.
    func waits(for phrase: String) async -> Bool {
        await withCheckedContinuation { continuation in update { $0.waiters.append((phrase, continuation)) } }
    }

    /// Returns when the program has ended and its output is complete.
    func finished() async {
        _ = await withCheckedContinuation { continuation in update { $0.waiters.append((nil, continuation)) } }
    }

    private func update(_ change: (inout State) -> Void) {
        let ripe = state.withLock { state in
            change(&state)
            return state.ripe()
        }
        for (continuation, isFound) in ripe { continuation.resume(returning: isFound) }
    }
}
