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
    /// - Parameter pem: P-256 public keys, one after another in one text.
    public func requireSignature(byKeysIn pem: String) throws(BundleError) {
        let keys = try Self.publicKeys(in: pem)
        guard let signature else { throw BundleError(.badSignature, "bundle \(version) is not signed") }
        guard (try? P256.Signing.ECDSASignature(derRepresentation: signature)) != nil else {
            throw BundleError(.badSignature, "\(Self.signatureName) of bundle \(version) is no signature")
        }
        guard Self.signer(ofManifest: manifestBytes, signature: signature, among: keys) != nil else {
            throw BundleError(.badSignature, "bundle \(version) is signed by none of the trusted keys, or was changed afterwards")
        }
    }

    /// Which of the keys signed a manifest, as the SHA-256 of the public key in lower-case hexadecimal, what
    /// `openssl pkey -pubin -in public.pem -outform DER | openssl dgst -sha256` prints. Nil where it is none of them.
    /// - Parameter pem: P-256 public keys, one after another in one text.
    public static func signer(ofManifest manifest: [UInt8], signature: [UInt8], amongKeysIn pem: String) throws(BundleError) -> String? {
        try signer(ofManifest: manifest, signature: signature, among: publicKeys(in: pem)).map { key in
            SHA256.hash(data: key.derRepresentation).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
    }

    private static func signer(
        ofManifest manifest: [UInt8], signature: [UInt8], among keys: [P256.Signing.PublicKey]
    ) -> P256.Signing.PublicKey? {
        guard let parsed = try? P256.Signing.ECDSASignature(derRepresentation: signature) else { return nil }
        return keys.first { $0.isValidSignature(parsed, for: manifest) }
    }

    private static func publicKeys(in pem: String) throws(BundleError) -> [P256.Signing.PublicKey] {
        let begin = "-----BEGIN"
        var keys: [P256.Signing.PublicKey] = []
        for rest in pem.components(separatedBy: begin).dropFirst() {
            guard let key = try? P256.Signing.PublicKey(pemRepresentation: begin + rest) else {
                throw BundleError(.badKey, "a trusted key is no P-256 public key in PEM")
            }
            keys.append(key)
        }
        guard !keys.isEmpty else { throw BundleError(.badKey, "there is no public key in PEM") }
        return keys
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
