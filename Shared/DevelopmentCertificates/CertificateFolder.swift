internal import Crypto
public import Foundation
internal import SwiftASN1
internal import X509

/// A certificate authority for development, and one certificate for each of Vigil's processes, in one folder:
/// `ca.crt` and `ca.key`, then `NAME.crt` and `NAME.key` for each process. All in PEM, P-256; keys are readable by their owner only.
///
/// Each certificate serves as server and as client certificate. Its common name is the name of the process, by which the others
/// know it.
public struct CertificateFolder: Sendable {
    /// What became of one file pair.
    public enum Outcome: String, Sendable, Encodable {
        case created, renewed, kept
    }

    public struct Report: Sendable, Encodable {
        public let name: String
        public let outcome: Outcome
        public let validUntil: Date
        public let certificateFile: String
    }

    public static let authorityName = "ca"

    public var folder: URL
    /// Host names and IP addresses that each certificate holds beside its own name.
    public var hosts = ["localhost", "127.0.0.1", "::1"]
    public var authorityValidityDays = 3652
    public var validityDays = 365
    /// Certificates with less time left than this are renewed.
    public var renewalDays = 30

    public init(_ folder: URL) {
        self.folder = folder
    }

    /// The certificate's file of a process, or of the authority.
    public func certificateFile(_ name: String) -> String { file(name, "crt").path }
    /// The private key's file of a process, or of the authority.
    public func keyFile(_ name: String) -> String { file(name, "key").path }

    /// Makes what is missing, renews what is near its end or does not fit, keeps the rest.
    /// - Returns: the authority first, then `names` in order.
    public func prepare(names: [String], now: Date = Date()) throws -> [Report] {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let (authority, outcome) = try prepareAuthority(now: now)
        var reports = [report(Self.authorityName, outcome, authority.certificate)]
        for name in names {
            let (pair, outcome) = try prepareLeaf(name, authority: authority, now: now)
            reports.append(report(name, outcome, pair.certificate))
        }
        return reports
    }

    private func report(_ name: String, _ outcome: Outcome, _ certificate: Certificate) -> Report {
        Report(name: name, outcome: outcome, validUntil: certificate.notValidAfter, certificateFile: file(name, "crt").path)
    }

    // MARK: Certificates

