import Foundation

/// Who may come in when the suite has just been made: a bank, an agency, and two people, each with a password of its own.
/// The auth gateway reads the file at each start and keeps only salted hashes.
struct Principals: Encodable {
    struct Principal: Encodable {
        var subject: String
        var kind: String
        var secret: String
        var scopes: [String]
        var roles: [String] = []
        var bankID: String?
        var jurisdictions: [String] = []
    }

    static let fileName = "principals.json"
    /// The simulated world's bank.
    static let bank = "sagarpur-bank"
    static let agency = "sagarpur-police"
    static let analyst = "analyst"
    static let dutyOfficer = "duty-officer"

    var principals: [Principal]

    static func secretName(_ subject: String) -> String { "\(subject).password" }

    init(secrets: Secrets) throws(LaunchError) {
        principals = [
            Principal(
                subject: Self.bank, kind: "bank", secret: try secrets.password(Self.secretName(Self.bank)),
                scopes: ["transactions:write", "complaints:write", "labels:write", "registry:write", "decisions:read"], bankID: Self.bank),
            Principal(
                subject: Self.agency, kind: "agency", secret: try secrets.password(Self.secretName(Self.agency)),
                scopes: ["complaints:write", "decisions:read", "models:read", "tiles:read", "alerts:read"]),
            Principal(
                subject: Self.analyst, kind: "user", secret: try secrets.password(Self.secretName(Self.analyst)),
                scopes: ["tiles:read", "alerts:read", "decisions:read", "features:read", "models:read"], roles: ["analyst"]),
            Principal(
                subject: Self.dutyOfficer, kind: "user", secret: try secrets.password(Self.secretName(Self.dutyOfficer)),
                scopes: ["tiles:read", "alerts:read", "alerts:write", "decisions:read", "audit:read"], roles: ["duty-officer"]),
        ]
    }

    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try SuiteHome.write(Array(encoder.encode(self)) + [10], to: path)
    }
}
