public import RPC

/// Lets a call through only to whom the policy allows, and tells the handler who that is.
///
/// The caller is known by, in this order: the bearer token in `authorization`; on plain routes, the cookie `vigil_session`; the
/// common name of its verified client certificate. A token that comes decides alone: one service that passes on another's token
/// acts for its bearer, and is given no right of its own.
public struct AuthenticationInterceptor: ServerInterceptor {
    /// Holds the token of a person at a browser.
    public static let sessionCookie = "vigil_session"

    /// A call of a person or an agency that is over, or one that was refused before anybody was known.
    public struct Look: Sendable {
        /// `nil` where nobody valid called.
        public let principal: Principal?
        /// Of the call: `/package.Service/Method`, or a plain path without its query.
        public let path: String
        public let peerAddress: String
        /// For plain paths that of HTTP, else the gRPC status by name.
        public let status: String
    }

    private let policy: AccessPolicy
    private let verifier: TokenVerifier
    private let record: @Sendable (Look) -> Void

    /// - Parameter record: told of each ``Look``, refused ones too; not of what banks and Vigil's own services call, nor of open paths.
    public init(policy: AccessPolicy, verifier: TokenVerifier, record: @escaping @Sendable (Look) -> Void = { _ in }) {
        self.policy = policy
        self.verifier = verifier
        self.record = record
    }

    /// - Throws: `UNAUTHENTICATED` with the reason where nobody valid calls, `PERMISSION_DENIED` naming what is lacking,
    ///   `UNAVAILABLE` while the keys cannot be had.
    public func begin(_ call: inout IncomingCall) async throws -> CallFinisher? {
        var caller: Principal?
        let rule: AccessRule
        do {
            rule = try await admit(&call, &caller)
        } catch {
            if let error = error as? RPCError, Self.isLook(of: caller) {
                let status = call.isRPC ? error.code.name : String(error.code.httpStatus)
                record(Look(principal: caller, path: call.path, peerAddress: call.peer.address, status: status))
            }
            throw error
        }
        guard let caller, !rule.isOpen, Self.isLook(of: caller) else { return nil }
        let (path, peer, isRPC) = (call.path, call.peer.address, call.isRPC)
        return CallFinisher { [record] outcome in
            let status = isRPC ? outcome.status.name : String(outcome.httpStatus)
            record(Look(principal: caller, path: path, peerAddress: peer, status: status))
        }
    }

    private static func isLook(of principal: Principal?) -> Bool {
        switch principal?.kind {
        case .bank, .service: false
        case .agency, .user, nil: true
        }
    }

    /// Returns the rule by which the call may go on.
    /// - Parameter caller: gets who calls, also where they are refused.
    private func admit(_ call: inout IncomingCall, _ caller: inout Principal?) async throws -> AccessRule {
        guard let rule = policy.rule(for: call.route) else {
            throw RPCError(.permissionDenied, "no access rule covers this path")
        }
        let token: BearerToken?
        do {
            token = try Self.token(of: call)
        } catch {
            if rule.isOpen { return rule }
            throw Self.error(error)
        }
        if let token {
            try await admitBearer(token, rule, &call, &caller)
        } else if let peer = Self.peer(of: call) {
            caller = peer
            guard rule.admits(peer, isPeer: true) else { throw Self.denied(peer, isPeer: true, rule) }
            call.serviceContext.principal = peer
        } else if !rule.isOpen {
            throw Self.error(.missing)
        }
        return rule
    }

    private func admitBearer(
        _ token: BearerToken, _ rule: AccessRule, _ call: inout IncomingCall, _ caller: inout Principal?
    ) async throws {
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
        caller = principal
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
