internal import Foundation
internal import Logging
internal import UnixSignals

/// Runs a service as a process of its own.
///
/// ```swift
/// @main enum Main {
///     static func main() async {
///         await Service.run(.notifier, configuration: NotifierConfiguration.init(from:)) { configuration, runtime in
///             try await runtime.withDatabase(migrations: NotifierStore.migrations) { pool in
///                 try await runtime.serve(services: [NotifierHandlers(pool: pool)])
///             }
///         }
///     }
/// }
/// ```
///
/// Exit status: 0 after a drain, 64 for arguments or configuration that cannot be used, 70 when the service fails.
public enum Service {
    public static let version = "0.1.0"

    enum ExitStatus {
        static let drained: Int32 = 0
        static let usage: Int32 = 64
        static let failure: Int32 = 70
    }

    /// Reads the configuration, then runs `body` until it returns, fails, or the process is told to stop.
    /// - Parameter parse: reads the service's own variables; the shared ones are read already.
    public static func run<Configuration: Sendable>(
        _ service: ServiceIdentity, configuration parse: (ConfigurationReader) -> Configuration,
        _ body: @escaping @Sendable (Configuration, ServiceRuntime) async throws -> Void
    ) async -> Never {
        let reader = ConfigurationReader(environment: ProcessInfo.processInfo.environment)
        let shared = ServiceConfiguration(for: service, from: reader)
        let own = parse(reader)
        handleArguments(service, reader)
        guard reader.problems.isEmpty else {
            for problem in reader.problems { complain("\(service.name): \(problem)") }
            exit(ExitStatus.usage)
        }
        LoggingSystem.bootstrap { _ in JSONLogHandler(service: service.name, level: shared.logLevel) }
        let logger = Logger(label: service.name)
        for name in reader.undeclared(beginningWith: [service.variablePrefix, "VIGIL_DATABASE_", "VIGIL_TLS_"]) where name != service.addressVariable {
            logger.warning("a variable is set that this service does not read; see --help", metadata: ["variable": "\(name)"])
        }
        let runtime = ServiceRuntime(service: service, configuration: shared, logger: logger)
        do {
            try await runUntilStopped(runtime) { try await body(own, runtime) }
            logger.info("stopped")
            exit(ExitStatus.drained)
        } catch {
            logger.critical("the service failed", metadata: ["reason": "\(error)"])
            exit(ExitStatus.failure)
        }
    }

    private static func runUntilStopped(_ runtime: ServiceRuntime, _ body: @escaping @Sendable () async throws -> Void) async throws {
        if runtime.configuration.exitsWithStandardInput { stopWithStandardInput(runtime) }
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await body()
                return true
            }
            group.addTask {
                for await signal in await UnixSignalsSequence(trapping: .sigterm, .sigint) {
                    runtime.logger.info("stop requested", metadata: ["signal": "\(signal)"])
                    runtime.stop()
                }
                return false
            }
            group.addTask { await endOverdue(runtime) }
            while let isOver = try await nextEnd(of: &group, runtime), !isOver {}
            group.cancelAll()
        }
    }

    /// The next task's end; a body that was stopped before it served has ended well.
    private static func nextEnd(of group: inout ThrowingTaskGroup<Bool, any Error>, _ runtime: ServiceRuntime) async throws -> Bool? {
        do {
            return try await group.next()
        } catch is CancellationError where runtime.isStopRequested {
            return true
        }
    }

    /// Once a stop is requested: cancels a service that does not serve yet, and ends the process if draining takes too long.
    private static func endOverdue(_ runtime: ServiceRuntime) async -> Bool {
        await runtime.waitForStop()
        guard !Task.isCancelled else { return false }
        guard runtime.isListening else { return true }
        try? await Task.sleep(for: .seconds(runtime.configuration.drainSeconds + 5))
        guard !Task.isCancelled else { return false }
        runtime.logger.critical("the service did not stop in time")
        exit(ExitStatus.failure)
    }

    /// Reading blocks, so it has a thread of its own.
    private static func stopWithStandardInput(_ runtime: ServiceRuntime) {
        Thread.detachNewThread {
            var byte: UInt8 = 0
            while true {
                let count = read(0, &byte, 1)
                if count == 0 || (count < 0 && errno != EINTR) { break }
            }
            runtime.stop()
        }
    }

    private static func handleArguments(_ service: ServiceIdentity, _ reader: ConfigurationReader) {
        guard let argument = CommandLine.arguments.dropFirst().first else { return }
        switch argument {
        case "--version":
            print("\(service.name) \(version)")
            exit(ExitStatus.drained)
        case "--help", "-h":
            print("Usage: \(service.name) [--help] [--version]\n\nIt is configured by its environment:\n\n\(reader.help)", terminator: "")
            exit(ExitStatus.drained)
        default:
            complain("\(service.name): unknown argument \(argument); see --help")
            exit(ExitStatus.usage)
        }
    }

    private static func complain(_ line: String) {
        JSONLogHandler.standardError(Array((line + "\n").utf8))
    }
}
