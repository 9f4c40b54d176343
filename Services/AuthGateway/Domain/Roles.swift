/// What each role may do. A principal has the scopes of its roles, and those given to it by name.
enum Role: String, CaseIterable, Sendable {
    case bank
    case agency
    case analyst
    case dutyOfficer = "duty-officer"
    case dataScientist = "data-scientist"
    case auditor
    case monitor
    case administrator

    var scopes: Set<String> {
        switch self {
        case .bank: ["transactions:write", "labels:write", "registry:write", "decisions:read"]
        case .agency: ["complaints:write", "decisions:read", "models:read", "alerts:read", "tiles:read"]
        case .analyst: ["decisions:read", "models:read", "features:read", "alerts:read", "tiles:read"]
        case .dutyOfficer: ["decisions:read", "models:read", "alerts:read", "alerts:write", "tiles:read"]
        case .dataScientist: ["decisions:read", "models:read", "models:write", "features:read", "labels:write", "tiles:read"]
        case .auditor: ["audit:read"]
        case .monitor: ["metrics:read"]
        case .administrator: [
            "transactions:write", "complaints:write", "labels:write", "registry:write", "jurisdictions:write", "decisions:read",
            "models:write", "models:read", "features:read", "alerts:read", "alerts:write", "tiles:read", "audit:read", "metrics:read", "privacy:write",
        ]
        }
    }
}

/// The scopes that a token gets.
enum ScopeGrant {
    /// - Parameters:
    ///   - requested: separated by spaces; empty asks for all that is allowed.
    ///   - allowed: what the principal may have.
    /// - Returns: `nil` when something is asked for that is not allowed.
    static func granted(requested: String, allowed: Set<String>) -> Set<String>? {
        let requested = Set(requested.split(separator: " ").map(String.init))
        if requested.isEmpty { return allowed }
        return requested.isSubset(of: allowed) ? requested : nil
    }
}
