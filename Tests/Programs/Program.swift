import Dispatch
import Foundation

/// A program did not end in time, or could not do its work.
public struct ProgramFailure: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}

/// Runs a program to its end; gives its exit status and what it wrote, errors included. Blocks its thread.
///
/// What it writes goes to a file: the end of a pipe waits for everybody who holds it, and a process that another thread starts at the same
/// time may come to hold it too.
///
/// - Parameters:
///   - limitSeconds: after this it is told to abort, at which Python with `-X faulthandler` writes where each of its threads stands.
///   - otherSide: what to say of the program's peer, where that is too long.
/// - Throws: ``ProgramFailure`` with what it wrote, where it does not end within the limit.
@discardableResult
public func run(
    _ program: String, _ arguments: [String], folder: String? = nil, environment: [String: String] = [:], limitSeconds: Int = 60,
    otherSide: () -> String = { "" }
) throws -> (status: Int32, output: String) {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("program-\(UUID().uuidString).txt")
    guard FileManager.default.createFile(atPath: file.path, contents: nil) else { throw ProgramFailure("\(file.path) cannot be written") }
    defer { try? FileManager.default.removeItem(at: file) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    if !environment.isEmpty { process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 } }
    if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
    let output = try FileHandle(forWritingTo: file)
    process.standardOutput = output
    process.standardError = output
    process.standardInput = FileHandle.nullDevice
    let ended = DispatchSemaphore(value: 0)
    process.terminationHandler = { _ in ended.signal() }
    try process.run()
    var isLate = false
    if ended.wait(timeout: .now() + .seconds(limitSeconds)) == .timedOut {
        isLate = true
        kill(process.processIdentifier, SIGABRT)
        if ended.wait(timeout: .now() + .seconds(5)) == .timedOut { kill(process.processIdentifier, SIGKILL) }
    }
    let text = String(decoding: try Data(contentsOf: file), as: UTF8.self)
    guard !isLate else {
        let command = ([program] + arguments).joined(separator: " ")
        throw ProgramFailure("no end within \(limitSeconds) s: \(command)\nIt wrote:\n\(text)\nThe other side:\n\(otherSide())")
    }
    return (process.terminationStatus, text)
}

/// The same off Swift's pool, whose few threads must not be blocked.
public func runInBackground(
    _ program: String, _ arguments: [String], environment: [String: String] = [:], limitSeconds: Int = 60,
    otherSide: @escaping @Sendable () -> String = { "" }
) async throws -> (status: Int32, output: String) {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread {
            continuation.resume(
                with: Result {
                    try run(program, arguments, environment: environment, limitSeconds: limitSeconds, otherSide: otherSide)
                })
        }
    }
}
