import Foundation
import Identity
import Postgres
import RPC

/// OAuth 2.0's token endpoint (RFC 6749), the published keys (RFC 7517) and the discovery document (RFC 8414, OpenID Connect Discovery).
struct OAuthRoutes: Sendable {
    static let tokenPath = "/oauth2/token"
    static let keySetPath = "/.well-known/jwks.json"
    static let discoveryPath = "/.well-known/openid-configuration"

    static let rules: [String: AccessRule] = [tokenPath: .open, keySetPath: .open, discoveryPath: .open]

    let tokens: TokenService
    let keys: KeyRing
    /// Without a slash at the end.
    let issuer: String

    var routes: [HTTPRoute] {
        [
            HTTPRoute("POST", Self.tokenPath, maxBodyBytes: 16_384) { try await token($0) },
            HTTPRoute("GET", Self.keySetPath) { _ in
                var response = HTTPResponse.json(try keys.published.json())
                response.headers["cache-control"] = "public, max-age=300"
                return response
            },
            HTTPRoute("GET", Self.discoveryPath) { _ in try discovery() },
        ]
    }

    // MARK: Token endpoint

    /// An error response of RFC 6749, section 5.2.
    private struct OAuthError: Error {
        var code: String
        var description: String
        var status = 400
        var headers: HTTPHeaders = [:]
    }

    private struct TokenResponse: Encodable {
        var access_token: String
        var token_type = "Bearer"
        var expires_in: Int64
        var scope: String
    }

    private func token(_ request: HTTPRequest) async throws -> HTTPResponse {
        do {
            let form = try Self.form(of: request)
            let grant = try Self.grant(form, request)
            let address = ClientAddress.of(request.peer, request.headers)
            let issued = try await tokens.issue(grant, scope: form["scope"] ?? "", address: address)
            let body = TokenResponse(access_token: issued.token.value, expires_in: issued.lifetimeSeconds, scope: issued.scopeText)
            return Self.uncached(.json(try Self.encode(body)))
        } catch let error as OAuthError {
            return try Self.response(error)
        } catch let failure as TokenService.Failure {
            return try Self.response(Self.error(failure, request))
        } catch is PostgresError {
            return try Self.response(Self.unavailable("the credentials cannot be checked now"))
        }
    }

