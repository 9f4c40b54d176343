import Crypto
import Foundation

/// Signatures over a bundle's manifest, which names the hash of every other file.
///
/// ECDSA over P-256 with SHA-256, DER, in a file beside the manifest, so that OpenSSL can check it too:
/// `openssl dgst -sha256 -verify public.pem -signature manifest.sig manifest.json`.
extension ModelBundle {
    public static let signatureName = "manifest.sig"

    /// The same bundle with a signature; one that it had is replaced.
    /// - Parameter privateKeyPEM: a P-256 key, PKCS #8 or SEC 1.
    public func signed(withKey privateKeyPEM: String) throws(BundleError) -> ModelBundle {
        guard let key = try? P256.Signing.PrivateKey(pemRepresentation: privateKeyPEM) else {
            throw BundleError(.badKey, "the signing key is no P-256 private key in PEM")
        }
        guard let signature = try? key.signature(for: manifestBytes) else { throw BundleError(.badKey, "the signing key does not sign") }
        var signed = self
        signed.signature = [UInt8](signature.derRepresentation)
        return signed
    }

    public var isSigned: Bool { signature != nil }

    /// Refuses a bundle that none of the keys has signed.
    /// - Parameter publicKeyPEMs: P-256 public keys.
    public func requireSignature(byOneOf publicKeyPEMs: [String]) throws(BundleError) {
        var keys: [P256.Signing.PublicKey] = []
        for pem in publicKeyPEMs {
            guard let key = try? P256.Signing.PublicKey(pemRepresentation: pem) else {
                throw BundleError(.badKey, "a trusted key is no P-256 public key in PEM")
            }
            keys.append(key)
        }
        guard let signature else { throw BundleError(.badSignature, "bundle \(version) is not signed") }
        guard let parsed = try? P256.Signing.ECDSASignature(derRepresentation: signature) else {
            throw BundleError(.badSignature, "\(Self.signatureName) of bundle \(version) is no signature")
        }
        guard keys.contains(where: { $0.isValidSignature(parsed, for: manifestBytes) }) else {
            throw BundleError(.badSignature, "bundle \(version) is signed by none of the trusted keys, or was changed afterwards")
        }
    }

    /// As `requireSignature(byOneOf:)`, with the keys one after another in one text.
    public func requireSignature(byKeysIn pem: String) throws(BundleError) {
        let begin = "-----BEGIN"
        let keys = pem.components(separatedBy: begin).dropFirst().map { begin + $0 }
        guard !keys.isEmpty else { throw BundleError(.badKey, "there is no public key in PEM") }
        try requireSignature(byOneOf: keys)
    }

    /// The public key of a private one, both in PEM.
    public static func publicKey(ofSigningKey privateKeyPEM: String) throws(BundleError) -> String {
        guard let key = try? P256.Signing.PrivateKey(pemRepresentation: privateKeyPEM) else {
            throw BundleError(.badKey, "the signing key is no P-256 private key in PEM")
        }
        return key.publicKey.pemRepresentation
    }

    /// A new key pair in PEM.
    public static func newSigningKey() -> (privateKeyPEM: String, publicKeyPEM: String) {
        let key = P256.Signing.PrivateKey()
        return (key.pemRepresentation, key.publicKey.pemRepresentation)
    }
}
