import struct Foundation.Data
import struct Foundation.URL

/// Where a PostgreSQL database is, and how the pool uses it.
public struct PostgresConfiguration: Sendable {
    /// How the connection is secured: libpq's `sslmode`.
    public enum TLSMode: String, Sendable, CaseIterable {
        case disable, allow, prefer, require
        case verifyCA = "verify-ca"
        case verifyFull = "verify-full"
    }

    /// A host name, an address, the folder of a Unix socket, or several separated by commas.
    public var host = "localhost"
    /// A port, or as many as there are hosts, separated by commas.
    public var port = "5432"
    public var database = "postgres"
    public var user = "postgres"
    public var password: String?
    /// The schema that unqualified names mean; the server's default when nil. Lower-case letters, digits and underscores.
    public var schema: String?
    public var tlsMode = TLSMode.prefer
    public var tlsRootCertificateFile: String?
    public var tlsCertificateFile: String?
    public var tlsKeyFile: String?
    /// `any` or `read-write`: with several hosts, which of them will do.
    public var targetSessionAttributes = "any"
    public var applicationName = "vigil"

    public var maxConnections = 8
    /// How many callers may wait for a connection; one more is refused at once.
    public var maxWaiting = 10_000
    /// How long a caller waits for a connection.
    public var acquireTimeoutSeconds = 5.0
    public var connectTimeoutSeconds = 5.0
    /// How long the server lets one statement run; 0 is no limit.
    public var statementTimeoutSeconds = 30.0
    /// A connection that nobody used for so long is closed.
    public var idleTimeoutSeconds = 300.0
    /// After a failed attempt to connect, the wait before the next: doubled each time, with jitter, up to the maximum.
    public var backoffSeconds = 0.05
    public var maxBackoffSeconds = 2.0

    public init() {}

    /// Reads `postgresql://user:password@host:port/database?sslmode=…&host=/folder/of/the/socket`, or libpq's `key=value` form.
    ///
    /// Throws `.configuration`, with the name of the setting, for what cannot be used.
    public init(url: String) throws(PostgresError) {
        for (name, value) in try connectionSettings(of: url) {
            try set(name, to: value)
        }
    }

    private mutating func set(_ name: String, to value: String) throws(PostgresError) {
        switch name {
        case "host": host = value
        case "hostaddr": host = value
        case "port": port = value
        case "dbname": database = value
        case "user": user = value
        case "password": password = value
        case "application_name": applicationName = value
        case "sslrootcert": tlsRootCertificateFile = value
        case "sslcert": tlsCertificateFile = value
        case "sslkey": tlsKeyFile = value
        case "target_session_attrs": targetSessionAttributes = value
        case "sslmode":
            guard let mode = TLSMode(rawValue: value) else { throw PostgresError(.configuration, "sslmode is none of libpq's") }
            tlsMode = mode
        case "connect_timeout":
            guard let seconds = Double(value), seconds > 0 else {
                throw PostgresError(.configuration, "connect_timeout is not a number of seconds")
            }
            connectTimeoutSeconds = seconds
        default: throw PostgresError(.configuration, "the setting \(name) is not supported")
        }
    }

    /// Reads the password from a file, without the line break at its end.
    public mutating func readPassword(fromFile path: String) throws(PostgresError) {
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)), let text = String(data: data, encoding: .utf8) else {
            throw PostgresError(.configuration, "the password file \(path) cannot be read")
        }
        password = text.split(separator: "\n", maxSplits: 1).first.map { $0.hasSuffix("\r") ? String($0.dropLast()) : String($0) }
    }

    /// Throws `.configuration` for limits that make no sense and names that would need quoting.
    public func validate() throws(PostgresError) {
        if let schema, !Self.isSchemaName(schema) {
            throw PostgresError(.configuration, "the schema's name must be lower-case letters, digits and underscores")
        }
        for part in port.split(separator: ",") {
            guard let number = Int(part), (1...65_535).contains(number) else {
                throw PostgresError(.configuration, "the port must be a number from 1 to 65535")
            }
        }
        guard maxConnections > 0, maxWaiting >= 0 else { throw PostgresError(.configuration, "maxConnections must be positive") }
        let durations = [acquireTimeoutSeconds, connectTimeoutSeconds, idleTimeoutSeconds, backoffSeconds, maxBackoffSeconds]
        guard durations.allSatisfy({ $0 > 0 && $0 < 1e6 }), (0..<1e6).contains(statementTimeoutSeconds) else {
            throw PostgresError(.configuration, "timeouts must be positive and below a million seconds")
        }
        for text in [host, port, database, user, password ?? "", applicationName] where text.utf8.contains(0) {
            throw PostgresError(.configuration, "a setting holds a NUL")
        }
    }

    /// Whether it may be written without quotes, and is no longer than the server keeps.
    public static func isSchemaName(_ name: String) -> Bool {
        let isPlain = name.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 95 }
        guard isPlain, let first = name.utf8.first else { return false }
        return !(48...57).contains(first) && name.utf8.count <= 63
    }

    /// libpq's keywords and values.
    var keywords: [(String, String)] {
        // The server parses `options` as a command line; these values hold nothing that would need escaping.
        var options = ["-c statement_timeout=\(Int(statementTimeoutSeconds * 1000))"]
        if let schema { options.append("-c search_path=\(schema)") }
        var keywords = [
            ("host", host), ("port", port), ("dbname", database), ("user", user), ("sslmode", tlsMode.rawValue),
            ("application_name", applicationName), ("client_encoding", "UTF8"), ("options", options.joined(separator: " ")),
            ("target_session_attrs", targetSessionAttributes),
            // Kerberos would cost a round trip and is not used.
            ("gssencmode", "disable"),
            // A peer that vanished without a word is noticed within a minute, not after two hours.
            ("keepalives_idle", "20"), ("keepalives_interval", "5"), ("keepalives_count", "4"), ("tcp_user_timeout", "40000"),
        ]
        if let password { keywords.append(("password", password)) }
        if let tlsRootCertificateFile { keywords.append(("sslrootcert", tlsRootCertificateFile)) }
        if let tlsCertificateFile { keywords.append(("sslcert", tlsCertificateFile)) }
        if let tlsKeyFile { keywords.append(("sslkey", tlsKeyFile)) }
        return keywords
    }
}
