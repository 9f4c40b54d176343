public import Logging
public import Postgres
public import RPC

/// The variables that all services share.
public struct ServiceConfiguration: Sendable {
    /// The service's own certificate, with which it also calls the other services, and the roots it trusts. All PEM.
    public struct TLSFiles: Sendable, Hashable {
        public var certificateFile: String
        public var keyFile: String
        public var trustFile: String

        public init(certificateFile: String, keyFile: String, trustFile: String) {
            self.certificateFile = certificateFile
            self.keyFile = keyFile
            self.trustFile = trustFile
        }
    }

    public var listenHost: String
    /// 0 takes any free port.
    public var listenPort: Int
    /// Event loops; 0 takes one for each processor.
    public var threads: Int
    public var maxMessageBytes: Int
    /// `nil` speaks plaintext, which is allowed on a loopback address only.
    public var tls: TLSFiles?
    /// The lowest version of TLS that callers may speak; the services themselves speak 1.3 among each other.
    public var minimumTLSVersion: TLSVersion
    public var database: PostgresConfiguration
    /// How long a start waits for the database before it gives up.
    public var databaseWaitSeconds: Int
    public var logLevel: Logger.Level
    /// How long calls under way may take to finish after a signal to stop.
    public var drainSeconds: Int
    /// A connection to another service on which a call waits in silence is asked for a sign of life after so long, and given up if none
    /// comes for as long again.
    public var keepAliveSeconds: Int
    /// Ends the service when its standard input closes, so that a launcher that dies leaves nothing behind.
    public var exitsWithStandardInput: Bool
    /// The only issuer whose tokens count; `nil` accepts whatever the auth gateway's keys verify.
    public var tokenIssuer: String?
    /// Where the other services are, by ``ServiceIdentity/name``.
    public var addresses: [String: String]

    public init(for service: ServiceIdentity, from reader: ConfigurationReader) {
        listenHost = reader.string("VIGIL_LISTEN_HOST", default: "127.0.0.1", "address to listen on")
        listenPort = reader.int(
            "VIGIL_LISTEN_PORT", default: service.defaultPort, in: 0...65_535, "port to listen on; 0 takes any free one")
        threads = reader.int("VIGIL_THREADS", default: 0, in: 0...256, "event loops; 0 takes one for each processor")
        maxMessageBytes = reader.int(
            "VIGIL_MAX_MESSAGE_BYTES", default: 4 << 20, in: 1_024...(1 << 30), "largest message accepted, in bytes")
        minimumTLSVersion =
            reader.choice("VIGIL_TLS_MINIMUM_VERSION", default: TLSVersionName.v13, "lowest version of TLS that callers may speak").version
        tls = Self.tlsFiles(from: reader, listenHost: listenHost)
        database = Self.database(for: service, from: reader)
        databaseWaitSeconds = reader.int(
            "VIGIL_DATABASE_WAIT_SECONDS", default: 30, in: 0...3_600, "how long a start waits for the database")
        logLevel = reader.choice("VIGIL_LOG_LEVEL", default: .info, "least level that is logged")
        drainSeconds = reader.int(
            "VIGIL_DRAIN_SECONDS", default: 10, in: 0...3_600, "how long calls under way may take to finish after SIGTERM")
        keepAliveSeconds = reader.int(
            "VIGIL_KEEP_ALIVE_SECONDS", default: 15, in: 1...3_600,
            "silence after which another service is asked for a sign of life; given up after as long again")
        exitsWithStandardInput = reader.bool("VIGIL_EXIT_WITH_STDIN", default: false, "end when standard input closes")
        tokenIssuer = reader.optional("VIGIL_TOKEN_ISSUER", "the only issuer whose tokens count")
        addresses = [:]
        for other in ServiceIdentity.all {
            addresses[other.name] = reader.url(other.addressVariable, default: other.defaultAddress, "address of \(other.name)")
        }
    }

    private enum TLSVersionName: String, CaseIterable {
        case v12 = "1.2"
        case v13 = "1.3"

        var version: TLSVersion { self == .v12 ? .tls12 : .tls13 }
    }

    private static func tlsFiles(from reader: ConfigurationReader, listenHost: String) -> TLSFiles? {
        let certificate = reader.optionalFile(
            "VIGIL_TLS_CERTIFICATE_FILE", "own certificate with its chain, PEM; read anew when it changes, as the other two are")
        let key = reader.optionalFile("VIGIL_TLS_KEY_FILE", "own private key, PEM")
        let trust = reader.optionalFile("VIGIL_TLS_TRUST_FILE", "roots that vouch for the other services' certificates, PEM")
        if let certificate, let key, let trust { return TLSFiles(certificateFile: certificate, keyFile: key, trustFile: trust) }
        let files = [("VIGIL_TLS_CERTIFICATE_FILE", certificate), ("VIGIL_TLS_KEY_FILE", key), ("VIGIL_TLS_TRUST_FILE", trust)]
        if files.contains(where: { $0.1 != nil }) {
            // What is wrong with a file that is named has been told.
            for (name, file) in files where file == nil && !reader.hasProblem(with: name) {
                reader.fail(name, "is required with the other two TLS files")
            }
        } else if !["127.0.0.1", "::1", "localhost"].contains(listenHost) {
            reader.fail("VIGIL_TLS_CERTIFICATE_FILE", "is required to listen on \(listenHost): plaintext is for loopback only")
        }
        return nil
    }

    private static func database(for service: ServiceIdentity, from reader: ConfigurationReader) -> PostgresConfiguration {
        let url = reader.required("VIGIL_DATABASE_URL", "postgresql://role@host:port/database; no password in it")
        let schema = reader.string("VIGIL_DATABASE_SCHEMA", default: service.defaultSchema, "the service's own schema")
        let passwordFile = reader.optionalFile("VIGIL_DATABASE_PASSWORD_FILE", "file that holds the role's password")
        let connections = reader.int("VIGIL_DATABASE_CONNECTIONS", default: 8, in: 1...1_000, "connections at most")
        guard !url.isEmpty else { return PostgresConfiguration() }
        do {
            var database = try PostgresConfiguration(url: url)
            if database.password != nil {
                reader.fail("VIGIL_DATABASE_URL", "holds a password; put it into VIGIL_DATABASE_PASSWORD_FILE's file")
            }
            database.schema = schema
            database.maxConnections = connections
            database.applicationName = service.name
            if let passwordFile { try database.readPassword(fromFile: passwordFile) }
            guard PostgresConfiguration.isSchemaName(schema) else {
                reader.fail("VIGIL_DATABASE_SCHEMA", "a schema's name is of lower-case letters, digits and underscores, and begins with no digit")
                return database
            }
            try database.validate()
            return database
        } catch {
            reader.fail("VIGIL_DATABASE_URL", error.message)
            return PostgresConfiguration()
        }
    }
}
