internal import COpenSSL
internal import Glibc

/// What many TLS sessions share: certificates, roots, options.
///
/// `@unchecked Sendable`: the pointer is set in `init` and freed in `deinit`; libssl allows `SSL_new` on a context from
/// any thread (it counts references atomically), and nothing else touches the context after `init`.
final class TLSContext: @unchecked Sendable {
    let handle: OpaquePointer
    /// A client's: the name the server must prove to have.
    let serverName: String?

    /// A server's.
    init(server configuration: TLSConfiguration) throws {
        guard let handle = SSL_CTX_new(TLS_server_method()) else { throw Self.failure("TLS cannot be set up") }
        self.handle = handle
        self.serverName = nil
        try configure(minimumVersion: configuration.minimumVersion)
        try useCertificate(configuration.certificateChainFile, key: configuration.privateKeyFile)
        switch configuration.clientCertificates {
        case .none:
            SSL_CTX_set_verify(handle, SSL_VERIFY_NONE, nil)
        case .requested, .required:
            guard let roots = configuration.trustRootsFile else {
                throw RPCSetupError(.invalidTLSFiles, "client certificates are asked for without a file of roots to trust")
            }
            try useRoots(roots)
            let required = configuration.clientCertificates == .required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0
            SSL_CTX_set_verify(handle, SSL_VERIFY_PEER | required, nil)
        }
        SSL_CTX_set_alpn_select_cb(handle, selectProtocol, nil)
        // A session id context is demanded where sessions with client certificates may resume.
        let context = Array("vigil".utf8)
        SSL_CTX_set_session_id_context(handle, context, UInt32(context.count))
    }

    /// A client's.
    init(client configuration: TLSClientConfiguration, host: String) throws {
        guard let handle = SSL_CTX_new(TLS_client_method()) else { throw Self.failure("TLS cannot be set up") }
        self.handle = handle
        self.serverName = configuration.serverName ?? host
        try configure(minimumVersion: configuration.minimumVersion)
        if let roots = configuration.trustRootsFile {
            try useRoots(roots)
        } else {
            SSL_CTX_set_default_verify_paths(handle)
        }
        if let chain = configuration.clientCertificateChainFile, let key = configuration.clientPrivateKeyFile {
            try useCertificate(chain, key: key)
        }
        SSL_CTX_set_verify(handle, SSL_VERIFY_PEER, nil)
        SSL_CTX_set_alpn_protos(handle, http2ProtocolName, UInt32(http2ProtocolName.count))
    }

    deinit {
        SSL_CTX_free(handle)
    }

    /// When its own certificate ends, in seconds since 1970; nil without one.
    var certificateEnd: Int64? {
        guard let certificate = SSL_CTX_get0_certificate(handle), let end = X509_get0_notAfter(certificate) else { return nil }
        var time = tm()
        guard ASN1_TIME_to_tm(end, &time) == 1 else { return nil }
        return Int64(timegm(&time))
    }

    private func configure(minimumVersion: TLSVersion) throws {
        let version = minimumVersion == .tls13 ? TLS1_3_VERSION : TLS1_2_VERSION
        SSL_CTX_ctrl(handle, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(version), nil)
        // Idle connections give their record buffers back; writes may be retried from a moved buffer.
        let modes = Int(SSL_MODE_RELEASE_BUFFERS) | Int(SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER) | Int(SSL_MODE_ENABLE_PARTIAL_WRITE)
        SSL_CTX_ctrl(handle, SSL_CTRL_MODE, modes, nil)
        SSL_CTX_set_options(handle, vigil_ssl_options)
        // Suites that HTTP/2 allows with TLS 1.2 (RFC 9113, appendix A).
        guard SSL_CTX_set_cipher_list(handle, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 else {
            throw Self.failure("no cipher suite fits")
        }
    }

    private func useCertificate(_ chain: String, key: String) throws {
        guard SSL_CTX_use_certificate_chain_file(handle, chain) == 1 else {
            throw Self.failure("cannot use the certificate chain in \(chain)")
        }
        guard SSL_CTX_use_PrivateKey_file(handle, key, SSL_FILETYPE_PEM) == 1 else {
            throw Self.failure("cannot use the private key in \(key)")
        }
        guard SSL_CTX_check_private_key(handle) == 1 else {
            throw Self.failure("the key in \(key) does not belong to the certificate in \(chain)")
        }
    }

    private func useRoots(_ file: String) throws {
        guard SSL_CTX_load_verify_locations(handle, file, nil) == 1 else {
            throw Self.failure("cannot use the trusted roots in \(file)")
        }
        // Names the roots in the certificate request, so that callers with several certificates choose well.
        if let names = SSL_load_client_CA_file(file) { SSL_CTX_set_client_CA_list(handle, names) }
    }

    private static func failure(_ what: String) -> RPCSetupError {
        RPCSetupError(.invalidTLSFiles, [what, TLSSession.takeLibraryError()].compactMap { $0 }.joined(separator: ": "))
    }
}

/// "h2" as ALPN lists it: its length, then its letters.
private let http2ProtocolName: [UInt8] = [2, UInt8(ascii: "h"), UInt8(ascii: "2")]
/// The protocol of callers that get GET and HEAD answered, see `HTTP1Session`.
let http1ProtocolName = "http/1.1"

/// Takes h2, else HTTP/1.1; refuses with the alert `no_application_protocol` a caller that offers neither.
private func selectProtocol(
    _ ssl: OpaquePointer?, _ selected: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ selectedCount: UnsafeMutablePointer<UInt8>?, _ offered: UnsafePointer<UInt8>?, _ offeredCount: UInt32,
    _ argument: UnsafeMutableRawPointer?
) -> Int32 {
    guard let offered, let selected, let selectedCount else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    let list = UnsafeBufferPointer(start: offered, count: Int(offeredCount))
    func take(_ wanted: some Collection<UInt8>) -> Bool {
        var index = 0
        while index < list.count {
            let end = index + 1 + Int(list[index])
            guard end <= list.count else { return false }
            if list[index + 1..<end].elementsEqual(wanted) {
                selected.pointee = offered + index + 1
                selectedCount.pointee = list[index]
                return true
            }
            index = end
        }
        return false
    }
    return take(http2ProtocolName.dropFirst()) || take(http1ProtocolName.utf8) ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL
}