    /// Each parameter at most once, as RFC 6749, section 3.2, asks.
    private static func form(of request: HTTPRequest) throws -> [String: String] {
        let contentType = request.headers["content-type"]?.split(separator: ";").first.map { $0.lowercased() }
        guard contentType?.trimmingCharacters(in: .whitespaces) == "application/x-www-form-urlencoded" else {
            throw OAuthError(code: "invalid_request", description: "the body must be application/x-www-form-urlencoded")
        }
        var form: [String: String] = [:]
        for pair in request.body.split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = FormCoding.decode(parts[0]), let value = FormCoding.decode(parts.count == 2 ? parts[1] : []) else {
                throw OAuthError(code: "invalid_request", description: "the body is not percent-encoded UTF-8")
            }
            guard form.updateValue(value, forKey: name) == nil else {
                throw OAuthError(code: "invalid_request", description: "a parameter is given twice")
            }
        }
        return form
    }

    private static func grant(_ form: [String: String], _ request: HTTPRequest) throws -> TokenService.Grant {
        switch form["grant_type"] {
        case "client_credentials":
            let (id, secret) = try clientCredentials(form, request)
            return .clientCredentials(id: id, secret: secret)
        case "password":
            guard let userName = form["username"], let password = form["password"] else {
                throw OAuthError(code: "invalid_request", description: "username and password are required")
            }
            return .password(userName: userName, password: password)
        case nil, "": throw OAuthError(code: "invalid_request", description: "grant_type is required")
        default: throw OAuthError(code: "unsupported_grant_type", description: "use client_credentials or password")
        }
    }

    /// By HTTP Basic or in the body, not both (RFC 6749, section 2.3.1).
    private static func clientCredentials(_ form: [String: String], _ request: HTTPRequest) throws -> (String, String) {
        guard let header = request.headers["authorization"] else {
            guard let id = form["client_id"], let secret = form["client_secret"] else {
                throw OAuthError(code: "invalid_client", description: "the client did not say who it is", status: 401)
            }
            return (id, secret)
        }
        guard form["client_secret"] == nil else {
            throw OAuthError(code: "invalid_request", description: "credentials are given both in the header and in the body")
        }
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "basic", let decoded = Data(base64Encoded: String(parts[1])) else {
            throw unknownClient(usesHeader: true)
        }
        let pair = decoded.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
        guard pair.count == 2, let id = FormCoding.decode(pair[0]), let secret = FormCoding.decode(pair[1]) else {
            throw unknownClient(usesHeader: true)
        }
        return (id, secret)
    }

    private static func unknownClient(usesHeader: Bool) -> OAuthError {
        OAuthError(
            code: "invalid_client", description: "the client or its secret is unknown", status: 401,
            headers: usesHeader ? ["www-authenticate": "Basic realm=\"vigil\", charset=\"UTF-8\""] : [:])
    }

    private static func error(_ failure: TokenService.Failure, _ request: HTTPRequest) -> OAuthError {
        switch failure {
        case .invalidCredentials:
            let isPassword = (try? form(of: request))?["grant_type"] == "password"
            if isPassword { return OAuthError(code: "invalid_grant", description: "the user name or the password is wrong") }
            return unknownClient(usesHeader: request.headers["authorization"] != nil)
        case .tooManyAttempts(let seconds):
            return OAuthError(
                code: "temporarily_unavailable", description: "too many attempts; try again in \(seconds) s", status: 429,
                headers: ["retry-after": String(seconds)])
        case .invalidScope: return OAuthError(code: "invalid_scope", description: "a scope is asked for that is not allowed")
        case .busy: return unavailable("too many credentials are being checked")
        }
    }

    private static func unavailable(_ description: String) -> OAuthError {
        OAuthError(code: "temporarily_unavailable", description: description, status: 503, headers: ["retry-after": "1"])
    }

    private static func response(_ error: OAuthError) throws -> HTTPResponse {
        struct Body: Encodable {
            var error: String
            var error_description: String
        }
        var response = HTTPResponse.json(try encode(Body(error: error.code, error_description: error.description)), status: error.status)
        response.headers.add(contentsOf: error.headers)
        return uncached(response)
    }

    private static func uncached(_ response: HTTPResponse) -> HTTPResponse {
        var response = response
        response.headers["cache-control"] = "no-store"
        response.headers["pragma"] = "no-cache"
        return response
    }

    // MARK: Discovery

    private func discovery() throws -> HTTPResponse {
        struct Document: Encodable {
            var issuer: String
            var token_endpoint: String
            var jwks_uri: String
            var grant_types_supported = ["client_credentials", "password"]
            var token_endpoint_auth_methods_supported = ["client_secret_basic", "client_secret_post"]
            var response_types_supported: [String] = []
            var subject_types_supported = ["public"]
            var id_token_signing_alg_values_supported = ["ES256"]
            var scopes_supported = Scope.all.sorted()
        }
        var response = HTTPResponse.json(
            try Self.encode(Document(issuer: issuer, token_endpoint: issuer + Self.tokenPath, jwks_uri: issuer + Self.keySetPath)))
        response.headers["cache-control"] = "public, max-age=300"
        return response
    }

    private static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try Array(encoder.encode(value))
    }
}

/// `application/x-www-form-urlencoded` (WHATWG URL standard, section 5).
enum FormCoding {
    /// `nil` for a broken escape or what is not UTF-8.
    static func decode(_ bytes: some Collection<UInt8>) -> String? {
        var decoded: [UInt8] = []
        var iterator = bytes.makeIterator()
        while let byte = iterator.next() {
            switch byte {
            case UInt8(ascii: "+"): decoded.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard let high = iterator.next().flatMap(digit), let low = iterator.next().flatMap(digit) else { return nil }
                decoded.append(high << 4 | low)
            default: decoded.append(byte)
            }
        }
        return String(validating: decoded, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
