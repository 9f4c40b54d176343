internal import JWTKit

/// What a token states (RFC 7519 claims, and Vigil's own).
public struct TokenClaims: Sendable, Hashable {
    /// The audience of every Vigil token.
    public static let audience = "vigil"

    /// `iss`: the address of the auth gateway that signed.
    public var issuer: String
    /// `sub`: client id or user name.
    public var subject: String
    /// `exp`: seconds since 1970; from this second on the token is worth nothing.
    public var expiresAtSeconds: Int64
    /// `iat`: seconds since 1970.
    public var issuedAtSeconds: Int64
    /// `jti`: unique to this token.
    public var tokenID: String
    public var scopes: Set<String>
    public var roles: Set<String>
    public var kind: Principal.Kind
    /// `bank`
    public var bankID: String?
    public var jurisdictions: Set<String>
    /// `rights_since`: when the rights that the token states came into force, in microseconds since 1970; 0 where they have never changed.
    public var rightsSince: Int64
    /// `aud`
    public var audiences: [String]

    public init(
        issuer: String, subject: String, kind: Principal.Kind, issuedAtSeconds: Int64, expiresAtSeconds: Int64, tokenID: String,
        scopes: Set<String> = [], roles: Set<String> = [], bankID: String? = nil, jurisdictions: Set<String> = [],
        rightsSince: Int64 = 0, audiences: [String] = [TokenClaims.audience]
    ) {
        self.issuer = issuer
        self.subject = subject
        self.kind = kind
        self.issuedAtSeconds = issuedAtSeconds
        self.expiresAtSeconds = expiresAtSeconds
        self.tokenID = tokenID
        self.scopes = scopes
        self.roles = roles
        self.bankID = bankID
        self.jurisdictions = jurisdictions
        self.rightsSince = rightsSince
        self.audiences = audiences
    }

    /// The principal that the token makes of its bearer.
    public var principal: Principal {
        Principal(
            subject: subject, kind: kind, scopes: scopes, roles: roles, bankID: bankID, jurisdictions: jurisdictions, tokenID: tokenID)
    }
}

/// The claims as they stand in the token. Times are checked by ``TokenVerifier`` against the clock it was given, not here.
struct TokenPayload: JWTPayload {
    var iss: String
    var sub: String
    var aud: AudienceClaim
    var exp: Int64
    var iat: Int64
    var jti: String
    var scope: String
    var roles: [String]?
    var kind: Principal.Kind
    var bank: String?
    var jurisdictions: [String]?
    var rights_since: Int64?

    func verify(using algorithm: some JWTAlgorithm) async throws {}

    init(_ claims: TokenClaims) {
        iss = claims.issuer
        sub = claims.subject
        aud = AudienceClaim(value: claims.audiences)
        exp = claims.expiresAtSeconds
        iat = claims.issuedAtSeconds
        jti = claims.tokenID
        scope = claims.scopes.sorted().joined(separator: " ")
        roles = claims.roles.isEmpty ? nil : claims.roles.sorted()
        kind = claims.kind
        bank = claims.bankID
        jurisdictions = claims.jurisdictions.isEmpty ? nil : claims.jurisdictions.sorted()
        rights_since = claims.rightsSince == 0 ? nil : claims.rightsSince
    }

    var claims: TokenClaims {
        TokenClaims(
            issuer: iss, subject: sub, kind: kind, issuedAtSeconds: iat, expiresAtSeconds: exp, tokenID: jti,
            scopes: Set(scope.split(separator: " ").map(String.init)), roles: Set(roles ?? []), bankID: bank,
            jurisdictions: Set(jurisdictions ?? []), rightsSince: rights_since ?? 0, audiences: aud.value)
    }
}
