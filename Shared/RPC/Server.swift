public import Logging
internal import NIOCore
internal import NIOPosix

/// Runs a server for as long as `body` runs; then drains it: no new calls, those in flight finish.
///
/// ```swift
/// try await withServer(ServerConfiguration(port: 8441), services: [Greeter()], health: HealthRegistry(), logger: logger) { server in
///     print("listening on port \(server.port)")
///     await shutdownSignal()
/// }
/// ```
///
/// - Parameters:
///   - services: what answers gRPC, and JSON on the same paths. Health v1 and reflection v1 and v1alpha are added.
///   - routes: plain HTTP beside it.
///   - interceptors: run round every call and route, in order.
///   - health: what the health service tells.
/// - Throws: ``RPCSetupError``, or what `body` throws.
public func withServer<R>(
    _ configuration: ServerConfiguration, services: [any RPCService], routes: [HTTPRoute] = [],
    interceptors: [any ServerInterceptor] = [], health: HealthRegistry, logger: Logger,
    _ body: (RunningServer) async throws -> R
) async throws -> R {
    let described = services + [HealthService(health)]
    let connections = ConnectionsRoute()
    let routes = routes + (configuration.connectionsPath.map { [connections.route(at: $0)] } ?? [])
    let reflection = [ReflectionService(described), ReflectionService(described, isAlpha: true)]
    let router = try Router(services: described + reflection, routes: routes)
    let loops = configuration.threads.map { LoopGroup(threads: $0) } ?? .shared
    let core: ServerCore
    let listener: any Channel
    do {
        core = try ServerCore(
            router: router, interceptors: interceptors, configuration: configuration, loops: loops, logger: logger)
        listener = try await listen(core, configuration)
    } catch {
        await loops.shutdown()
        throw error
    }
    let server = RunningServer(core: core, listener: listener)
    connections.server.core = core
    let result: Result<R, any Error>
    do {
        result = .success(try await body(server))
    } catch {
        result = .failure(error)
    }
    health.shutDown()
    await server.drain(timeout: .seconds(configuration.limits.drainTimeoutSeconds))
    await loops.shutdown()
    return try result.get()
}

private func listen(_ core: ServerCore, _ configuration: ServerConfiguration) async throws -> any Channel {
    let bootstrap = ServerBootstrap(group: core.loops.group)
        .serverChannelOption(.backlog, value: 1024)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
        .childChannelOption(.maxMessagesPerRead, value: 4)
        .childChannelInitializer { channel in
            guard let connection = core.accept(channel) else { return channel.close() }
            return channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(connection)
            }
        }
    do {
        return try await bootstrap.bind(host: configuration.host, port: configuration.port).get()
    } catch {
        throw RPCSetupError(.cannotListen, "cannot listen on \(configuration.host) port \(configuration.port): \(error)")
    }
}

/// A server that accepts calls, inside ``withServer(_:services:routes:interceptors:health:logger:_:)``.
public struct RunningServer: Sendable {
    let core: ServerCore
    private let listener: any Channel
    /// The port it listens on; useful where 0 was asked for.
    public let port: Int
    /// The IP address it listens on.
    public let host: String

    init(core: ServerCore, listener: any Channel) {
        self.core = core
        self.listener = listener
        port = listener.localAddress?.port ?? 0
        host = listener.localAddress?.ipAddress ?? ""
    }

    /// Host and port, as in `127.0.0.1:8441`.
    public var address: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Stops listening, tells every connection to finish, and waits until they have, at most `timeout`; what is left is
    /// cut off. Runs by itself when the server's scope ends.
    public func drain(timeout: Duration) async {
        try? await listener.close().get()
        await core.drain(timeout: timeout)
    }

    /// Reads certificates, key and roots from their files; connections from now on use them.
    ///
    /// - Throws: ``RPCSetupError`` where they cannot be used; then nothing changes.
    public func reloadCertificates() throws {
        try core.reloadCertificates()
    }

    /// When the certificate that new connections are shown ends, in seconds since 1970; nil without TLS.
    public var certificateEnd: Int64? { core.certificateEnd }
}
