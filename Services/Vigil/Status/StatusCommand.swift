import ArgumentParser
import Foundation
import RPC
import ServiceRuntime

/// `vigil status`
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Ask the six services of the running suite for their health.",
        discussion: "Exit status 0 when all are serving, 1 otherwise.")

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text, json
    }

    @OptionGroup var connection: ConnectionOptions

    @Option(help: "text or json.")
    var format: Format = .text

    @Option(help: ArgumentHelp("Ask again until all are serving, at most so long.", valueName: "seconds"))
    var waitSeconds = 0

    func validate() throws {
        guard (0...3600).contains(waitSeconds) else { throw ValidationError("--wait-seconds must be 0 to 3600.") }
    }

    func run() async throws {
        let connection = try connection.connection()
        let waitSeconds = waitSeconds
        let reports = try await withThrowingTaskGroup(of: ServiceReport.self) { group in
            for name in connection.suite.services.keys {
                let configuration = try connection.operatorConfiguration(name)
                group.addTask { await Self.ask(name, configuration, waitSeconds: waitSeconds) }
            }
            return try await group.reduce(into: [ServiceReport]()) { $0.append($1) }
        }
        let order = ServiceIdentity.all.map(\.name)
        let sorted = reports.sorted { (order.firstIndex(of: $0.service) ?? order.count) < (order.firstIndex(of: $1.service) ?? order.count) }
        try show(sorted)
        guard sorted.count >= order.count, sorted.allSatisfy({ $0.status == .serving }) else { throw ExitCode(1) }
    }

    private static func ask(_ name: String, _ configuration: ChannelConfiguration, waitSeconds: Int) async -> ServiceReport {
        let deadline = ContinuousClock.now + .seconds(waitSeconds)
        while true {
            let report = await ServiceReport.ask(name, configuration)
            guard report.status != .serving, ContinuousClock.now < deadline, !Task.isCancelled else { return report }
            try? await Task.sleep(for: .milliseconds(250))
        }
    }

    private func show(_ reports: [ServiceReport]) throws {
        switch format {
        case .json:
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(["services": reports]), as: UTF8.self))
        case .text:
            for report in reports {
                let columns = [
                    report.service.padded(to: 20), report.status.rawValue.padded(to: 13), report.url.padded(to: 26),
                    (report.version ?? "").padded(to: 8), report.uptimeSeconds.map { "up \($0) s" } ?? report.problem ?? "",
                ]
                print(columns.joined(separator: " "))
            }
        }
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
