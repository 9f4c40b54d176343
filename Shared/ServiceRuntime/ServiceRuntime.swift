public import Identity
public import Logging
public import Postgres
public import RPC
internal import Contracts
internal import Foundation
internal import Synchronization

/// What a service runs in: its configuration, its database, its channels to the others, its server.
public final class ServiceRuntime: Sendable {
    /// Work that goes on beside the server for the service's whole life, such as tailing a log. When it ends or throws, the service
    /// ends too: it starts anew from what is durable.
    public struct BackgroundTask: Sendable {
        public let name: String
        let run: @Sendable () async throws -> Void

        public init(_ name: String, run: @escaping @Sendable () async throws -> Void) {
            self.name = name
            self.run = run
        }
    }

    public let service: ServiceIdentity
    public let configuration: ServiceConfiguration
    public let logger: Logger
    public let metrics: MetricsRegistry

    private let tokenKeys: (any TokenKeySource)?
    private let clientMetrics: ClientMetricsInterceptor
    private let stopRequest = OneShot<Void>()
    private let listening = OneShot<Int>()
    private let pool = Mutex<PostgresPool?>(nil)
    private let impairment = Mutex<(reason: String, until: ContinuousClock.Instant)?>(nil)
    /// For so long the service is not served by what it has said of itself; then it is tried again.
    private static let impairedFor = Duration.seconds(5)

    /// For ``Service/run(_:configuration:_:)`` and for tests that run a service in their own process.
    /// - Parameter tokenKeys: the keys that verify tokens; those that the auth gateway publishes where `nil`.
    public init(
        service: ServiceIdentity, configuration: ServiceConfiguration, logger: Logger, metrics: MetricsRegistry = .process,
        tokenKeys: (any TokenKeySource)? = nil
    ) {
        self.tokenKeys = tokenKeys
        self.service = service
        self.configuration = configuration
        self.logger = logger
        self.metrics = metrics
        clientMetrics = ClientMetricsInterceptor(registry: metrics)
        ProcessStatistics.tell(metrics)
        metrics.gauge("vigil_build_info", help: "1, labelled with the version that runs.", labels: [("version", Service.version)]).set(1)
        metrics.gauge("process_start_time_seconds", help: "When the process began, in seconds since 1970.").set(Date().timeIntervalSince1970)
    }

    // MARK: Life

    /// Asks the service to drain and end. Returns at once; asking again changes nothing.
    public func stop() {
        stopRequest.fulfil(())
    }

    /// Returns when the service has been asked to end, or the waiting task is cancelled.
    public func waitForStop() async {
        _ = await stopRequest.wait()
    }

    /// The port on which the service listens, once it does; `nil` when the waiting task is cancelled first.
    public func listeningPort() async -> Int? {
        await listening.wait()
    }

    var isStopRequested: Bool { stopRequest.value != nil }

    /// Whether the server is up: from then on, ``stop()`` drains instead of cancelling.
    var isListening: Bool { listening.value != nil }

    /// The service finds by what it does that it cannot serve, though its database answers. Callers that watch its health stay away for five
    /// seconds from the last time that it says so.
    public func cannotServe(_ reason: String) {
        impairment.withLock { $0 = (reason, .now + Self.impairedFor) }
    }

    private var impairmentNow: String? { impairment.withLock { $0.flatMap { $0.until > .now ? $0.reason : nil } } }

    // MARK: Database

    /// Opens the database, waits until it answers, brings the schema up to date, and runs `body`.
    /// - Parameter replica: tells this process's sessions from those of other replicas.
    public func withDatabase<R>(
        migrations: [Migration], replica: String? = nil, _ body: (PostgresPool) async throws -> R
    ) async throws -> R {
        var database = configuration.database
        if let replica { database.applicationName += "/\(replica)" }
        return try await withPostgresPool(database, logger: logger) { pool in
            try await migrateOnceReachable(pool, migrations)
            self.pool.withLock { $0 = pool }
            defer { self.pool.withLock { $0 = nil } }
            return try await body(pool)
        }
    }

    private func migrateOnceReachable(_ pool: PostgresPool, _ migrations: [Migration]) async throws {
        let clock = ContinuousClock()
        let giveUp = clock.now + .seconds(configuration.databaseWaitSeconds)
        var isFirstFailure = true
        while true {
            do {
                return try await migrate(pool, migrations: migrations)
            } catch let error as PostgresError where error.isTransient && clock.now < giveUp {
                if isFirstFailure {
                    logger.warning("the database does not answer yet", metadata: ["reason": "\(error.message)"])
                    isFirstFailure = false
                }
                try await Task.sleep(for: .milliseconds(250), clock: clock)
            }
        }
    }

    // MARK: Other services

    /// Opens a channel to another service, with the service's own certificate, and runs `body`. The channel connects when it is used.
    public func withChannel<R>(to other: ServiceIdentity, _ body: (RPCChannel) async throws -> R) async throws -> R {
        try await RPC.withChannel(channelConfiguration(to: other), logger: logger, body)
    }

