internal import COpenSSL
#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Why a TLS session cannot go on.
struct TLSError: Error, Hashable, CustomStringConvertible {
    let reason: String

    var description: String { reason }
}

/// One side of a TLS connection as a state machine without I/O over libssl: ciphertext in, plaintext and ciphertext out.
///
/// Confined to one event loop.
final class TLSSession {
    private let context: TLSContext
    private let ssl: OpaquePointer
    /// What the peer sent, and what is for the peer. Both belong to `ssl`.
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    private(set) var isEstablished = false
    /// The peer said that it sends no more.
    private(set) var peerClosed = false

    init(server context: TLSContext) {
        (ssl, incoming, outgoing) = Self.make(context)
        self.context = context
        SSL_set_accept_state(ssl)
    }

    init(client context: TLSContext) throws {
        (ssl, incoming, outgoing) = Self.make(context)
        self.context = context
        SSL_set_connect_state(ssl)
        let name = context.serverName ?? ""
        let parameters = SSL_get0_param(ssl)
        if Self.isIPAddress(name) {
            guard X509_VERIFY_PARAM_set1_ip_asc(parameters, name) == 1 else { throw Self.failure("bad server address \(name)") }
        } else {
            guard X509_VERIFY_PARAM_set1_host(parameters, name, 0) == 1 else { throw Self.failure("bad server name \(name)") }
            _ = name.withCString { text in
                SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, Int(TLSEXT_NAMETYPE_host_name), UnsafeMutableRawPointer(mutating: text))
            }
        }
    }

    deinit {
        SSL_free(ssl)
    }

    /// The only failure is running out of memory.
    private static func make(_ context: TLSContext) -> (OpaquePointer, OpaquePointer, OpaquePointer) {
        guard let ssl = SSL_new(context.handle), let incoming = BIO_new(BIO_s_mem()), let outgoing = BIO_new(BIO_s_mem()) else {
            fatalError("out of memory for a TLS session")
        }
        SSL_set_bio(ssl, incoming, outgoing)
        return (ssl, incoming, outgoing)
    }

    private static func isIPAddress(_ name: String) -> Bool {
        guard let address = a2i_IPADDRESS(name) else { return false }
        ASN1_OCTET_STRING_free(address)
        return true
    }

    /// Starts a client's handshake.
    func start() throws(TLSError) {
        _ = try advanceHandshake()
    }

    /// Takes ciphertext from the peer and hands out what plaintext it holds.
    func receive(_ ciphertext: UnsafeRawBufferPointer, _ plaintext: (UnsafeRawBufferPointer) -> Void) throws(TLSError) {
        guard let base = ciphertext.baseAddress, ciphertext.count > 0 else { return }
        guard BIO_write(incoming, base, Int32(ciphertext.count)) == Int32(ciphertext.count) else {
            throw TLSError(reason: "out of memory")
        }
        if !isEstablished {
            guard try advanceHandshake() else { return }
        }
        try read(plaintext)
    }

    /// Hands out plaintext that came with the last bytes of the handshake.
    private func read(_ plaintext: (UnsafeRawBufferPointer) -> Void) throws(TLSError) {
        // One TLS record's worth.
        let error: TLSError? = withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 1) { storage in
            while true {
                let count = SSL_read(ssl, storage.baseAddress, Int32(storage.count))
                guard count <= 0 else {
                    plaintext(UnsafeRawBufferPointer(rebasing: storage[..<Int(count)]))
                    // Asking once more, only to hear that there is nothing, costs as much as reading a small record.
                    if BIO_ctrl_pending(incoming) == 0, SSL_has_pending(ssl) == 0 { return nil }
                    continue
                }
                switch SSL_get_error(ssl, count) {
                case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE:
                    return nil
                case SSL_ERROR_ZERO_RETURN:
                    peerClosed = true
                    return nil
                default:
                    return Self.failure("TLS failed")
                }
            }
        }
        if let error { throw error }
    }

    private func advanceHandshake() throws(TLSError) -> Bool {
        let result = SSL_do_handshake(ssl)
        if result == 1 {
            isEstablished = true
            return true
        }
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE:
            return false
        default:
            let verification = SSL_get_verify_result(ssl)
            if verification != Int(X509_V_OK) {
                _ = Self.takeLibraryError()
                throw TLSError(reason: "certificate refused: " + String(cString: X509_verify_cert_error_string(verification)))
            }
            throw Self.failure("TLS handshake failed")
        }
    }

    /// Encrypts; the ciphertext is then in `takeOutput`.
    func write(_ plaintext: UnsafeRawBufferPointer) throws(TLSError) {
        var offset = 0
        while offset < plaintext.count, let base = plaintext.baseAddress {
            let count = SSL_write(ssl, base + offset, Int32(min(plaintext.count - offset, 1 << 20)))
            guard count > 0 else { throw Self.failure("TLS cannot encrypt") }
            offset += Int(count)
        }
    }

    /// Tells the peer that no more follows.
    func close() {
        SSL_shutdown(ssl)
        ERR_clear_error()
    }

    /// Bytes that wait to be written to the peer.
    var outputByteCount: Int { Int(BIO_ctrl_pending(outgoing)) }

    /// Writes waiting ciphertext into `storage`; returns how much.
    func takeOutput(into storage: UnsafeMutableRawBufferPointer) -> Int {
        max(0, Int(BIO_read(outgoing, storage.baseAddress, Int32(clamping: storage.count))))
    }

    /// The protocol that ALPN settled on; nil where the peer does not speak ALPN.
    var applicationProtocol: String? {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &count)
        guard let name, count > 0 else { return nil }
        return String(decoding: UnsafeBufferPointer(start: name, count: Int(count)), as: UTF8.self)
    }

    /// `TLSv1.3`.
    var protocolVersion: String { String(cString: SSL_get_version(ssl)) }

    /// The peer's certificate, if it showed one; it was verified in the handshake.
    func peerCertificate() -> PeerCertificate? {
        guard let certificate = SSL_get1_peer_certificate(ssl) else { return nil }
        defer { X509_free(certificate) }
        return Certificates.describe(certificate)
    }

    private static func failure(_ what: String) -> TLSError {
        TLSError(reason: [what, takeLibraryError()].compactMap { $0 }.joined(separator: ": "))
    }

    /// The first error in libssl's queue for this thread, which is emptied.
    static func takeLibraryError() -> String? {
        let code = ERR_get_error()
        guard code != 0 else { return nil }
        ERR_clear_error()
        guard let reason = ERR_reason_error_string(code) else { return "error \(code)" }
        return String(cString: reason)
    }
}

