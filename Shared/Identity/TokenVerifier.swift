internal import Foundation
internal import JWTKit
internal import Synchronization

/// Why a token does not count.
public enum TokenRejection: Error, Sendable, Hashable {
    case missing
    case malformed
    /// Another algorithm than ES256, `none` among them, or a header that must be understood and is not.
    case algorithmRefused
    case unknownKey
    case badSignature
    case expired
    case notYetValid
    case wrongAudience
    case wrongIssuer
    /// The subject's rights are others than when it was issued.
    case rightsChanged
    /// The keys could not be fetched: says nothing about the token.
    case keysUnavailable

    /// The reason in words for the caller; holds nothing of the token.
    public var reason: String {
        switch self {
        case .missing: "no token and no verified client certificate"
        case .malformed: "the token is malformed"
        case .algorithmRefused: "the token is not signed with ES256"
        case .unknownKey: "the token is signed with an unknown key"
        case .badSignature: "the token's signature does not match"
        case .expired: "the token has expired"
        case .notYetValid: "the token is issued in the future"
        case .wrongAudience: "the token is meant for another audience"
        case .rightsChanged: "the rights of the token's bearer have changed since it was issued"
        case .wrongIssuer: "the token comes from another issuer"
        case .keysUnavailable: "the keys to verify tokens are not available yet"
        }
    }
}

/// Verifies tokens and remembers the verified ones, since the same token comes with call after call.
public final class TokenVerifier: Sendable {
    /// Longer tokens are refused unread.
    public static let maxTokenBytes = 4096
    /// How far issuer's and verifier's clocks may differ.
    public static let clockSkewSeconds: Int64 = 60

    private struct Verified: Sendable {
        var principal: Principal
        var expiresAtSeconds: Int64
        var rightsSince: Int64
        var key: PublicTokenKey
    }

    private let keys: any TokenKeySource
    private let issuer: String?
    private let secondsSince1970: @Sendable () -> Int64
    private let cache: Mutex<GenerationalCache<String, Verified>>

    /// - Parameters:
    ///   - issuer: the only `iss` accepted; `nil` accepts any issuer whose key is in the key set.
    ///   - maxCachedTokens: how many verified tokens are remembered.
    ///   - secondsSince1970: the clock against which tokens expire.
    public init(
        keys: any TokenKeySource, issuer: String? = nil, maxCachedTokens: Int = 4096,
        secondsSince1970: @escaping @Sendable () -> Int64 = SystemTime.secondsSince1970
    ) {
        self.keys = keys
        self.issuer = issuer
        self.secondsSince1970 = secondsSince1970
        cache = Mutex(GenerationalCache(maxEntries: maxCachedTokens))
    }

    /// The principal of a token that was verified before and still counts, without waiting; `nil` asks for ``verify(_:)``.
    public func remembered(_ token: BearerToken) -> Principal? {
        guard let verified = cache.withLock({ $0[token.value] }),
            verified.expiresAtSeconds > secondsSince1970(),
            keys.knownKey(verified.key.id) == verified.key,
            isInForce(verified.principal.subject, since: verified.rightsSince)
        else { return nil }
        return verified.principal
    }

    /// Who bears the token.
    /// - Throws: ``TokenRejection``
    public func verify(_ token: BearerToken) async throws(TokenRejection) -> Principal {
        if let principal = remembered(token) { return principal }
        let (claims, key) = try await verifiedClaims(token)
        let principal = claims.principal
        let verified = Verified(
            principal: principal, expiresAtSeconds: claims.expiresAtSeconds, rightsSince: claims.rightsSince, key: key)
        cache.withLock { $0[token.value] = verified }
        return principal
    }

    private func isInForce(_ subject: String, since: Int64) -> Bool {
        keys.rightsChange(of: subject).map { since >= $0 } ?? true
    }

    private func verifiedClaims(_ token: BearerToken) async throws(TokenRejection) -> (TokenClaims, PublicTokenKey) {
        guard token.value.utf8.count <= Self.maxTokenBytes else { throw .malformed }
        let header = try Self.header(of: token)
        guard header.alg == "ES256", header.crit == nil else { throw .algorithmRefused }
        guard let keyID = header.kid else { throw .unknownKey }
        let key: PublicTokenKey?
        do {
            key = try await keys.key(keyID)
        } catch {
            throw .keysUnavailable
        }
        guard let key else { throw .unknownKey }
        let claims = try await Self.payload(of: token, signedBy: key).claims
        try check(claims)
        return (claims, key)
    }

    private func check(_ claims: TokenClaims) throws(TokenRejection) {
        let now = secondsSince1970()
        guard claims.expiresAtSeconds > now else { throw .expired }
        guard claims.issuedAtSeconds <= now + Self.clockSkewSeconds else { throw .notYetValid }
        guard claims.audiences.contains(TokenClaims.audience) else { throw .wrongAudience }
        if let issuer, claims.issuer != issuer { throw .wrongIssuer }
        guard isInForce(claims.subject, since: claims.rightsSince) else { throw .rightsChanged }
    }

    private struct Header: Decodable {
        var alg: String?
        var kid: String?
        var crit: [String]?
    }

    private static func header(of token: BearerToken) throws(TokenRejection) -> Header {
        let parts = token.value.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, let bytes = Data(base64URL: parts[0]) else { throw .malformed }
        do {
            return try JSONDecoder().decode(Header.self, from: bytes)
        } catch {
            throw .malformed
        }
    }

    /// A collection with this one key: the library falls back to a default key for an id it does not know, and there must be none.
    private static func payload(of token: BearerToken, signedBy key: PublicTokenKey) async throws(TokenRejection) -> TokenPayload {
        do {
            let collection = JWTKeyCollection()
            await collection.add(ecdsa: key.key)
            return try await collection.verify(token.value)
        } catch let error as JWTError where error.errorType == .malformedToken {
            throw .malformed
        } catch {
            throw .badSignature
        }
    }
}

/// The machine's clock.
public enum SystemTime {
    /// Whole seconds since 1970-01-01T00:00:00Z.
    public static let secondsSince1970: @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970) }
}

extension Data {
    /// Decodes base64url (RFC 4648, section 5), with or without padding; `nil` for anything else.
    init?(base64URL characters: some Sequence<UInt8>) {
        var base64 = Data()
        for character in characters where character != UInt8(ascii: "=") {
            switch character {
            case UInt8(ascii: "-"): base64.append(UInt8(ascii: "+"))
            case UInt8(ascii: "_"): base64.append(UInt8(ascii: "/"))
            case UInt8(ascii: "+"), UInt8(ascii: "/"): return nil
            default: base64.append(character)
            }
        }
        while base64.count % 4 != 0 { base64.append(UInt8(ascii: "=")) }
        self.init(base64Encoded: base64)
    }
}