    /// Opens a channel to each of these, by the service's name.
    public func withChannels<R>(to others: [ServiceIdentity], _ body: ([String: RPCChannel]) async throws -> R) async throws -> R {
        try await withChannels(to: others[...], opened: [:], body)
    }

    /// Opens a channel to each replica of a service, by the replica's name.
    public func withChannels<R>(
        to replicas: ReplicaRing, of other: ServiceIdentity, _ body: ([String: RPCChannel]) async throws -> R
    ) async throws -> R {
        var opened: [String: RPCChannel] = [:]
        let result: Result<R, any Error>
        do {
            for (name, address) in replicas.replicas {
                opened[name] = try RPCChannel(channelConfiguration(to: other, at: address), logger: logger)
            }
            result = .success(try await body(opened))
        } catch {
            result = .failure(error)
        }
        for channel in opened.values { await channel.close() }
        return try result.get()
    }

    private func withChannels<R>(
        to others: ArraySlice<ServiceIdentity>, opened: [String: RPCChannel], _ body: ([String: RPCChannel]) async throws -> R
    ) async throws -> R {
        guard let next = others.first else { return try await body(opened) }
        return try await withChannel(to: next) { channel in
            try await withChannels(to: others.dropFirst(), opened: opened.merging([next.name: channel]) { first, _ in first }, body)
        }
    }

    /// How to reach another service.
    public func channelConfiguration(to other: ServiceIdentity) -> ChannelConfiguration {
        channelConfiguration(to: other, at: configuration.addresses[other.name] ?? other.defaultAddress)
    }

    private func channelConfiguration(to other: ServiceIdentity, at address: String) -> ChannelConfiguration {
        var channel = ChannelConfiguration(target: address)
        channel.maxMessageBytes = max(channel.maxMessageBytes, configuration.maxMessageBytes)
        channel.interceptors = [clientMetrics]
        // A service that comes back is used again within seconds: its callers are few and its own.
        channel.maxBackoffSeconds = 2
        // Who follows a log waits without end: a peer that is gone without a word is found out here, by nobody else.
        channel.keepAliveSeconds = configuration.keepAliveSeconds
        channel.keepAliveTimeoutSeconds = configuration.keepAliveSeconds
        if let tls = configuration.tls, address.hasPrefix("https:") {
            channel.tls = TLSClientConfiguration(
                trustRootsFile: tls.trustFile, clientCertificateChainFile: tls.certificateFile, clientPrivateKeyFile: tls.keyFile)
        }
        return channel
    }

    // MARK: Serving

    /// Serves until the service is asked to end, then drains.
    ///
    /// Beside what is given, the port serves health (`/readyz` for who knows HTTP alone), reflection, `/metrics` and `/debug/connections`. The
    /// service is `SERVING` while its database answers and it does not say otherwise (``cannotServe(_:)``).
    ///
    /// - Parameters:
    ///   - rules: who may fetch the routes; the methods' rules are ``MethodRules``.
    ///   - tokenKeys: the keys that verify tokens, for the service that makes them; the runtime's where `nil`.
    ///   - rawFallback: answers unary calls to methods that no service here has.
    ///   - background: runs while the server does.
    /// - Throws: ``ServiceError`` when a background task fails or a method or route has no access rule, and what the server throws.
    public func serve(
        services: [any RPCService], routes: [HTTPRoute] = [], rules: [String: AccessRule] = [:],
        tokenKeys: (any TokenKeySource)? = nil, rawFallback: (@Sendable (RawCall) async throws -> RawReply)? = nil,
        background: [BackgroundTask] = []
    ) async throws {
        if let tokenKeys = tokenKeys ?? self.tokenKeys {
            try await serve(services, routes, rules, tokenKeys, rawFallback, background)
            return
        }
        try await withChannel(to: .authGateway) { channel in
            let client = AuthV1.AuthService.Client(channel)
            let keys = RemoteKeySet(logger: logger) {
                let response = try await client.getKeySet(AuthV1.GetKeySetRequest(), options: CallOptions(timeout: .seconds(5), waitForReady: true))
                var keys = try KeySet(json: Array(response.jwksJSON.utf8))
                for change in response.rightsChanges { keys.rightsChanges[change.subject] = change.changedAtMicroseconds }
                return keys
            }
            let keyTask = BackgroundTask("token keys") { try await keys.run() }
            try await serve(services, routes, rules, keys, rawFallback, background + [keyTask])
        }
    }

