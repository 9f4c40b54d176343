public import ServiceContextModule

/// Who makes a call: read from a verified token, or from the verified certificate of another service.
public struct Principal: Sendable, Hashable {
    /// What sort of party this is.
    public enum Kind: String, Sendable, Hashable, CaseIterable, Codable {
        /// One of Vigil's own processes, known by its client certificate or its client credentials.
        case service
        /// A partner bank's system.
        case bank
        /// The police or another agency's case system.
        case agency
        /// A person at the dashboard.
        case user
    }

    /// The client id, the user's name, or the certificate's common name.
    public var subject: String
    public var kind: Kind
    /// What the token allows, for example `transactions:write`. Empty for a service known by its certificate only.
    public var scopes: Set<String>
    public var roles: Set<String>
    /// The bank for which the principal may write and read; `nil` for one that belongs to no bank.
    public var bankID: String?
    /// Jurisdictions to which answers are limited; empty means that no such limit applies.
    public var jurisdictions: Set<String>
    /// The token's `jti`, which ties records of access to one token; `nil` for a certificate.
    public var tokenID: String?

    public init(
        subject: String, kind: Kind, scopes: Set<String> = [], roles: Set<String> = [], bankID: String? = nil,
        jurisdictions: Set<String> = [], tokenID: String? = nil
    ) {
        self.subject = subject
        self.kind = kind
        self.scopes = scopes
        self.roles = roles
        self.bankID = bankID
        self.jurisdictions = jurisdictions
        self.tokenID = tokenID
    }

    /// The jurisdictions to which answers are limited; nil when there is no such limit.
    public var permittedJurisdictions: Set<String>? { jurisdictions.isEmpty ? nil : jurisdictions }

    /// Whether answers are limited to one bank's own.
    public var isOfOneBank: Bool { kind == .bank || bankID != nil }

    /// Whether answers may tell of what this bank has sent: a bank is told of its own alone.
    public func maySee(bank id: String) -> Bool { !isOfOneBank || bankID == id }
}

/// Both in one, for what a context keeps costs a call.
private struct Caller: Sendable {
    var principal: Principal?
    var bearerToken: BearerToken?
}

private enum CallerKey: ServiceContextKey {
    typealias Value = Caller
}

extension ServiceContext {
    /// Who makes the call, as the ``AuthenticationInterceptor`` found it; `nil` on a path open to everyone.
    public var principal: Principal? {
        get { self[CallerKey.self]?.principal }
        set { self[CallerKey.self] = Caller(principal: newValue, bearerToken: bearerToken) }
    }

    /// The token as it came, kept only so that a gateway can pass it on.
    public var bearerToken: BearerToken? {
        get { self[CallerKey.self]?.bearerToken }
        set { self[CallerKey.self] = Caller(principal: principal, bearerToken: newValue) }
    }

    /// Sets both at once.
    mutating func setCaller(_ principal: Principal, _ token: BearerToken) {
        self[CallerKey.self] = Caller(principal: principal, bearerToken: token)
    }
}

/// A token's text. Printing, dumping or logging it shows nothing of it.
public struct BearerToken: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public let value: String

    public init(_ value: String) {
        self.value = value
    }

    public var description: String { "<token>" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
