import Contracts
import Foundation
import Identity
import RPC
import TestSupport
import Testing

@testable import AuthGateway

@Suite struct TokenEndpointTests {
    @Test func machineGetsATokenThatThePublishedKeysVerify() async throws {
        try await TestGateway.run { gateway in
            try await gateway.service.withChannel { channel in
                let answer = try await gateway.requestToken(
                    [("grant_type", "client_credentials")], basic: TestGateway.bank, on: channel)
                #expect(answer.status == 200)
                #expect(answer.headers["cache-control"] == "no-store")
                #expect(answer.json["token_type"] as? String == "Bearer")
                #expect(answer.json["expires_in"] as? Int == 900)
                #expect(answer.json["scope"] as? String == "decisions:read labels:write registry:write transactions:write")

                let published = try await channel.http(HTTPRequest(path: "/.well-known/jwks.json"))
                let verifier = TokenVerifier(keys: try KeySet(json: published.bytes), issuer: "https://auth.test")
                let principal = try await verifier.verify(BearerToken(try #require(answer.json["access_token"] as? String)))
                #expect(principal.subject == "first-bank")
                #expect(principal.kind == .bank)
                #expect(principal.bankID == "FIRST")
            }
        }
    }

    @Test func credentialsMayStandInTheBodyAndSecretsMayHoldAnything() async throws {
        try await TestGateway.run { gateway in
            try await gateway.service.withChannel { channel in
                let (id, secret) = TestGateway.auditor
                let inBody = try await gateway.requestToken(
                    [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)], on: channel)
                let inHeader = try await gateway.requestToken([("grant_type", "client_credentials")], basic: (id, secret), on: channel)
                #expect(inBody.status == 200 && inHeader.status == 200)
            }
        }
    }

    @Test func personSignsInWithAPassword() async throws {
        try await TestGateway.run { gateway in
            try await gateway.service.withChannel { channel in
                let answer = try await gateway.requestToken(
                    [("grant_type", "password"), ("username", "analyst"), ("password", "password-of-analyst"), ("scope", "tiles:read")],
                    on: channel)
                #expect(answer.status == 200)
                #expect(answer.json["scope"] as? String == "tiles:read")
                #expect(answer.json["expires_in"] as? Int == 28_800)

                let client = AuthV1.AuthService.Client(channel)
                let issued = try await client.issueToken(
                    AuthV1.IssueTokenRequest(grant: .password(AuthV1.Password(username: "analyst", password: "password-of-analyst"))))
                #expect(issued.tokenType == "Bearer")
                #expect(issued.scope.contains("alerts:read"))
            }
        }
    }

    @Test func refusalsAreThoseOfRFC6749() async throws {
        let (bank, secret) = TestGateway.bank
        let cases: [(form: [(String, String)], basic: (String, String)?, status: Int, error: String)] = [
            ([], TestGateway.bank, 400, "invalid_request"),
            ([("grant_type", "authorization_code")], TestGateway.bank, 400, "unsupported_grant_type"),
            ([("grant_type", "client_credentials")], nil, 401, "invalid_client"),
            ([("grant_type", "client_credentials")], (bank, "wrong"), 401, "invalid_client"),
            ([("grant_type", "client_credentials")], ("nobody", "wrong"), 401, "invalid_client"),
            ([("grant_type", "client_credentials"), ("client_secret", secret)], (bank, secret), 400, "invalid_request"),
            ([("grant_type", "client_credentials"), ("grant_type", "password")], (bank, secret), 400, "invalid_request"),
            ([("grant_type", "client_credentials"), ("scope", "models:write")], (bank, secret), 400, "invalid_scope"),
            // A person gets no machine's token, nor a machine a person's.
            ([("grant_type", "client_credentials")], TestGateway.analyst, 401, "invalid_client"),
            ([("grant_type", "password"), ("username", bank), ("password", secret)], nil, 400, "invalid_grant"),
            ([("grant_type", "password"), ("username", "analyst")], nil, 400, "invalid_request"),
        ]
        try await TestGateway.run { gateway in
            try await gateway.service.withChannel { channel in
                for (form, basic, status, error) in cases {
                    let answer = try await gateway.requestToken(form, basic: basic, on: channel)
                    #expect(answer.status == status && answer.json["error"] as? String == error, "\(form)")
                    #expect(answer.headers["cache-control"] == "no-store")
                    #expect(answer.json["error_description"] is String)
                }
                let asJSON = try await gateway.requestToken([], on: channel, headers: ["content-type": "application/json"])
                #expect(asJSON.status == 400)
                let header = try await gateway.requestToken([("grant_type", "client_credentials")], basic: (bank, "x"), on: channel)
                #expect(header.headers["www-authenticate"]?.hasPrefix("Basic ") == true)
            }
        }
    }

    @Test func guessingIsSlowedDownOnBothFaces() async throws {
        try await TestGateway.run { gateway in
            try await gateway.service.withChannel { channel in
                var statuses: [Int] = []
                for guess in 0..<8 {
                    let answer = try await gateway.requestToken(
                        [("grant_type", "password"), ("username", "analyst"), ("password", "guess-\(guess)")], on: channel)
                    statuses.append(answer.status)
                    if answer.status == 429 { #expect(answer.headers["retry-after"] != nil) }
                }
                #expect(statuses.first == 400)
                #expect(statuses.last == 429)
                let client = AuthV1.AuthService.Client(channel)
                let error = await #expect(throws: RPCError.self) {
                    // Even the right password, until the time is over.
                    try await client.issueToken(
                        AuthV1.IssueTokenRequest(grant: .password(AuthV1.Password(username: "analyst", password: "password-of-analyst"))))
                }
                #expect(error?.code == .resourceExhausted)
                #expect(error?.retryDelay != nil)
                // Others are not held up.
                let bank = try await gateway.requestToken([("grant_type", "client_credentials")], basic: TestGateway.bank, on: channel)
                #expect(bank.status == 200)
            }
        }
    }

    @Test func discoveryNamesTheEndpoints() async throws {
        try await TestGateway.run { gateway in
            try await gateway.service.withChannel { channel in
                let response = try await channel.http(HTTPRequest(path: "/.well-known/openid-configuration"))
                let json = try JSONSerialization.jsonObject(with: Data(response.bytes)) as? [String: Any]
                #expect(json?["issuer"] as? String == "https://auth.test")
                #expect(json?["token_endpoint"] as? String == "https://auth.test/oauth2/token")
                #expect(json?["jwks_uri"] as? String == "https://auth.test/.well-known/jwks.json")
            }
        }
    }

    @Test func missingConfigurationIsNamed() async throws {
        let error = await #expect(throws: (any Error).self) {
            try await TestGateway.run(environment: ["VIGIL_AUTH_KEY_ENCRYPTION_FILE": "/no/such/key"]) { _ in }
        }
        #expect("\(try #require(error))".contains("VIGIL_AUTH_KEY_ENCRYPTION_FILE: there is no file /no/such/key"))
    }
}
