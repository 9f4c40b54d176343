import Foundation
import ServiceRuntime

/// `suite.json`: how a program on this machine reaches the running suite, and as whom.
struct SuiteDescription: Codable, Sendable {
    struct Service: Codable, Sendable {
        /// For example "https://127.0.0.1:8441".
        var url: String
    }

    /// A client of the auth gateway; the secret is in a file that only the operator reads.
    struct Client: Codable, Sendable {
        var subject: String
        var secretFile: String
        var bankID: String?
    }

    struct Operator: Codable, Sendable {
        var certificate: String
        var key: String
    }

    struct Dashboard: Codable, Sendable {
        var username: String
        var passwordFile: String
    }

    /// By the executable's name.
    var services: [String: Service]
    /// The certificate authority, PEM.
    var trust: String
    var bank: Client
    var agency: Client
    var `operator`: Operator
    var dashboard: Dashboard
    /// The folder of the local mail catcher.
    var mail: String
    /// The launcher's process id.
    var launcher: Int32

    init(environment: ServiceEnvironment) {
        services = Dictionary(uniqueKeysWithValues: Suite.services.map { ($0.name, Service(url: environment.url(of: $0))) })
        for name in environment.replicas?.names ?? [] { services[name] = Service(url: environment.url(of: name)) }
        trust = environment.certificates.trust
        bank = Client(
            subject: Principals.bank, secretFile: environment.secrets.file(Principals.secretName(Principals.bank)), bankID: Principals.bank)
        agency = Client(subject: Principals.agency, secretFile: environment.secrets.file(Principals.secretName(Principals.agency)))
        let identity = environment.certificates.identity("operator")
        self.operator = Operator(certificate: identity.certificate, key: identity.key)
        dashboard = Dashboard(
            username: Principals.analyst, passwordFile: environment.secrets.file(Principals.secretName(Principals.analyst)))
        mail = environment.home.mail
        launcher = getpid()
    }

    /// Throws a line for the user when no suite was ever started there.
    static func read(from home: SuiteHome) throws -> SuiteDescription {
        guard let data = FileManager.default.contents(atPath: home.suiteFile) else {
            throw LaunchError("no suite was started in \(home.path); start one with `make run`, or set VIGIL_HOME")
        }
        return try JSONDecoder().decode(SuiteDescription.self, from: data)
    }

    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try SuiteHome.write(Array(encoder.encode(self)) + [10], to: path)
    }
}

/// Where the development certificates lie, as `vigil certificates` names them.
struct SuiteCertificates {
    let folder: String

    var trust: String { "\(folder)/ca.crt" }

    func identity(_ name: String) -> (certificate: String, key: String) { ("\(folder)/\(name).crt", "\(folder)/\(name).key") }
}
