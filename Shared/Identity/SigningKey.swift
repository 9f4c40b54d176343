internal import JWTKit

/// A private P-256 key that signs tokens (ES256), with the id under which its public half is published.
public struct SigningKey: Sendable {
    public let id: String
    private let key: ES256PrivateKey

    /// A new random key.
    public init(id: String) {
        self.id = id
        key = ES256PrivateKey()
    }

    /// - Parameter pem: PKCS #8 or SEC 1 in PEM.
    /// - Throws: an error that names the key's id and nothing of its content.
    public init(id: String, pem: String) throws {
        self.id = id
        do {
            key = try ES256PrivateKey(pem: pem)
        } catch {
            throw KeyError(message: "signing key \(id) is not a P-256 private key in PEM")
        }
    }

    /// The private key in PEM: keep it encrypted.
    public var pem: String { key.pemRepresentation }

    /// What everyone may know of the key.
    public var publicKey: PublicTokenKey {
        get throws { try PublicTokenKey(id: id, key: key.publicKey) }
    }

    /// The signed token in compact form (RFC 7515).
    public func sign(_ claims: TokenClaims) async throws -> BearerToken {
        let keys = JWTKeyCollection()
        await keys.add(ecdsa: key, kid: JWKIdentifier(string: id))
        return BearerToken(try await keys.sign(TokenPayload(claims), kid: JWKIdentifier(string: id)))
    }
}

/// A key or a key set that cannot be used.
public struct KeyError: Error, Sendable, Hashable, CustomStringConvertible {
    public let message: String

    public init(message: String) {
        self.message = message
    }

    public var description: String { message }
}
