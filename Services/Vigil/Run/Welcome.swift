import Foundation
import ServiceRuntime

/// What is printed when the suite is up: where to look, how to get in, what to try.
struct Welcome {
    let environment: ServiceEnvironment

    func print(after duration: Duration) throws {
        let secrets = environment.secrets
        func login(_ subject: String) throws -> String { "\(subject) / \(try secrets.password(Principals.secretName(subject)))" }
        let logins = (analyst: try login(Principals.analyst), officer: try login(Principals.dutyOfficer))
        let dashboard = url("heatmap-tiles")
        let program = Self.shortened(CommandLine.arguments[0])
        let homePrefix = environment.home.path == SuiteHome(environment: [:]).path ? "" : "VIGIL_HOME=\(environment.home.path) "
        let text = """

            Vigil is up after \(Progress.text(duration)). Everything it keeps is in \(environment.home.path).

              Dashboard   \(dashboard)/   (a development certificate: the browser will ask)
              Login       \(logins.analyst)
                          \(logins.officer), who may acknowledge alerts

            Three commands to try in another terminal:
              \(homePrefix)\(program) status
              \(homePrefix)\(program) import transactions FILE --mapping handbook-transactions
              curl --http2 --cacert \(Self.shortened(environment.certificates.trust)) \(url("auth-gateway"))/.well-known/jwks.json

            Ctrl-C ends all of it.
            """
        Swift.print(text)
        fflush(nil)
    }

    private func url(_ name: String) -> String {
        Suite.services.first { $0.name == name }.map(environment.url) ?? ""
    }

    /// The path from the working directory, where that is shorter.
    private static func shortened(_ path: String) -> String {
        let here = FileManager.default.currentDirectoryPath + "/"
        return path.hasPrefix(here) ? String(path.dropFirst(here.count)) : path
    }
}
