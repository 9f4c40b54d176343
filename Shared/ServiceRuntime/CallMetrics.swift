internal import CoreMetrics
public import RPC

/// Counts calls under the names of the Prometheus gRPC convention, and plain requests beside them.
///
/// Labels come from the methods and routes that the server offers, never from what a caller sends, so that their number is bounded.
public struct CallMetricsInterceptor: ServerInterceptor {
    private let calls: [String: CallSeries]
    private let forwarded: CallSeries
    private let registry: MetricsRegistry

    public init(services: [any RPCService], registry: MetricsRegistry) {
        self.registry = registry
        registry.describe("grpc_server_started_total", .counter, "RPCs begun.")
        registry.describe("grpc_server_handled_total", .counter, "RPCs ended, by status code.")
        registry.describe("grpc_server_handling_seconds", .histogram, "Time from an RPC's headers to its status.")
        registry.describe("http_server_requests_total", .counter, "Plain HTTP requests ended, by route and status.")
        registry.describe("http_server_request_seconds", .histogram, "Time from a plain request's headers to its answer.")
        var calls: [String: CallSeries] = [:]
        for method in services.flatMap(\.methods).map(\.descriptor) {
            calls[method.path] = CallSeries(type: Self.type(method.kind), service: method.service, method: method.name, registry)
        }
        self.calls = calls
        forwarded = CallSeries(type: "unary", service: "other", method: "other", registry)
    }

    public func begin(_ call: inout IncomingCall) async throws -> (@Sendable (CallOutcome) -> Void)? {
        guard call.isRPC else {
            let route = call.route
            let method = call.httpMethod
            return { [registry] outcome in
                let labels = [("route", route), ("method", method)]
                let status = [("status", String(outcome.httpStatus))]
                registry.makeCounter(label: "http_server_requests_total", dimensions: labels + status).increment(by: 1)
                registry.makeTimer(label: "http_server_request_seconds", dimensions: labels)
                    .recordNanoseconds(outcome.duration.nanoseconds)
            }
        }
        let series = calls[call.path] ?? forwarded
        series.started.increment(by: 1)
        return { outcome in
            series.handled(outcome.status).increment(by: 1)
            series.seconds.recordNanoseconds(outcome.duration.nanoseconds)
        }
    }

    private static func type(_ kind: CallKind) -> String {
        switch kind {
        case .unary: "unary"
        case .clientStreaming: "client_stream"
        case .serverStreaming: "server_stream"
        case .bidirectional: "bidi_stream"
        }
    }
}

/// The series of one method. Those of statuses are made when a status first occurs, except success.
private final class CallSeries: Sendable {
    let started: any CounterHandler
    let seconds: any TimerHandler
    private let succeeded: any CounterHandler
    private let labels: [(String, String)]
    private let registry: MetricsRegistry

    init(type: String, service: String, method: String, _ registry: MetricsRegistry) {
        let labels = [("grpc_type", type), ("grpc_service", service), ("grpc_method", method)]
        self.labels = labels
        self.registry = registry
        started = registry.makeCounter(label: "grpc_server_started_total", dimensions: labels)
        seconds = registry.makeTimer(label: "grpc_server_handling_seconds", dimensions: labels)
        succeeded = registry.makeCounter(label: "grpc_server_handled_total", dimensions: labels + [("grpc_code", StatusCode.ok.metricName)])
    }

    func handled(_ status: StatusCode) -> any CounterHandler {
        if status == .ok { return succeeded }
        return registry.makeCounter(label: "grpc_server_handled_total", dimensions: labels + [("grpc_code", status.metricName)])
    }
}

extension StatusCode {
    /// The name in the label `grpc_code`.
    var metricName: String {
        switch self {
        case .ok: "OK"
        case .cancelled: "Canceled"
        default: name.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
        }
    }
}

extension Duration {
    /// Whole nanoseconds, at most `Int64.max`.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max : product.addingReportingOverflow(attoseconds / 1_000_000_000).partialValue
    }
}
