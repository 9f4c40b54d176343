/// The lowest version of TLS to be spoken.
public enum TLSVersion: Sendable, Hashable {
    case tls12, tls13
}

/// Whether a server asks its callers for a certificate.
public enum ClientCertificates: Sendable, Hashable {
    case none
    /// Asked for; a caller without one is served all the same, one with a bad one is not.
    case requested
    /// No certificate, no connection.
    case required
}

/// A server's TLS: PEM files, read anew by ``RunningServer/reloadCertificates()``.
public struct TLSConfiguration: Sendable, Hashable {
    /// The server's certificate, then the intermediate ones.
    public var certificateChainFile: String
    public var privateKeyFile: String
    /// Roots that callers' certificates must lead to. Needed where they are requested or required.
    public var trustRootsFile: String?
    public var clientCertificates: ClientCertificates
    public var minimumVersion: TLSVersion

    public init(
        certificateChainFile: String, privateKeyFile: String, trustRootsFile: String? = nil,
        clientCertificates: ClientCertificates = .none, minimumVersion: TLSVersion = .tls13
    ) {
        self.certificateChainFile = certificateChainFile
        self.privateKeyFile = privateKeyFile
        self.trustRootsFile = trustRootsFile
        self.clientCertificates = clientCertificates
        self.minimumVersion = minimumVersion
    }
}

/// A client's TLS. Certificates are read anew for each connection.
public struct TLSClientConfiguration: Sendable, Hashable {
    /// Roots that the server's certificate must lead to; the system's where nil.
    public var trustRootsFile: String?
    /// The client's own certificate and key, for servers that ask.
    public var clientCertificateChainFile: String?
    public var clientPrivateKeyFile: String?
    /// The name that the server's certificate must carry, where it is not the target's host.
    public var serverName: String?
    public var minimumVersion: TLSVersion

    public init(
        trustRootsFile: String? = nil, clientCertificateChainFile: String? = nil, clientPrivateKeyFile: String? = nil,
        serverName: String? = nil, minimumVersion: TLSVersion = .tls13
    ) {
        self.trustRootsFile = trustRootsFile
        self.clientCertificateChainFile = clientCertificateChainFile
        self.clientPrivateKeyFile = clientPrivateKeyFile
        self.serverName = serverName
        self.minimumVersion = minimumVersion
    }
}