    private func prepareAuthority(now: Date) throws -> (CertificatePair, Outcome) {
        let existing = CertificatePair(
            certificateFile: file(Self.authorityName, "crt"), keyFile: file(Self.authorityName, "key"))
        // The authority must outlive every certificate that it signs from here on.
        if let existing, existing.isValid(at: now, forDays: validityDays + renewalDays) { return (existing, .kept) }
        let key = P256.Signing.PrivateKey()
        let subject = try DistinguishedName {
            OrganizationName("Vigil development")
            CommonName("Vigil development authority \(identifier())")
        }
        let certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(key.publicKey),
            notValidBefore: now.addingTimeInterval(-300), notValidAfter: now.addingTimeInterval(Double(authorityValidityDays) * 86_400),
            issuer: subject, subject: subject, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                SubjectKeyIdentifier(hash: Certificate.PublicKey(key.publicKey))
            },
            issuerPrivateKey: .init(key))
        let pair = CertificatePair(certificate: certificate, key: key)
        try write(pair, Self.authorityName)
        return (pair, existing == nil ? .created : .renewed)
    }

    private func prepareLeaf(_ name: String, authority: CertificatePair, now: Date) throws -> (CertificatePair, Outcome) {
        let existing = CertificatePair(certificateFile: file(name, "crt"), keyFile: file(name, "key"))
        let names = SubjectAlternativeNames((hosts + [name]).map(generalName))
        if let existing, existing.isValid(at: now, forDays: renewalDays),
            authority.certificate.publicKey.isValidSignature(existing.certificate.signature, for: existing.certificate),
            (try? existing.certificate.extensions.subjectAlternativeNames) == names
        {
            return (existing, .kept)
        }
        let key = P256.Signing.PrivateKey()
        let certificate = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(key.publicKey),
            notValidBefore: now.addingTimeInterval(-300), notValidAfter: now.addingTimeInterval(Double(validityDays) * 86_400),
            issuer: authority.certificate.subject, subject: try DistinguishedName { CommonName(name) },
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([.serverAuth, .clientAuth])
                names
                SubjectKeyIdentifier(hash: Certificate.PublicKey(key.publicKey))
                AuthorityKeyIdentifier(
                    keyIdentifier: try authority.certificate.extensions.subjectKeyIdentifier?.keyIdentifier)
            },
            issuerPrivateKey: .init(authority.key))
        let pair = CertificatePair(certificate: certificate, key: key)
        try write(pair, name)
        return (pair, existing == nil ? .created : .renewed)
    }

    /// Tells one development authority from another in a browser's list.
    private func identifier() -> String {
        (0..<4).map { _ in
            let byte = String(UInt8.random(in: 0...255), radix: 16)
            return byte.count == 1 ? "0" + byte : byte
        }.joined()
    }

    private func generalName(_ host: String) -> GeneralName {
        var v4 = in_addr()
        if inet_pton(AF_INET, host, &v4) == 1 {
            return .ipAddress(ASN1OctetString(contentBytes: withUnsafeBytes(of: &v4) { ArraySlice($0) }))
        }
        var v6 = in6_addr()
        if inet_pton(AF_INET6, host, &v6) == 1 {
            return .ipAddress(ASN1OctetString(contentBytes: withUnsafeBytes(of: &v6) { ArraySlice($0) }))
        }
        return .dnsName(host)
    }

    // MARK: Files

    private func file(_ name: String, _ suffix: String) -> URL {
        folder.appending(path: "\(name).\(suffix)")
    }

    private func write(_ pair: CertificatePair, _ name: String) throws {
        try write(pair.key.pemRepresentation, to: file(name, "key"), mode: 0o600)
        try write(try pair.certificate.serializeAsPEM().pemString, to: file(name, "crt"), mode: 0o644)
    }

    /// Writes beside the place and renames, so that a reader sees the old file or the new one, and a key is never readable by others.
    private func write(_ text: String, to place: URL, mode: mode_t) throws {
        let draft = place.path + ".new"
        unlink(draft)
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL, mode)
        guard descriptor >= 0 else { throw CocoaError(.fileWriteUnknown, userInfo: [NSFilePathErrorKey: draft]) }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        try handle.write(contentsOf: Data((text + "\n").utf8))
        try handle.synchronize()
        guard fchmod(descriptor, mode) == 0, rename(draft, place.path) == 0 else {
            throw CocoaError(.fileWriteUnknown, userInfo: [NSFilePathErrorKey: place.path])
        }
    }
}

/// A certificate with its private key.
struct CertificatePair {
    var certificate: Certificate
    var key: P256.Signing.PrivateKey

    init(certificate: Certificate, key: P256.Signing.PrivateKey) {
        self.certificate = certificate
        self.key = key
    }

    /// `nil` where a file is missing, damaged, or the two do not belong together.
    init?(certificateFile: URL, keyFile: URL) {
        guard let certificateText = try? String(contentsOf: certificateFile, encoding: .utf8),
            let keyText = try? String(contentsOf: keyFile, encoding: .utf8),
            let certificate = try? Certificate(pemEncoded: certificateText),
            let key = try? P256.Signing.PrivateKey(pemRepresentation: keyText),
            certificate.publicKey == Certificate.PublicKey(key.publicKey)
        else { return nil }
        self.init(certificate: certificate, key: key)
    }

    func isValid(at now: Date, forDays days: Int) -> Bool {
        certificate.notValidBefore <= now && certificate.notValidAfter >= now.addingTimeInterval(Double(days) * 86_400)
    }
}
