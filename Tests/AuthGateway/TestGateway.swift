import Foundation
import Identity
import Postgres
import RPC
import ServiceRuntime
import TestSupport

@testable import AuthGateway

/// An auth gateway with a bank, an agency, an auditor and two people.
struct TestGateway {
    let service: TestService

    static let bank = (id: "first-bank", secret: "secret-of-first-bank")
    static let agency = (id: "city-police", secret: "secret-of-city-police")
    static let limitedAgency = (id: "north-police", secret: "secret-of-north-police")
    static let auditor = (id: "audit-office", secret: "secret of audit: 50% + ü&=")
    static let analyst = (name: "analyst", password: "password-of-analyst")

    static let principals = """
        {"principals": [
            {"subject": "first-bank", "kind": "bank", "secret": "secret-of-first-bank", "roles": ["bank"], "bankID": "FIRST"},
            {"subject": "city-police", "kind": "agency", "secret": "secret-of-city-police", "roles": ["agency"]},
            {"subject": "north-police", "kind": "agency", "secret": "secret-of-north-police", "roles": ["agency"],
                "jurisdictions": ["north"]},
            {"subject": "audit-office", "kind": "agency", "secret": "secret of audit: 50% + ü&=", "roles": ["auditor"]},
            {"subject": "analyst", "kind": "user", "secret": "password-of-analyst", "roles": ["analyst"]}
        ]}
        """

    /// - Parameter database: where the gateway of before has left its schema; a new one where `nil`.
    static func run<R>(
        principals: String = Self.principals, environment: [String: String] = [:], database: PostgresConfiguration? = nil,
        _ body: (TestGateway) async throws -> R
    ) async throws -> R {
        let folder = FileManager.default.temporaryDirectory.appending(path: "auth-gateway-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let principalsFile = folder.appending(path: "principals.json")
        let keyFile = folder.appending(path: "key")
        try Data(principals.utf8).write(to: principalsFile)
        try Data(String(repeating: "5a", count: 32).utf8).write(to: keyFile)
        let variables = [
            "VIGIL_AUTH_PRINCIPALS_FILE": principalsFile.path, "VIGIL_AUTH_KEY_ENCRYPTION_FILE": keyFile.path,
            "VIGIL_AUTH_ISSUER": "https://auth.test/",
        ]
        return try await withTestService(
            .authGateway, environment: variables.merging(environment) { _, own in own }, database: database, tokenKeys: nil,
            configuration: { reader in
                var configuration = AuthGatewayConfiguration(from: reader)
                configuration.hashCosts = SecretTests.cheapCosts
                return configuration
            }, run: AuthGateway.run
        ) { service in try await body(TestGateway(service: service)) }
    }

    /// Posts a form to the token endpoint.
    func requestToken(
        _ form: [(String, String)], basic: (String, String)? = nil, on channel: RPCChannel, headers: HTTPHeaders = [:]
    ) async throws -> (status: Int, headers: HTTPHeaders, json: [String: Any]) {
        var headers = headers
        headers["content-type"] = headers["content-type"] ?? "application/x-www-form-urlencoded"
        if let basic {
            let pair = "\(Self.encode(basic.0)):\(Self.encode(basic.1))"
            headers["authorization"] = "Basic " + Data(pair.utf8).base64EncodedString()
        }
        let body = form.map { "\(Self.encode($0.0))=\(Self.encode($0.1))" }.joined(separator: "&")
        let response = try await channel.http(
            HTTPRequest(method: "POST", path: "/oauth2/token", headers: headers, body: Array(body.utf8)))
        let json = try JSONSerialization.jsonObject(with: Data(response.bytes)) as? [String: Any]
        return (response.status, response.headers, json ?? [:])
    }

    /// A token for a machine.
    func token(_ client: (id: String, secret: String), on channel: RPCChannel) async throws -> BearerToken {
        let answer = try await requestToken([("grant_type", "client_credentials")], basic: client, on: channel)
        return BearerToken(answer.json["access_token"] as? String ?? "")
    }

    static func encode(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
    }
}
