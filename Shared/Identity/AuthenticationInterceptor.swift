public import RPC

/// Lets a call through only to whom the policy allows, and tells the handler who that is.
///
/// The caller is known by, in this order: the bearer token in `authorization`; on plain routes, the cookie `vigil_session`; the
/// common name of its verified client certificate. A token that comes decides alone: one service that passes on another's token
/// acts for its bearer, and is given no right of its own.
public struct AuthenticationInterceptor: ServerInterceptor {
    /// Holds the token of a person at a browser.
    public static let sessionCookie = "vigil_session"

    private let policy: AccessPolicy
    private let verifier: TokenVerifier

    public init(policy: AccessPolicy, verifier: TokenVerifier) {
        self.policy = policy
        self.verifier = verifier
    }

    /// - Throws: `UNAUTHENTICATED` with the reason where nobody valid calls, `PERMISSION_DENIED` naming what is lacking,
    ///   `UNAVAILABLE` while the keys cannot be had.
    public func begin(_ call: inout IncomingCall) async throws -> CallFinisher? {
        guard let rule = policy.rule(for: call.route) else {
            throw RPCError(.permissionDenied, "no access rule covers this path")
        }
        let token: BearerToken?
        do {
            token = try Self.token(of: call)
        } catch {
            if rule.isOpen { return nil }
            throw Self.error(error)
        }
        if let token {
            try await admitBearer(token, rule, &call)
        } else if let peer = Self.peer(of: call) {
            guard rule.admits(peer, isPeer: true) else { throw Self.denied(peer, isPeer: true, rule) }
            call.serviceContext.principal = peer
        } else if !rule.isOpen {
            throw Self.error(.missing)
        }
        return nil
    }

    private func admitBearer(_ token: BearerToken, _ rule: AccessRule, _ call: inout IncomingCall) async throws {
        let principal: Principal
        if let remembered = verifier.remembered(token) {
            principal = remembered
        } else {
            do {
                principal = try await verifier.verify(token)
            } catch {
                // An open path needs nobody, so a token that has expired must not close it.
                if rule.isOpen { return }
                throw Self.error(error)
            }
        }
        // The certificate is looked at for those alone who may not pass without it.
        guard rule.admits(principal, isPeer: false) || rule.admits(principal, isPeer: false, relay: Self.peer(of: call)?.subject) else {
            throw Self.denied(principal, isPeer: false, rule)
        }
        call.serviceContext.setCaller(principal, token)
    }

    private static func token(of call: IncomingCall) throws(TokenRejection) -> BearerToken? {
        let values = call.metadata.values("authorization")
        guard values.count <= 1 else { throw .malformed }
        if let value = values.first {
            let space = UInt8(ascii: " "), bytes = value.utf8
            let scheme = bytes.prefix { $0 != space }
            guard scheme.elementsEqual("bearer".utf8, by: { $0 | 0x20 == $1 }) else { return nil }
            let token = bytes[scheme.endIndex...].dropFirst()
            guard !token.isEmpty else { throw .malformed }
            return BearerToken(String(Substring(token)))
        }
        guard !call.isRPC else { return nil }
        return cookie(sessionCookie, in: call.metadata).map { BearerToken($0) }
    }

    private static func cookie(_ name: String, in metadata: Metadata) -> String? {
        HTTPRequest(path: "/", headers: metadata).cookie(name).flatMap { $0.isEmpty ? nil : $0 }
    }

    private static func peer(of call: IncomingCall) -> Principal? {
        guard let name = call.peer.certificate?.commonName, !name.isEmpty else { return nil }
        return Principal(subject: name, kind: .service)
    }

    private static func error(_ rejection: TokenRejection) -> RPCError {
        switch rejection {
        case .keysUnavailable: RPCError(.unavailable, rejection.reason)
        case .missing: RPCError(.unauthenticated, rejection.reason, metadata: ["www-authenticate": "Bearer"])
        default: RPCError(.unauthenticated, rejection.reason, metadata: ["www-authenticate": "Bearer error=\"invalid_token\""])
        }
    }

    private static func denied(_ principal: Principal, isPeer: Bool, _ rule: AccessRule) -> RPCError {
        RPCError(.permissionDenied, rule.refusal(of: principal, isPeer: isPeer))
    }
}
