import Foundation
import Identity
import Logging
import Synchronization

/// Checks credentials and issues tokens: the one place for both faces, the RPC and OAuth's token endpoint.
final class TokenService: Sendable {
    enum Grant: Sendable {
        case clientCredentials(id: String, secret: String)
        case password(userName: String, password: String)
    }

    enum Failure: Error, Hashable {
        /// No such name, another secret, or a kind of principal for which this grant is not meant: the caller does not learn which.
        case invalidCredentials
        case tooManyAttempts(retryAfterSeconds: Int64)
        /// Something is asked for that the principal may not have.
        case invalidScope
        /// Too many credentials are being checked at once.
        case busy
    }

    struct IssuedToken: Sendable {
        var token: BearerToken
        var lifetimeSeconds: Int64
        var scopes: Set<String>
        /// Separated by spaces, sorted.
        var scopeText: String { scopes.sorted().joined(separator: " ") }
    }

    struct Lifetimes: Sendable {
        var machineSeconds: Int64 = 900
        /// A shift: people sign in once a day.
        var userSeconds: Int64 = 28_800
    }

    private let store: AuthStore
    private let hasher: SecretHasher
    private let keys: KeyRing
    private let issuer: String
    private let lifetimes: Lifetimes
    private let limiter: Mutex<LoginLimiter>
    private let logger: Logger
    private let secondsSince1970: @Sendable () -> Int64

    init(
        store: AuthStore, hasher: SecretHasher, keys: KeyRing, issuer: String, lifetimes: Lifetimes = Lifetimes(),
        limits: LoginLimiter.Limits = LoginLimiter.Limits(), logger: Logger,
        secondsSince1970: @escaping @Sendable () -> Int64 = SystemTime.secondsSince1970
    ) {
        self.store = store
        self.hasher = hasher
        self.keys = keys
        self.issuer = issuer
        self.lifetimes = lifetimes
        self.limiter = Mutex(LoginLimiter(limits: limits))
        self.logger = logger
        self.secondsSince1970 = secondsSince1970
    }

    /// - Parameters:
    ///   - scope: separated by spaces; empty for all that the principal may have.
    ///   - address: the caller's, without the port.
    /// - Throws: ``Failure``, or the store's error.
    func issue(_ grant: Grant, scope: String, address: String) async throws -> IssuedToken {
        let (subject, secret) =
            switch grant {
            case .clientCredentials(let id, let secret): (id, secret)
            case .password(let userName, let password): (userName, password)
            }
        let isPassword = if case .password = grant { true } else { false }
        // No principal has a longer name, and what is longer is not worth a place in the limiter.
        guard !subject.isEmpty, subject.utf8.count <= 200 else { throw Failure.invalidCredentials }
        let decision = limiter.withLock { $0.begin(subject: subject, address: address, now: secondsSince1970()) }
        if case .wait(let seconds) = decision { throw Failure.tooManyAttempts(retryAfterSeconds: seconds) }

        let principal = try await store.principal(subject)
        let usable = principal.flatMap { ($0.kind == Principal.Kind.user.rawValue) == isPassword ? $0 : nil }
        let isRight: Bool
        do {
            isRight = try await hasher.matches(secret, usable.flatMap { SecretHash(phc: $0.secretHash) }, isPassword: isPassword)
        } catch is SecretHasher.Busy {
            throw Failure.busy
        }
        guard isRight, let principal = usable, let kind = Principal.Kind(rawValue: principal.kind) else {
            logger.notice("credentials refused", metadata: ["subject": "\(subject)", "address": "\(address)"])
            throw Failure.invalidCredentials
        }
        limiter.withLock { $0.succeeded(subject: subject, address: address) }
        return try await issue(to: principal, kind: kind, scope: scope)
    }

    private func issue(to principal: StoredPrincipal, kind: Principal.Kind, scope: String) async throws -> IssuedToken {
        let allowed = principal.roles.compactMap(Role.init(rawValue:)).reduce(Set(principal.scopes)) { $0.union($1.scopes) }
        guard let scopes = ScopeGrant.granted(requested: scope, allowed: allowed) else { throw Failure.invalidScope }
        let now = secondsSince1970()
        let lifetime = kind == .user ? lifetimes.userSeconds : lifetimes.machineSeconds
        let claims = TokenClaims(
            issuer: issuer, subject: principal.subject, kind: kind, issuedAtSeconds: now, expiresAtSeconds: now + lifetime,
            tokenID: UUID().uuidString.lowercased(), scopes: scopes, roles: Set(principal.roles), bankID: principal.bankID,
            jurisdictions: Set(principal.jurisdictions), rightsSince: principal.rightsSince)
        let token = try await keys.sign(claims)
        logger.info(
            "token issued", metadata: ["subject": "\(principal.subject)", "jti": "\(claims.tokenID)", "scopes": "\(scopes.count)"])
        return IssuedToken(token: token, lifetimeSeconds: lifetime, scopes: scopes)
    }
}
