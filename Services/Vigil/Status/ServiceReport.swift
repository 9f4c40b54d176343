import Foundation
import RPC
import StandardContracts

/// What one service says of itself.
struct ServiceReport: Encodable, Sendable {
    enum Status: String, Encodable, Sendable {
        case serving = "SERVING"
        case notServing = "NOT_SERVING"
        case unreachable = "UNREACHABLE"
    }

    var service: String
    var url: String
    var status: Status
    var version: String?
    var uptimeSeconds: Int?
    /// Why it could not be asked.
    var problem: String?

    private static let check = MethodDescriptor(
        service: "grpc.health.v1.Health", name: "Check", kind: .unary, idempotency: .noSideEffects)

    /// Asks the service for its health (grpc.health.v1) and its metrics, as the operator.
    static func ask(_ service: String, _ configuration: ChannelConfiguration) async -> ServiceReport {
        var report = ServiceReport(service: service, url: configuration.target, status: .unreachable)
        var configuration = configuration
        configuration.connectTimeoutSeconds = 2
        do {
            try await withChannel(configuration, logger: SuiteConnection.quiet) { channel in
                let options = CallOptions(timeout: .seconds(3))
                let health: GRPCHealthV1.HealthCheckResponse = try await channel.unary(
                    check, GRPCHealthV1.HealthCheckRequest(), options: options)
                report.status = health.status == .serving ? .serving : .notServing
                let metrics = try await channel.http(HTTPRequest(path: "/metrics"))
                if case .bytes(let bytes) = metrics.body, metrics.status == 200 {
                    report.take(metrics: String(decoding: bytes, as: UTF8.self))
                }
            }
        } catch let error as RPCError {
            if report.status == .unreachable { report.problem = error.message }
        } catch {
            if report.status == .unreachable { report.problem = "\(error)" }
        }
        return report
    }

    /// Reads version and start from Prometheus' text format.
    mutating func take(metrics text: String, now: Date = Date()) {
        for line in text.split(separator: "\n") {
            if line.hasPrefix("vigil_build_info{"), let start = line.range(of: "version=\"")?.upperBound {
                version = String(line[start...].prefix { $0 != "\"" })
            }
            if line.hasPrefix("process_start_time_seconds"), let value = line.split(separator: " ").last.flatMap({ Double($0) }) {
                uptimeSeconds = max(0, Int(now.timeIntervalSince1970 - value))
            }
        }
    }
}