    private func serve(
        _ services: [any RPCService], _ routes: [HTTPRoute], _ rules: [String: AccessRule], _ tokenKeys: any TokenKeySource,
        _ rawFallback: (@Sendable (RawCall) async throws -> RawReply)?, _ background: [BackgroundTask]
    ) async throws {
        let health = HealthMonitor(
            services: services.map(\.serviceName), pool: pool.withLock { $0 }, logger: logger, impairment: { [self] in impairmentNow })
        let routes = routes + [metricsRoute, Self.readinessRoute(health.registry)]
        let policy = AccessPolicy(MethodRules.all).merging(rules)
        let paths = services.flatMap(\.methods).map(\.descriptor.path) + routes.map(\.pattern) + [Self.connectionsPath]
        let uncovered = policy.uncovered(among: paths)
        guard uncovered.isEmpty else { throw ServiceError("no access rule covers \(uncovered.joined(separator: ", "))") }
        let verifier = TokenVerifier(keys: tokenKeys, issuer: configuration.tokenIssuer)
        let interceptors: [any ServerInterceptor] = [
            TracingInterceptor(), CallMetricsInterceptor(services: services, registry: metrics), AccessLogInterceptor(logger: logger),
            AuthenticationInterceptor(policy: policy, verifier: verifier) { [logger] in logger.log($0) },
        ]
        try await withThrowingTaskGroup(of: String.self) { group in
            for task in background {
                group.addTask {
                    do {
                        try await task.run()
                    } catch {
                        throw ServiceError("\(task.name) failed: \(error)")
                    }
                    return task.name
                }
            }
            group.addTask { try await health.run(); return "health" }
            group.addTask { [self] in
                try await withServer(
                    serverConfiguration(rawFallback), services: services, routes: routes, interceptors: interceptors,
                    health: health.registry, logger: logger
                ) { server in
                    logger.info("listening", metadata: ["host": "\(configuration.listenHost)", "port": "\(server.port)"])
                    listening.fulfil(server.port)
                    await whileKeepingCertificates(of: server) { await waitForStop() }
                    health.stop()
                    logger.info("draining")
                    await server.drain(timeout: .seconds(configuration.drainSeconds))
                }
                return Self.serverTask
            }
            // Whatever ends first ends the process within the time for draining, also if another task does not heed its cancellation.
            defer { if isListening { stop() } }
            guard let ended = try await group.next() else { return }
            group.cancelAll()
            guard ended == Self.serverTask else { throw ServiceError("\(ended) ended while the service was running") }
        }
    }

    private func whileKeepingCertificates(of server: RunningServer, _ body: () async -> Void) async {
        guard let files = configuration.tls else { return await body() }
        metrics.gauge("vigil_tls_certificate_end_seconds", help: "When the certificate that callers are shown ends, in seconds since 1970.") {
            Double(server.certificateEnd ?? 0)
        }
        let keeper = CertificateKeeper(
            files: files, logger: logger, reload: { try server.reloadCertificates() }, certificateEnd: { server.certificateEnd })
        await withDiscardingTaskGroup { group in
            group.addTask { await keeper.run() }
            await body()
            group.cancelAll()
        }
    }

    private static let serverTask = "server"
    private static let connectionsPath = "/debug/connections"

    private func serverConfiguration(_ rawFallback: (@Sendable (RawCall) async throws -> RawReply)?) -> ServerConfiguration {
        var server = ServerConfiguration(host: configuration.listenHost, port: configuration.listenPort)
        server.threads = configuration.threads == 0 ? nil : configuration.threads
        server.limits.maxMessageBytes = configuration.maxMessageBytes
        server.limits.drainTimeoutSeconds = configuration.drainSeconds
        server.rawFallback = rawFallback
        server.connectionsPath = Self.connectionsPath
        if let tls = configuration.tls {
            server.tls = TLSConfiguration(
                certificateChainFile: tls.certificateFile, privateKeyFile: tls.keyFile, trustRootsFile: tls.trustFile,
                clientCertificates: .requested, minimumVersion: configuration.minimumTLSVersion)
        }
        return server
    }

    /// For load balancers and probes that know HTTP alone, beside `grpc.health.v1.Health`.
    private static func readinessRoute(_ health: HealthRegistry) -> HTTPRoute {
        HTTPRoute("GET", "/readyz") { _ in
            let isServing = health.status("") == .serving
            return .text(isServing ? "SERVING\n" : "NOT_SERVING\n", status: isServing ? 200 : 503)
        }
    }

    private var metricsRoute: HTTPRoute {
        HTTPRoute("GET", "/metrics") { [metrics, self] _ in
            if let usage = pool.withLock({ $0 })?.usage {
                let name = "vigil_postgres_connections"
                metrics.gauge(name, help: "Connections to the database.", labels: [("state", "open")]).set(usage.open)
                metrics.gauge(name, labels: [("state", "idle")]).set(usage.idle)
                metrics.gauge("vigil_postgres_waiting_callers", help: "Callers that wait for a connection.").set(usage.waiting)
            }
            AllocatorStatistics.refresh()
            metrics.gauge("process_allocated_bytes", help: "Memory in use by the program.").set(AllocatorStatistics.allocatedBytes)
            metrics.gauge("process_allocator_resident_bytes", help: "Memory in the allocator's pages.").set(AllocatorStatistics.residentBytes)
            return .text(metrics.prometheusText(), contentType: "text/plain; version=0.0.4; charset=utf-8")
        }
    }
}

/// A service that cannot go on.
public struct ServiceError: Error, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}
