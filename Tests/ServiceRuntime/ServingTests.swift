import Identity
import RPC
import ServiceContextModule
import ServiceRuntime
import StandardContracts
import TestSupport
import Testing

@Suite struct ServingTests {
    /// A service of one route that answers with its caller's name.
    private func withService(
        background: [ServiceRuntime.BackgroundTask] = [], rules: [String: AccessRule] = ["/who": .authenticated],
        _ body: (TestService) async throws -> Void
    ) async throws {
        try await withTestService(
            .notifier, configuration: { _ in 0 },
            run: { _, runtime in
                try await runtime.withDatabase(migrations: []) { _ in
                    let who = HTTPRoute("GET", "/who") { .text($0.serviceContext.principal?.subject ?? "nobody") }
                    try await runtime.serve(services: [], routes: [who], rules: rules, background: background)
                }
            }, body)
    }

    @Test func callersAreKnownByTokenCookieOrCertificate() async throws {
        try await withService { service in
            let token = try await TestTokens.token("ann")
            try await service.withChannel { channel in
                let nobody = try await channel.http(HTTPRequest(path: "/who"))
                #expect(nobody.status == 401)
                let bearer = try await channel.http(HTTPRequest(path: "/who", headers: ["authorization": "Bearer \(token.value)"]))
                #expect(String(decoding: bearer.bytes, as: UTF8.self) == "ann")
                let cookie = try await channel.http(HTTPRequest(path: "/who", headers: ["cookie": "vigil_session=\(token.value)"]))
                #expect(String(decoding: cookie.bytes, as: UTF8.self) == "ann")
            }
            try await service.withChannel(as: .peer(ServiceName.modelServer)) { channel in
                let peer = try await channel.http(HTTPRequest(path: "/who"))
                #expect(String(decoding: peer.bytes, as: UTF8.self) == "model-server")
            }
        }
    }

    @Test func metricsAreForOperatorsOnly() async throws {
        try await withService { service in
            try await service.withChannel { channel in
                let refused = try await channel.http(HTTPRequest(path: "/metrics"))
                #expect(refused.status == 401)
            }
            try await service.withChannel(as: .peer(ServiceName.operator)) { channel in
                _ = try await channel.http(HTTPRequest(path: "/who"))
                let metrics = String(decoding: try await channel.http(HTTPRequest(path: "/metrics")).bytes, as: UTF8.self)
                let allocated = metrics.split(separator: "\n").first { $0.hasPrefix("process_allocated_bytes ") }?.split(separator: " ").last
                #expect(allocated.flatMap { Double($0) }.map { $0 > 100_000 } == true)
                #expect(metrics.contains("http_server_requests_total{route=\"/who\",method=\"GET\",status=\"200\"} 1\n"))
                #expect(metrics.contains("vigil_postgres_connections{state=\"open\"}"))
                #expect(metrics.contains("# TYPE process_cpu_seconds_total counter\n"))
                for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"] {
                    let value = metrics.split(separator: "\n").first { $0.hasPrefix(name + " ") }?.split(separator: " ").last
                    #expect(value.flatMap { Double($0) }.map { $0 > 0 } == true, "\(name)")
                }
            }
        }
    }

    @Test func healthIsServingWhileTheDatabaseAnswers() async throws {
        try await withService { service in
            try await service.withChannel { channel in
                var probe = try await channel.http(HTTPRequest(path: "/readyz"))
                let deadline = ContinuousClock.now + .seconds(30)
                while probe.status == 503, .now < deadline { probe = try await channel.http(HTTPRequest(path: "/readyz")) }
                #expect(probe.status == 200 && String(decoding: probe.bytes, as: UTF8.self) == "SERVING\n")
                let watch = MethodDescriptor(service: "grpc.health.v1.Health", name: "Watch", kind: .serverStreaming)
                try await channel.serverStreaming(watch, GRPCHealthV1.HealthCheckRequest(), options: CallOptions()) {
                    (responses: ResponseStream<GRPCHealthV1.HealthCheckResponse>) in
                    for try await response in responses where response.status == .serving { return }
                    throw ServiceError("never served")
                }
            }
        }
    }

    @Test func failedBackgroundTaskEndsTheService() async throws {
        struct Broken: Error {}
        let error = await #expect(throws: ServiceError.self) {
            try await withService(background: [.init("consumer") { throw Broken() }]) { await $0.runtime.waitForStop() }
        }
        #expect(error?.description.hasPrefix("consumer failed: Broken") == true)
    }

    @Test func routeWithoutARuleKeepsTheServiceFromStarting() async throws {
        let error = await #expect(throws: ServiceError.self) { try await withService(rules: [:]) { _ in } }
        #expect(error?.description == "no access rule covers /who")
    }
}
