public import DevelopmentCertificates
import Foundation
public import Identity
public import Logging
public import Postgres
public import RPC
public import ServiceRuntime

/// A service that runs in the test's own process, the way its executable runs it: its own database, TLS, access rules.
public struct TestService: Sendable {
    /// Who calls.
    public enum Caller: Sendable {
        /// Nobody in particular: no token, no client certificate.
        case anonymous
        /// One of Vigil's own processes, by its certificate.
        case peer(String)
    }

    public let runtime: ServiceRuntime
    public let port: Int

    public var address: String { "https://127.0.0.1:\(port)" }

    /// Opens a channel as `caller`. A token is added to each call: see ``options(_:)``.
    public func withChannel<R>(as caller: Caller = .anonymous, _ body: (RPCChannel) async throws -> R) async throws -> R {
        var configuration = ChannelConfiguration(target: address)
        var tls = TLSClientConfiguration(trustRootsFile: TestCertificates.trustFile)
        if case .peer(let name) = caller {
            tls.clientCertificateChainFile = TestCertificates.folder.certificateFile(name)
            tls.clientPrivateKeyFile = TestCertificates.folder.keyFile(name)
        }
        configuration.tls = tls
        return try await RPC.withChannel(configuration, logger: testLogger, body)
    }

    /// What a bearer adds to its calls.
    public static func options(_ token: BearerToken) -> CallOptions {
        CallOptions(metadata: ["authorization": "Bearer \(token.value)"])
    }
}

/// Silent, unless VIGIL_TEST_LOG is set.
public let testLogger = Logger(label: "test") { label in
    let isWanted = ProcessInfo.processInfo.environment["VIGIL_TEST_LOG"] != nil
    return isWanted ? StreamLogHandler.standardError(label: label) as any LogHandler : SwiftLogNoOpLogHandler()
}

/// Tokens that a ``TestService`` accepts.
public enum TestTokens {
    public static let key = SigningKey(id: "test-key")

    /// The public half.
    public static let keys: any TokenKeySource = {
        do {
            return KeySet([try key.publicKey])
        } catch {
            fatalError("the test key cannot be used: \(error)")
        }
    }()

    /// - Parameter expiresInSeconds: negative for one that has expired.
    public static func token(
        _ subject: String, kind: Principal.Kind = .user, scopes: Set<String> = [], roles: Set<String> = [], bankID: String? = nil,
        jurisdictions: Set<String> = [], expiresInSeconds: Int64 = 900
    ) async throws -> BearerToken {
        let now = SystemTime.secondsSince1970()
        return try await key.sign(
            TokenClaims(
                issuer: "https://auth.test", subject: subject, kind: kind, issuedAtSeconds: now - 1,
                expiresAtSeconds: now + expiresInSeconds, tokenID: UUID().uuidString, scopes: scopes, roles: roles, bankID: bankID,
                jurisdictions: jurisdictions))
    }
}

/// Certificates for all services, made once for the test process and removed when it ends.
public enum TestCertificates {
    public static let folder: CertificateFolder = {
        let folder = CertificateFolder(FileManager.default.temporaryDirectory.appending(path: "vigil-certificates-\(UUID().uuidString)"))
        do {
            _ = try folder.prepare(names: ServiceName.all)
        } catch {
            fatalError("the test certificates could not be made: \(error)")
        }
        atexit { try? FileManager.default.removeItem(at: TestCertificates.folder.folder) }
        return folder
    }()

    public static var trustFile: String { folder.certificateFile(CertificateFolder.authorityName) }
}

/// Runs a service as its executable does, on a free port, and `body` beside it; then drains it.
///
/// ```swift
/// try await withTestService(.notifier, configuration: NotifierConfiguration.init(from:), run: Notifier.run) { service in
///     try await service.withChannel(as: .peer("operator")) { channel in … }
/// }
/// ```
///
/// - Parameters:
///   - environment: further variables, such as the addresses of other services.
///   - database: where the service keeps its schema; a new temporary database where `nil`.
///   - tokenKeys: the keys that verify tokens; `nil` fetches those of the auth gateway at VIGIL_AUTH_URL.
///   - run: what the service's `Main` runs.
public func withTestService<Configuration: Sendable, R>(
    _ service: ServiceIdentity, environment: [String: String] = [:], database: PostgresConfiguration? = nil,
    tokenKeys: (any TokenKeySource)? = TestTokens.keys, configuration parse: (ConfigurationReader) -> Configuration,
    run: @escaping @Sendable (Configuration, ServiceRuntime) async throws -> Void,
    _ body: (TestService) async throws -> R
) async throws -> R {
    guard let database else {
        return try await TemporaryPostgres.withDatabase { database in
            try await withTestService(
                service, environment: environment, database: database, tokenKeys: tokenKeys, configuration: parse, run: run, body)
        }
    }
    let variables = [
        "VIGIL_LISTEN_PORT": "0", "VIGIL_DATABASE_URL": database.url, "VIGIL_DRAIN_SECONDS": "5", "VIGIL_THREADS": "1",
        "VIGIL_TLS_CERTIFICATE_FILE": TestCertificates.folder.certificateFile(service.name),
        "VIGIL_TLS_KEY_FILE": TestCertificates.folder.keyFile(service.name), "VIGIL_TLS_TRUST_FILE": TestCertificates.trustFile,
    ]
    let reader = ConfigurationReader(environment: variables.merging(environment) { _, own in own })
    let shared = ServiceConfiguration(for: service, from: reader)
    let own = parse(reader)
    guard reader.problems.isEmpty else { throw ServiceError(reader.problems.map(\.description).joined(separator: "; ")) }
    let runtime = ServiceRuntime(
        service: service, configuration: shared, logger: testLogger, metrics: MetricsRegistry(), tokenKeys: tokenKeys)

    return try await withThrowingTaskGroup(of: Int?.self) { group in
        group.addTask {
            // Whoever waits for the service's end learns of it, however it comes.
            defer { runtime.stop() }
            try await run(own, runtime)
            return nil
        }
        group.addTask { await runtime.listeningPort() }
        guard let first = try await group.next(), let port = first else { throw ServiceError("\(service.name) ended before it listened") }
        let result: Result<R, any Error>
        do {
            result = .success(try await body(TestService(runtime: runtime, port: port)))
        } catch {
            result = .failure(error)
        }
        runtime.stop()
        try await group.waitForAll()
        return try result.get()
    }
}
