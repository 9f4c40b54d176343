import Foundation

/// Who may come in when the suite has just been made: a bank, an agency, and two people, each with a secret of its own.
/// The auth gateway reads the file at each start and keeps only salted hashes. Once made, the file is the operator's to change.
struct Principals: Encodable {
    struct Principal: Encodable {
        var subject: String
        var kind: String
        /// Beside this file.
        var secretFile: String
        var roles: [String]
        var scopes: [String] = []
        var bankID: String?
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
                subject: Self.bank, kind: "bank", secretFile: Self.secretName(Self.bank), roles: ["bank"], scopes: ["complaints:write"],
                bankID: Self.bank),
            Principal(subject: Self.agency, kind: "agency", secretFile: Self.secretName(Self.agency), roles: ["agency"]),
            Principal(subject: Self.analyst, kind: "user", secretFile: Self.secretName(Self.analyst), roles: ["analyst"]),
            Principal(subject: Self.dutyOfficer, kind: "user", secretFile: Self.secretName(Self.dutyOfficer), roles: ["duty-officer"]),
        ]
        for principal in principals { _ = try secrets.password(principal.secretFile) }
    }

    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try SuiteHome.write(Array(encoder.encode(self)) + [10], to: path)
    }
}
