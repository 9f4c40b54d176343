internal import CoreMetrics
public import RPC
internal import Synchronization

/// Counts calls under the names of the Prometheus gRPC convention, and plain requests beside them.
///
/// Labels come from the methods and routes that the server offers, never from what a caller sends, so that their number is bounded.
public struct CallMetricsInterceptor: PromptServerInterceptor {
    private let calls: [String: CallSeries]
    private let forwarded: CallSeries
    private let requests: RequestSeries

    public init(services: [any RPCService], registry: MetricsRegistry) {
        requests = RequestSeries(registry)
        CallSeries.describe("grpc_server", registry)
        var calls: [String: CallSeries] = [:]
        for method in services.flatMap(\.methods).map(\.descriptor) {
            calls[method.path] = CallSeries("grpc_server", method, registry)
        }
        self.calls = calls
        forwarded = CallSeries("grpc_server", nil, registry)
    }

    public func beginPromptly(_ call: inout IncomingCall) throws -> CallFinisher? {
        guard call.isRPC else {
            let route = call.route
            let method = call.httpMethod
            return CallFinisher { [requests] outcome in requests.end(route, method, outcome) }
        }
        let series = calls[call.path] ?? forwarded
        series.begin()
        return CallFinisher { series.end($0) }
    }
}

/// The series of plain requests, kept by what a request ends with: finding them in the registry costs more than answering.
private final class RequestSeries: Sendable {
    /// Routes, their methods and what they answer with are few.
    private struct Key: Hashable {
        var route: String
        var method: String
        var status: Int
    }

    private let registry: MetricsRegistry
    private let known = Mutex<[Key: (total: CounterSeries, seconds: HistogramSeries)]>([:])

    init(_ registry: MetricsRegistry) {
        self.registry = registry
        registry.describe("http_server_requests_total", .counter, "Plain HTTP requests ended, by route and status.")
        registry.describe("http_server_request_seconds", .histogram, "Time from a plain request's headers to its answer.")
    }

    func end(_ route: String, _ method: String, _ outcome: CallOutcome) {
        let key = Key(route: route, method: method, status: outcome.httpStatus)
        let series = known.withLock { known in
            if let series = known[key] { return series }
            let labels = [("route", route), ("method", method)]
            let series = (
                total: registry.series("http_server_requests_total", labels + [("status", String(key.status))], .counter) { CounterSeries() },
                seconds: registry.series("http_server_request_seconds", labels, .histogram) { HistogramSeries(bounds: HistogramSeries.seconds) }
            )
            known[key] = series
            return series
        }
        series.total.increment(by: 1)
        series.seconds.recordNanoseconds(outcome.duration.nanoseconds)
    }
}

/// Counts the calls that a channel makes, under the names of the Prometheus gRPC convention. Attempts of one call count once.
public final class ClientMetricsInterceptor: ClientInterceptor {
    private let calls = Mutex<[MethodDescriptor: CallSeries]>([:])
    private let forwarded: CallSeries
    private let registry: MetricsRegistry

    public init(registry: MetricsRegistry) {
        self.registry = registry
        CallSeries.describe("grpc_client", registry)
        forwarded = CallSeries("grpc_client", nil, registry)
    }

    public func begin(_ call: inout OutgoingCall) async throws -> CallFinisher? {
        let series = call.method.map { seriesOf($0) } ?? forwarded
        series.begin()
        return CallFinisher { series.end($0) }
    }

    /// Methods come from generated clients, so their number is bounded.
    private func seriesOf(_ method: MethodDescriptor) -> CallSeries {
        calls.withLock { calls in
            if let series = calls[method] { return series }
            let series = CallSeries("grpc_client", method, registry)
            calls[method] = series
            return series
        }
    }
}

/// The series of one method, on a server or a client. Those of statuses are made when a status first occurs, except success.
private final class CallSeries: Sendable {
    private let started: CounterSeries
    private let sent: CounterSeries
    private let received: CounterSeries
    private let seconds: HistogramSeries
    private let succeeded: CounterSeries
    private let prefix: String
    private let labels: [(String, String)]
    private let registry: MetricsRegistry

    /// - Parameters:
    ///   - prefix: `grpc_server` or `grpc_client`.
    ///   - method: nil for calls that are passed on unread.
    init(_ prefix: String, _ method: MethodDescriptor?, _ registry: MetricsRegistry) {
        let labels = [
            ("grpc_type", method.map { Self.type($0.kind) } ?? "unary"), ("grpc_service", method?.service ?? "other"),
            ("grpc_method", method?.name ?? "other"),
        ]
        self.prefix = prefix
        self.labels = labels
        self.registry = registry
        func counter(_ name: String, _ labels: [(String, String)]) -> CounterSeries {
            registry.series(prefix + name, labels, .counter) { CounterSeries() }
        }
        started = counter("_started_total", labels)
        sent = counter("_msg_sent_total", labels)
        received = counter("_msg_received_total", labels)
        seconds = registry.series(prefix + "_handling_seconds", labels, .histogram) { HistogramSeries(bounds: HistogramSeries.seconds) }
        succeeded = counter("_handled_total", labels + [("grpc_code", StatusCode.ok.metricName)])
    }

    static func describe(_ prefix: String, _ registry: MetricsRegistry) {
        registry.describe(prefix + "_started_total", .counter, "RPCs begun.")
        registry.describe(prefix + "_handled_total", .counter, "RPCs ended, by status code.")
        registry.describe(prefix + "_handling_seconds", .histogram, "Time from an RPC's beginning to its status.")
        registry.describe(prefix + "_msg_sent_total", .counter, "Messages sent in RPCs that ended.")
        registry.describe(prefix + "_msg_received_total", .counter, "Messages received in RPCs that ended.")
    }

    private static func type(_ kind: CallKind) -> String {
        switch kind {
        case .unary: "unary"
        case .clientStreaming: "client_stream"
        case .serverStreaming: "server_stream"
        case .bidirectional: "bidi_stream"
        }
    }

    func begin() { started.increment(by: 1) }

    func end(_ outcome: CallOutcome) {
        handled(outcome.status).increment(by: 1)
        seconds.recordNanoseconds(outcome.duration.nanoseconds)
        if outcome.sentMessages > 0 { sent.increment(by: Int64(outcome.sentMessages)) }
        if outcome.receivedMessages > 0 { received.increment(by: Int64(outcome.receivedMessages)) }
    }

    private func handled(_ status: StatusCode) -> CounterSeries {
        if status == .ok { return succeeded }
        return registry.series(prefix + "_handled_total", labels + [("grpc_code", status.metricName)], .counter) { CounterSeries() }
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
