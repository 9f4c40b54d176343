/// Who may call one method or fetch one route.
public indirect enum AccessRule: Sendable, Hashable {
    /// Everyone, without any credential.
    case open
    /// Everyone who is known by a valid token or a verified certificate.
    case authenticated
    /// Vigil's own services, by the common name of their verified client certificate.
    case peers(Set<String>)
    /// A token that holds this scope and is limited to nothing, neither to jurisdictions nor to one bank: what it opens concerns all.
    case scope(String)
    /// A token that holds this scope and is limited to no jurisdictions, a bank's own or not: what is answered and changed keeps to the bank.
    case bankScope(String)
    /// A token that holds this scope, limited to jurisdictions or not: what is answered keeps to them, or is about no place.
    case limitedScope(String)
    /// The same where the call comes over the connection of one of these services, which has looked whether the token reaches so far.
    case relayedScope(String, by: Set<String>)
    /// Whoever satisfies at least one of these.
    case anyOf([AccessRule])
}

extension AccessRule {
    /// Whether the rule lets in those who show no credential.
    public var isOpen: Bool {
        switch self {
        case .open: true
        case .anyOf(let rules): rules.contains { $0.isOpen }
        case .authenticated, .peers, .scope, .bankScope, .limitedScope, .relayedScope: false
        }
    }

    /// Whether `principal` may pass.
    /// - Parameters:
    ///   - isPeer: true when the principal was read from a verified client certificate, not from a token.
    ///   - relay: the common name in the verified client certificate of whoever passes the principal's token on.
    public func admits(_ principal: Principal, isPeer: Bool, relay: String? = nil) -> Bool {
        switch self {
        case .open, .authenticated: true
        case .peers(let names): isPeer && names.contains(principal.subject)
        case .scope(let scope): principal.permittedJurisdictions == nil && !principal.isOfOneBank && principal.scopes.contains(scope)
        case .bankScope(let scope): principal.permittedJurisdictions == nil && principal.scopes.contains(scope)
        case .limitedScope(let scope): principal.scopes.contains(scope)
        case .relayedScope(let scope, let names): relay.map(names.contains) == true && principal.scopes.contains(scope)
        case .anyOf(let rules): rules.contains { $0.admits(principal, isPeer: isPeer, relay: relay) }
        }
    }

    /// What a caller lacks, in words: `scope transactions:write`, `one of: scope …, service …`.
    public var requirement: String {
        switch self {
        case .open: "nothing"
        case .authenticated: "a valid token or a verified service certificate"
        case .peers(let names): "the certificate of service \(names.sorted().joined(separator: " or "))"
        case .scope(let scope), .bankScope(let scope), .limitedScope(let scope): "scope \(scope)"
        case .relayedScope(let scope, let names): "scope \(scope) by way of \(names.sorted().joined(separator: " or "))"
        case .anyOf(let rules): rules.map(\.requirement).joined(separator: ", or ")
        }
    }

    /// Why a principal may not pass.
    public func refusal(of principal: Principal, isPeer: Bool) -> String {
        var unlimited = principal
        unlimited.jurisdictions = []
        if admits(unlimited, isPeer: isPeer) { return "this is not told by jurisdiction, and the token is limited to some" }
        if principal.isOfOneBank {
            (unlimited.kind, unlimited.bankID) = (.user, nil)
            if admits(unlimited, isPeer: isPeer) { return "this concerns all banks, and the token is one bank's" }
        }
        return "this needs \(requirement)"
    }
}

/// The rules of one server, by path. A path without a rule is refused.
///
/// ```swift
/// let policy = AccessPolicy([
///     "/vigil.models.v1.ModelService/Score": .peers(["ingestion-gateway"]),
///     "/tiles/": .limitedScope("tiles:read"),       // a path that ends in a slash covers all below it
/// ])
/// ```
public struct AccessPolicy: Sendable {
    private var exact: [String: AccessRule] = [:]
    /// Longest first, so that the most particular prefix decides.
    private var prefixes: [(path: String, rule: AccessRule)] = []

    public init(_ rules: [String: AccessRule] = [:]) {
        for (path, rule) in rules {
            exact[path] = rule
        }
        prefixes = rules.filter { $0.key.hasSuffix("/") }
            .map { (path: $0.key, rule: $0.value) }
            .sorted { $0.path.utf8.count > $1.path.utf8.count }
    }

    /// The rule for a path; `nil` means refuse. `/` covers only itself, so that nobody opens everything by accident.
    public func rule(for path: String) -> AccessRule? {
        if let rule = exact[path] { return rule }
        return prefixes.first { $0.path != "/" && path.hasPrefix($0.path) }?.rule
    }

    /// These rules with `others` added; where both have a rule for a path, `others` decides.
    public func merging(_ others: [String: AccessRule]) -> AccessPolicy {
        AccessPolicy(exact.merging(others) { _, new in new })
    }

    /// The paths among these that no rule covers, sorted.
    public func uncovered(among paths: some Sequence<String>) -> [String] {
        paths.filter { rule(for: $0) == nil }.sorted()
    }

    /// Each path with its rule in words, sorted by path.
    public var listing: [(path: String, requirement: String)] {
        exact.sorted { $0.key < $1.key }.map { (path: $0.key, requirement: $0.value.requirement) }
    }
}

/// The scopes that tokens carry.
public enum Scope {
    public static let writeTransactions = "transactions:write"
    public static let writeComplaints = "complaints:write"
    public static let writeLabels = "labels:write"
    public static let writeRegistry = "registry:write"
    public static let writeJurisdictions = "jurisdictions:write"
    public static let readDecisions = "decisions:read"
    public static let writeModels = "models:write"
    public static let readModels = "models:read"
    public static let readFeatures = "features:read"
    public static let readAlerts = "alerts:read"
    public static let writeAlerts = "alerts:write"
    public static let readTiles = "tiles:read"
    public static let readAudit = "audit:read"
    public static let readMetrics = "metrics:read"
    public static let writePrivacy = "privacy:write"

    public static let all: Set<String> = [
        writeTransactions, writeComplaints, writeLabels, writeRegistry, writeJurisdictions, readDecisions, writeModels, readModels,
        readFeatures, readAlerts, writeAlerts, readTiles, readAudit, readMetrics, writePrivacy,
    ]
}

/// The common names in the certificates of Vigil's own processes.
public enum ServiceName {
    public static let ingestionGateway = "ingestion-gateway"
    public static let featureStore = "feature-store"
    public static let modelServer = "model-server"
    public static let authGateway = "auth-gateway"
    public static let heatmapTiles = "heatmap-tiles"
    public static let notifier = "notifier"
    /// The command line on a development machine.
    public static let `operator` = "operator"

    public static let all = [ingestionGateway, featureStore, modelServer, authGateway, heatmapTiles, notifier, `operator`]
}