/// Reads identities out of X.509 certificates.
enum Certificates {
    static func describe(_ certificate: OpaquePointer) -> PeerCertificate {
        var names: (dns: [String], uris: [String], addresses: [String]) = ([], [], [])
        if let pointer = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) {
            let list = OpaquePointer(pointer)
            defer { GENERAL_NAMES_free(list) }
            for index in 0..<OPENSSL_sk_num(list) {
                guard let item = OPENSSL_sk_value(list, index) else { continue }
                let name = item.assumingMemoryBound(to: GENERAL_NAME.self).pointee
                switch name.type {
                case GEN_DNS: names.dns.append(text(name.d.dNSName))
                case GEN_URI: names.uris.append(text(name.d.uniformResourceIdentifier))
                case GEN_IPADD: names.addresses.append(address(name.d.iPAddress))
                default: break
                }
            }
        }
        return PeerCertificate(
            der: der(certificate), commonName: commonName(certificate), dnsNames: names.dns, uris: names.uris,
            ipAddresses: names.addresses)
    }

    private static func der(_ certificate: OpaquePointer) -> [UInt8] {
        let count = Int(i2d_X509(certificate, nil))
        guard count > 0 else { return [] }
        return [UInt8](unsafeUninitializedCapacity: count) { storage, initialized in
            var position = storage.baseAddress
            initialized = max(0, Int(i2d_X509(certificate, &position)))
        }
    }

    private static func commonName(_ certificate: OpaquePointer) -> String? {
        let subject = X509_get_subject_name(certificate)
        let index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1)
        guard index >= 0, let value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)) else { return nil }
        var utf8: UnsafeMutablePointer<UInt8>?
        let count = ASN1_STRING_to_UTF8(&utf8, value)
        guard count >= 0, let utf8 else { return nil }
        defer { CRYPTO_free(utf8, #file, #line) }
        return String(decoding: UnsafeBufferPointer(start: utf8, count: Int(count)), as: UTF8.self)
    }

    private static func bytes(_ string: UnsafePointer<ASN1_STRING>?) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: ASN1_STRING_get0_data(string), count: Int(ASN1_STRING_length(string)))
    }

    private static func text(_ string: UnsafePointer<ASN1_STRING>?) -> String {
        String(decoding: bytes(string), as: UTF8.self)
    }

    /// Dotted or colon form of 4 or 16 bytes.
    private static func address(_ string: UnsafePointer<ASN1_STRING>?) -> String {
        let octets = bytes(string)
        guard octets.count == 16 else { return octets.map { String($0) }.joined(separator: ".") }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { storage in
            guard let base = storage.baseAddress,
                let text = inet_ntop(AF_INET6, octets.baseAddress, base, socklen_t(storage.count))
            else { return "" }
            return String(cString: text)
        }
    }
}
