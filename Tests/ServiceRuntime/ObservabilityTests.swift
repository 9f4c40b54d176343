import Foundation
import Logging
import RPC
import ServiceRuntime
import Synchronization
import Testing

@Suite struct JSONLogTests {
    private func lines(_ log: (Logger) -> Void) throws -> [[String: Any]] {
        let written = Mutex<[[UInt8]]>([])
        let logger = Logger(label: "test") { _ in
            JSONLogHandler(service: "notifier", level: .info) { line in written.withLock { $0.append(line) } }
        }
        log(logger)
        return try written.withLock { $0 }.map { line in
            #expect(line.last == UInt8(ascii: "\n"))
            return try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
        }
    }

    @Test func anEventIsOneLineOfJSON() throws {
        let found = try lines { logger in
            logger.info("a \"quoted\"\nmessage\u{1}", metadata: ["count": "3", "list": ["x", "y"], "map": ["k": "v"]])
            logger.debug("below the level")
        }
        #expect(found.count == 1)
        #expect(found[0]["message"] as? String == "a \"quoted\"\nmessage\u{1}")
        #expect(found[0]["service"] as? String == "notifier")
        #expect(found[0]["level"] as? String == "info")
        #expect(found[0]["list"] as? [String] == ["x", "y"])
        #expect(found[0]["map"] as? [String: String] == ["k": "v"])
    }

    @Test func valuesUnderSecretNamesAreNotWritten() throws {
        let found = try lines { logger in
            logger.info(
                "m", metadata: ["authorization": "Bearer abc", "client_secret": "abc", "inner": ["password": "abc"], "Token": "abc"])
        }
        #expect(!"\(found)".contains("abc"))
    }
}

@Suite struct MetricsTests {
    @Test func seriesAreWrittenInPrometheusForm() {
        let registry = MetricsRegistry()
        let counter = registry.counter("vigil_things_total", help: "Things.", labels: [("kind", "a \"b\"\n")])
        counter.add()
        counter.add(2)
        let kept = registry.counter("vigil_kept_total")
        for count in [3, 7, 5] { kept.advance(to: count) }
        registry.gauge("vigil_level").set(1.5)
        registry.gauge("vigil_read") { 2 }
        let timer = registry.timer("vigil_wait_seconds")
        timer.record(.milliseconds(3))
        timer.record(.seconds(100))
        let text = registry.prometheusText()
        #expect(text.contains("# HELP vigil_things_total Things.\n# TYPE vigil_things_total counter\n"))
        #expect(text.contains("vigil_things_total{kind=\"a \\\"b\\\"\\n\"} 3\n"))
        #expect(text.contains("vigil_level 1.5\n"))
        #expect(text.contains("vigil_read 2.0\n"))
        #expect(text.contains("# TYPE vigil_kept_total counter\nvigil_kept_total 7\n"))
        #expect(text.contains("vigil_wait_seconds_bucket{le=\"0.0025\"} 0\n"))
        #expect(text.contains("vigil_wait_seconds_bucket{le=\"0.005\"} 1\n"))
        #expect(text.contains("vigil_wait_seconds_bucket{le=\"+Inf\"} 2\n"))
        #expect(text.contains("vigil_wait_seconds_count 2\n"))
    }

    @Test func seriesBeyondTheLimitAreDroppedAndCounted() {
        let registry = MetricsRegistry(maxSeries: 10)
        for number in 0..<20 { registry.counter("vigil_n_total", labels: [("n", "\(number)")]).add() }
        let text = registry.prometheusText()
        #expect(text.contains("vigil_metrics_dropped_series 10\n"))
        #expect(text.split(separator: "\n").filter { $0.hasPrefix("vigil_n_total{") }.count == 10)
    }

    @Test func theLagOfALogGrowsWhileItsFollowerStandsStill() throws {
        let registry = MetricsRegistry()
        let lag = registry.logLag("features")
        func told() -> Double? {
            registry.prometheusText().split(separator: "\n").first { $0.hasPrefix("vigil_log_lag_seconds{") }
                .flatMap { $0.split(separator: " ").last }.flatMap { Double($0) }
        }
        #expect(told() == 0)
        lag.set(behindSince: .now - .seconds(5))
        let first = try #require(told())
        let second = try #require(told())
        #expect(first >= 5 && second > first)
        lag.set(behindSince: nil)
        #expect(told() == 0)
        lag.refuse()
        #expect(told() == .infinity)
    }

    @Test func callsAreCountedByMethodAndStatus() async throws {
        struct Greeter: RPCService {
            let serviceName = "test.Greeter"
            let methods: [RPCMethod] = []
            let fileDescriptors: [[UInt8]] = []
        }
        let registry = MetricsRegistry()
        let interceptor = CallMetricsInterceptor(services: [Greeter()], registry: registry)
        var call = IncomingCall(path: "/test.Greeter/Unknown")
        let end = try await interceptor.begin(&call)
        end?(CallOutcome(status: .invalidArgument, httpStatus: 200, duration: .milliseconds(2)))
        let text = registry.prometheusText()
        let labels = "grpc_type=\"unary\",grpc_service=\"other\",grpc_method=\"other\""
        #expect(text.contains("grpc_server_started_total{\(labels)} 1\n"))
        #expect(text.contains("grpc_server_handled_total{\(labels),grpc_code=\"InvalidArgument\"} 1\n"))
        #expect(text.contains("grpc_server_handling_seconds_count{\(labels)} 1\n"))
    }
}
