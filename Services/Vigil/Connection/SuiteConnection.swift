import Contracts
import Foundation
import Logging
import RPC

/// The running suite as a client sees it: addresses, trust, and the identities that lie in its home.
struct SuiteConnection: Sendable {
    /// As whom to call.
    enum Identity: String, CaseIterable, Sendable {
        case bank
        case agency
        /// By certificate, without a token.
        case `operator`
    }

    struct Problem: Error, CustomStringConvertible {
        let description: String
    }

    let suite: SuiteDescription

    /// A channel to a service, by its executable's name. The caller sends a token; no client certificate is shown.
    func channelConfiguration(_ service: String) throws -> ChannelConfiguration {
        guard let url = suite.services[service]?.url else { throw Problem(description: "suite.json names no \(service)") }
        return ChannelConfiguration(target: url, tls: TLSClientConfiguration(trustRootsFile: suite.trust))
    }

    /// As `channelConfiguration(_:)`, with the operator's certificate: the holder may call nearly everything.
    func operatorConfiguration(_ service: String) throws -> ChannelConfiguration {
        var configuration = try channelConfiguration(service)
        configuration.tls?.clientCertificateChainFile = suite.operator.certificate
        configuration.tls?.clientPrivateKeyFile = suite.operator.key
        return configuration
    }

    func channelConfiguration(_ service: String, as identity: Identity) throws -> ChannelConfiguration {
        identity == .operator ? try operatorConfiguration(service) : try channelConfiguration(service)
    }

    /// Nil for who comes without.
    func tokens(for identity: Identity) throws -> TokenSource? {
        let client: SuiteDescription.Client
        switch identity {
        case .bank: client = suite.bank
        case .agency: client = suite.agency
        case .operator: return nil
        }
        return TokenSource(client: client, gateway: try channelConfiguration("auth-gateway"))
    }

    /// Says nothing: what a channel would log, the commands report in their own words.
    static let quiet = Logger(label: "vigil") { _ in SwiftLogNoOpLogHandler() }
}

/// Access tokens by OAuth 2 client credentials, fetched when needed and kept until shortly before they end.
actor TokenSource {
    private static let timeout = Duration.seconds(10)
    private static let renewBeforeSeconds: Int64 = 30

    private let client: SuiteDescription.Client
    private let gateway: ChannelConfiguration
    private var held: (token: String, until: ContinuousClock.Instant)?

    init(client: SuiteDescription.Client, gateway: ChannelConfiguration) {
        self.client = client
        self.gateway = gateway
    }

    /// The header that carries the token.
    func metadata() async throws -> Metadata {
        if let held, ContinuousClock.now < held.until { return Self.header(held.token) }
        guard let secret = try? String(contentsOfFile: client.secretFile, encoding: .utf8) else {
            throw SuiteConnection.Problem(description: "cannot read the secret of \(client.subject) in \(client.secretFile)")
        }
        let credentials = AuthV1.ClientCredentials(
            clientID: client.subject, clientSecret: secret.trimmingCharacters(in: .whitespacesAndNewlines))
        let answer = try await withChannel(gateway, logger: SuiteConnection.quiet) { channel in
            try await AuthV1.AuthService.Client(channel).issueToken(
                .init(grant: .clientCredentials(credentials)), options: CallOptions(timeout: Self.timeout))
        }
        held = (answer.accessToken, .now + .seconds(max(0, answer.expiresIn - Self.renewBeforeSeconds)))
        return Self.header(answer.accessToken)
    }

    /// Forgets a token that a service refused.
    func forget() { held = nil }

    private static func header(_ token: String) -> Metadata { ["authorization": "Bearer \(token)"] }
}
